"""Files of keys and certificates: where they lie, whose they are, and writes that a crash cannot tear.

Neighbours: every module of this package that touches a disk. It knows names, owners and modes; it never looks inside a
certificate.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from certs.errors import CertsError

PRIVATE_FILE = 0o600
PRIVATE_DIRECTORY = 0o700
_GROUP_AND_OTHERS = 0o077

FileStamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class PkiDirectory:
    """The names inside `<data-dir>/pki`. The directory need not exist."""

    root: Path

    @classmethod
    def under(cls, data_dir: Path) -> PkiDirectory:
        """Return the directory that belongs to a gateway's data directory."""
        return cls(data_dir / "pki")

    @property
    def ca_certificate(self) -> Path:
        """The certificate that signs; written last at creation, so its presence means the authority is complete."""
        return self.root / "ca.crt"

    @property
    def ca_key(self) -> Path:
        """The key that signs."""
        return self.root / "ca.key"

    @property
    def trusted(self) -> Path:
        """Optional PEM bundle of further authorities still (or already) trusted while the authority is rotated."""
        return self.root / "trusted.crt"

    @property
    def issued(self) -> Path:
        """The index of issued certificates, one JSON line each."""
        return self.root / "issued.jsonl"

    @property
    def revoked(self) -> Path:
        """The revocation list."""
        return self.root / "revoked.json"

    @property
    def serving(self) -> Path:
        """The listener's key and certificate in one file, so that they can never be a mismatched pair."""
        return self.root / "serving.pem"

    def require_authority(self) -> None:
        """Raise CertsError unless an authority was created here and only its owner may look inside."""
        if not self.ca_certificate.exists():
            raise CertsError(f"there is no certificate authority in {self.root}; create one with: fleetgate certs init")
        _require_private(self.root, os.stat(self.root))

    def prepare(self) -> None:
        """Create the directory (0700) if it is absent, and check its owner and mode.

        Raises:
            CertsError: it cannot be created, belongs to somebody else, or others may look inside.
        """
        try:
            self.root.parent.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
            self.root.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
        except OSError as error:
            raise CertsError(f"cannot create {self.root}: {error.strerror}; choose another --data-dir") from error
        _require_private(self.root, os.stat(self.root))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold off every other process that wants to change this directory (the server and the command share it)."""
        descriptor = os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def read_private(path: Path) -> bytes:
    """Return the content of a file that nobody else may read.

    Raises:
        CertsError: it is absent, not a regular file, belongs to somebody else, or others may read it.
    """
    try:
        with open(path, "rb") as file:
            _require_private(path, os.fstat(file.fileno()))
            return file.read()
    except OSError as error:
        raise CertsError(f"cannot read {path}: {error.strerror}") from error


def read_public(path: Path) -> bytes:
    """Return the content of a file that holds no secret; raises CertsError when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise CertsError(f"cannot read {path}: {error.strerror}") from error


def write_atomically(path: Path, content: bytes, mode: int = PRIVATE_FILE) -> None:
    """Replace a file durably: after a crash it holds the old content or the new one, never a mixture.

    Raises:
        CertsError: the file system refused; the old content is untouched.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            with open(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_directory(path.parent)
    except OSError as error:
        raise CertsError(f"cannot write {path}: {error.strerror}") from error


def sync_directory(path: Path) -> None:
    """Make names created or replaced in a directory survive a crash."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_stamp(path: Path) -> FileStamp | None:
    """Return what changes whenever the file is replaced, rewritten or given another mode, or None when it is absent."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_ctime_ns, status.st_size


NOTICE_PERIOD = 0.1
"""Seconds within which a running gateway notices that one of its files was replaced."""


def _require_private(path: Path, status: os.stat_result) -> None:
    if status.st_uid != os.geteuid():
        raise CertsError(
            f"{path} belongs to user id {status.st_uid}, but this process runs as user id {os.geteuid()}; "
            "run the command as the user that runs the gateway"
        )
    mode = stat.S_IMODE(status.st_mode)
    if mode & _GROUP_AND_OTHERS:
        wanted = PRIVATE_DIRECTORY if stat.S_ISDIR(status.st_mode) else PRIVATE_FILE
        raise CertsError(f"{path} is open to other users (mode {mode:04o}); close it with: chmod {wanted:o} {path}")
