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
    MalformedObject,
    as_utf8,
    decode_sections,
    encode,
    lingers,
)
from cache.field_values import Sections
from cache.stamp import Stamp, compose

_KNOWN_TIMES = 4_096
_COMPOSED_APART = {"metadata", "kind", "apiVersion"}

_text_decoder = msgspec.json.Decoder(str | None)


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
            sections = encoded if isinstance(encoded, dict) else decode_sections(as_utf8(encoded))
            self._sections = sections
            self._metadata = metadata = decode_sections(sections.get("metadata", b"{}"))
            if metadata.pop("managedFields", None) is not None:
                # A third of a Pod, neither served nor selected by: whoever reads the metadata need not skip it.
                sections["metadata"] = msgspec.Raw(encode(metadata))
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
        return lingers(self._metadata)

    @property
    def ended(self) -> bool:
        """Whether it was deleted and nothing is waited for: a change that leads there removes it (see Store.Update)."""
        return bytes(self._metadata.get("deletionGracePeriodSeconds", NOTHING)) == b"0" and not self.lingers

    def labels_encoded(self) -> bytes:
        """The labels as they were sent."""
        return bytes(self._metadata.get("labels", NOTHING))

    def compose(self, stamp: Stamp) -> tuple[bytes, int]:
        """The bytes to serve it as, and where the metadata ends in them."""
        rest = {key: value for key, value in self._sections.items() if key not in _COMPOSED_APART}
        return compose(self._metadata, rest, stamp)

    def is_served_as(self, obj: CachedObject) -> bool:
        """Whether what is served is what the member has, to the byte."""
        return self.compose(Stamp(obj.name, self.name, obj.cluster, obj.rv))[0] == obj.raw


def _text(sections: Sections, name: str) -> str:
    try:
        return _text_decoder.decode(sections.get(name, NOTHING)) or ""
    except msgspec.MsgspecError:
        return ""


@lru_cache(_KNOWN_TIMES)
def _epoch(timestamp: str) -> int:
    try:
        return int(datetime.fromisoformat(timestamp).timestamp())
    except ValueError:
        return 0
