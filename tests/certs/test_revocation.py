from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import msgspec
import pytest

from certs.errors import CertsError, RevocationListError
from certs.keystore import NOTICE_PERIOD, PkiDirectory, write_atomically
from certs.revocation import (
    Revocation,
    RevocationList,
    parse_serial,
    read_revocations,
    revoke,
    serial_text,
    write_revocations,
)
from tests.certs.forge import MOMENT
from tests.support.clock import FakeClock

LOST = Revocation(MOMENT, "laptop lost")


@pytest.fixture
def empty(pki: PkiDirectory) -> PkiDirectory:
    pki.prepare()
    write_revocations(pki, {})
    return pki


def test_a_revocation_is_seen_by_the_next_question_of_another_reader(empty: PkiDirectory) -> None:
    reader = RevocationList(empty)
    assert not reader.is_revoked(0xAB)
    revoke(empty, "ab", LOST)
    assert reader.is_revoked(0xAB)
    assert not reader.is_revoked(0xABC)
    assert reader.failure() is None


def test_a_reader_that_looks_now_and_then_notices_in_time(empty: PkiDirectory) -> None:
    clock = FakeClock()
    reader = RevocationList(empty, notice_within=NOTICE_PERIOD, clock=clock)
    assert not reader.is_revoked(0xAB)
    clock.advance(NOTICE_PERIOD / 2)
    assert not reader.is_revoked(0xAB)
    write_revocations(empty, {"ab": LOST})
    assert not reader.is_revoked(0xAB)
    clock.advance(1.5 * NOTICE_PERIOD)
    assert reader.is_revoked(0xAB)
    empty.revoked.unlink()
    clock.advance(1.5 * NOTICE_PERIOD)
    with pytest.raises(RevocationListError):
        reader.is_revoked(0xAC)


def test_nobody_believes_a_list_for_longer_than_revoking_waits(empty: PkiDirectory) -> None:
    clock = FakeClock()
    careless = RevocationList(empty, notice_within=60.0, clock=clock)
    assert not careless.is_revoked(0xAB)
    write_revocations(empty, {"ab": LOST})
    clock.advance(1.5 * NOTICE_PERIOD)
    assert careless.is_revoked(0xAB)


def test_a_revocation_holds_everywhere_once_it_is_said(empty: PkiDirectory) -> None:
    reader = RevocationList(empty, notice_within=NOTICE_PERIOD)
    assert not reader.is_revoked(0xAB)
    revoke(empty, "ab", LOST)
    assert reader.is_revoked(0xAB)


def test_the_first_revocation_stands(empty: PkiDirectory) -> None:
    assert revoke(empty, "ab", LOST) == LOST
    later = Revocation(MOMENT + timedelta(days=1), "again")
    assert revoke(empty, "ab", later) == LOST
    assert read_revocations(empty) == {"ab": LOST}


def test_revocations_at_the_same_time_are_all_kept(empty: PkiDirectory) -> None:
    serials = {f"{number:x}" for number in range(40)}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda serial: revoke(empty, serial, LOST), serials))
    assert set(read_revocations(empty)) == serials


def test_an_unchanged_file_is_not_read_again(empty: PkiDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = RevocationList(empty)
    assert not reader.is_revoked(1)

    def never(_path: object) -> bytes:
        raise AssertionError("the file was read again")

    monkeypatch.setattr("certs.revocation.read_public", never)
    assert not reader.is_revoked(1)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b'{"revoked": {"ab"',
        b'{"revoked": {"ab": {}}}',
        b'{"revoked": ["ab"]}',
        b"\xff\xfe",
        b"\0" * 64,
    ],
)
def test_a_damaged_list_revokes_everything_until_it_is_restored(empty: PkiDirectory, content: bytes) -> None:
    reader = RevocationList(empty)
    assert not reader.is_revoked(1)
    write_atomically(empty.revoked, content)
    with pytest.raises(RevocationListError, match="every client certificate is refused until the file is restored"):
        reader.is_revoked(1)
    assert isinstance(reader.failure(), RevocationListError)
    write_revocations(empty, {"ab": LOST})
    assert not reader.is_revoked(1)
    assert reader.is_revoked(0xAB)


def test_an_absent_list_revokes_everything(empty: PkiDirectory) -> None:
    reader = RevocationList(empty)
    empty.revoked.unlink()
    with pytest.raises(RevocationListError, match="No such file"):
        reader.is_revoked(1)


def test_nothing_is_added_to_a_damaged_list(empty: PkiDirectory) -> None:
    write_atomically(empty.revoked, b"{")
    with pytest.raises(RevocationListError):
        revoke(empty, "ab", LOST)
    assert empty.revoked.read_bytes() == b"{"


def test_a_million_entries_are_asked_about_in_constant_time(empty: PkiDirectory) -> None:
    entry = b'{"revokedAt":"2027-01-15T08:00:00Z","reason":""}'
    body = b",".join(b'"%x":%s' % (number, entry) for number in range(1_000_000))
    write_atomically(empty.revoked, b'{"revoked":{' + body + b"}}")
    reader = RevocationList(empty)
    assert reader.is_revoked(999_999)
    started = time.process_time()
    found = sum(reader.is_revoked(number) for number in range(999_500, 1_000_500))
    # A search through the entries would take minutes; this bound only tells the two apart.
    assert time.process_time() - started < 30
    assert found == 500


def test_the_file_tells_when_and_why(empty: PkiDirectory) -> None:
    revoke(empty, "ab", LOST)
    assert msgspec.json.decode(empty.revoked.read_bytes()) == {
        "revoked": {"ab": {"revokedAt": "2027-01-15T08:00:00Z", "reason": "laptop lost"}}
    }


@pytest.mark.parametrize("text", ["ab1", "AB1", "0ab1", "0A:B1", "0xab1"])
def test_a_serial_is_understood_as_people_write_it(text: str) -> None:
    assert parse_serial(text) == serial_text(0xAB1) == "ab1"


@pytest.mark.parametrize("text", ["", "alice", "12 34", "--all"])
def test_what_is_no_serial_is_refused(text: str) -> None:
    with pytest.raises(CertsError, match="fleetgate certs list"):
        parse_serial(text)
