"""The Storage port: objects as bytes under revisions, durable, listed, and watched. What a back end promises.

Knows no kind and no rule of Kubernetes but one: an object is JSON with `metadata`. The registry above gives it meaning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import msgspec

from gateway.apimachinery import meta
from gateway.apimachinery.json_values import decode_value
from gateway.apimachinery.meta import JsonObject, ObjectKey

EventType = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]

_METADATA_HEAD = b'{"metadata":{'


class StoredMetadata(msgspec.Struct, gc=False):
    """The part of an object's metadata that selectors and controllers read, decoded without the rest of the object.

    What has another shape, as only an older or damaged store can hold, reads as absent.
    """

    uid: str = ""
    generation: int = 0
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    finalizers: list[str] = msgspec.field(default_factory=list)
    deletion_timestamp: str = msgspec.field(default="", name="deletionTimestamp")
    owner_references: list[JsonObject] = msgspec.field(default_factory=list, name="ownerReferences")


class _OnlyMetadata(msgspec.Struct, gc=False):
    metadata: StoredMetadata


_metadata_decoder = msgspec.json.Decoder(_OnlyMetadata)


def _read_tolerantly(obj: JsonObject) -> StoredMetadata:
    generation = meta.metadata(obj).get("generation")
    return StoredMetadata(
        meta.uid(obj),
        generation if isinstance(generation, int) else 0,
        meta.labels(obj),
        meta.finalizers(obj),
        meta.deletion_timestamp(obj),
        meta.owner_references(obj),
    )


class StoredObject(msgspec.Struct, gc=False):
    """One version of an object. Never changed after it is made, so a list in flight may hold it.

    `raw` is the JSON object as a List carries it: metadata first, resourceVersion in it, without kind and apiVersion.
    `cells` belongs to the Table printer, which may keep what it rendered there.
    """

    key: ObjectKey
    revision: int
    raw: bytes
    written_at: float
    cells: Any = None
    _metadata: StoredMetadata | None = None
    _fields: Mapping[str, str] | None = None
    _fields_reader: FieldReader | None = None

    @classmethod
    def from_value(cls, key: ObjectKey, revision: int, value: bytes, written_at: float) -> StoredObject:
        """Build from a value made by `encode_value`."""
        return cls(key, revision, b'%s"resourceVersion":"%d",%s' % (_METADATA_HEAD, revision, value), written_at)

    def at(self, revision: int, written_at: float) -> StoredObject:
        """Return the same content under another revision: the last state that a deletion reports."""
        head = len(_METADATA_HEAD) + len(b'"resourceVersion":"",') + len(str(self.revision))
        return self.from_value(self.key, revision, self.raw[head:], written_at)

    @property
    def metadata(self) -> StoredMetadata:
        """The metadata that selectors read; decoded on first use."""
        if self._metadata is None:
            try:
                self._metadata = _metadata_decoder.decode(self.raw).metadata
            except msgspec.ValidationError:
                self._metadata = _read_tolerantly(self.decode())
        return self._metadata

    def decode(self) -> JsonObject:
        """Return the whole object, without kind and apiVersion: a fresh tree, the caller's own."""
        decoded: JsonObject = decode_value(self.raw)
        return decoded

    def fields(self, read: FieldReader) -> Mapping[str, str]:
        """Return the field-selector values that `read` finds in the object; kept for the reader that asked last."""
        if self._fields is None or self._fields_reader is not read:
            self._fields = read(self)
            self._fields_reader = read
        return self._fields


FieldReader = Callable[[StoredObject], Mapping[str, str]]
"""Reads the values that field selectors of one resource compare."""


def encode_value(obj: Mapping[str, Any]) -> bytes:
    """Encode an object for storing: no kind, no apiVersion, no resourceVersion (the revision is spliced in on reading).

    The object must have metadata with a name.
    """
    metadata = {name: value for name, value in obj["metadata"].items() if name != "resourceVersion"}
    rest = {name: value for name, value in obj.items() if name not in {"kind", "apiVersion", "metadata"}}
    return msgspec.json.encode({"metadata": metadata, **rest})[len(_METADATA_HEAD) :]


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """What one revision did. `object` of a DELETED event is the last state under the revision of the deletion.

    A BOOKMARK has no object: it says that everything up to `revision` was handed out.
    """

    type: EventType
    revision: int
    object: StoredObject | None
    previous: StoredObject | None = None
    initial_events_end: bool = False
    resource: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One write: `expected` is the revision the object must stand at, 0 for none; `value` is None for a deletion."""

    resource: str
    key: ObjectKey
    expected: int
    value: bytes | None


class StorageError(Exception):
    """The store cannot do its work; the message says why in plain words."""


class StorageInUse(StorageError):
    """Another process has the store open."""


class StorageClosed(StorageError):
    """The store is closed."""


class RevisionMismatch(Exception):
    """The object does not stand at the expected revision. `current` is 0 when it does not exist."""

    def __init__(self, current: int) -> None:
        """Remember where the object stands."""
        super().__init__(f"the object stands at revision {current}")
        self.current = current


class Compacted(Exception):
    """The history asked for is gone; `oldest` is the oldest revision from which it is complete."""

    def __init__(self, oldest: int) -> None:
        """Remember what there still is."""
        super().__init__(f"history before revision {oldest} is gone")
        self.oldest = oldest


class Watch(Protocol):
    """A reader of committed events, in revision order, without gaps."""

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be read."""
        ...

    async def next_batch(self) -> list[StoredEvent]:
        """Wait for events; an empty list says that the watch has ended (closed, or its reader was too slow)."""
        ...

    def close(self) -> None:
        """End the watch; a waiting reader wakes."""
        ...


class Storage(Protocol):
    """A durable, revisioned, watchable store. Used from one event loop; never blocks it.

    Reads of the current state are answered at once and show every write that was acknowledged before.
    """

    @property
    def revision(self) -> int:
        """The revision of the latest write that readers can see."""
        ...

    def changed_at(self, resource: str) -> int:
        """Return a revision at or after the resource's latest change: from there on the current state is exact."""
        ...

    def get(self, resource: str, key: ObjectKey) -> StoredObject | None:
        """Return the current version of an object, or None."""
        ...

    def list(self, resource: str, namespace: str = "") -> Sequence[StoredObject]:
        """Return the current objects of a resource, ordered by namespace and name; "" is every namespace."""
        ...

    async def list_at(
        self, resource: str, namespace: str, revision: int, *, after: ObjectKey | None, limit: int
    ) -> Sequence[StoredObject]:
        """Return at most `limit` objects behind the key `after`, as they were at a revision. Raises Compacted."""
        ...

    async def count_at(self, resource: str, namespace: str, revision: int, *, after: ObjectKey | None) -> int:
        """Return how many objects `list_at` would return without a limit. Raises Compacted."""
        ...

    async def write(self, change: Change) -> StoredEvent:
        """Write durably and return what happened, after readers and watchers can see it.

        Raises RevisionMismatch when the object does not stand where the change expects it, StorageError when the write
        could not be made durable (nothing was written then).
        """
        ...

    async def watch(self, resource: str, after: int) -> Watch:
        """Watch a resource ("" is all) from behind a revision. Raises Compacted."""
        ...

    def listen(self, resource: str, listener: Callable[[StoredEvent], None]) -> None:
        """Call a quick function on every event of a resource ("" is all), before the write is acknowledged."""
        ...
