"""What the kernel says about processes that a test did not start itself."""

from pathlib import Path


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has waited for does not.

    An orphan stays in that state for good where process 1 waits for none, as in some containers.
    """
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
