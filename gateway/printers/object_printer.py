"""A printer of one built-in kind: columns, each with the function that makes its cell of an object. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from gateway.apimachinery.json_values import decode_value
from gateway.apimachinery.meta import JsonObject
from gateway.printers.columns import Column
from gateway.printers.row import Cell, PreparedRow, prepare_row

UNREADABLE = "<unknown>"

CellOf = Callable[[JsonObject], Cell]
"""Makes one cell of an object."""


class ObjectPrinter:
    """Prints the objects of a kind."""

    def __init__(self, *columns: tuple[Column, CellOf]) -> None:
        """Take each column with the function of its cells; that of the Name column gives Slot.NAME."""
        self.columns = tuple(column for column, _ in columns)
        self._cells = tuple(cell_of for _, cell_of in columns)

    def with_column(self, index: int, column: Column, cell_of: CellOf) -> ObjectPrinter:
        """Return a printer of the same objects with one more column at an index."""
        pairs = list(zip(self.columns, self._cells, strict=True))
        return ObjectPrinter(*pairs[:index], (column, cell_of), *pairs[index:])

    def prepare(self, sections: Mapping[str, msgspec.Raw]) -> PreparedRow:
        """Render an object given as the sections of its JSON. Never raises: what cannot be read is `<unknown>`."""
        obj = decode_value(msgspec.json.encode(sections))
        return prepare_row([_cell(cell_of, obj) for cell_of in self._cells])


def _cell(cell_of: CellOf, obj: JsonObject) -> Cell:
    try:
        return cell_of(obj)
    except (TypeError, ValueError, AttributeError, KeyError):
        return UNREADABLE
