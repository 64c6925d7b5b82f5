"""Numbers that may be percentages."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.storage.validation.numbers import amount, not_above_100_percent, number_or_percentage


@pytest.mark.parametrize(
    ("value", "malformed", "above", "counts_as"),
    [
        (3, 0, 0, 3),
        (-1, 1, 0, -1),
        (None, 0, 0, 0),
        ("25%", 0, 0, 25),
        ("101%", 0, 1, 101),
        ("x%", 1, 0, 0),
        ("5", 1, 0, 0),
    ],
)
def test_numbers_and_percentages(value: Any, malformed: int, above: int, counts_as: int) -> None:
    assert len(list(number_or_percentage("f", value))) == malformed
    assert len(list(not_above_100_percent("f", value))) == above
    assert amount(value) == counts_as
