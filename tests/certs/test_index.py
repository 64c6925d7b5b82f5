from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from certs.errors import CertsError
from certs.index import IndexContent, IssuedIndex, IssuedRecord
from certs.keystore import PkiDirectory
from tests.certs.forge import MOMENT


def record(serial: str) -> IssuedRecord:
    return IssuedRecord(serial, "client", "alice", ("a", "b"), None, MOMENT + timedelta(hours=1), MOMENT, "ab" * 32)


@pytest.fixture
def index(pki: PkiDirectory) -> IssuedIndex:
    pki.prepare()
    return IssuedIndex(pki)


def test_an_index_that_was_never_written_is_empty(index: IssuedIndex) -> None:
    assert index.read() == IndexContent(())


def test_records_come_back_in_the_order_of_issue(index: IssuedIndex) -> None:
    index.append(record("1"))
    index.append(record("2"))
    assert index.read() == IndexContent((record("1"), record("2")))


def test_a_record_is_one_line_of_json_in_a_private_file(index: IssuedIndex, pki: PkiDirectory) -> None:
    index.append(record("1"))
    (line,) = pki.issued.read_text().splitlines()
    assert json.loads(line) == {
        "serial": "1",
        "profile": "client",
        "user": "alice",
        "groups": ["a", "b"],
        "uid": None,
        "notAfter": "2027-01-15T09:00:00Z",
        "issuedAt": "2027-01-15T08:00:00Z",
        "fingerprint": "ab" * 32,
    }
    assert pki.issued.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("torn", [b'{"serial":"2","prof', b"x"])
def test_a_line_torn_by_a_crash_is_neither_read_nor_built_upon(
    index: IssuedIndex, pki: PkiDirectory, torn: bytes
) -> None:
    index.append(record("1"))
    with open(pki.issued, "ab") as file:
        file.write(torn)
    assert index.read() == IndexContent((record("1"),))
    index.append(record("3"))
    assert index.read() == IndexContent((record("1"), record("3")))


def test_a_first_line_torn_by_a_crash_is_dropped(index: IssuedIndex, pki: PkiDirectory) -> None:
    pki.issued.write_bytes(b'{"serial"')
    index.append(record("1"))
    assert index.read() == IndexContent((record("1"),))


def test_a_damaged_line_is_numbered_and_hides_no_other(index: IssuedIndex, pki: PkiDirectory) -> None:
    index.append(record("1"))
    with open(pki.issued, "ab") as file:
        file.write(b'{"serial": 7}\n\xff\n')
    index.append(record("4"))
    assert index.read() == IndexContent((record("1"), record("4")), damaged_lines=(2, 3))


def test_appends_at_the_same_time_are_all_kept(index: IssuedIndex, pki: PkiDirectory) -> None:
    serials = {f"{number:x}" for number in range(40)}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda serial: IssuedIndex(pki).append(record(serial)), serials))
    assert {found.serial for found in index.read().records} == serials


def test_an_append_that_cannot_be_made_durable_is_an_error(index: IssuedIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CertsError, match="No space left on device; no certificate was issued"):
        index.append(record("1"))
