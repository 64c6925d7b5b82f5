"""The protobuf wire format: varints, tags and length-delimited fields, read defensively and written as Kubernetes does.

Knows nothing of messages; `protobuf_decode` and `protobuf_encode` do. Nothing here trusts a length or a varint.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

VARINT: Final = 0
FIXED64: Final = 1
LENGTH: Final = 2
FIXED32: Final = 5
MAX_MESSAGE_DEPTH: Final = 200
"""How deep messages may nest; the deepest honest ones are schemas of custom resources."""

_MAX_SCANNED: Final = 1000
"""How many fields a message may come in that is scanned: envelopes, times, map entries, each of a handful of fields."""


class ProtobufError(ValueError):
    """A protobuf body that cannot be read, or an object that has no protobuf form; the text says what is wrong."""


class UnknownKindError(ProtobufError):
    """The kind has no built-in message: a custom resource, or a kind of another Kubernetes version."""


def truncated() -> ProtobufError:
    """The error of data that ends inside a field."""
    return ProtobufError("unexpected EOF")


def read_varint(data: bytes, pos: int) -> tuple[int, int]:
    """Return the unsigned 64-bit varint at `pos` and the position after it.

    Raises ProtobufError when it does not end within ten bytes, IndexError when the data ends first.
    """
    value = shift = 0
    while True:
        byte = data[pos]
        pos += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, pos
        shift += 7
        if shift >= 70:
            raise ProtobufError("proto: integer overflow")


def signed32(value: int) -> int:
    """The int32 that a varint stands for: its low 32 bits, as Go reads them."""
    return ((value & 0xFFFF_FFFF) ^ 0x8000_0000) - 0x8000_0000


def signed64(value: int) -> int:
    """The int64 that a varint stands for."""
    return value - (1 << 64) if value >= 1 << 63 else value


def skip_field(data: bytes, pos: int, tag: int) -> int:
    """Return the position after the value of an unknown field whose tag was just read."""
    if tag < 8:
        raise ProtobufError(f"proto: illegal tag 0 (wire type {tag})")
    if tag >= 1 << 32:  # Go keeps the low 32 bits of a field number: what is unknown here would be known there
        raise ProtobufError("proto: illegal tag above 32 bits")
    wire_type = tag & 7
    if wire_type == VARINT:
        return read_varint(data, pos)[1]
    if wire_type == LENGTH:
        size, pos = read_varint(data, pos)
        return pos + size
    if wire_type == FIXED64:
        return pos + 8
    if wire_type == FIXED32:
        return pos + 4
    raise ProtobufError(f"proto: illegal wireType {wire_type}")


def scan(data: bytes, pos: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield (tag, start, stop) of every field between `pos` and `end`; `start` is behind the length of a LENGTH field.

    Raises ProtobufError on anything malformed, and for more fields than any message that is read this way has.
    """
    left = _MAX_SCANNED
    while pos < end:
        left -= 1
        if left < 0:
            raise ProtobufError("a message of a few fields comes in too many of them")
        try:
            tag, start = read_varint(data, pos)
            pos = skip_field(data, start, tag)
            if tag & 7 == LENGTH:
                start = read_varint(data, start)[1]
        except IndexError:
            raise truncated() from None
        if pos > end:
            raise truncated()
        yield tag, start, pos


def varint(value: int) -> bytes:
    """Encode an integer as a varint; negative ones take ten bytes."""
    if 0 <= value < 0x80:
        return bytes((value,))
    value &= 0xFFFF_FFFF_FFFF_FFFF
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def length_delimited(tag: bytes, payload: bytes) -> bytes:
    """Encode a LENGTH field: its tag, the length and the payload."""
    return tag + varint(len(payload)) + payload


def tag(number: int, wire_type: int) -> bytes:
    """Encode the tag of a field."""
    return varint(number << 3 | wire_type)
