"""Cells that many kinds share: name, age, numbers, selectors. Pure."""

from __future__ import annotations

from typing import Any

from gateway.apimachinery.meta import JsonObject, field
from gateway.printers.columns import Column
from gateway.printers.row import Cell, age_cell
from gateway.printers.timestamps import epoch

NONE = "<none>"

NAME_COLUMN = Column("Name", format="name", description="Name must be unique within a namespace.")
AGE_COLUMN = Column("Age", description="When this object was created, as the time that has passed since then.")


def age(obj: JsonObject) -> Cell:
    """Return the object's age."""
    return age_cell(epoch(field(obj, "metadata", "creationTimestamp")))


def integer(obj: JsonObject, *path: str) -> int:
    """Return a whole number, 0 when it is absent."""
    value = field(obj, *path)
    return value if isinstance(value, int) else 0


def text(obj: JsonObject, *path: str) -> str:
    """Return a text, empty when it is absent."""
    value = field(obj, *path)
    return value if isinstance(value, str) else ""


def listed(value: Any) -> list[JsonObject]:
    """Return the objects of a list; anything else is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def labels_text(labels: Any) -> str:
    """Return labels as `a=b,c=d`, or `<none>`."""
    if not isinstance(labels, dict) or not labels:
        return NONE
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


_OPERATORS = {"In": "in", "NotIn": "notin"}


def selector_text(selector: Any) -> str:
    """Return a LabelSelector as kubectl prints it, or `<none>`."""
    if not isinstance(selector, dict):
        return NONE
    terms = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for expression in listed(selector.get("matchExpressions")):
        key, operator = expression.get("key"), str(expression.get("operator"))
        if operator in _OPERATORS:
            terms.append(f"{key} {_OPERATORS[operator]} ({','.join(sorted(expression.get('values') or []))})")
        else:
            terms.append(f"!{key}" if operator == "DoesNotExist" else str(key))
    return ",".join(terms) or NONE
