"""The port through which get, list and watch read: the embedded store and the cross-cluster cache look alike.

Defined by its consumers, handlers/read.py and handlers/watch.py. Objects are opaque; the source gives cheap byte views
of them. Nothing behind this port hands out decoded objects, so nothing in front of it is tempted to re-encode a list.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, overload

import msgspec

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import ObjectKey
from gateway.apimachinery.options import ListOptions
from gateway.apimachinery.schema import GroupVersionKind
from gateway.printers.columns import Column

Stored = Any
"""One object at one version, opaque: only the source it came from can look inside."""

Memo = Callable[[Hashable, Callable[[], bytes]], bytes]
"""Returns what the second argument makes, made once for each form however many watchers ask."""


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of a list: a snapshot that stays valid however long sending it takes."""

    items: Sequence[Stored]
    resource_version: str
    continue_token: str = ""
    remaining: int | None = None


class WatchChange(msgspec.Struct, frozen=True, gc=False):
    """One event of a watch. A BOOKMARK has no object; an ERROR has `error` and is the last one.

    `memo` shares encoded frames between watchers.
    """

    type: str
    resource_version: str
    stored: Stored | None = None
    initial_events_end: bool = False
    memo: Memo | None = None
    error: ApiError | None = None


class ObjectsAdded(Sequence[WatchChange]):
    """A part of a watch's initial state: changes that nobody shares, and the bytes of their objects without these."""

    def __init__(
        self, objects: Sequence[Stored], head: bytes, item: Callable[[Stored], bytes], version: Callable[[Stored], str]
    ) -> None:
        """`item` returns an object as it stands in a list; `head` takes the place of the brace at its beginning."""
        self._objects = objects
        self._item = item
        self._version = version
        self.head = head

    def items(self) -> Iterator[bytes]:
        """Return each object as it stands in a list."""
        return map(self._item, self._objects)

    def __len__(self) -> int:
        return len(self._objects)

    @overload
    def __getitem__(self, index: int) -> WatchChange: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[WatchChange]: ...

    def __getitem__(self, index: int | slice) -> WatchChange | Sequence[WatchChange]:
        """Return one of the changes, or some."""
        if isinstance(index, slice):
            return ObjectsAdded(self._objects[index], self.head, self._item, self._version)
        stored = self._objects[index]
        return WatchChange("ADDED", self._version(stored), stored)


class Outlet(Protocol):
    """The way to the client of a watch, for a source that tells many watchers at once what happens."""

    @property
    def form(self) -> Hashable:
        """What bytes are equal under: all outlets of a form encode alike."""
        ...

    def encode(self, changes: Sequence[WatchChange]) -> bytes:
        """Return what a client is sent of some changes."""
        ...

    def ready(self) -> bool:
        """Whether the client has taken most of what was sent before."""
        ...

    def write(self, data: bytes) -> None:
        """Send what `encode` made, without waiting."""
        ...


class Subscription(Protocol):
    """An open watch."""

    async def next_batch(self, outlet: Outlet | None = None) -> Sequence[WatchChange]:
        """Wait for the next events. Safe to cancel: nothing is lost. An empty batch means the watch has ended.

        Until it returns, events may be written to `outlet` instead: they come before those that are returned.
        """
        ...

    def bookmark_version(self) -> str | None:
        """Return the resourceVersion a bookmark may carry now, or None when the source sends bookmarks itself."""
        ...

    def close(self) -> None:
        """End the watch; a waiting `next_batch` returns empty."""
        ...


class ReadSource(Protocol):
    """Where one resource is read from, for one caller: visibility is already decided."""

    @property
    def gvk(self) -> GroupVersionKind:
        """The kind of its objects."""
        ...

    @property
    def list_kind(self) -> str:
        """The kind of its lists."""
        ...

    @property
    def built_in(self) -> bool:
        """Whether protobuf is served beside JSON and YAML."""
        ...

    @property
    def columns(self) -> Sequence[Column]:
        """The columns of its Table; `cells` has one cell for each."""
        ...

    def object_bytes(self, stored: Stored) -> bytes:
        """Return the complete JSON object, kind and apiVersion first."""
        ...

    def item_bytes(self, stored: Stored) -> bytes:
        """Return the object as it stands inside a list."""
        ...

    def metadata_bytes(self, stored: Stored) -> bytes:
        """Return the JSON of its metadata."""
        ...

    def items(self, objects: Sequence[Stored]) -> Sequence[bytes]:
        """Return `item_bytes` of many objects."""
        ...

    def all_metadata(self, objects: Sequence[Stored]) -> Sequence[bytes]:
        """Return `metadata_bytes` of many objects."""
        ...

    def rows(self, objects: Iterable[Stored], now: float) -> Iterator[bytes]:
        """Return the inside of each Table row, without the object: `"cells":[…]` and, where there are any, conditions.

        Ages are counted to `now` (seconds since the epoch). A row is written when it is asked for.
        """
        ...

    async def get(self, key: ObjectKey, resource_version: str) -> Stored:
        """Return one object, not older than `resource_version` when that is given. Raises ApiError 404."""
        ...

    async def list(self, namespace: str, options: ListOptions) -> Page:
        """Return a page. Raises ApiError (400, 410, 504)."""
        ...

    async def watch(self, namespace: str, options: ListOptions, lifetime: float) -> Subscription:
        """Open a watch of `lifetime` seconds. Raises ApiError; 410 and 504 are told in the stream."""
        ...
