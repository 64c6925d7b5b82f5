"""Bodies of requests to objects and objects to bodies: JSON, YAML and protobuf, refused in kube-apiserver's words.

What comes in is hostile. Nothing here crashes on it, and nothing is accepted that a server behind us could read in a
second way without the caller being told: a body with duplicate fields says so, invalid UTF-8 is refused, not repaired.
Pure; knows media types, not HTTP. Fields are checked against their types by `strict`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from gateway.apimachinery import protobuf
from gateway.apimachinery.duplicate_fields import duplicate_fields
from gateway.apimachinery.errors import ApiError, bad_request, unsupported_media_type
from gateway.apimachinery.json_syntax import json_type, syntax_error
from gateway.apimachinery.json_values import TOO_MANY_CONTAINERS, decode_value, has_too_many_containers
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.protobuf import ProtobufError
from gateway.apimachinery.yaml_codec import MAX_DEPTH, YamlError, decode_yaml, encode_yaml, int64_or_float

__all__ = [
    "BUILT_IN_MEDIA_TYPES",
    "CUSTOM_MEDIA_TYPES",
    "JSON",
    "PROTOBUF",
    "YAML",
    "DecodeError",
    "DecodedBody",
    "cannot_be_handled",
    "decode_body",
    "decode_json",
    "decode_yaml_or_json",
    "encode_json",
    "encode_pretty",
    "encode_yaml",
    "exact_problem",
    "media_type",
    "strict_errors",
    "unrecognized",
    "watch_frame_json",
]

JSON: Final = "application/json"
YAML: Final = "application/yaml"
PROTOBUF: Final = protobuf.MEDIA_TYPE
BUILT_IN_MEDIA_TYPES: Final = (JSON, YAML, PROTOBUF)
CUSTOM_MEDIA_TYPES: Final = (JSON, YAML)

_MANY_DIGITS: Final = re.compile(rb"[0-9]{19}")
_EXACT_ERRORS_UP_TO: Final = 64 * 1024
"""Largest JSON text in bytes of which Go's exact error is worked out: that takes a second for a megabyte."""
_KIND_STRUCT: Final = (
    r'struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }'
)


class DecodeError(ValueError):
    """A body that is not what its media type says; the text is the reason kube-apiserver would give."""


@dataclass(frozen=True, slots=True)
class DecodedBody:
    """A request body, read."""

    obj: JsonObject
    media_type: str
    strict_errors: tuple[str, ...] = ()
    """Duplicate fields, as strict decoding reports them (`duplicate field "spec.replicas"`). `obj` has the last value
    of each; a server that reads the original bytes may merge them, so those bytes must not be passed on."""
    protobuf_unknown_fields: bool = False
    """The protobuf body holds fields `obj` lacks: only the original bytes are complete."""


def media_type(content_type: str | None) -> str:
    """Return the media type of a Content-Type header without its parameters; none at all means JSON."""
    return (content_type or "").partition(";")[0].strip().lower() or JSON


def decode_body(
    data: bytes,
    content_type: str | None,
    *,
    expected_kind: str = "",
    accepted: Sequence[str] = BUILT_IN_MEDIA_TYPES,
) -> DecodedBody:
    """Decode a body that holds one object; `null` reads as an empty one.

    Raises ApiError: 415 for a media type that is not accepted, 400 with kube-apiserver's text (`transformDecodeError`
    in its `handlers/rest.go`) for anything that cannot be read. `expected_kind` is the kind such a text names.
    """
    found = media_type(content_type)
    if found not in accepted:
        raise unsupported_media_type(accepted)
    if found == PROTOBUF:
        return _decode_protobuf(data, expected_kind)
    try:
        if found == YAML:
            value, problems = decode_yaml_or_json(data)
        else:
            value, problems = decode_json(data), strict_errors(data)
        obj = _as_object(value)
    except DecodeError as error:
        raise unrecognized(expected_kind, str(error), data) from None
    return DecodedBody(obj, found, tuple(problems))


def _as_object(value: Any) -> JsonObject:
    """Check what kube-apiserver asks of every body before it knows the kind (apimachinery `json/meta.go`)."""
    problem = None
    if value is None:
        value = {}
    if isinstance(value, dict):
        for field in ("apiVersion", "kind"):
            if not isinstance(value.get(field) or "", str):
                problem = f"{json_type(value[field])} into Go struct field .{field} of type string"
                break
    else:
        problem = f"{json_type(value)} into Go value of type {_KIND_STRUCT}"
    if problem:
        raise DecodeError(f"couldn't get version/kind; json parse error: json: cannot unmarshal {problem}")
    obj: JsonObject = value
    return obj


def _decode_protobuf(data: bytes, expected_kind: str) -> DecodedBody:
    try:
        decoded = protobuf.decode(data)
    except ProtobufError as error:
        try:
            api_version, kind = protobuf.peek_type(data)
        except ProtobufError:
            api_version = kind = ""
        if not kind:
            raise unrecognized(expected_kind, str(error), data) from None
        raise cannot_be_handled(api_version, kind, expected_kind or kind, str(error)) from None
    return DecodedBody(decoded.obj, PROTOBUF, protobuf_unknown_fields=decoded.unknown_fields)


def unrecognized(expected_kind: str, problem: str, data: bytes) -> ApiError:
    """400 for a body whose kind could not be told."""
    must_be = f" (must be of type {expected_kind})" if expected_kind else ""
    return bad_request(f"the object provided is unrecognized{must_be}: {problem} ({_summary(data)})")


def cannot_be_handled(api_version: str, kind: str, expected_kind: str, problem: str) -> ApiError:
    """400 for a body of a known kind that does not fit it."""
    version = api_version.rpartition("/")[2]
    return bad_request(f'{kind} in version "{version}" cannot be handled as a {expected_kind}: {problem}')


def _summary(data: bytes) -> str:
    if not data:
        return "<empty>"
    head, more = data[:30], " ..." if len(data) > 30 else ""
    return (head.decode(errors="replace") if data.startswith(b"{") else head.hex()) + more


# ---- JSON


def decode_json(data: bytes) -> Any:
    """Decode a JSON text; the last of duplicate fields wins, integers beyond int64 become floats as in Kubernetes.

    Raises DecodeError with Go's text, also for invalid UTF-8, numbers beyond float64 and nesting deeper than MAX_DEPTH,
    and for more than `json_values.MAX_CONTAINERS` objects and arrays.
    """
    if has_too_many_containers(data):
        raise _json_error(TOO_MANY_CONTAINERS)
    try:
        value = decode_value(data)
    except RecursionError:
        raise _json_error("exceeded max depth") from None
    except ValueError:  # msgspec's errors and UnicodeDecodeError
        raise _json_error(_what_is_wrong(data)) from None
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH and _is_too_deep(value):
        raise _json_error("exceeded max depth")
    return _with_int64(value) if _MANY_DIGITS.search(data) else value


def _what_is_wrong(data: bytes) -> str:
    if len(data) > _EXACT_ERRORS_UP_TO:
        return "malformed JSON"
    return exact_problem(data) or "a string is not valid UTF-8 or a number is out of range"


def exact_problem(data: bytes) -> str:
    """Return Go's words for the first syntax error; an empty text when there is none, or too much to look through."""
    return (syntax_error(data) or "") if len(data) <= _EXACT_ERRORS_UP_TO else ""


def _json_error(problem: str) -> DecodeError:
    return DecodeError(f"couldn't get version/kind; json parse error: {problem}")


def _is_too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        containers = [item for item in level if isinstance(item, dict | list)]
        level = [child for item in containers for child in (item.values() if isinstance(item, dict) else item)]
        if not level:
            return False
    return True


def _with_int64(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_int64(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_int64(item) for item in value]
    try:
        return int64_or_float(value) if type(value) is int else value
    except OverflowError:
        raise _json_error("a number is out of range") from None


def strict_errors(data: bytes) -> list[str]:
    """Return what strict decoding says of a well-formed JSON text: its duplicate fields, in the order they come in."""
    return duplicate_fields(data.decode())


def decode_yaml_or_json(data: bytes) -> tuple[Any, list[str]]:
    """Decode a YAML body, most of which are JSON (server-side apply); return the value and its strict errors.

    Raises DecodeError.
    """
    if data[:1] == b"{":
        try:
            return decode_json(data), strict_errors(data)
        except DecodeError:
            pass  # YAML's flow style looks like this as well
    try:
        return decode_yaml(data)
    except YamlError as error:
        raise DecodeError(str(error)) from None


def encode_json(obj: Any) -> bytes:
    """Encode compactly with a newline at the end, as kube-apiserver sends objects."""
    return msgspec.json.encode(obj) + b"\n"


def encode_pretty(obj: Any) -> bytes:
    """Encode indented by two spaces, as kube-apiserver does for people (`?pretty=1`, curl, browsers)."""
    return msgspec.json.format(msgspec.json.encode(obj), indent=2)


def watch_frame_json(event_type: str, encoded_object: bytes) -> bytes:
    """One line of a JSON watch around an object that is already encoded, without a newline of its own."""
    return b'{"type":"%b","object":%b}\n' % (event_type.encode(), encoded_object)
