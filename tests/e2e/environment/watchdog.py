"""Ends what a test run started, should the run itself be killed: `python watchdog.py`, run by process.py.

It reads lines from a pipe that only the test run holds open: "+PGID" a process group was started, "-PGID" it has ended,
"folder PATH" a temporary folder exists. When the pipe ends it kills the groups that are left and removes the folders.
"""

import os
import shutil
import signal
import sys


def main() -> None:
    """Follow standard input until it ends, then clean up."""
    # A Ctrl-C in the terminal is for the test run; this one outlives it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    groups: set[int] = set()
    folders: set[str] = set()
    for line in sys.stdin:
        command = line.rstrip("\n")
        if command.startswith("+"):
            groups.add(int(command[1:]))
        elif command.startswith("-"):
            groups.discard(int(command[1:]))
        else:
            folders.add(command.removeprefix("folder "))
    for group in groups:
        try:
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            pass
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
