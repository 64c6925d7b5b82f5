"""One object of a member as it was sent, read just far enough to decide what it means. Pure."""

from __future__ import annotations

import sys
from datetime import datetime
from functools import lru_cache

import msgspec

from cache.cached_object import CachedObject, object_key
from cache.encoded_object import (
    DECODE_ERRORS,
    NOTHING,
    Encoded,
    Item,
    MalformedObject,
    decode_sections,
    lingers,
    read_object,
)
from cache.field_values import Sections
from cache.stamp import Stamp, compose

_KNOWN_TIMES = 4_096
_APART = frozenset({"metadata", "kind", "apiVersion"})
_TURNED = ("status", "spec")

_text_decoder = msgspec.json.Decoder(str | None)
_Identity = tuple[str | None, str | None, str | None, str | None, str | None]
_identity_decoder: msgspec.json.Decoder[_Identity] = msgspec.json.Decoder(_Identity)
_join = b",".join


class ObservedObject:
    """An object as a member sent it, read just far enough to decide what it means."""

    __slots__ = ("_encoded", "created", "key", "member_rv", "metadata", "name", "namespace", "sections", "uid")

    metadata: dict[str, msgspec.Raw]
    """The fields of its metadata, still encoded, without managedFields."""
    sections: dict[str, msgspec.Raw]
    """Its other top-level fields, but for kind and apiVersion, which lists do not tell."""

    def __init__(self, encoded: Encoded) -> None:
        """Read an object. Raises MalformedObject when it is no JSON object with a name."""
        try:
            self._encoded = read = read_object(encoded)
            self.metadata, self.sections = _parts(read)
            # A third of a Pod, neither served nor selected by.
            self.metadata.pop("managedFields", None)
            name, namespace, uid, member_rv, created = _identity(self.metadata)
        except DECODE_ERRORS as fault:
            raise MalformedObject(f"not a Kubernetes object: {fault}") from None
        if not name:
            raise MalformedObject("an object without a name")
        self.name = name
        self.namespace = sys.intern(namespace or "")
        self.uid = uid or ""
        self.member_rv = member_rv or ""
        self.created = _epoch(created or "")
        self.key = object_key(self.namespace, name)
        """The key under the member's own name."""

    @property
    def kind(self) -> str:
        """Its kind; empty where it is not told, as in lists."""
        read = self._encoded
        return _text(read.kind if isinstance(read, Item) else read.get("kind", NOTHING))

    @property
    def api_version(self) -> str:
        """Its apiVersion, likewise."""
        read = self._encoded
        return _text(read.api_version if isinstance(read, Item) else read.get("apiVersion", NOTHING))

    @property
    def lingers(self) -> bool:
        """Whether it was deleted and lives on for a while: for a grace period, or until its finalizers are done."""
        return lingers(self.metadata)

    @property
    def ended(self) -> bool:
        """Whether it was deleted and nothing is waited for: a change that leads there removes it (see Store.Update)."""
        return bytes(self.metadata.get("deletionGracePeriodSeconds", NOTHING)) == b"0" and not self.lingers

    def labels_encoded(self) -> bytes:
        """The labels as they were sent."""
        return bytes(self.metadata.get("labels", NOTHING))

    def compose(self, stamp: Stamp) -> tuple[bytes, int]:
        """The bytes to serve it as, and where the metadata ends in them."""
        return compose(self.metadata, self.sections, stamp)

    def is_served_as(self, obj: CachedObject) -> bool:
        """Whether what is served is what the member has, to the byte."""
        return self.compose(Stamp(obj.name, self.name, obj.cluster, obj.rv))[0] == obj.raw


def _parts(read: Item | dict[str, msgspec.Raw]) -> tuple[dict[str, msgspec.Raw], dict[str, msgspec.Raw]]:
    """The fields of the metadata, and the other top-level fields but for kind and apiVersion."""
    if isinstance(read, Item):
        rest = {}
        if read.spec:
            rest["spec"] = read.spec
        if read.status:
            rest["status"] = read.status
        return read.metadata, rest
    rest = {name: value for name, value in read.items() if name not in _APART}
    if tuple(rest) == _TURNED:
        # As of an Item, which another object of its page may have kept it from being.
        rest = dict(reversed(rest.items()))
    return decode_sections(read.get("metadata", b"{}")), rest


def _identity(metadata: Sections) -> _Identity:
    """What tells an object and its state from others: name, namespace, uid, resourceVersion and creationTimestamp."""
    get = metadata.get
    encoded = (
        get("name", NOTHING),
        get("namespace", NOTHING),
        get("uid", NOTHING),
        get("resourceVersion", NOTHING),
        get("creationTimestamp", NOTHING),
    )
    return _identity_decoder.decode(b"[" + _join(encoded) + b"]")


def _text(encoded: msgspec.Raw) -> str:
    try:
        return _text_decoder.decode(encoded) or ""
    except msgspec.MsgspecError:
        return ""


@lru_cache(_KNOWN_TIMES)
def _epoch(timestamp: str) -> int:
    try:
        return int(datetime.fromisoformat(timestamp).timestamp())
    except ValueError:
        return 0
