"""The audit files on disk: append durably, begin a new one, notice what was done to them from outside.

Blocking, for the writer's thread alone. After any error the open file is given up, never written to again: an fsync
that failed once may have dropped the pages it failed on, so only a new file can be trusted (`replace`).
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

CURRENT = "audit.log"
_NEXT = "audit.log.new"
_LOCK = "audit.lock"
_FILE_MODE = 0o600
_FOLDER_MODE = 0o700
_UNKNOWN_FLAGS = frozenset({errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS})
"""What pwritev2 says where the file system or the kernel cannot write durably in one call: nothing was written then."""


class AuditInUse(Exception):
    """Another process writes this audit log."""


class AuditUnusable(Exception):
    """The audit folder or file cannot be used; the message says what to do."""


class AuditFile:
    """The current file. `size` is the length of what is surely on disk."""

    def __init__(self, folder: Path, descriptor: int, size: int, lock: int) -> None:
        self._folder = folder
        self._path, self._lock_path = folder / CURRENT, folder / _LOCK  # looked at after every flush
        self._descriptor, self._identity = descriptor, _identity(os.fstat(descriptor))
        self._lock, self._lock_identity = lock, _identity(os.fstat(lock))
        self._unfinished = False
        self.size = size

    def __repr__(self) -> str:
        return f"AuditFile({self._folder / CURRENT}, {self.size} bytes)"

    @classmethod
    def open(cls, folder: Path) -> tuple[AuditFile, bytes]:
        """Open or create the current file; return it with the torn tail that was cut off.

        Raises AuditInUse, AuditUnusable and OSError.
        """
        folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        folder.chmod(_FOLDER_MODE)
        lock = _lock(folder)
        try:
            current, following = folder / CURRENT, folder / _NEXT
            if following.exists() and not current.exists():
                following.rename(current)
            following.unlink(missing_ok=True)
            descriptor = _open_regular(current)
            _sync_folder(folder)
            size, torn = _cut_torn_tail(descriptor)
        except BaseException:
            os.close(lock)
            raise
        return cls(folder, descriptor, size, lock), torn

    @property
    def path(self) -> Path:
        """Where the current file lies."""
        return self._path

    def append(self, data: bytes) -> None:
        """Write at the end and wait until it is on disk. After an OSError only `replace` may follow.

        On disk is not yet in the log: of a file that was removed meanwhile both calls succeed. Ask `tampering`.
        """
        self._unfinished = True
        _write_durably(self._descriptor, data)
        self.size += len(data)
        self._unfinished = False

    def tampering(self) -> str:
        """Return what somebody else did to the file or its lock, empty when nothing. Raises OSError."""
        found = _lstat(self.path)
        if found is None:
            return f"{self.path} was removed or renamed"
        if _identity(found) != self._identity:
            return f"{self.path} was replaced"
        if found.st_size < self.size:
            return f"{self.path} was truncated from {self.size} to {found.st_size} bytes"
        if found.st_size > self.size:
            return f"somebody else wrote {found.st_size - self.size} bytes to {self.path}"
        if stat.S_IMODE(found.st_mode) != _FILE_MODE:
            return f"the permissions of {self.path} were changed to {stat.S_IMODE(found.st_mode):o}"
        if not self._holds_lock():
            return f"{self._folder / _LOCK} was removed or replaced"
        return ""

    def replace(self, head: bytes, aside: str) -> None:
        """Begin a new current file that starts with `head`; what lies there now, whatever it is, is renamed to `aside`.

        The new file is complete and on disk before the old one is touched. The folder and the lock are made again when
        they are gone. On OSError and AuditInUse nothing has changed.
        """
        self._take_place()
        following = self._folder / _NEXT
        following.unlink(missing_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(following, flags, _FILE_MODE)
        try:
            os.fchmod(descriptor, _FILE_MODE)
            _write_durably(descriptor, head)
            identity = _identity(os.fstat(descriptor))
            self._cut_unacknowledged()
            if os.path.lexists(self.path):
                self.path.rename(self._free_name(aside))
            following.rename(self.path)
            _sync_folder(self._folder)
        except OSError:
            os.close(descriptor)
            following.unlink(missing_ok=True)
            raise
        os.close(self._descriptor)
        self._descriptor, self._identity = descriptor, identity
        self.size, self._unfinished = len(head), False

    def finished(self) -> Sequence[Path]:
        """Return the files that are no longer written to, oldest first."""
        return sorted(self._folder.glob("audit-*.log"))

    def close(self) -> None:
        """Give up the file and the lock."""
        os.close(self._descriptor)
        os.close(self._lock)

    def _cut_unacknowledged(self) -> None:
        """Take back what a failed append left behind: it was reported as not written. What others wrote stays."""
        if not self._unfinished:
            return
        try:
            if os.fstat(self._descriptor).st_size > self.size:
                os.ftruncate(self._descriptor, self.size)
        except OSError:
            pass  # the old file is given up anyway

    def _take_place(self) -> None:
        """Make the folder and the lock again when somebody took them away: without it a second writer could begin."""
        if _lstat(self._folder) is None:
            self._folder.mkdir(mode=_FOLDER_MODE)
            _sync_folder(self._folder.parent)
        if not self._holds_lock():
            lock = _lock(self._folder)
            identity = _identity(os.fstat(lock))
            os.close(self._lock)
            self._lock, self._lock_identity = lock, identity

    def _holds_lock(self) -> bool:
        found = _lstat(self._lock_path)
        return found is not None and _identity(found) == self._lock_identity

    def _free_name(self, name: str) -> Path:
        number = 0
        candidate = self._folder / f"audit-{name}.log"
        while os.path.lexists(candidate):
            number += 1
            candidate = self._folder / f"audit-{name}-{number}.log"
        return candidate


def _identity(found: os.stat_result) -> tuple[int, int]:
    """Return what tells a file from every other one for as long as it is open.

    Remembered, because each question to the kernel lets go of the interpreter, which a busy event loop gives back late.
    """
    return found.st_dev, found.st_ino


def _lstat(path: Path) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None


def _lock(folder: Path) -> int:
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise AuditInUse(f"another process writes the audit log in {folder}") from None
    return descriptor


def _open_regular(path: Path) -> int:
    try:
        descriptor = os.open(
            path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, _FILE_MODE
        )
    except OSError as error:
        raise AuditUnusable(
            f"cannot open {path}: {error.strerror}; move it away or give it back to this user"
        ) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise AuditUnusable(f"{path} is not a regular file; move it away")
    os.fchmod(descriptor, _FILE_MODE)
    return descriptor


def _cut_torn_tail(descriptor: int) -> tuple[int, bytes]:
    """Cut off what a crash left of a last line, and return the length that remains and what was cut."""
    size = os.fstat(descriptor).st_size
    kept = size
    tail = b""
    while kept > 0 and b"\n" not in tail:
        step = min(64 * 1024, kept)
        kept -= step
        tail = os.pread(descriptor, step, kept) + tail
    whole = tail.rfind(b"\n") + 1
    torn = tail[whole:]
    if torn:
        os.ftruncate(descriptor, size - len(torn))
        os.fdatasync(descriptor)
    return size - len(torn), torn


def _write_durably(descriptor: int, data: bytes) -> None:
    """Write and wait until it is on disk, in one call where the system has it: each lets go of the interpreter."""
    if sys.platform == "linux":
        try:
            written = os.pwritev(descriptor, (data,), 0, os.RWF_DSYNC | os.RWF_APPEND)
        except OSError as error:
            if error.errno not in _UNKNOWN_FLAGS:
                raise
        else:
            data = data[written:]
    if data:
        _write(descriptor, data)
        os.fdatasync(descriptor)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
