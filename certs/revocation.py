"""The revocation list: one file of revoked serial numbers, asked about on every request.

Neighbours: `commands` revokes, `verification` asks. The file is replaced whole, and a reader in another process sees
the new list with its next question, or within `NOTICE_PERIOD` if it does not look at the file for each; `revoke` waits
for that, so that what it says holds in every process. Entries are never dropped, so the list also tells when and why.
It must never answer "not revoked" when it does not know: an absent or unreadable file revokes everything.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import msgspec

from certs.errors import CertsError, RevocationListError
from certs.keystore import NOTICE_PERIOD, FileStamp, PkiDirectory, file_stamp, read_public, write_atomically


class Revocation(msgspec.Struct, frozen=True, rename="camel"):
    """When and why a certificate was revoked."""

    revoked_at: datetime
    reason: str


class _RevocationFile(msgspec.Struct, frozen=True):
    revoked: dict[str, Revocation]


@dataclass(frozen=True, slots=True)
class _Loaded:
    stamp: FileStamp | None
    entries: dict[str, Revocation]
    failure: RevocationListError | None


@lru_cache(maxsize=4096)
def serial_text(serial: int) -> str:
    """Return a serial number as this package writes it: lower-case hexadecimal without leading zeros."""
    return f"{serial:x}"


def parse_serial(text: str) -> str:
    """Return a serial number as a person wrote it (any case, with or without colons) in this package's form.

    Raises:
        CertsError: it is not a hexadecimal number.
    """
    try:
        return serial_text(int(text.replace(":", ""), 16))
    except ValueError as error:
        raise CertsError(
            f"{text!r} is not a serial number; copy one from the SERIAL column of: fleetgate certs list"
        ) from error


class RevocationList:
    """The revocation list of one PKI directory, read again whenever its file changes.

    Args:
        pki: where the list is.
        notice_within: seconds for which what was read is believed without looking at the file, at most `NOTICE_PERIOD`.
        clock: monotonic seconds.
    """

    def __init__(
        self, pki: PkiDirectory, *, notice_within: float = 0.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pki = pki
        self._path = pki.revoked
        self._notice_within = min(notice_within, NOTICE_PERIOD)
        self._clock = clock
        # The only mutable state; replaced by _current() alone.
        self._loaded: _Loaded | None = None
        self._looked_at = 0.0

    def is_revoked(self, serial: int) -> bool:
        """Say whether a certificate is revoked, by what the file says at this moment, or said a moment ago.

        Raises:
            RevocationListError: the list cannot be read; the caller must refuse the certificate.
        """
        loaded = self._current()
        if loaded.failure is not None:
            raise loaded.failure
        return serial_text(serial) in loaded.entries

    def failure(self) -> RevocationListError | None:
        """Return why the list cannot be read at this moment, or None (for readiness and logs)."""
        return self._current().failure

    def _current(self) -> _Loaded:
        loaded, moment = self._loaded, self._clock()
        if loaded is not None and moment - self._looked_at < self._notice_within:
            return loaded
        # The stamp is taken before the content is read: a replacement in between is then noticed by the next look.
        self._looked_at = moment
        stamp = file_stamp(self._path)
        if loaded is None or stamp is None or stamp != loaded.stamp:
            loaded = self._loaded = _load(self._pki, stamp)
        return loaded


def read_revocations(pki: PkiDirectory) -> dict[str, Revocation]:
    """Return all revocations by serial number.

    Raises:
        RevocationListError: the file is absent, cannot be read, or is not a revocation list.
    """
    try:
        return msgspec.json.decode(read_public(pki.revoked), type=_RevocationFile).revoked
    except (CertsError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RevocationListError(
            f"the revocation list {pki.revoked} cannot be used ({error}); every client certificate is refused "
            "until the file is restored from a backup"
        ) from error


def write_revocations(pki: PkiDirectory, revocations: dict[str, Revocation]) -> None:
    """Replace the list durably. The caller holds the directory's lock."""
    write_atomically(pki.revoked, msgspec.json.format(msgspec.json.encode(_RevocationFile(revocations))) + b"\n")


def revoke(pki: PkiDirectory, serial: str, revocation: Revocation) -> Revocation:
    """Add a serial number to the list; when this returns, the revocation is durable and seen by every process.

    It waits for as long as a process may go by what it read before. Not for an event loop.

    Returns:
        The revocation that stands: the earlier one when the certificate was revoked before.

    Raises:
        RevocationListError: the present list cannot be read.
        CertsError: the new list cannot be written.
    """
    with pki.locked():
        revocations = read_revocations(pki)
        standing = revocations.setdefault(serial, revocation)
        if standing is revocation:
            write_revocations(pki, revocations)
    # Longer than anybody believes what he read, and for an earlier one as well: its writer may still be waiting.
    time.sleep(1.5 * NOTICE_PERIOD)
    return standing


def _load(pki: PkiDirectory, stamp: FileStamp | None) -> _Loaded:
    try:
        return _Loaded(stamp, read_revocations(pki), None)
    except RevocationListError as error:
        return _Loaded(stamp, {}, error)
