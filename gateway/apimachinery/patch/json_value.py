"""Comparing and copying decoded JSON.

Python takes `True == 1 == 1.0` for granted; JSON documents of the API do not. Pure, and knows nothing of Kubernetes.
"""

from __future__ import annotations

from typing import Any


def same(left: Any, right: Any) -> bool:
    """Whether two JSON values are equal, telling booleans, integers and floats apart."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(value, right[key]) for key, value in left.items())
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def deep_copy(value: Any) -> Any:
    """Copy a JSON value so that nothing mutable is shared (an order of magnitude faster than copy.deepcopy)."""
    if isinstance(value, dict):
        return {key: deep_copy(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [deep_copy(entry) for entry in value]
    return value


def without_nulls(value: Any) -> Any:
    """Copy a JSON value, leaving out members of objects that are null, at any depth; null list items stay."""
    if isinstance(value, dict):
        return {key: without_nulls(entry) for key, entry in value.items() if entry is not None}
    if isinstance(value, list):
        return [without_nulls(entry) for entry in value]
    return value
