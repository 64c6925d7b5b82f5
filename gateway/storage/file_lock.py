"""One process at a time: an advisory lock beside the database, released by the kernel however the process ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from gateway.storage.interface import StorageInUse


class FileLock:
    """Holds the lock of a database file from construction until `release`. Raises StorageInUse when it is taken."""

    def __init__(self, database: Path) -> None:
        """Take the lock of `database`, creating its lock file (mode 0600)."""
        path = database.with_name(database.name + ".lock")
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._descriptor, 32).decode(errors="replace").strip()
            os.close(self._descriptor)
            by = f" (process {holder})" if holder else ""
            raise StorageInUse(
                f"the store {database} is in use by another process{by}; stop it or choose another data directory"
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, str(os.getpid()).encode())

    def release(self) -> None:
        """Give the lock back."""
        os.close(self._descriptor)
