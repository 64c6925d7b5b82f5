"""Kubernetes' protobuf bodies: the `k8s` envelope of every built-in kind, and the frames of protobuf watches.

Typed clients from 1.32 on send nothing else, and admission has to see what is inside. Custom resources have no protobuf
form. Pure; the layers below are `protobuf_decode` and `protobuf_encode`, the facts stand in `protobuf_schema`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.protobuf_decode import ENVELOPE_PREFIX, Decoding, decode_envelope, type_and_message
from gateway.apimachinery.protobuf_encode import encode_message
from gateway.apimachinery.protobuf_schema import Field, message, message_for
from gateway.apimachinery.protobuf_wire import LENGTH, ProtobufError, UnknownKindError, length_delimited, tag, varint

__all__ = [
    "MEDIA_TYPE",
    "WATCH_MEDIA_TYPE",
    "Decoded",
    "ProtobufError",
    "UnknownKindError",
    "decode",
    "decode_object",
    "encode",
    "encode_list",
    "encode_watch_event",
    "is_built_in",
    "is_envelope",
    "list_item_encoder",
    "peek_type",
]

MEDIA_TYPE: Final = "application/vnd.kubernetes.protobuf"
WATCH_MEDIA_TYPE: Final = "application/vnd.kubernetes.protobuf;stream=watch"

_ENVELOPE_END: Final = b"\x1a\x00\x22\x00"
"""contentEncoding and contentType, always written and always empty."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """An object read from a protobuf body."""

    obj: JsonObject
    unknown_fields: bool
    """The body holds fields this version does not know: only the original bytes are complete."""


def is_envelope(data: bytes) -> bool:
    """Whether a body begins as Kubernetes' protobuf bodies do."""
    return data.startswith(ENVELOPE_PREFIX)


def is_built_in(api_version: str, kind: str) -> bool:
    """Whether objects of a kind have a protobuf form."""
    return bool(message_for(api_version, kind))


def peek_type(data: bytes) -> tuple[str, str]:
    """Return (apiVersion, kind) of a body without decoding the object. Raises ProtobufError."""
    api_version, kind, _ = type_and_message(data)
    return api_version, kind


def decode(data: bytes) -> Decoded:
    """Decode a body into the object kube-apiserver would print as JSON.

    Raises ProtobufError for malformed data (the text is fit for a 400) and its subclass UnknownKindError for a kind
    that is not built in.
    """
    state = Decoding()
    return Decoded(decode_envelope(data, state), state.unknown_fields)


def decode_object(data: bytes) -> JsonObject:
    """Decode a body as `decode` does, where lost unknown fields do not matter."""
    return decode_envelope(data, Decoding())


def _message_name(api_version: str, kind: str) -> str:
    name = message_for(api_version, kind)
    if not name:
        raise UnknownKindError(f'no kind "{kind}" is registered for version "{api_version}"')
    return name


def _envelope(api_version: str, kind: str, length: int) -> bytes:
    """Return what stands before a message of this length; _ENVELOPE_END stands behind it."""
    type_meta = length_delimited(b"\x0a", api_version.encode()) + length_delimited(b"\x12", kind.encode())
    return ENVELOPE_PREFIX + length_delimited(b"\x0a", type_meta) + b"\x12" + varint(length)


def _type_of(obj: JsonObject) -> tuple[str, str]:
    return str(obj.get("apiVersion") or ""), str(obj.get("kind") or "")


def encode(obj: JsonObject) -> bytes:
    """Encode an object of a built-in kind, byte for byte as Kubernetes would.

    Raises ProtobufError for a value that does not fit its field and its subclass UnknownKindError for other kinds.
    """
    api_version, kind = _type_of(obj)
    body = encode_message(_message_name(api_version, kind), obj)
    return b"".join((_envelope(api_version, kind, len(body)), body, _ENVELOPE_END))


def _items_field(api_version: str, list_kind: str) -> Field:
    fields = message(_message_name(api_version, list_kind)).fields
    return next(field for field in fields if field.name == "items")


def list_item_encoder(api_version: str, list_kind: str) -> Callable[[JsonObject], bytes]:
    """Return what encodes one item of a list of a built-in kind, for `encode_list`. Raises UnknownKindError."""
    field = _items_field(api_version, list_kind)
    item_tag = tag(field.number, LENGTH)
    return lambda obj: length_delimited(item_tag, encode_message(field.message, obj))


def encode_list(head: JsonObject, items: Sequence[bytes]) -> list[bytes]:
    """Return, in pieces, what `encode` would make of a list with these encoded items; `head` is the list without them.

    So a long list is encoded item by item. Raises ProtobufError.
    """
    api_version, kind = _type_of(head)
    metadata = encode_message(_message_name(api_version, kind), head)
    envelope = _envelope(api_version, kind, len(metadata) + sum(map(len, items)))
    fields = [*items, metadata] if _items_field(api_version, kind).number == 1 else [metadata, *items]
    return [envelope, *fields, _ENVELOPE_END]


def encode_watch_event(event_type: str, envelope: bytes) -> bytes:
    """One frame of a protobuf watch: a four-byte length and a WatchEvent around an encoded object."""
    event = length_delimited(b"\x0a", event_type.encode()) + length_delimited(
        b"\x12", length_delimited(b"\x0a", envelope)
    )
    return len(event).to_bytes(4, "big") + event
