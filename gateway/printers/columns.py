"""Column definitions of Tables (meta.k8s.io TableColumnDefinition). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.apimachinery.meta import JsonObject


@dataclass(frozen=True, slots=True)
class Column:
    """One column. Priority 0 is always shown by kubectl, anything above only with `-o wide`."""

    name: str
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0


def column_definitions(columns: Sequence[Column]) -> list[JsonObject]:
    """Return the columns as they stand in a Table."""
    return [
        {
            "name": column.name,
            "type": column.type,
            "format": column.format,
            "description": column.description,
            "priority": column.priority,
        }
        for column in columns
    ]
