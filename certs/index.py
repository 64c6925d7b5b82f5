"""The index of issued certificates: an append-only file of JSON lines, shared by the server and the command.

Neighbours: `authority` appends before it hands a certificate out, `commands` lists. It remembers who got what; it does
not decide whether a certificate is still good (`revocation` does).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

import msgspec

from certs.errors import CertsError
from certs.keystore import PRIVATE_FILE, PkiDirectory, read_public, sync_directory


class IssuedRecord(msgspec.Struct, frozen=True, rename="camel"):
    """One issued certificate. `serial` is lower-case hexadecimal without leading zeros, `fingerprint` SHA-256."""

    serial: str
    profile: str
    user: str
    groups: tuple[str, ...]
    uid: str | None
    not_after: datetime
    issued_at: datetime
    fingerprint: str


@dataclass(frozen=True, slots=True)
class IndexContent:
    """What the index holds: the records in the order of issue, and the numbers of lines that cannot be read."""

    records: tuple[IssuedRecord, ...]
    damaged_lines: tuple[int, ...] = ()


class IssuedIndex:
    """The index file of one PKI directory."""

    def __init__(self, pki: PkiDirectory) -> None:
        self._pki = pki

    def append(self, record: IssuedRecord) -> None:
        """Add a record durably: when this returns, it survives a crash.

        Raises:
            CertsError: it could not be written; then the certificate must not be handed out.
        """
        line = msgspec.json.encode(record) + b"\n"
        try:
            with self._pki.locked():
                self._append_line(line)
        except OSError as error:
            raise CertsError(f"cannot write {self._pki.issued}: {error.strerror}; no certificate was issued") from error

    def read(self) -> IndexContent:
        """Return all records. A last line without an end was never handed out and is left out.

        Raises:
            CertsError: the file cannot be read.
        """
        if not self._pki.issued.exists():
            return IndexContent(())
        decoder = msgspec.json.Decoder(IssuedRecord)
        records: list[IssuedRecord] = []
        damaged: list[int] = []
        complete_lines = read_public(self._pki.issued).split(b"\n")[:-1]
        for number, line in enumerate(complete_lines, start=1):
            try:
                records.append(decoder.decode(line))
            except (msgspec.DecodeError, UnicodeDecodeError):
                damaged.append(number)
        return IndexContent(tuple(records), tuple(damaged))

    def _append_line(self, line: bytes) -> None:
        path = self._pki.issued
        created = not path.exists()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
        with open(descriptor, "r+b") as file:
            _drop_torn_line(file)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        if created:
            sync_directory(path.parent)


def _drop_torn_line(file: BinaryIO) -> None:
    """Go to the end of the last complete line: what a crash left behind it was never handed out."""
    if file.seek(0, os.SEEK_END) == 0:
        return
    file.seek(-1, os.SEEK_END)
    if file.read(1) == b"\n":
        return
    file.seek(0)
    end = file.read().rfind(b"\n") + 1
    file.seek(end)
    file.truncate()
