"""The Table of Events of both groups. Pure.

Follows k8s.io/kubernetes `pkg/printers/internalversion/printers.go` printEvent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec

from gateway.printers.cells import NAME_COLUMN
from gateway.printers.columns import Column
from gateway.printers.row import Cell, PreparedRow, Slot, age_cell, prepare_row
from gateway.printers.timestamps import epoch, first_epoch

COLUMNS = (
    Column("Last Seen", description="When this was last seen, as the time that has passed since then."),
    Column("Type", description="Whether the event is Normal or a Warning."),
    Column("Reason", description="Why it happened, in one word."),
    Column("Object", description="The object this event is about."),
    Column("Subobject", description="The part of the object this event is about.", priority=1),
    Column("Source", description="The component that reported it.", priority=1),
    Column("Message", description="What happened."),
    Column("First Seen", description="When this was first seen, as the time that has passed since then.", priority=1),
    Column("Count", description="How often it was seen.", priority=1),
    replace(NAME_COLUMN, priority=1),
)


class _Object(msgspec.Struct, gc=False, rename="camel"):
    kind: str = ""
    name: str = ""
    field_path: str = ""


class _Source(msgspec.Struct, gc=False):
    component: str = ""
    host: str = ""


class _Series(msgspec.Struct, gc=False, rename="camel"):
    count: int = 0
    last_observed_time: str | None = None


class _Event(msgspec.Struct, gc=False, rename="camel"):
    """The fields of a core Event; those of events.k8s.io are read through their own names."""

    involved_object: _Object | None = None
    regarding: _Object | None = None
    reason: str = ""
    type: str = ""
    message: str = ""
    note: str = ""
    source: _Source | None = None
    deprecated_source: _Source | None = None
    first_timestamp: str | None = None
    last_timestamp: str | None = None
    deprecated_first_timestamp: str | None = None
    deprecated_last_timestamp: str | None = None
    count: int = 0
    deprecated_count: int = 0
    event_time: str | None = None
    series: _Series | None = None
    reporting_component: str = ""
    reporting_controller: str = ""
    reporting_instance: str = ""

    def last_seen(self) -> float | None:
        """When it was last seen: the series, the last or first timestamp, the event's own time."""
        if self.series is not None:
            return epoch(self.series.last_observed_time)
        last = first_epoch(self.last_timestamp, self.deprecated_last_timestamp)
        return self.first_seen() if last is None else last

    def first_seen(self) -> float | None:
        """When it was first seen."""
        return first_epoch(self.first_timestamp, self.deprecated_first_timestamp, self.event_time)

    def times(self) -> int:
        """How often it was seen, at least once."""
        if self.series is not None:
            return self.series.count
        return self.count or self.deprecated_count or 1

    def reporter(self) -> str:
        """The component that reported it, with its host."""
        source = self.source or self.deprecated_source or _Source()
        component = source.component or self.reporting_component or self.reporting_controller
        host = source.host or self.reporting_instance
        return f"{component}, {host}" if host else component


def event_cells(sections: Mapping[str, msgspec.Raw]) -> list[Cell]:
    """Return the cells of an Event in the order of COLUMNS. Raises msgspec.MsgspecError for what is no Event."""
    event = msgspec.json.decode(msgspec.json.encode(sections), type=_Event)
    subject = event.involved_object or event.regarding or _Object()
    kind = subject.kind.lower()
    return [
        age_cell(event.last_seen()),
        event.type,
        event.reason,
        f"{kind}/{subject.name}" if subject.name else kind,
        subject.field_path,
        event.reporter(),
        (event.message or event.note).strip(),
        age_cell(event.first_seen()),
        event.times(),
        Slot.NAME,
    ]


def prepare_event(sections: Mapping[str, msgspec.Raw], extra: Sequence[tuple[int, Cell]] = ()) -> PreparedRow:
    """Render an Event from the sections of its JSON; `extra` cells are inserted at their index. Never raises."""
    try:
        cells = event_cells(sections)
    except msgspec.MsgspecError:
        cells = [*["<unknown>"] * (len(COLUMNS) - 1), Slot.NAME]
    for index, cell in extra:
        cells.insert(index, cell)
    return prepare_row(cells)
