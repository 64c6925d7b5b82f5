import pytest

from cache.resource_version import SLOTS, TICKS, RevisionClock, is_older, issuer, member_order
from tests.support.clock import FakeClock


def test_versions_are_the_time_and_the_replica_that_issued_them():
    clock = FakeClock(1_700_000_000.25)
    assert RevisionClock(clock).current == 170_000_000_025_000 * 32
    assert RevisionClock(clock, slot=7).current == 170_000_000_025_000 * 32 + 7


@pytest.mark.parametrize("slot", [0, 1, 31])
def test_every_version_tells_its_issuer(slot):
    versions = RevisionClock(FakeClock(), floor=12_345, slot=slot)
    assert {issuer(versions.next()) for _ in range(100)} == {slot}


@pytest.mark.parametrize("slot", [-1, 32])
def test_there_are_so_many_slots(slot):
    with pytest.raises(ValueError, match="slot from 0 to 31"):
        RevisionClock(FakeClock(), slot=slot)


def test_versions_of_former_gateways_were_lower():
    """They were microseconds since the epoch."""
    clock = FakeClock(1_900_000_000.0)
    assert RevisionClock(FakeClock(1_700_000_000.0)).current > int(clock() * 1_000_000)


def test_versions_increase_strictly_even_when_time_stands_still_or_goes_back():
    clock = FakeClock()
    versions = RevisionClock(clock)
    issued = [versions.current, versions.next(), versions.next()]
    clock.advance(-1_000)
    issued.append(versions.next())
    clock.advance(2_000)
    issued.append(versions.next())
    assert issued == sorted(set(issued))
    assert versions.current == issued[-1]


@pytest.mark.parametrize("floor", [5_000_000, 5_000_001, 5_000_031])
def test_a_floor_is_never_issued_again(floor):
    assert RevisionClock(FakeClock(1.0), floor=floor).current == (5_000_000 // SLOTS + 1) * SLOTS
    assert RevisionClock(FakeClock(1.0), floor=floor, slot=31).current > floor


def test_a_clock_advances_past_what_was_issued_elsewhere():
    versions = RevisionClock(FakeClock(), slot=1)
    ahead = versions.current + 10 * TICKS * SLOTS
    assert versions.advance(ahead) > ahead
    assert issuer(versions.current) == 1
    current = versions.current
    assert versions.advance(0) > current


def test_versions_are_exact_in_javascript_for_decades():
    year_2058 = FakeClock(2_777_000_000.0)
    assert RevisionClock(year_2058, slot=31).current < 2**53


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("12", 12),
        ("", None),
        ("c1:12", None),
        ("-1", None),
        ("٣", None),
        (str(2**64 - 1), 2**64 - 1),
        (str(2**64), None),
        ("9" * 5000, None),
        ("0" * 5000 + "7", None),
    ],
)
def test_only_decimals_can_be_ordered(text, order):
    assert member_order(text) == order


@pytest.mark.parametrize(
    ("candidate", "known", "older"), [("9", "10", True), ("10", "9", False), ("9", "9", False), ("x", "9", False)]
)
def test_older(candidate, known, older):
    assert is_older(candidate, known) is older
