"""JSON objects to messages, byte for byte as Kubernetes' own encoder writes them.

Fields go out by ascending number; scalars and messages that are not pointers in Go always, pointers when they are set,
map entries sorted by key. Fields the table does not know are left out, as decoding into the Go types would do.
"""

from __future__ import annotations

import functools
import struct
from base64 import b64decode
from collections.abc import Callable
from typing import Any, Final

from gateway.apimachinery import protobuf_values as values
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.protobuf_schema import INLINE, Field, message
from gateway.apimachinery.protobuf_wire import (
    FIXED64,
    LENGTH,
    VARINT,
    ProtobufError,
    length_delimited,
    tag,
    varint,
)

_Write = Callable[[Any], bytes]
"""Turns a JSON value (None for a missing one) into bytes."""


class _Plan:
    """How to encode one message: for each field its JSON name and what writes it."""

    __slots__ = ("_fields", "_name")

    def __init__(self, name: str) -> None:
        self._name = name
        self._fields: list[tuple[str, _Write]] | None = None

    def encode(self, obj: Any, depth: int = 0) -> bytes:
        """Return the message of a JSON object, of None as well: the empty message. Raises ProtobufError."""
        if obj is None:
            obj = {}
        if not isinstance(obj, dict):
            raise ProtobufError(f"not an object: {obj!r:.80}")
        if self._fields is None:
            self._fields = [(field.name, _writer(field)) for field in message(self._name).fields]
        return b"".join([write(obj if name == INLINE else obj.get(name)) for name, write in self._fields])


@functools.cache
def _plan(name: str) -> _Plan:
    return _Plan(name)


def encode_message(name: str, obj: JsonObject) -> bytes:
    """Encode an object as the named message. Raises ProtobufError for a value that does not fit its field."""
    try:
        return _plan(name).encode(obj)
    except RecursionError:
        raise ProtobufError("the object is nested too deeply") from None


def _writer(field: Field) -> _Write:
    wire_type = _WIRE_TYPES.get(field.type, LENGTH)
    value = _value_writer(field)
    prefix = tag(field.number, wire_type)
    if wire_type == LENGTH:
        write_one = functools.partial(_write_length_delimited, prefix, value)
    else:
        write_one = functools.partial(_write_number, prefix, value)
    if field.container == "[":
        return functools.partial(_write_list, field.name, write_one)
    if field.container == "{":
        return functools.partial(_write_map, field.name, prefix, value)
    if field.pointer or field.type == "y" or _is_list(field):
        return lambda given: b"" if given is None else write_one(given)
    return write_one


def _is_list(field: Field) -> bool:
    return bool(field.message) and message(field.message).wrapped_list


_WIRE_TYPES: Final = {"b": VARINT, "i": VARINT, "l": VARINT, "d": FIXED64}


def _write_length_delimited(prefix: bytes, value: _Write, given: Any) -> bytes:
    return length_delimited(prefix, value(given))


def _write_number(prefix: bytes, value: _Write, given: Any) -> bytes:
    return prefix + value(given)


def _write_list(name: str, write_one: _Write, given: Any) -> bytes:
    if given is None:
        return b""
    if not isinstance(given, list):
        raise ProtobufError(f"{name} is not a list: {given!r:.80}")
    return b"".join([write_one(item) for item in given])


def _write_map(name: str, prefix: bytes, value: _Write, given: Any) -> bytes:
    if given is None:
        return b""
    if not isinstance(given, dict):
        raise ProtobufError(f"{name} is not a map: {given!r:.80}")
    entries = []
    for key in sorted(given):
        entry = length_delimited(b"\x0a", key.encode()) + length_delimited(b"\x12", value(given[key]))
        entries.append(length_delimited(prefix, entry))
    return b"".join(entries)


# ---- values


def _string(value: Any) -> bytes:
    if value is None:
        return b""
    if type(value) is not str:
        raise ProtobufError(f"not a string: {value!r:.80}")
    return value.encode()


def _bool(value: Any) -> bytes:
    if value is not None and type(value) is not bool:
        raise ProtobufError(f"not a boolean: {value!r:.80}")
    return b"\x01" if value else b"\x00"


def _integer(bits: int, value: Any) -> bytes:
    if value is None:
        return b"\x00"
    if type(value) is not int or not -(1 << bits - 1) <= value < 1 << bits - 1:
        raise ProtobufError(f"not an int{bits}: {value!r:.80}")
    return varint(value)


def _double(value: Any) -> bytes:
    if value is not None and type(value) not in (int, float):
        raise ProtobufError(f"not a number: {value!r:.80}")
    return struct.pack("<d", value or 0)


def _base64(value: Any) -> bytes:
    if value is None:
        return b""
    try:
        return b64decode(value.replace("\n", "").replace("\r", ""), validate=True)
    except (AttributeError, ValueError):
        raise ProtobufError(f"not base64: {value!r:.80}") from None


_WRITERS: Final[dict[str, _Write]] = {
    "s": _string,
    "b": _bool,
    "i": functools.partial(_integer, 32),
    "l": functools.partial(_integer, 64),
    "d": _double,
    "y": _base64,
    "Q": values.encode_quantity,
    "T": values.encode_time,
    "M": values.encode_micro_time,
    "I": values.encode_int_or_string,
    "F": values.encode_raw_json,
    "J": values.encode_raw_json,
    "R": values.encode_raw_json,
}


def _value_writer(field: Field) -> _Write:
    if not field.message:
        return _WRITERS[field.type]
    encode = _plan(field.message).encode
    if _is_list(field):
        return lambda items: encode({"items": items})
    union = _UNIONS.get(field.message.rpartition(".")[2])
    return (lambda value: encode(union(value))) if union else encode


def _schema_or_array(value: Any) -> JsonObject:
    return {"jsonschemas": value} if isinstance(value, list) else {"schema": value}


def _schema_or_bool(value: Any) -> JsonObject:
    return {"allows": value} if value is None or isinstance(value, bool) else {"allows": True, "schema": value}


def _schema_or_string_array(value: Any) -> JsonObject:
    return {"property": value} if isinstance(value, list) else {"schema": value}


_UNIONS: Final[dict[str, Callable[[Any], JsonObject]]] = {
    "JSONSchemaPropsOrArray": _schema_or_array,
    "JSONSchemaPropsOrBool": _schema_or_bool,
    "JSONSchemaPropsOrStringArray": _schema_or_string_array,
}
