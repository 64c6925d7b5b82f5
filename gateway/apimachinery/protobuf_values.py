"""Kubernetes' own value types, whose JSON form differs from their message: times, quantities, IntOrString.

Decoders take (data, pos, end) of the message and return the JSON value; encoders take the JSON value and return the
message. The forms are those of k8s.io/apimachinery (`meta/v1/time.go`, `micro_time.go`, `util/intstr`, `resource`).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from gateway.apimachinery.json_values import TOO_MANY_CONTAINERS, decode_value, has_too_many_containers
from gateway.apimachinery.protobuf_wire import (
    ProtobufError,
    length_delimited,
    read_varint,
    scan,
    signed32,
    signed64,
    varint,
)

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - naive on purpose: only used for arithmetic in UTC
_ZERO_TIME_SECONDS: Final = -62135596800
"""Go's zero time, 0001-01-01, which is null in JSON."""
_RFC3339: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")


def varints(data: bytes, pos: int, end: int, *numbers: int) -> list[int]:
    """Return the unsigned values of the named varint fields, 0 where absent; other fields are passed over."""
    found = dict.fromkeys(numbers, 0)
    for tag, start, _ in scan(data, pos, end):
        if tag >> 3 in found:
            if tag & 7:
                raise ProtobufError(f"proto: wrong wireType = {tag & 7} for field {tag >> 3}")
            found[tag >> 3] = read_varint(data, start)[0]
    return list(found.values())


def payload(data: bytes, pos: int, end: int, number: int) -> bytes | None:
    """Return the content of a bytes or string field, None where it is absent."""
    found = None
    for tag, start, stop in scan(data, pos, end):
        if tag >> 3 == number:
            if tag & 7 != 2:
                raise ProtobufError(f"proto: wrong wireType = {tag & 7} for field {number}")
            found = data[start:stop]
    return found


def _timestamp(seconds: int, microseconds: int = 0) -> datetime:
    try:
        return _EPOCH + timedelta(seconds=seconds, microseconds=microseconds)
    except OverflowError:
        raise ProtobufError("time is outside of year range [1,9999]") from None


def decode_time(data: bytes, pos: int, end: int) -> str | None:
    """Time: RFC3339 in whole seconds, null for the zero time."""
    if pos == end:
        return None
    seconds = signed64(varints(data, pos, end, 1)[0])
    return None if seconds == _ZERO_TIME_SECONDS else _timestamp(seconds).isoformat() + "Z"


def decode_micro_time(data: bytes, pos: int, end: int) -> str | None:
    """MicroTime: RFC3339 with six digits, null for the zero time."""
    if pos == end:
        return None
    seconds, nanoseconds = varints(data, pos, end, 1, 2)
    microseconds = int(signed32(nanoseconds) / 1000)
    if signed64(seconds) == _ZERO_TIME_SECONDS and not microseconds:
        return None
    return _timestamp(signed64(seconds), microseconds).isoformat(timespec="microseconds") + "Z"


def _parse_time(value: Any) -> tuple[int, int]:
    match = _RFC3339.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ProtobufError(f"not an RFC3339 time: {value!r:.80}")
    moment, fraction, zone = match.groups()
    try:
        when = datetime.fromisoformat(moment + zone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ProtobufError(f"not an RFC3339 time: {value!r:.80}") from None
    seconds = (when.replace(tzinfo=None) - _EPOCH) // timedelta(seconds=1)
    return seconds, int((fraction or "0")[:6].ljust(6, "0"))


def _encode_timestamp(seconds: int, microseconds: int) -> bytes:
    if seconds == _ZERO_TIME_SECONDS and not microseconds:
        return b""
    return b"\x08" + varint(seconds) + b"\x10" + varint(microseconds * 1000)


def encode_time(value: Any) -> bytes:
    """Time from its JSON form; fractions of a second are dropped."""
    return b"" if value is None else _encode_timestamp(_parse_time(value)[0], 0)


def encode_micro_time(value: Any) -> bytes:
    """MicroTime from its JSON form; finer than a microsecond is dropped."""
    return b"" if value is None else _encode_timestamp(*_parse_time(value))


def decode_quantity(data: bytes, pos: int, end: int) -> str:
    """Quantity: its canonical string."""
    text = payload(data, pos, end, 1)
    return str(text, "utf-8") if text else "0"


def encode_quantity(value: Any) -> bytes:
    """Quantity from a JSON string or number."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | None):
        raise ProtobufError(f"not a quantity: {value!r:.80}")
    return length_delimited(b"\x0a", b"0" if value is None else str(value).encode())


def decode_int_or_string(data: bytes, pos: int, end: int) -> int | str:
    """IntOrString: whichever of the two its type names."""
    kind, number = varints(data, pos, end, 1, 2)
    if kind == 0:
        return signed32(number)
    if kind == 1:
        return str(payload(data, pos, end, 3) or b"", "utf-8")
    raise ProtobufError("impossible IntOrString.Type")


def encode_int_or_string(value: Any) -> bytes:
    """IntOrString from a JSON number or string."""
    if isinstance(value, str):
        return length_delimited(b"\x08\x01\x10\x00\x1a", value.encode())
    if value is None:
        value = 0
    if type(value) is not int or not -(1 << 31) <= value < 1 << 31:
        raise ProtobufError(f"neither an int32 nor a string: {value!r:.80}")
    return b"\x08\x00\x10" + varint(value) + b"\x1a\x00"


def decode_raw_json(data: bytes, pos: int, end: int) -> Any:
    """FieldsV1 and JSON: the bytes inside are JSON; none at all is null."""
    return parse_json(payload(data, pos, end, 1))


def parse_json(raw: bytes | None) -> Any:
    """Parse JSON that lies inside a message."""
    if not raw:
        return None
    if has_too_many_containers(raw):
        raise ProtobufError(f"malformed JSON inside the message: {TOO_MANY_CONTAINERS}")
    try:
        return decode_value(raw)
    except (ValueError, RecursionError) as error:
        raise ProtobufError(f"malformed JSON inside the message: {error}") from None


def encode_raw_json(value: Any) -> bytes:
    """FieldsV1, JSON and RawExtension from their JSON form."""
    return b"" if value is None else length_delimited(b"\x0a", msgspec.json.encode(value))
