"""Rules for amounts of resources; most are recorded in test_validation.py."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.storage.validation.resources import validate_container_resources, validate_quantity, validate_quota


@pytest.mark.parametrize(
    ("amount", "whole", "faults"),
    [("1", True, 0), ("1500m", True, 1), ("-1", False, 1), ("x", True, 0), (None, False, 0)],
)
def test_amounts(amount: Any, whole: bool, faults: int) -> None:
    assert len(list(validate_quantity("f", amount, whole=whole))) == faults


def test_what_is_no_quantity_is_somebody_elses_to_judge() -> None:
    container = {"resources": {"limits": {"cpu": "x"}, "requests": {"cpu": "1"}}}
    assert list(validate_container_resources("c", container)) == []
    assert list(validate_container_resources("c", {})) == []


def test_an_absent_quota_is_fine() -> None:
    assert list(validate_quota("spec.hard", None)) == []
    assert list(validate_quota("spec.hard", {"requests.hugepages-2Mi": "1", "example.com/x": "1"})) == []
