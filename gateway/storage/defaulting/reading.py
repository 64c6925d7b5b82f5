"""The readers that all defaults are written with; wrong shapes read as absent, validation speaks of them. Pure."""

from __future__ import annotations

from typing import Any

from gateway.apimachinery.meta import JsonObject

_UNSET = (None, "")


def default(obj: JsonObject, **values: Any) -> None:
    """Set each field that is absent, null or an empty string."""
    for name, value in values.items():
        if obj.get(name) in _UNSET:
            obj[name] = value


def objects(obj: Any, field: str) -> list[JsonObject]:
    """Return the objects in a list field."""
    value = obj.get(field) if isinstance(obj, dict) else None
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def part(obj: Any, field: str) -> JsonObject:
    """Return an object field, making an empty one when it is absent."""
    if not isinstance(obj.get(field), dict):
        obj[field] = {}
    found: JsonObject = obj[field]
    return found
