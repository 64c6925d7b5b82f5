"""One object of a member as the cache keeps it: encoded bytes beside a small index record.

`ObservedObject` is what was read from a member, `CachedObject` what is served: the member's bytes without
managedFields, with the gateway's resourceVersion, the served name and the annotations that tell where it came from.
Everything is rebuilt structurally, never by searching text. Pure. What a CachedObject says is never changed, it is
replaced, so a list of references is a snapshot.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from cache.compressed import Compressed, compress
from cache.field_values import Sections
from cache.naming import UNCONTESTED, Naming
from cache.resource_kind import ResourceKind

CLUSTER_ANNOTATION = "resource.karmada.io/cached-from-cluster"
ORIGINAL_NAME_ANNOTATION = "fleetgate.io/original-name"
CLUSTER_LABEL = "fleetgate.io/cluster"
"""A virtual label: selectors may use it, objects do not carry it."""

CellRenderer = Callable[[Sections], Any]
"""Renders the Table cells of an object. Gets its top-level fields as they are served, still encoded."""

_logger = logging.getLogger(__name__)
_RAW_START = b'{"metadata":'
_REVISION_AT = len(b'{"metadata":{"resourceVersion":"')
_LABEL_SETS_LIMIT = 4_096
"""Objects with the same labels come together, as their names begin alike."""
_KNOWN_TIMES = 4_096
_COMPOSED_APART = {"metadata", "kind", "apiVersion"}

_sections_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_texts_decoder = msgspec.json.Decoder(dict[str, str])
_text_decoder = msgspec.json.Decoder(str | None)
_encoder = msgspec.json.Encoder()
_NOTHING = msgspec.Raw(b"null")
_NO_LABELS: Mapping[str, str] = {}


Encoded = bytes | msgspec.Raw | dict[str, msgspec.Raw]
"""An object as a member sent it, or its top-level fields, which then are known to be UTF-8."""

DECODE_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding bytes of a member may raise: they can be anything."""


class MalformedObject(ValueError):
    """Bytes of a member that are not a Kubernetes object."""


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
            return self._renderer(_sections_decoder.decode(obj.raw))
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
    """The cells, once somebody has asked for them; not of a compressed object."""
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
        return self.raw[len(_RAW_START) : self.metadata_end]

    @property
    def lingers(self) -> bool:
        """Whether it was deleted and lives on for a while: for a grace period, or until its finalizers are done."""
        return _lingers(_sections_decoder.decode(self.metadata))

    def at_revision(self, rv: int) -> CachedObject:
        """The same object with another resourceVersion, as a DELETED event carries its last state."""
        was, text = len(str(self.rv)), str(rv).encode()
        raw = self.raw[:_REVISION_AT] + text + self.raw[_REVISION_AT + was :]
        return msgspec.structs.replace(self, rv=rv, body=raw, metadata_end=self.metadata_end + len(text) - was)

    def renamed(self, name: str, rv: int) -> CachedObject:
        """The same object served under another name."""
        sections = _sections_decoder.decode(self.raw)
        metadata = _sections_decoder.decode(sections.pop("metadata"))
        raw, metadata_end = _compose(metadata, sections, _Stamp(name, self.original_name, self.cluster, rv))
        return msgspec.structs.replace(
            self,
            key=object_key(self.namespace, name),
            name=name,
            rv=rv,
            body=raw,
            metadata_end=metadata_end,
        )


class _Stamp(msgspec.Struct, frozen=True):
    """What the gateway writes into an object."""

    name: str
    original_name: str
    cluster: str
    rv: int  # 0: none, as in the answer to a dry-run create


def _compose(metadata: dict[str, msgspec.Raw], sections: dict[str, msgspec.Raw], stamp: _Stamp) -> tuple[bytes, int]:
    """Build the served bytes: metadata first and in it the resourceVersion, so that its place is known."""
    annotations = _annotations(metadata.get("annotations", _NOTHING), stamp)
    stamped: dict[str, Any] = {"resourceVersion": str(stamp.rv)} if stamp.rv else {}
    stamped |= metadata
    if stamp.rv:
        stamped["resourceVersion"] = str(stamp.rv)
    else:
        stamped.pop("resourceVersion", None)
    stamped.pop("managedFields", None)
    stamped["name"] = stamp.name
    if annotations:
        stamped["annotations"] = annotations
    else:
        stamped.pop("annotations", None)
    head = _RAW_START + _encoder.encode(stamped)
    # Joined, because what is encoded in one go is cut to its size from a larger piece of memory, which is then lost.
    rest = [part for name, value in sections.items() for part in (b",", _encoder.encode(name), b":", value)]
    return b"".join((head, *rest, b"}")), len(head)


def _annotations(encoded: msgspec.Raw, stamp: _Stamp) -> dict[str, Any]:
    try:
        annotations: dict[str, Any] = dict(_sections_decoder.decode(encoded))
    except msgspec.ValidationError:
        annotations = {}
    annotations.pop(ORIGINAL_NAME_ANNOTATION, None)
    annotations.pop(CLUSTER_ANNOTATION, None)
    if stamp.cluster:
        annotations[CLUSTER_ANNOTATION] = stamp.cluster
    if stamp.name != stamp.original_name:
        annotations[ORIGINAL_NAME_ANNOTATION] = stamp.original_name
    return annotations


class _Identity(msgspec.Struct, gc=False, rename="camel"):
    """What tells an object and its state from others."""

    name: str | None = None
    namespace: str | None = None
    uid: str | None = None
    resource_version: str | None = None
    creation_timestamp: str | None = None


_identity_decoder = msgspec.json.Decoder(_Identity)


class ObservedObject:
    """An object as a member sent it, read just far enough to decide what it means."""

    __slots__ = (
        "_metadata",
        "_sections",
        "created",
        "key",
        "member_rv",
        "name",
        "namespace",
        "uid",
    )

    def __init__(self, encoded: Encoded) -> None:
        """Read an object. Raises MalformedObject when it is no JSON object with a name."""
        try:
            sections = encoded if isinstance(encoded, dict) else _sections_decoder.decode(_as_utf8(encoded))
            self._sections = sections
            self._metadata = metadata = _sections_decoder.decode(sections.get("metadata", b"{}"))
            if metadata.pop("managedFields", None) is not None:
                # A third of a Pod, neither served nor selected by: whoever reads the metadata need not skip it.
                sections["metadata"] = msgspec.Raw(_encoder.encode(metadata))
            identity = _identity_decoder.decode(sections.get("metadata", b"{}"))
        except DECODE_ERRORS as fault:
            raise MalformedObject(f"not a Kubernetes object: {fault}") from None
        if not identity.name:
            raise MalformedObject("an object without a name")
        self.name = identity.name
        self.namespace = sys.intern(identity.namespace or "")
        self.uid = identity.uid or ""
        self.member_rv = identity.resource_version or ""
        self.created = _epoch(identity.creation_timestamp or "")
        self.key = object_key(self.namespace, self.name)
        """The key under the member's own name."""

    @property
    def kind(self) -> str:
        """Its kind; empty where it is not told, as in lists."""
        return _text(self._sections, "kind")

    @property
    def api_version(self) -> str:
        """Its apiVersion, likewise."""
        return _text(self._sections, "apiVersion")

    @property
    def sections(self) -> Sections:
        """The top-level fields, still encoded; the metadata without managedFields."""
        return self._sections

    @property
    def lingers(self) -> bool:
        """Whether it was deleted and lives on for a while: for a grace period, or until its finalizers are done."""
        return _lingers(self._metadata)

    @property
    def ended(self) -> bool:
        """Whether it was deleted and nothing is waited for: a change that leads there removes it (see Store.Update)."""
        return bytes(self._metadata.get("deletionGracePeriodSeconds", _NOTHING)) == b"0" and not self.lingers

    def labels_encoded(self) -> bytes:
        """The labels as they were sent."""
        return bytes(self._metadata.get("labels", _NOTHING))

    def compose(self, name: str, cluster: str, rv: int) -> tuple[bytes, int]:
        """The bytes to serve it as, and where the metadata ends in them."""
        rest = {key: value for key, value in self._sections.items() if key not in _COMPOSED_APART}
        return _compose(self._metadata, rest, _Stamp(name, self.name, cluster, rv))

    def is_served_as(self, obj: CachedObject) -> bool:
        """Whether what is served is what the member has, to the byte."""
        return self.compose(obj.name, obj.cluster, obj.rv)[0] == obj.raw


def is_utf8(body: bytes) -> bool:
    """Whether bytes are UTF-8."""
    if body.isascii():
        return True
    try:
        str(body, "utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _as_utf8(encoded: bytes | msgspec.Raw) -> bytes | msgspec.Raw:
    """Repair bytes that are no UTF-8: decoding skips over them, and one would spoil every list it is part of."""
    body = bytes(encoded)
    return encoded if is_utf8(body) else body.decode("utf-8", "replace").encode()


def _text(sections: Sections, name: str) -> str:
    try:
        return _text_decoder.decode(sections.get(name, _NOTHING)) or ""
    except msgspec.MsgspecError:
        return ""


def _lingers(metadata: Mapping[str, msgspec.Raw]) -> bool:
    """A kube-apiserver marks whatever is deleted with a time, even if nothing is waited for (rest.BeforeDelete)."""
    if bytes(metadata.get("deletionTimestamp", _NOTHING)) == b"null":
        return False
    if bytes(metadata.get("finalizers", _NOTHING)) not in {b"null", b"[]"}:
        return True
    return bytes(metadata.get("deletionGracePeriodSeconds", _NOTHING)) not in {b"null", b"0"}


@lru_cache(_KNOWN_TIMES)
def _epoch(timestamp: str) -> int:
    try:
        return int(datetime.fromisoformat(timestamp).timestamp())
    except ValueError:
        return 0


class ObjectBuilder:
    """Makes CachedObjects of one kind. Keeps one copy of label sets that many objects share."""

    def __init__(self, kind: ResourceKind, renderer: CellRenderer | None = None) -> None:
        """Build objects of `kind`, with cells made by `renderer`."""
        self._kind = kind
        self._rows = Rows(kind, renderer) if renderer else None
        self._label_sets: dict[bytes, Mapping[str, str]] = {}

    def build(
        self, observed: ObservedObject, cluster: str, name: str, rv: int, naming: Naming = UNCONTESTED
    ) -> CachedObject:
        """Return the object as it is served under a name, with a resourceVersion of the gateway."""
        raw, metadata_end = observed.compose(name, cluster, rv)
        return CachedObject(
            key=observed.key if name == observed.name else object_key(observed.namespace, name),
            namespace=observed.namespace,
            name=name,
            original_name=observed.name,
            cluster=cluster,
            uid=observed.uid,
            rv=rv,
            member_rv=observed.member_rv,
            created=observed.created,
            labels=self._labels(observed.labels_encoded()),
            fields=self._kind.read_fields(observed.sections),
            body=raw,
            metadata_end=metadata_end,
            naming=naming,
            rows=self._rows,
        )

    def rebuild(self, raw: bytes, cluster: str, original_name: str, member_rv: str) -> CachedObject:
        """Return the object of which these are the served bytes. Raises MalformedObject when they are not."""
        observed = ObservedObject(raw)
        metadata_end = len(_RAW_START) + len(bytes(observed.sections.get("metadata", b"")))
        complete = raw[metadata_end - 1 : metadata_end + 1] in {b"},", b"}}"}
        if not raw.startswith(_RAW_START) or not complete or not observed.member_rv.isdecimal():
            raise MalformedObject("not an object as it is served")
        return CachedObject(
            key=observed.key,
            namespace=observed.namespace,
            name=observed.name,
            original_name=original_name,
            cluster=cluster,
            uid=observed.uid,
            rv=int(observed.member_rv),
            member_rv=member_rv,
            created=observed.created,
            labels=self._labels(observed.labels_encoded()),
            fields=self._kind.read_fields(observed.sections),
            body=raw,
            metadata_end=metadata_end,
            rows=self._rows,
        )

    def _labels(self, encoded: bytes) -> Mapping[str, str]:
        labels = self._label_sets.get(encoded)
        if labels is None:
            try:
                # Sets differ by one value of many: the others are the same in all of them.
                found = _texts_decoder.decode(encoded)
                labels = dict(zip(map(sys.intern, found), map(sys.intern, found.values()), strict=True))
            except msgspec.ValidationError:
                labels = _NO_LABELS
            if len(self._label_sets) >= _LABEL_SETS_LIMIT:
                self._label_sets.clear()
            self._label_sets[encoded] = labels
        return labels
