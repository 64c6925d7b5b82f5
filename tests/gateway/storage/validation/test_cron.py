"""Cron schedules; kube-apiserver's texts are recorded in test_validation.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.storage.validation.cron import schedule_fault


@pytest.mark.parametrize(
    "schedule", ["* * * * *", "*/5 0-23/2 1,15 JAN-dec sun", "0 0 1 1 ?", "@hourly", "@every 1h30m", ", * * * *"]
)
def test_schedules(schedule: str) -> None:
    assert schedule_fault(schedule) == ""


@pytest.mark.parametrize(
    "schedule", ["* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 7", "@never", "@every x"]
)
def test_what_is_no_schedule(schedule: str) -> None:
    assert schedule_fault(schedule) != ""


@given(st.text(max_size=20))
def test_any_text_is_judged(text: str) -> None:
    assert isinstance(schedule_fault(text), str)
