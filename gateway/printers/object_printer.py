"""A printer of one built-in kind: its columns, and a function from an object to its cells. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from gateway.apimachinery.meta import JsonObject
from gateway.printers.columns import Column
from gateway.printers.row import Cell, PreparedRow, Slot, prepare_row

UNREADABLE = "<unknown>"


@dataclass(frozen=True, slots=True)
class ObjectPrinter:
    """Columns and cells of a kind. The cell of the Name column is Slot.NAME."""

    columns: Sequence[Column]
    cells: Callable[[JsonObject], Sequence[Cell]]

    def prepare(self, sections: Mapping[str, msgspec.Raw]) -> PreparedRow:
        """Render an object given as the sections of its JSON. Never raises: what cannot be read is `<unknown>`."""
        try:
            cells = self.cells(msgspec.json.decode(msgspec.json.encode(sections)))
        except (TypeError, ValueError, AttributeError, KeyError):
            cells = [Slot.NAME if column.format == "name" else UNREADABLE for column in self.columns]
        return prepare_row(cells)
