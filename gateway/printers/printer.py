"""Which printer a kind has, and how stored and cached objects are given to it. Pure.

A kind without a printer of its own is a custom one: shown by the columns it declares, or by name and age.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Protocol

import msgspec

from gateway.apimachinery.meta import ObjectKey
from gateway.apimachinery.schema import GroupResource, GroupVersionResource
from gateway.printers import events, pods
from gateway.printers.built_in import BUILT_IN
from gateway.printers.columns import Column
from gateway.printers.custom import CustomColumn, CustomPrinter
from gateway.printers.row import PreparedRow, Slot, UnnamedRow, encode_text, finisher
from gateway.printers.served import ServedMetadata

PODS = GroupResource("", "pods")
EVENTS = GroupResource("", "events")
NEW_EVENTS = GroupResource("events.k8s.io", "events")

CLUSTER_COLUMN = Column("Cluster", description="The member cluster the object lives in.")

_BATCH = 64
"""Rows that are finished together."""

Prepare = Callable[[Mapping[str, msgspec.Raw]], PreparedRow]
"""Renders an object, given as the sections of its JSON. Never raises."""


class Merged(Protocol):
    """What a merged printer reads of a cached object."""

    @property
    def name(self) -> str: ...  # noqa: D102  (the class says it)

    @property
    def cluster(self) -> str: ...  # noqa: D102  (the class says it)

    @property
    def cells(self) -> Any: ...  # noqa: D102  (the class says it)

    @property
    def row(self) -> Any:
        """The cells where they were made already, else msgspec.UNSET."""
        ...


@dataclass(frozen=True, slots=True)
class MergedPrinter:
    """Prints cached objects, whose rows were prepared when they were first asked for."""

    columns: Sequence[Column]
    prepare: Prepare
    built_in: bool = True
    """Whether it is a kind of Kubernetes itself."""
    read_at_once: Callable[[bytes], PreparedRow | None] | None = None
    """Renders most objects from their JSON, faster than from its sections; None for those it cannot read."""

    def render(self, raw: bytes) -> PreparedRow:
        """Render an object as it is served, given as its JSON. Raises msgspec.MsgspecError for what is no object."""
        row = self.read_at_once(raw) if self.read_at_once else None
        return self.prepare(_sections.decode(raw)) if row is None else row

    def row(self, cached: Merged, now: float) -> bytes:
        """Return the inside of the object's Table row."""
        row: PreparedRow = cached.cells
        return row.finish(now, encode_text(cached.name), encode_text(cached.cluster))

    def rows(self, objects: Iterable[Merged], now: float) -> Iterator[bytes]:
        """Return the inside of each object's Table row."""
        finish = finisher(now)

        def finished(batch: Sequence[Merged]) -> Sequence[bytes]:
            try:
                return finish([row if (row := cached.row) is not msgspec.UNSET else cached.cells for cached in batch])
            except UnnamedRow:
                return [self.row(cached, now) for cached in batch]

        return chain.from_iterable(map(finished, _batches(objects)))


def _batches(objects: Iterable[Merged]) -> Iterator[Sequence[Merged]]:
    left = iter(objects)
    return iter(lambda: list(islice(left, _BATCH)), [])


_served_metadata = msgspec.json.Decoder(ServedMetadata)


def _named(prepare: Prepare) -> Prepare:
    """Fill in the names that a served object bears itself."""

    def prepare_named(sections: Mapping[str, msgspec.Raw]) -> PreparedRow:
        row = prepare(sections)
        try:
            metadata = _served_metadata.decode(sections.get("metadata", b"{}"))
        except msgspec.MsgspecError:
            return row
        if metadata.name is None:
            return row
        return row.named(metadata.name, metadata.annotations.cluster if metadata.annotations else "")

    return prepare_named


class Stored(Protocol):
    """What a stored printer reads of an object of an embedded store; `cells` is a slot it may keep its row in."""

    raw: bytes
    cells: Any

    @property
    def key(self) -> ObjectKey: ...  # noqa: D102  (the class says it)


@dataclass(frozen=True, slots=True)
class StoredPrinter:
    """Prints objects of an embedded store; a row is prepared at the first look at an object's version.

    One object may be served by several versions of a custom resource, with columns of their own that change with their
    definition: a prepared row is good only for the printer that prepared it.
    """

    columns: Sequence[Column]
    prepare: Prepare

    def row(self, stored: Stored, now: float) -> bytes:
        """Return the inside of the object's Table row."""
        if stored.cells is None or stored.cells[0] is not self.prepare:
            stored.cells = (self.prepare, self.prepare(_sections.decode(stored.raw)))
        row: PreparedRow = stored.cells[1]
        return row.finish(now, encode_text(stored.key.name), b'""')

    def rows(self, objects: Iterable[Stored], now: float) -> Iterator[bytes]:
        """Return the inside of each object's Table row."""
        return (self.row(stored, now) for stored in objects)


_sections = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Definition(Protocol):
    """What is asked of a resource definition of the embedded store."""

    @property
    def gvr(self) -> GroupVersionResource: ...  # noqa: D102  (the class says it)

    @property
    def columns(self) -> Sequence[CustomColumn]: ...  # noqa: D102  (the class says it)


@functools.lru_cache(maxsize=512)
def stored_printer(definition: Definition) -> StoredPrinter:
    """Return the printer of a resource of an embedded store; the same one for the same definition."""
    group_resource = definition.gvr.group_resource
    if group_resource == PODS:
        return StoredPrinter(pods.COLUMNS, pods.prepare_pod)
    if group_resource in {EVENTS, NEW_EVENTS}:
        return StoredPrinter(events.COLUMNS, events.prepare_event)
    printer = BUILT_IN.get(group_resource) or CustomPrinter(definition.columns)
    return StoredPrinter(printer.columns, printer.prepare)


def _with_cluster(columns: Sequence[Column], index: int) -> tuple[Column, ...]:
    return (*columns[:index], CLUSTER_COLUMN, *columns[index:])


def cluster_index(columns: Sequence[Column]) -> int:
    """Return where the member's column stands: behind the age, or at the end where there is none."""
    return next((index for index, column in enumerate(columns, start=1) if column.name == "Age"), len(columns))


@functools.cache
def merged_printer(resource: GroupResource) -> MergedPrinter | None:
    """Return the printer of a kind of Kubernetes that lives in the members; None for one that none is written for."""
    if resource in MERGED_PRINTERS:
        return MERGED_PRINTERS[resource]
    printer = BUILT_IN.get(resource)
    if printer is None:
        return None
    wider = printer.with_column(cluster_index(printer.columns), CLUSTER_COLUMN, lambda _: Slot.CLUSTER)
    return MergedPrinter(wider.columns, _named(wider.prepare))


def _column_index(columns: Sequence[Column], name: str) -> int:
    return next(index for index, column in enumerate(columns) if column.name == name)


_AFTER_AGE = cluster_index(pods.COLUMNS)
_BEFORE_MESSAGE = _column_index(events.COLUMNS, "Message")

MERGED_POD_PRINTER = MergedPrinter(
    _with_cluster(pods.COLUMNS, _AFTER_AGE),
    _named(lambda sections: pods.prepare_pod(sections, [(_AFTER_AGE, Slot.CLUSTER)])),
    read_at_once=lambda raw: pods.prepare_served_pod(raw, _AFTER_AGE),
)
MERGED_EVENT_PRINTER = MergedPrinter(
    _with_cluster(events.COLUMNS, _BEFORE_MESSAGE),
    _named(lambda sections: events.prepare_event(sections, [(_BEFORE_MESSAGE, Slot.CLUSTER)])),
)
MERGED_PRINTERS: Mapping[GroupResource, MergedPrinter] = {
    PODS: MERGED_POD_PRINTER,
    EVENTS: MERGED_EVENT_PRINTER,
    NEW_EVENTS: MERGED_EVENT_PRINTER,
}
