"""Causes of a refusal, as values: one builder a kind of fault, printed as k8s.io/apimachinery `validation/field` does.

Pure. A cause goes into `details.causes` of a 422, and its text into the message.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from gateway.apimachinery.errors import field_error
from gateway.apimachinery.patch.go_text import go_quote

Cause = dict[str, str]
Causes = Iterator[Cause]

_HTML_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})
IMMUTABLE = "field is immutable"
NEGATIVE = "must be greater than or equal to 0"


def printed(value: Any) -> str:
    """Print a value inside a cause: strings as Go quotes them, everything else as JSON."""
    if isinstance(value, str):
        return go_quote(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_HTML_ESCAPES)


def required(path: str, detail: str = "") -> Cause:
    """A value is missing."""
    return field_error("FieldValueRequired", path, f"Required value: {detail}" if detail else "Required value")


def invalid_value(path: str, value: Any, detail: str) -> Cause:
    """A value is malformed or out of bounds."""
    return field_error("FieldValueInvalid", path, f"Invalid value: {printed(value)}: {detail}")


def invalid_values(path: str, value: Any, details: Iterable[str]) -> Causes:
    """One cause for each complaint about a value."""
    return (invalid_value(path, value, detail) for detail in details)


def invalid_type(path: str, value: Any, detail: str) -> Cause:
    """A value is of another type than its schema says."""
    return field_error("FieldValueTypeInvalid", path, f"Invalid value: {printed(value)}: {detail}")


def unsupported(path: str, value: Any, supported: Iterable[str]) -> Cause:
    """A value is none of those that are known."""
    known = ", ".join(map(go_quote, supported))
    return field_error(
        "FieldValueNotSupported", path, f"Unsupported value: {printed(value)}: supported values: {known}"
    )


def forbidden(path: str, detail: str) -> Cause:
    """A value may not be set here, or not changed."""
    return field_error("FieldValueForbidden", path, f"Forbidden: {detail}")


def duplicate(path: str, value: Any) -> Cause:
    """A value is there twice."""
    return field_error("FieldValueDuplicate", path, f"Duplicate value: {printed(value)}")


def not_found(path: str, value: Any) -> Cause:
    """A value refers to nothing."""
    return field_error("FieldValueNotFound", path, f"Not found: {printed(value)}")


def too_long(path: str, limit: int) -> Cause:
    """A text is longer than its limit in bytes."""
    return field_error("FieldValueTooLong", path, f"Too long: may not be more than {limit} bytes")


def too_many(path: str, count: int, limit: int) -> Cause:
    """A list or map holds more than it may."""
    return field_error("FieldValueTooMany", path, f"Too many: {count}: must have at most {limit} items")


def not_negative(path: str, value: Any) -> Causes:
    """Refuse a number below zero; what is absent or no number is nobody's fault here."""
    if isinstance(value, int) and value < 0:
        yield invalid_value(path, value, NEGATIVE)


def one_of(path: str, value: Any, supported: Iterable[str]) -> Causes:
    """Refuse a value that is none of those that are known; an absent one too."""
    known = list(supported)
    if value not in known:
        yield unsupported(path, value if value is not None else "", known)


def unchanged(path: str, new: Any, old: Any) -> Causes:
    """Refuse a change of an immutable field."""
    if new != old:
        yield invalid_value(path, new, IMMUTABLE)
