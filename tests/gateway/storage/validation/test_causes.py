"""Causes as kube-apiserver prints them."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.storage.validation.causes import (
    Cause,
    duplicate,
    forbidden,
    invalid_type,
    invalid_value,
    invalid_values,
    not_found,
    not_negative,
    one_of,
    printed,
    required,
    too_long,
    too_many,
    unchanged,
    unsupported,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("ünï\n", r'"ünï\n"'),
        (1, "1"),
        (0.5, "0.5"),
        (True, "true"),
        (None, "null"),
        ({"a": ["<&>"]}, r'{"a":["\u003c\u0026\u003e"]}'),
    ],
)
def test_values(value: Any, text: str) -> None:
    assert printed(value) == text


@pytest.mark.parametrize(
    ("cause", "reason", "message"),
    [
        (required("f"), "FieldValueRequired", "Required value"),
        (required("f", "why"), "FieldValueRequired", "Required value: why"),
        (invalid_value("f", 1, "why"), "FieldValueInvalid", "Invalid value: 1: why"),
        (invalid_type("f", "x", "why"), "FieldValueTypeInvalid", 'Invalid value: "x": why'),
        (
            unsupported("f", "x", ["a", "b"]),
            "FieldValueNotSupported",
            'Unsupported value: "x": supported values: "a", "b"',
        ),
        (forbidden("f", "why"), "FieldValueForbidden", "Forbidden: why"),
        (duplicate("f", "x"), "FieldValueDuplicate", 'Duplicate value: "x"'),
        (not_found("f", "x"), "FieldValueNotFound", 'Not found: "x"'),
        (too_long("f", 3), "FieldValueTooLong", "Too long: may not be more than 3 bytes"),
        (too_many("f", 4, 3), "FieldValueTooMany", "Too many: 4: must have at most 3 items"),
    ],
)
def test_each_kind_of_fault(cause: Cause, reason: str, message: str) -> None:
    assert cause == {"reason": reason, "field": "f", "message": message}


def test_one_cause_for_each_complaint() -> None:
    assert [cause["message"] for cause in invalid_values("f", "x", ["a", "b"])] == [
        'Invalid value: "x": a',
        'Invalid value: "x": b',
    ]


@pytest.mark.parametrize(("value", "faults"), [(-1, 1), (0, 0), (None, 0), ("-1", 0)])
def test_only_numbers_can_be_negative(value: Any, faults: int) -> None:
    assert len(list(not_negative("f", value))) == faults


def test_absent_is_none_of_the_known_values() -> None:
    assert list(one_of("f", "a", ["a"])) == []
    assert [cause["message"] for cause in one_of("f", None, ["a"])] == ['Unsupported value: "": supported values: "a"']


def test_changes_of_immutable_fields() -> None:
    assert list(unchanged("f", 1, 1)) == []
    assert [cause["message"] for cause in unchanged("f", 2, 1)] == ["Invalid value: 2: field is immutable"]
