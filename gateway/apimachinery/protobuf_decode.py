"""Messages to JSON objects, in the form in which kube-apiserver would print the same object.

A plan is compiled once for each message, on first use: field tag → what to do. Absent and zero follow Go's struct tags:
what `omitempty` drops is dropped, what is always printed is there from the start. Singular messages that come in
pieces are merged as protobuf demands, so that nobody can show one value to us and another to the server behind us.
"""

from __future__ import annotations

import functools
import struct
from base64 import b64encode
from collections.abc import Callable
from typing import Any, Final

from gateway.apimachinery import protobuf_values as values
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.protobuf_schema import INLINE, Field, Message, message, message_for
from gateway.apimachinery.protobuf_wire import (
    FIXED64,
    LENGTH,
    MAX_MESSAGE_DEPTH,
    VARINT,
    ProtobufError,
    UnknownKindError,
    read_varint,
    scan,
    signed32,
    signed64,
    skip_field,
    truncated,
)

# What to do with a field; the most frequent ones have the smallest numbers and are asked for first.
_STRING, _MESSAGE, _STRINGS, _MAP, _MESSAGES, _INLINE, _VALUE, _VALUES, _PACKED = range(9)

_Decode = Callable[[bytes, int, int, "Decoding"], Any]
_Step = tuple[int, str, Any, bool]
"""Operation, JSON name, what it works with, whether a zero value is dropped."""


_MAX_MESSAGES: Final = 250_000
"""How many messages and map entries a body may hold: an empty one takes two bytes on the wire, hundreds in memory."""


class Decoding:
    """What one decoding carries along: how deep it is, how many messages it met, and whether a field was unknown."""

    __slots__ = ("depth", "messages", "unknown_fields")

    def __init__(self) -> None:
        self.depth = 0
        self.messages = 0
        self.unknown_fields = False


class _Plan:
    """How to decode one message; compiled when it is first met, because types refer to themselves."""

    __slots__ = ("_nested_zeros", "_zeros", "is_list", "message", "names", "steps")

    def __init__(self, compiled_from: Message) -> None:
        self.message = compiled_from
        self.steps: dict[int, _Step] = {}
        self.names = {field.number: field.name for field in compiled_from.fields}
        self.is_list = False
        self._zeros: JsonObject = {}
        self._nested_zeros: list[tuple[str, _Plan]] = []

    def new(self) -> JsonObject:
        """The JSON form of an empty message: what Go prints even when nothing is set."""
        if not self.steps:
            self._compile()
        if not self._nested_zeros:
            return self._zeros.copy()
        zero = self._zeros.copy()
        for name, plan in self._nested_zeros:
            zero[name] = plan.new()
        return zero

    def _compile(self) -> None:
        for field in self.message.fields:
            for wire_type, step in _steps(field):
                self.steps[field.number << 3 | wire_type] = step
            self._add_zero(field)
        self.is_list = (
            any(field.type == "@meta/v1.ListMeta" for field in self.message.fields) and "items" in self._zeros
        )

    def _add_zero(self, field: Field) -> None:
        nested = _plan(field.message) if field.message and _is_plain(field) else None
        if nested and field.name == INLINE:
            nested.new()
            self._zeros.update(nested._zeros)
            self._nested_zeros += nested._nested_zeros
        elif nested:
            self._nested_zeros.append((field.name, nested))
        elif not field.omit_zero:
            single = not field.pointer and not field.container
            self._zeros[field.name] = _ZEROS.get(field.type) if single else None


_ZEROS: Final = {"s": "", "b": False, "i": 0, "l": 0, "I": 0, "Q": "0"}


def _is_plain(field: Field) -> bool:
    """Whether the field holds one message that is always there and has the JSON form of its fields."""
    return not field.pointer and not field.container and _own_form(field.message) is None


@functools.cache
def _plan(name: str) -> _Plan:
    return _Plan(message(name))


def _steps(field: Field) -> list[tuple[int, _Step]]:
    """The wire types a field may come in, and what to do with each."""
    drop_zero = field.omit_zero and not field.pointer
    if field.container == "{":
        value: _Decode = _string if field.type == "s" else _decoder(field)
        return [(LENGTH, (_MAP, field.name, value, False))]
    if field.type in _VARINTS:
        read = _VARINTS[field.type]
        if field.container:
            return [(VARINT, (_VALUES, field.name, read, False)), (LENGTH, (_PACKED, field.name, read, False))]
        return [(VARINT, (_VALUE, field.name, read, drop_zero))]
    if field.type == "d":
        return [(FIXED64, (_VALUE, field.name, None, drop_zero))]
    if field.type == "s":
        return [(LENGTH, (_STRINGS if field.container else _STRING, field.name, None, drop_zero))]
    if field.message and _own_form(field.message) is None:
        operation = _INLINE if field.name == INLINE else _MESSAGES if field.container else _MESSAGE
        return [(LENGTH, (operation, field.name, _plan(field.message), False))]
    return [(LENGTH, (_VALUES if field.container else _VALUE, field.name, _decoder(field), drop_zero))]


_VARINTS: Final[dict[str, Callable[[int], Any]]] = {"b": bool, "i": signed32, "l": signed64}


def fill(data: bytes, pos: int, end: int, plan: _Plan, out: JsonObject, state: Decoding) -> None:
    """Decode the message between `pos` and `end` into `out`. Raises ProtobufError, IndexError, UnicodeDecodeError."""
    state.depth += 1
    _count_message(state)
    steps = plan.steps
    while pos < end:
        tag = data[pos]
        pos += 1
        if tag > 0x7F:
            tag, pos = read_varint(data, pos - 1)
        step = steps.get(tag)
        if step is None:
            pos = _skip_unknown(data, pos, tag, plan, state)
        elif tag & 7 == LENGTH:
            size = data[pos]
            pos += 1
            if size > 0x7F:
                size, pos = read_varint(data, pos - 1)
            stop = pos + size
            if stop > end:
                raise truncated()
            operation, name, work, drop_zero = step
            if operation == _STRING:
                if size or not drop_zero:
                    out[name] = str(data[pos:stop], "utf-8")
                else:
                    out.pop(name, None)
            elif operation == _MESSAGE:
                child = out.get(name)
                if child is None:
                    child = out[name] = work.new()
                fill(data, pos, stop, work, child, state)
            elif operation == _STRINGS:
                _list(out, name).append(str(data[pos:stop], "utf-8"))
            elif operation == _MAP:
                _map_entry(data, pos, stop, step, out, state)
            elif operation == _MESSAGES:
                child = work.new()
                _list(out, name).append(child)
                fill(data, pos, stop, work, child, state)
            else:
                _fill_rarer(data, pos, stop, step, out, state)
            pos = stop
        else:
            pos = _fill_number(data, pos, tag, step, out)
    if pos > end:
        raise truncated()
    state.depth -= 1


def _count_message(state: Decoding) -> None:
    state.messages += 1
    if state.depth > MAX_MESSAGE_DEPTH or state.messages > _MAX_MESSAGES:
        raise ProtobufError("the body holds too many messages or nests them too deeply")


def _list(out: JsonObject, name: str) -> list[Any]:
    items: list[Any] | None = out.get(name)
    if items is None:
        items = out[name] = []
    return items


def _fill_number(data: bytes, pos: int, tag: int, step: _Step, out: JsonObject) -> int:
    operation, name, read, drop_zero = step
    if tag & 7 == FIXED64:
        value, pos = _double(data, pos), pos + 8
    else:
        value, pos = read_varint(data, pos)
        value = read(value)
    if operation == _VALUES:
        _list(out, name).append(value)
    elif value or not drop_zero:
        out[name] = value
    else:
        out.pop(name, None)
    return pos


def _double(data: bytes, pos: int) -> float | int:
    if pos + 8 > len(data):
        raise truncated()
    (value,) = struct.unpack_from("<d", data, pos)
    if value - value != 0:
        raise ProtobufError(f"json: unsupported value: {value}")
    return int(value) if value.is_integer() and abs(value) < 1e21 else float(value)


def _fill_rarer(data: bytes, pos: int, stop: int, step: _Step, out: JsonObject, state: Decoding) -> None:
    operation, name, work, drop_zero = step
    if operation == _INLINE:
        fill(data, pos, stop, work, out, state)
    elif operation == _VALUES:
        _list(out, name).append(work(data, pos, stop, state))
    elif operation == _PACKED:
        items = _list(out, name)
        while pos < stop:
            number, pos = read_varint(data, pos)
            items.append(work(number))
        if pos > stop:
            raise truncated()
    else:
        if out.get(name) not in (None, *_ZEROS.values()):
            raise ProtobufError(f"{name} comes in more than one piece")
        value = work(data, pos, stop, state)
        if value or not drop_zero:
            out[name] = value


def _map_entry(data: bytes, pos: int, end: int, step: _Step, out: JsonObject, state: Decoding) -> None:
    _, name, decode, _ = step
    _count_message(state)
    key, value_start, value_stop = "", 0, 0
    for tag, start, stop in scan(data, pos, end):
        if tag == 10:
            key = str(data[start:stop], "utf-8")
        elif tag == 18:
            value_start, value_stop = start, stop
        elif tag >> 3 < 3:
            raise ProtobufError(f"proto: wrong wireType = {tag & 7} for field {name}")
        else:
            state.unknown_fields = True
    entries: JsonObject | None = out.get(name)
    if entries is None:
        entries = out[name] = {}
    entries[key] = decode(data, value_start, value_stop, state)


def _skip_unknown(data: bytes, pos: int, tag: int, plan: _Plan, state: Decoding) -> int:
    if name := plan.names.get(tag >> 3):
        raise ProtobufError(f"proto: wrong wireType = {tag & 7} for field {name}")
    state.unknown_fields = True
    return skip_field(data, pos, tag)


# ---- values: fields that are neither scalars nor plain messages


def _string(data: bytes, pos: int, end: int, _: Decoding) -> str:
    return str(data[pos:end], "utf-8")


def _bytes(data: bytes, pos: int, end: int, _: Decoding) -> str:
    return b64encode(data[pos:end]).decode()


def _stateless(decode: Callable[[bytes, int, int], Any]) -> _Decode:
    return lambda data, pos, end, _: decode(data, pos, end)


def _raw_extension(data: bytes, pos: int, end: int, state: Decoding) -> Any:
    raw = values.payload(data, pos, end, 1)
    if raw and raw.startswith(ENVELOPE_PREFIX):
        return decode_envelope(raw, state)
    return values.parse_json(raw)


_VALUES_BY_TYPE: Final[dict[str, _Decode]] = {
    "y": _bytes,
    "Q": _stateless(values.decode_quantity),
    "T": _stateless(values.decode_time),
    "M": _stateless(values.decode_micro_time),
    "I": _stateless(values.decode_int_or_string),
    "F": _stateless(values.decode_raw_json),
    "J": _stateless(values.decode_raw_json),
    "R": _raw_extension,
}


def _decoder(field: Field) -> _Decode:
    """The function that decodes the value of a map entry, or of a field with a JSON form of its own."""
    if not field.message:
        return _VALUES_BY_TYPE[field.type]
    plan, own_form = _plan(field.message), _own_form(field.message)

    def decode(data: bytes, pos: int, end: int, state: Decoding) -> Any:
        fields = plan.new()
        fill(data, pos, end, plan, fields, state)
        return own_form(fields) if own_form else fields

    return decode


def _own_form(name: str) -> Callable[[JsonObject], Any] | None:
    """How to print a message that has a JSON form of its own; None for all others."""
    if message(name).wrapped_list:
        return lambda fields: fields["items"] or []
    return _UNIONS.get(name.rpartition(".")[2])


_UNIONS: Final[dict[str, Callable[[JsonObject], Any]]] = {
    "JSONSchemaPropsOrArray": lambda union: union["jsonschemas"] or union["schema"],
    "JSONSchemaPropsOrBool": lambda union: union["allows"] if union["schema"] is None else union["schema"],
    "JSONSchemaPropsOrStringArray": lambda union: union["property"] or union["schema"],
}

# ---- the envelope

ENVELOPE_PREFIX: Final = b"k8s\x00"
"""What every protobuf body of Kubernetes begins with."""


def decode_envelope(data: bytes, state: Decoding) -> JsonObject:
    """Decode a whole body. Raises ProtobufError, and UnknownKindError for a kind that is not built in."""
    api_version, kind, body = type_and_message(data)
    if not kind:
        raise ProtobufError("Object 'Kind' is missing in the protobuf envelope")
    if not api_version:
        raise ProtobufError("Object 'apiVersion' is missing in the protobuf envelope")
    name = message_for(api_version, kind)
    if not name:
        raise UnknownKindError(f'no kind "{kind}" is registered for version "{api_version}"')
    plan = _plan(name)
    obj: JsonObject = {"kind": kind, "apiVersion": api_version, **plan.new()}
    try:
        fill(body, 0, len(body), plan, obj, state)
    except IndexError:
        raise truncated() from None
    except UnicodeDecodeError:
        raise ProtobufError("a string is not valid UTF-8") from None
    if plan.is_list and obj["items"] is None:
        obj["items"] = []  # an empty list of objects is never null to a client
    return obj


def type_and_message(data: bytes) -> tuple[str, str, bytes]:
    """Return apiVersion, kind and the encoded message of an envelope (`runtime.Unknown`). Raises ProtobufError."""
    if not data:
        raise ProtobufError("empty data")
    if not data.startswith(ENVELOPE_PREFIX):
        prefix = " ".join(str(byte) for byte in ENVELOPE_PREFIX)
        raise ProtobufError(f"provided data does not appear to be a protobuf message, expected prefix [{prefix}]")
    start = len(ENVELOPE_PREFIX)
    if len(data) == start:
        raise ProtobufError("empty body")
    type_meta = values.payload(data, start, len(data), 1) or b""
    try:
        api_version = str(values.payload(type_meta, 0, len(type_meta), 1) or b"", "utf-8")
        kind = str(values.payload(type_meta, 0, len(type_meta), 2) or b"", "utf-8")
    except UnicodeDecodeError:
        raise ProtobufError("apiVersion or kind is not valid UTF-8") from None
    return api_version, kind, values.payload(data, start, len(data), 2) or b""
