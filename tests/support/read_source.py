"""A resource in memory behind the ReadSource port: what get, list and watch answer from is what a test puts there."""

import asyncio
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from gateway.apimachinery.errors import ApiError, not_found
from gateway.apimachinery.meta import JsonObject, ObjectKey, metadata
from gateway.apimachinery.options import ListOptions
from gateway.apimachinery.schema import GroupResource, GroupVersionKind
from gateway.handlers.read_source import Outlet, Page, WatchChange
from gateway.printers.columns import Column
from gateway.printers.pods import COLUMNS, prepare_pod


@dataclass
class FakeSubscription:
    """An open watch that a test feeds."""

    queue: "asyncio.Queue[list[WatchChange]]" = field(default_factory=asyncio.Queue)
    bookmark: str | None = "77"
    closed: bool = False
    outlet: Outlet | None = None

    def send(self, *changes: WatchChange) -> None:
        self.queue.put_nowait(list(changes))

    async def next_batch(self, outlet: Outlet | None = None) -> Sequence[WatchChange]:
        self.outlet = outlet
        if self.closed and self.queue.empty():
            return []
        return await self.queue.get()

    def bookmark_version(self) -> str | None:
        return self.bookmark

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.queue.put_nowait([])


class FakeSource:
    """Pods; each `Stored` is the JSON of one."""

    def __init__(self, *objects: JsonObject, built_in: bool = True) -> None:
        self.built_in = built_in
        self.gvk = GroupVersionKind("", "v1", "Pod") if built_in else GroupVersionKind("example.io", "v1", "Widget")
        self.list_kind = f"{self.gvk.kind}List"
        self.columns: Sequence[Column] = COLUMNS
        self.objects = [json.dumps(obj, separators=(",", ":")).encode() for obj in objects]
        self.page = Page(self.objects, "42")
        self.error: ApiError | None = None
        self.subscription = FakeSubscription()
        self.asked: list[tuple[str, ListOptions]] = []
        self.lifetime = 0.0

    def object_bytes(self, stored: bytes) -> bytes:
        return stored

    def item_bytes(self, stored: bytes) -> bytes:
        obj = json.loads(stored)
        del obj["kind"], obj["apiVersion"]
        return json.dumps(obj, separators=(",", ":")).encode()

    def metadata_bytes(self, stored: bytes) -> bytes:
        return json.dumps(json.loads(stored)["metadata"], separators=(",", ":")).encode()

    def items(self, objects: Sequence[bytes]) -> Sequence[bytes]:
        return list(map(self.item_bytes, objects))

    def all_metadata(self, objects: Sequence[bytes]) -> Sequence[bytes]:
        return list(map(self.metadata_bytes, objects))

    def rows(self, objects: Iterable[bytes], now: float) -> Iterator[bytes]:
        for stored in objects:
            sections = msgspec.json.decode(stored, type=dict[str, msgspec.Raw])
            name = json.loads(stored)["metadata"]["name"]
            yield prepare_pod(sections).finish(now, json.dumps(name).encode(), b'""')

    async def get(self, key: ObjectKey, resource_version: str) -> bytes:
        if self.error:
            raise self.error
        for stored in self.objects:
            found = metadata(json.loads(stored))
            if (found.get("namespace", ""), found["name"]) == (key.namespace, key.name):
                return stored
        raise not_found(GroupResource("", "pods"), key.name)

    async def list(self, namespace: str, options: ListOptions) -> Page:
        self.asked.append((namespace, options))
        if self.error:
            raise self.error
        return self.page

    async def watch(self, namespace: str, options: ListOptions, lifetime: float) -> FakeSubscription:
        self.asked.append((namespace, options))
        self.lifetime = lifetime
        if self.error:
            raise self.error
        return self.subscription
