"""What a process has used: CPU time in nanoseconds and memory, as the kernel counts them."""

import os
import time
from collections.abc import Iterator, Set
from contextlib import contextmanager
from pathlib import Path

_CLOCK_OF_A_PROCESS = 2
"""CPUCLOCK_SCHED of the kernel: utime + stime of all threads, finer than the ticks of /proc/PID/stat."""

QUIET = 3.0
"""Seconds in which memory does not shrink when nothing is left to be done."""


def cpu_seconds(pid: int) -> float:
    """CPU time of a process since it began, of ended threads too. Raises OSError when there is no such process."""
    return time.clock_gettime_ns((~pid) << 3 | _CLOCK_OF_A_PROCESS) / 1e9


def resident_bytes(pid: int) -> int:
    """Memory of a process that is in RAM now."""
    return _status(pid, "VmRSS")


def settled_bytes(pid: int, quiet: float = QUIET) -> int:
    """Memory of a process in RAM once it shrinks no more: what it has to do is done, and what was freed given back."""
    size = resident_bytes(pid)
    while True:
        time.sleep(quiet)
        before, size = size, resident_bytes(pid)
        if size > before * 0.99:
            return size


def peak_bytes(pid: int) -> int:
    """The most memory a process had in RAM since `reset_peak`."""
    return _status(pid, "VmHWM")


def reset_peak(pid: int) -> None:
    """Let the peak begin at the present size."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _status(pid: int, field: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(f"process {pid} has no {field}: it has ended")


_cores = sorted(os.sched_getaffinity(0))
SERVER_CORES: Set[int] = {_cores[0]}
"""Where each measured server runs, alone among the programs of the bench."""
CLIENT_CORES: Set[int] = set(_cores[1:2]) or {_cores[0]}
"""Where the client, etcd, and the members run."""


@contextmanager
def on(cores: Set[int]) -> Iterator[None]:
    """Programs started meanwhile run on those cores, as under `taskset`."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
