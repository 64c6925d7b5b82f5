"""Quantities and their one form."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.storage.defaulting.quantity import MILLI, canonical_quantity, quantity_value

suffixes = st.sampled_from(["", "n", "u", "m", "k", "M", "G", "T", "P", "Ki", "Mi", "Gi", "Ti", "e3", "E-3"])
numbers = st.decimals(-99999, 99999, allow_nan=False, allow_infinity=False, places=2).map(lambda number: f"{number:f}")


@pytest.mark.parametrize(
    ("given_as", "stored"),
    [
        ("1000m", "1"),
        ("1500m", "1500m"),
        (0.5, "500m"),
        (2, "2"),
        ("0.1", "100m"),
        ("1.5Gi", "1536Mi"),
        ("1024Mi", "1Gi"),
        ("1024", "1024"),
        ("1000", "1k"),
        ("1001", "1001"),
        ("512", "512"),
        ("0.5Ki", "512"),
        ("1.5", "1500m"),
        ("0.5Mi", "512Ki"),
        ("1Ki", "1Ki"),
        ("2.5Ki", "2560"),
        ("0.0001Ki", "102400u"),
        ("1e3", "1e3"),
        ("1E3", "1e3"),
        ("1000e3", "1e6"),
        ("1.5e0", "1500e-3"),
        ("1E", "1E"),
        ("0", "0"),
        ("0Gi", "0"),
        ("-0", "0"),
        ("-1", "-1"),
        ("-1Gi", "-1Gi"),
        ("+5", "5"),
        (".5", "500m"),
        ("5.", "5"),
        ("0.1n", "1n"),
        ("1e30", "9223372036854775807"),
    ],
)
def test_the_stored_form(given_as: Any, stored: str) -> None:
    assert canonical_quantity(given_as) == stored


@pytest.mark.parametrize("nonsense", ["", "x", "1x", "1 Gi", "1e", "Gi", "--1", "1e999", True, None, []])
def test_what_is_no_quantity_is_left_alone(nonsense: Any) -> None:
    assert quantity_value(nonsense) is None
    assert canonical_quantity(nonsense) is nonsense


def test_amounts_that_are_too_fine_are_rounded_up() -> None:
    assert canonical_quantity("0.1n", finest=MILLI) == "1m"
    assert canonical_quantity("0.0001Ki", finest=MILLI) == "103m"
    assert canonical_quantity("-1.0000001", finest=MILLI) == "-1001m"


@given(numbers, suffixes)
def test_the_form_is_stable_and_keeps_the_value_to_the_nano(number: str, suffix: str) -> None:
    text = number + suffix
    stored = canonical_quantity(text)
    before, after = quantity_value(text), quantity_value(stored)
    assert canonical_quantity(stored) == stored
    assert before is not None
    assert after is not None
    if abs(before) < 2**63:
        assert abs(before - after) < Decimal("1e-9")
