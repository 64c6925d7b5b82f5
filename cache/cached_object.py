"""One object as the cache keeps and serves it: encoded bytes beside a small index record.

The bytes are the member's without managedFields, with the gateway's resourceVersion, the served name and the
annotations that tell where it came from (see `stamp`). Pure. What a CachedObject says is never changed, it is replaced,
so a list of references is a snapshot.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from cache.compressed import Compressed, compress
from cache.encoded_object import decode_sections, lingers
from cache.naming import UNCONTESTED, Naming
from cache.resource_kind import ResourceKind
from cache.stamp import RAW_START, REVISION_AT, Stamp, compose

CLUSTER_LABEL = "fleetgate.io/cluster"
"""A virtual label: selectors may use it, objects do not carry it."""

CellRenderer = Callable[[bytes], Any]
"""Renders the Table cells of an object. Gets its JSON as it stands in a list."""

_logger = logging.getLogger(__name__)


def object_key(namespace: str, name: str) -> str:
    """The key of an object: kube-apiserver's storage order is the order of these strings."""
    return f"{namespace}/{name}"


class Rows:
    """Makes the cells of the objects of one kind."""

    def __init__(self, kind: ResourceKind, renderer: CellRenderer) -> None:
        """Make them by `renderer`."""
        self._kind = kind
        self._renderer = renderer

    def render(self, obj: CachedObject) -> Any:
        """Return the cells of an object; None where the renderer fails."""
        try:
            return self._renderer(obj.raw)
        except Exception:
            # An odd object of one member must not end a list of all the others.
            _logger.exception("cannot render the cells of %s %s", self._kind.stored.kind, obj.key)
            return None


class CachedObject(msgspec.Struct, gc=False):
    """An object as it is served."""

    key: str
    """`namespace/name` as served; `/name` for cluster-scoped objects. Keys sort as kube-apiserver sorts lists."""
    namespace: str
    name: str
    """The name as served: the member's own, or a qualified one where several members use it."""
    original_name: str
    cluster: str
    """The member it came from; empty for objects recorded in the federation store."""
    uid: str
    rv: int
    """The gateway's resourceVersion."""
    member_rv: str
    created: int
    """creationTimestamp in seconds since the epoch; 0 when unknown."""
    labels: Mapping[str, str]
    fields: tuple[str, ...]
    """Values for field selectors, in the order of the kind's `field_names`."""
    body: bytes | Compressed
    metadata_end: int
    naming: Naming = UNCONTESTED
    """What its name depends on in the view of a caller who sees some members only."""
    rows: Rows | None = None
    """What makes its cells; one for all objects of the kind."""
    row: Any = msgspec.UNSET
    """The cells, once somebody has asked for them; not of a compressed object. They show its name."""
    in_use: bool = False
    """Whether it was read singly lately; a list reads everything and says nothing of what is read next."""

    @property
    def raw(self) -> bytes:
        """The JSON object as it stands in a list: metadata first, no kind and apiVersion."""
        body = self.body
        return body if isinstance(body, bytes) else body.expand()

    @property
    def size(self) -> int:
        """The length of those bytes."""
        body = self.body
        return len(body) if isinstance(body, bytes) else body.size

    @property
    def is_compressed(self) -> bool:
        """Whether reading it takes longer."""
        return not isinstance(self.body, bytes)

    def compress(self, like: bytes) -> int:
        """Keep it compressed from now on, by the bytes of an object like it. Returns the length of what is left."""
        self.row = msgspec.UNSET
        self.body = compressed = compress(self.raw, like)
        return len(compressed.data)

    @property
    def cells(self) -> Any:
        """What the kind's cell renderer makes of it, when it is first asked for: most are never shown as a Table."""
        row = self.row
        if row is msgspec.UNSET:
            row = self.rows.render(self) if self.rows else None
            if not self.is_compressed:
                self.row = row
        return row

    @property
    def original_key(self) -> str:
        """The key under the member's own name."""
        return self.key if self.name == self.original_name else object_key(self.namespace, self.original_name)

    @property
    def metadata(self) -> bytes:
        """The metadata object alone, encoded."""
        return self.raw[len(RAW_START) : self.metadata_end]

    @property
    def lingers(self) -> bool:
        """Whether it was deleted and lives on for a while: for a grace period, or until its finalizers are done."""
        return lingers(decode_sections(self.metadata))

    def at_revision(self, rv: int) -> CachedObject:
        """The same object with another resourceVersion, as a DELETED event carries its last state."""
        was, text = len(str(self.rv)), str(rv).encode()
        raw = self.raw[:REVISION_AT] + text + self.raw[REVISION_AT + was :]
        return msgspec.structs.replace(self, rv=rv, body=raw, metadata_end=self.metadata_end + len(text) - was)

    def renamed(self, name: str, rv: int) -> CachedObject:
        """The same object served under another name."""
        sections = decode_sections(self.raw)
        metadata = decode_sections(sections.pop("metadata"))
        raw, metadata_end = compose(metadata, sections, Stamp(name, self.original_name, self.cluster, rv))
        return msgspec.structs.replace(
            self,
            key=object_key(self.namespace, name),
            name=name,
            rv=rv,
            body=raw,
            metadata_end=metadata_end,
            row=msgspec.UNSET,
        )


def whole(objects: Sequence[CachedObject]) -> list[bytes]:
    """Return `raw` of many objects, without a call for each."""
    return [body if type(body := obj.body) is bytes else obj.raw for obj in objects]


def all_metadata(objects: Sequence[CachedObject]) -> list[bytes]:
    """Return `metadata` of many objects, without a call for each."""
    start = len(RAW_START)
    return [body[start : obj.metadata_end] if type(body := obj.body) is bytes else obj.metadata for obj in objects]
