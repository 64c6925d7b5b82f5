"""Comparing and copying decoded JSON."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from gateway.apimachinery.patch.json_value import deep_copy, same, without_nulls
from tests.gateway.apimachinery.patch.json_strategies import json_values


@pytest.mark.parametrize(
    ("left", "right"),
    [(1, True), (0, False), (1, 1.0), (None, False), ([], {}), ([1], [1, 2]), ({"a": 1}, {"a": True})],
)
def test_values_that_python_confuses_are_told_apart(left: Any, right: Any) -> None:
    assert not same(left, right)


@given(json_values)
def test_a_copy_is_the_same_and_shares_nothing(value: Any) -> None:
    copied = deep_copy(value)
    assert same(copied, value)
    if isinstance(value, dict | list):
        assert copied is not value


def test_null_members_are_left_out_at_any_depth_but_not_null_items() -> None:
    assert without_nulls({"a": None, "b": [None, {"c": None, "d": 1}]}) == {"b": [None, {"d": 1}]}
