"""Which printer a kind has, and how stored and cached objects are given to it. Pure.

A kind without a printer of its own is shown by name and age, as kube-apiserver shows custom resources.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from gateway.apimachinery.schema import GroupResource
from gateway.printers import events, pods
from gateway.printers.columns import Column
from gateway.printers.row import PreparedRow, Slot, encode_text

PODS = GroupResource("", "pods")
EVENTS = GroupResource("", "events")
NEW_EVENTS = GroupResource("events.k8s.io", "events")

CLUSTER_COLUMN = Column("Cluster", description="The member cluster the object lives in.")

Prepare = Callable[[Mapping[str, msgspec.Raw]], PreparedRow]
"""Renders an object, given as the sections of its JSON. Never raises."""


class Merged(Protocol):
    """What a merged printer reads of a cached object."""

    name: str
    cluster: str
    cells: Any


@dataclass(frozen=True, slots=True)
class MergedPrinter:
    """Prints cached objects, whose rows were prepared when they came in."""

    columns: Sequence[Column]
    prepare: Prepare

    def row(self, cached: Merged, now: float) -> bytes:
        """Return the inside of the object's Table row."""
        row: PreparedRow = cached.cells
        return row.finish(now, encode_text(cached.name), encode_text(cached.cluster))


def _with_cluster(columns: Sequence[Column], index: int) -> tuple[Column, ...]:
    return (*columns[:index], CLUSTER_COLUMN, *columns[index:])


def _column_index(columns: Sequence[Column], name: str) -> int:
    return next(index for index, column in enumerate(columns) if column.name == name)


_AFTER_AGE = _column_index(pods.COLUMNS, "Age") + 1
_BEFORE_MESSAGE = _column_index(events.COLUMNS, "Message")

MERGED_POD_PRINTER = MergedPrinter(
    _with_cluster(pods.COLUMNS, _AFTER_AGE),
    lambda sections: pods.prepare_pod(sections, [(_AFTER_AGE, Slot.CLUSTER)]),
)
MERGED_EVENT_PRINTER = MergedPrinter(
    _with_cluster(events.COLUMNS, _BEFORE_MESSAGE),
    lambda sections: events.prepare_event(sections, [(_BEFORE_MESSAGE, Slot.CLUSTER)]),
)
MERGED_PRINTERS: Mapping[GroupResource, MergedPrinter] = {
    PODS: MERGED_POD_PRINTER,
    EVENTS: MERGED_EVENT_PRINTER,
    NEW_EVENTS: MERGED_EVENT_PRINTER,
}
