"""Rules for numbers that may be percentages, as in rolling updates and disruption budgets.

After Kubernetes `pkg/apis/apps/validation`. Pure.
"""

from __future__ import annotations

from typing import Any

from gateway.apimachinery.integers import parse_integer
from gateway.storage.validation.causes import Causes, invalid_value, invalid_values, not_negative
from gateway.storage.validation.names import percentage


def number_or_percentage(path: str, value: Any) -> Causes:
    """Refuse a negative number, or a text that is no percentage."""
    if isinstance(value, str):
        yield from invalid_values(path, value, percentage(value))
    else:
        yield from not_negative(path, value)


def not_above_100_percent(path: str, value: Any) -> Causes:
    """Refuse a percentage above 100."""
    if isinstance(value, str) and not percentage(value) and parse_integer(value[:-1]) > 100:
        yield invalid_value(path, value, "must not be greater than 100%")


def amount(value: Any) -> int:
    """Return the number before the percent sign, or the number itself; what is neither counts as zero."""
    if isinstance(value, str):
        return parse_integer(value[:-1]) if not percentage(value) else 0
    return value if isinstance(value, int) else 0
