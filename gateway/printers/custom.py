"""Tables of custom resources: Name, then their additionalPrinterColumns, or Age alone. Pure.

Follows k8s.io/apiextensions-apiserver `pkg/registry/customresource/tableconvertor`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from gateway.apimachinery.json_values import decode_value
from gateway.apimachinery.meta import JsonObject
from gateway.printers.cells import AGE_COLUMN, NAME_COLUMN
from gateway.printers.columns import Column
from gateway.printers.json_path import compile_path
from gateway.printers.row import UNKNOWN_AGE, Cell, PreparedRow, Slot, age_cell, prepare_row
from gateway.printers.timestamps import epoch


class CustomColumn(Protocol):
    """One of a CustomResourceDefinition's additionalPrinterColumns."""

    @property
    def name(self) -> str: ...  # noqa: D102  (the class says it)

    @property
    def type(self) -> str: ...  # noqa: D102  (the class says it)

    @property
    def format(self) -> str: ...  # noqa: D102  (the class says it)

    @property
    def description(self) -> str: ...  # noqa: D102  (the class says it)

    @property
    def priority(self) -> int: ...  # noqa: D102  (the class says it)

    @property
    def json_path(self) -> str: ...  # noqa: D102  (the class says it)


class CustomPrinter:
    """Prints the objects of one version of a custom resource."""

    def __init__(self, columns: Sequence[CustomColumn]) -> None:
        """Compile the paths once."""
        self._cells = [(column.type, compile_path(column.json_path)) for column in columns]
        shown = [_shown(column) for column in columns]
        if not columns:
            self._cells = [("date", compile_path(".metadata.creationTimestamp"))]
            shown = [Column(AGE_COLUMN.name, "date", description=AGE_COLUMN.description)]
        self.columns = (NAME_COLUMN, *shown)

    def prepare(self, sections: Mapping[str, msgspec.Raw]) -> PreparedRow:
        """Render an object given as the sections of its JSON. Never raises."""
        obj = decode_value(msgspec.json.encode(sections))
        return prepare_row([Slot.NAME, *self.cells(obj)])

    def cells(self, obj: JsonObject) -> list[Cell]:
        """Return the cells of an object behind its name."""
        return [_cell(kind, find(obj)) for kind, find in self._cells]


def _shown(column: CustomColumn) -> Column:
    description = column.description or f"Custom resource definition column (in JSONPath format): {column.json_path}"
    return Column(column.name, column.type, column.format, description, column.priority)


def _cell(kind: str, values: list[Any]) -> Cell:
    """Show the first value found; one of another type than the column's is left out."""
    if not values:
        return None
    value = values[0]
    match kind:
        case "string":
            return _text(value)
        case "integer" if isinstance(value, (int, float)) and not isinstance(value, bool):
            return int(value)
        case "number" if isinstance(value, (int, float)) and not isinstance(value, bool):
            return value
        case "boolean" if isinstance(value, bool):
            return value
        case "date" if isinstance(value, str):
            return _date(value)
        case _:
            return None


def _date(value: str) -> Cell:
    if not value:
        return UNKNOWN_AGE
    since = epoch(value)
    return "<invalid>" if since is None else age_cell(since)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return "<no value>"
    return msgspec.json.encode(value, order="deterministic").decode()
