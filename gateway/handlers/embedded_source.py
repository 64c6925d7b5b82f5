"""The embedded store behind the ReadSource port."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from gateway.apimachinery.meta import ObjectKey
from gateway.apimachinery.options import ListOptions
from gateway.handlers.read_source import Outlet, Page, WatchChange
from gateway.printers import workloads
from gateway.printers.columns import Column
from gateway.printers.printer import StoredPrinter
from gateway.storage.definitions import ResourceDefinition
from gateway.storage.interface import StoredEvent, StoredObject, encode_value
from gateway.storage.reads import RegistryWatch
from gateway.storage.registry import Registry
from gateway.storage.scale import SCALES, scale_of


class _Metadata(msgspec.Struct, gc=False):
    metadata: msgspec.Raw = msgspec.Raw(b"{}")


class EmbeddedSource:
    """Reads one resource of an embedded store."""

    def __init__(self, registry: Registry, definition: ResourceDefinition, printer: StoredPrinter) -> None:
        """Bind a registry to one of its resources."""
        self._registry = registry
        self._definition = definition
        self._printer = printer
        self.gvk = definition.gvk
        self.list_kind = definition.list_kind
        self.built_in = definition.builtin

    @property
    def columns(self) -> Sequence[Column]:
        """The kind's columns."""
        return self._printer.columns

    def object_bytes(self, stored: StoredObject) -> bytes:
        """Return the complete JSON object."""
        return self._definition.object_bytes(stored)

    def item_bytes(self, stored: StoredObject) -> bytes:
        """Return the object as a list item."""
        return self._definition.item_bytes(stored)

    def metadata_bytes(self, stored: StoredObject) -> bytes:
        """Return its metadata."""
        return bytes(msgspec.json.decode(stored.raw, type=_Metadata).metadata)

    def items(self, objects: Sequence[StoredObject]) -> Sequence[bytes]:
        """Return many objects as list items."""
        return list(map(self._definition.item_bytes, objects))

    def all_metadata(self, objects: Sequence[StoredObject]) -> Sequence[bytes]:
        """Return the metadata of many objects."""
        return list(map(self.metadata_bytes, objects))

    def rows(self, objects: Iterable[StoredObject], now: float) -> Iterator[bytes]:
        """Return the inside of each Table row."""
        return self._printer.rows(objects, now)

    async def get(self, key: ObjectKey, resource_version: str) -> StoredObject:
        """Return one object."""
        return await self._registry.get(self._definition, key, resource_version=resource_version)

    async def list(self, namespace: str, options: ListOptions) -> Page:
        """Return a page."""
        result = await self._registry.list(self._definition, namespace, options)
        return Page(result.items, result.resource_version, result.continue_token, result.remaining)

    async def watch(self, namespace: str, options: ListOptions, lifetime: float) -> EmbeddedSubscription:
        """Open a watch; its lifetime is the handler's to keep."""
        return EmbeddedSubscription(await self._registry.watch(self._definition, namespace, options))


SCALE_PRINTER = StoredPrinter(workloads.SCALES.columns, workloads.SCALES.prepare)


class EmbeddedScaleSource(EmbeddedSource):
    """Reads the Scales of one resource of an embedded store; there is only `get` to them."""

    def __init__(self, registry: Registry, definition: ResourceDefinition) -> None:
        """Bind a registry to the resource that is scaled."""
        super().__init__(registry, SCALES, SCALE_PRINTER)
        self._scaled = definition

    async def get(self, key: ObjectKey, resource_version: str) -> StoredObject:
        """Return the Scale of an object."""
        stored = await self._registry.get(self._scaled, key, resource_version=resource_version)
        scale = scale_of(self._scaled, self._scaled.object(stored))
        return StoredObject.from_value(key, stored.revision, encode_value(scale), stored.written_at)


class EmbeddedSubscription:
    """A watch of the embedded store."""

    def __init__(self, watch: RegistryWatch) -> None:
        """Take over an open watch."""
        self._watch = watch

    async def next_batch(self, outlet: Outlet | None = None) -> Sequence[WatchChange]:
        """Return the next events, all of them."""
        return [_change(event) for event in await self._watch.next_batch()]

    def bookmark_version(self) -> str:
        """Return what a bookmark may say now."""
        return str(self._watch.bookmark_revision())

    def close(self) -> None:
        """End the watch."""
        self._watch.close()


def _change(event: StoredEvent) -> WatchChange:
    return WatchChange(event.type, str(event.revision), event.object, event.initial_events_end)
