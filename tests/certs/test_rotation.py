from __future__ import annotations

from datetime import timedelta

from certs.rotation import renewal_time
from tests.certs.forge import MOMENT


def test_renewal_is_due_at_two_thirds_of_life() -> None:
    assert renewal_time(MOMENT, MOMENT + timedelta(hours=60), 0) == MOMENT + timedelta(hours=40)


def test_jitter_spreads_renewals_over_a_twentieth_of_life_earlier() -> None:
    end = MOMENT + timedelta(hours=60)
    assert renewal_time(MOMENT, end, 1) == MOMENT + timedelta(hours=37)
    assert renewal_time(MOMENT, end, 0.5) == MOMENT + timedelta(hours=38, minutes=30)
