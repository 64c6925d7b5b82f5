"""Tables of custom resources: Name, their additionalPrinterColumns, or Age alone. Pure.

Follows k8s.io/apiextensions-apiserver `pkg/registry/customresource/tableconvertor`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from gateway.printers.columns import Column
from gateway.printers.json_path import compile_path
from gateway.printers.row import Cell, PreparedRow, Slot, age_cell, prepare_row
from gateway.printers.timestamps import epoch

NAME_COLUMN = Column("Name", format="name", description="Name must be unique within a namespace.")
AGE = "Age"


class CustomColumn(Protocol):
    """One of a CustomResourceDefinition's additionalPrinterColumns."""

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def type(self) -> str: ...  # noqa: D102

    @property
    def format(self) -> str: ...  # noqa: D102

    @property
    def description(self) -> str: ...  # noqa: D102

    @property
    def priority(self) -> int: ...  # noqa: D102

    @property
    def json_path(self) -> str: ...  # noqa: D102


class CustomPrinter:
    """Prints the objects of one version of a custom resource."""

    def __init__(self, columns: Sequence[CustomColumn]) -> None:
        """Compile the paths once."""
        self._cells = [(column.type, compile_path(column.json_path)) for column in columns]
        shown = [
            Column(column.name, column.type, column.format, column.description, column.priority) for column in columns
        ]
        if not columns:
            self._cells = [("date", compile_path(".metadata.creationTimestamp"))]
            shown = [Column(AGE, "date", description="When this object was created, as the time passed since then.")]
        self.columns = (NAME_COLUMN, *shown)

    def prepare(self, sections: Mapping[str, msgspec.Raw]) -> PreparedRow:
        """Render an object given as the sections of its JSON. Never raises."""
        obj = msgspec.json.decode(msgspec.json.encode(sections))
        return prepare_row([Slot.NAME, *(_cell(kind, find(obj)) for kind, find in self._cells)])


def _cell(kind: str, values: list[Any]) -> Cell:
    if not values:
        return None
    first = values[0]
    if kind == "date":
        return age_cell(epoch(first))
    if kind == "integer":
        return int(first) if isinstance(first, (int, float)) and not isinstance(first, bool) else None
    if kind == "number":
        return first if isinstance(first, (int, float)) and not isinstance(first, bool) else None  # type: ignore[return-value]  # JSON knows one number
    if kind == "boolean":
        return first if isinstance(first, bool) else None
    if isinstance(first, (dict, list)) or len(values) > 1:
        return ",".join(_text(value) for value in values)
    return _text(first)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()
