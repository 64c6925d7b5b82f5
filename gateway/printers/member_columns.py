"""The Table of a kind that each member may show by columns of its own. Pure.

The columns are those of all members, by name, in the order of the first; a cell is made by the columns of the object's
own member, and `<none>` where that has no such column. A member that does not tell its columns is taken to have those
of the first that does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from gateway.apimachinery.meta import field
from gateway.printers.cells import NONE
from gateway.printers.columns import Column
from gateway.printers.custom import CustomColumn, CustomPrinter
from gateway.printers.printer import CLUSTER_COLUMN, Merged, MergedPrinter, cluster_index
from gateway.printers.row import PreparedRow, Slot, encode_text, prepare_row
from gateway.printers.served import CLUSTER_ANNOTATION

_ROWS = 20_000
"""Rows that are kept prepared."""

_sections = msgspec.json.Decoder(dict[str, msgspec.Raw])


class MergedObject(Merged, Protocol):
    """What is read of a cached object, beside what every merged printer reads."""

    @property
    def key(self) -> str: ...  # noqa: D102  (the class says it)

    @property
    def rv(self) -> int: ...  # noqa: D102  (the class says it)

    @property
    def raw(self) -> bytes: ...  # noqa: D102  (the class says it)


@dataclass(frozen=True, slots=True)
class _MemberPrinter:
    printer: CustomPrinter
    positions: tuple[int | None, ...]
    """For each column of the Table behind the name, without Cluster: which cell of the member's own it shows."""


class MemberColumnsPrinter:
    """Prints the cached objects of one kind; another one takes its place when a member's columns change.

    Rows are prepared when they are first asked for. Mutable state: those, by the key of their object.
    """

    def __init__(self, columns: Mapping[str, Sequence[CustomColumn]], *, built_in: bool = False) -> None:
        """`columns` are those of each member that tells its own."""
        self.built_in = built_in
        printers = {name: CustomPrinter(own) for name, own in sorted(columns.items())}
        self._default = next(iter(printers.values()), CustomPrinter(()))
        together: dict[str, Column] = {}
        for printer in printers.values() or [self._default]:
            for column in printer.columns:
                together.setdefault(column.name, column)
        shown = tuple(together.values())
        self._cluster_at = cluster_index(shown)
        self.columns = (*shown[: self._cluster_at], CLUSTER_COLUMN, *shown[self._cluster_at :])
        names = [column.name for column in shown[1:]]
        self._members = {
            name: _MemberPrinter(printer, _positions(names, printer)) for name, printer in printers.items()
        }
        self._other = _MemberPrinter(self._default, _positions(names, self._default))
        self._rows: dict[str, tuple[int, PreparedRow]] = {}

    def prepare(self, sections: Mapping[str, msgspec.Raw]) -> PreparedRow:
        """Render a served object, given as the sections of its JSON. Never raises."""
        obj = msgspec.json.decode(msgspec.json.encode(sections))
        member = self._members.get(str(field(obj, "metadata", "annotations", CLUSTER_ANNOTATION)), self._other)
        own = member.printer.cells(obj)
        cells = [Slot.NAME, *(NONE if position is None else own[position] for position in member.positions)]
        cells.insert(self._cluster_at, Slot.CLUSTER)
        return prepare_row(cells)

    def row(self, cached: MergedObject, now: float) -> bytes:
        """Return the inside of the object's Table row."""
        version, row = self._rows.get(cached.key, (0, None))
        if row is None or version != cached.rv:
            row = self.prepare(_sections.decode(cached.raw))
            if len(self._rows) >= _ROWS:
                self._rows.clear()
            self._rows[cached.key] = cached.rv, row
        return row.finish(now, encode_text(cached.name), encode_text(cached.cluster))

    def rows(self, objects: Iterable[MergedObject], now: float) -> Iterator[bytes]:
        """Return the inside of each object's Table row."""
        return (self.row(cached, now) for cached in objects)


KindPrinter = MergedPrinter | MemberColumnsPrinter
"""What prints the objects of a merged kind."""


def _positions(names: Sequence[str], printer: CustomPrinter) -> tuple[int | None, ...]:
    own = [column.name for column in printer.columns[1:]]
    return tuple(own.index(name) if name in own else None for name in names)
