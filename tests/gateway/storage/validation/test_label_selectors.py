"""Label selectors in specs."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.storage.validation.label_selectors import is_valid, printable, selects, validate_label_selector

LABELS = {"app": "web", "tier": "front"}


def expression(operator: str, *values: str, key: str = "app") -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("selector", "picked"),
    [
        ({}, True),
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "other"}}, False),
        ({"matchLabels": {"absent": ""}}, False),
        (expression("In", "web", "other"), True),
        (expression("In", "other"), False),
        (expression("In", "x", key="absent"), False),
        (expression("NotIn", "other"), True),
        (expression("NotIn", "web"), False),
        (expression("NotIn", "x", key="absent"), True),
        (expression("Exists"), True),
        (expression("Exists", key="absent"), False),
        (expression("DoesNotExist"), False),
        (expression("DoesNotExist", key="absent"), True),
        ({"matchLabels": {"app": "web"}, **expression("DoesNotExist", key="tier")}, False),
    ],
)
def test_what_a_selector_picks(selector: dict[str, Any], picked: bool) -> None:
    assert selects(selector, LABELS) is picked


def test_an_absent_selector_is_fine() -> None:
    assert list(validate_label_selector("spec.selector", None)) == []


def test_values_have_to_be_label_values() -> None:
    assert not is_valid(expression("In", "b c"))
    assert [cause["field"] for cause in validate_label_selector("s", expression("In", "ok", "b c"))] == [
        "s.matchExpressions[0].values[1]"
    ]


def test_labels_print_sorted() -> None:
    assert list(printable({"matchLabels": {"b": "1", "a": "2"}})["matchLabels"]) == ["a", "b"]
    assert printable({"matchExpressions": []}) == {"matchExpressions": []}
