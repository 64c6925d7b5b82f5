import pytest

from cache.resource_version import LIMIT, RevisionClock, is_older, member_order
from tests.support.clock import FakeClock


def test_versions_are_microseconds_since_the_epoch():
    clock = FakeClock(1_700_000_000.25)
    assert RevisionClock(clock).current == 1_700_000_000_250_000


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


def test_a_floor_is_never_issued_again():
    clock = FakeClock(1.0)
    assert RevisionClock(clock, floor=5_000_000).current == 5_000_001


def test_versions_are_exact_in_javascript_for_two_centuries():
    year_2250 = FakeClock(8_836_000_000.0)
    assert RevisionClock(year_2250).current < LIMIT


@pytest.mark.parametrize(("text", "order"), [("12", 12), ("", None), ("c1:12", None), ("-1", None), ("٣", None)])
def test_only_decimals_can_be_ordered(text, order):
    assert member_order(text) == order


@pytest.mark.parametrize(
    ("candidate", "known", "older"), [("9", "10", True), ("10", "9", False), ("9", "9", False), ("x", "9", False)]
)
def test_older(candidate, known, older):
    assert is_older(candidate, known) is older
