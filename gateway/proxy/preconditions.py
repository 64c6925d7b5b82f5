"""Binding a write at another API server to the version of the object that admission judged. Pure.

The version travels in the client's own body, in the place where the API keeps it: DeleteOptions, metadata, or one more
patch operation. What the client sent otherwise stays as it is, protobuf bytes included: embedded messages merge on
concatenation, so a few bytes behind the body set a field inside it. What the client itself demands is never weakened,
and when it fails it is the client's conflict.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec.structs import replace

from gateway.apimachinery import meta
from gateway.apimachinery.errors import OBJECT_MODIFIED, ApiError
from gateway.apimachinery.json_values import decode_value
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.patch.patch import APPLY_PATCH
from gateway.apimachinery.protobuf import MEDIA_TYPE as PROTOBUF
from gateway.apimachinery.protobuf import is_envelope
from gateway.apimachinery.protobuf_decode import ENVELOPE_PREFIX, type_and_message
from gateway.apimachinery.protobuf_schema import message, message_for
from gateway.apimachinery.protobuf_wire import LENGTH, length_delimited, scan, tag
from gateway.write_request import Precondition, WriteRequest

JSON = "application/json"
UID = "uid"
RESOURCE_VERSION = "resourceVersion"

_RESOURCE_VERSION_POINTER = "/metadata/resourceVersion"
_SETTING_OPERATIONS = frozenset({"add", "replace", "copy", "move"})
_UID_FAILED = re.compile(r"UID in (the )?precondition|uid mismatch")
_VERSION_FAILED = re.compile(r"ResourceVersion in (the )?precondition")
_RAW = 2  # the field of the envelope (runtime.Unknown) that holds the object


class Guarded(msgspec.Struct, frozen=True):
    """The body to send, and which of its preconditions are ours."""

    body: bytes
    content_type: str
    ours: frozenset[str] = msgspec.field(default_factory=frozenset)


def guard(request: WriteRequest, precondition: Precondition | None) -> Guarded:
    """Return the write's body with the precondition in it, as far as the client does not say the same itself."""
    untouched = Guarded(request.body, request.content_type)
    wanted = {
        name: value
        for name, value in ((UID, precondition.uid), (RESOURCE_VERSION, precondition.resource_version))
        if value
    } if precondition else {}  # fmt: skip
    if not wanted:
        return untouched
    if request.verb == "delete":
        return _guard_delete(request, wanted)
    if request.scope.info.subresource == "eviction":
        return _guard_eviction(request, wanted)
    if request.verb == "update":
        return _guard_object(request, wanted)
    if request.verb != "patch":
        return untouched  # a create meets no object that was judged
    return _guard_json_patch(request, wanted) if isinstance(request.patch, list) else _guard_patch(request, wanted)


def lost(error: ApiError, guarded: Guarded, resource: str) -> bool:
    """Whether a refusal means that our precondition, and nothing the client asked for, no longer holds."""
    if error.code == 422:  # how most updates say that the object of this name is another one
        return UID in guarded.ours and any(one.get("field") == "metadata.uid" for one in _causes(error))
    if error.code != 409 or error.reason != "Conflict":
        return False
    text = error.message
    # Two wordings each: of the registry (finalizers, grace periods) and of the storage below it.
    if _UID_FAILED.search(text):
        return UID in guarded.ours
    if _VERSION_FAILED.search(text):
        return RESOURCE_VERSION in guarded.ours
    # The same words about another resource (a quota, say) come from a race that is not about this object.
    return (
        OBJECT_MODIFIED in text and RESOURCE_VERSION in guarded.ours and error.details.get("kind") in {None, resource}
    )


def _causes(error: ApiError) -> list[JsonObject]:
    causes = error.details.get("causes")
    return [one for one in causes if isinstance(one, dict)] if isinstance(causes, list) else []


def _missing(wanted: dict[str, str], given: Any) -> dict[str, str]:
    """Return what of our preconditions the client does not state itself."""
    stated = given if isinstance(given, dict) else {}
    return {name: value for name, value in wanted.items() if not stated.get(name)}


def _guard_delete(request: WriteRequest, wanted: dict[str, str]) -> Guarded:
    options = request.delete
    # Taken from the options, not from the body: the resourceVersion in them may have been translated.
    named = {UID: options.precondition_uid, RESOURCE_VERSION: options.precondition_resource_version}
    stated = {name: value for name, value in named.items() if value}
    missing = _missing(wanted, stated)
    if is_envelope(request.body):
        return replace(_append(request.body, ("preconditions",), {**stated, **missing}), ours=frozenset(missing))
    # An API server that gets a body ignores the options in the query: they have to move into it.
    body = _json_object(request.body) or _options_of(request)
    body["preconditions"] = {**stated, **missing}
    if request.options.dry_run:
        body["dryRun"] = ["All"]
    return Guarded(msgspec.json.encode(body), JSON, frozenset(missing))


def _options_of(request: WriteRequest) -> JsonObject:
    options = request.delete
    given = {
        "gracePeriodSeconds": options.grace_period_seconds,
        "propagationPolicy": options.propagation_policy or None,
        "orphanDependents": options.orphan_dependents,
    }
    body: JsonObject = {"kind": "DeleteOptions", "apiVersion": "v1"}
    body.update({name: value for name, value in given.items() if value is not None})
    return body


def _guard_eviction(request: WriteRequest, wanted: dict[str, str]) -> Guarded:
    obj = dict(request.obj or {})
    options = obj.get("deleteOptions")
    options = dict(options) if isinstance(options, dict) else {}
    missing = _missing(wanted, options.get("preconditions"))
    if is_envelope(request.body):
        return _append(request.body, ("deleteOptions", "preconditions"), missing)
    given = options.get("preconditions")
    options["preconditions"] = {**(given if isinstance(given, dict) else {}), **missing}
    return Guarded(msgspec.json.encode({**obj, "deleteOptions": options}), JSON, frozenset(missing))


def _guard_object(request: WriteRequest, wanted: dict[str, str]) -> Guarded:
    obj = request.obj or {}
    if meta.resource_version(obj):
        return Guarded(request.body, request.content_type)  # one version only can be meant, and the client named it
    missing = _missing(_strongest(wanted), obj.get("metadata"))
    if is_envelope(request.body):
        return _append(request.body, ("metadata",), missing)
    return Guarded(msgspec.json.encode(_with_metadata(obj, missing)), JSON, frozenset(missing))


def _guard_patch(request: WriteRequest, wanted: dict[str, str]) -> Guarded:
    patch = request.patch if isinstance(request.patch, dict) else {}
    given = patch.get("metadata")
    if isinstance(given, dict) and given.get(RESOURCE_VERSION):
        return Guarded(request.body, request.content_type)
    # An apply creates what is gone; only the uid keeps it from that.
    missing = _missing(wanted if request.patch_type == APPLY_PATCH else _strongest(wanted), given)
    return Guarded(msgspec.json.encode(_with_metadata(patch, missing)), request.content_type, frozenset(missing))


def _guard_json_patch(request: WriteRequest, wanted: dict[str, str]) -> Guarded:
    operations = request.patch if isinstance(request.patch, list) else []
    missing = _strongest(wanted)
    if any(_sets_version(operation) for operation in operations):
        return Guarded(request.body, request.content_type)
    ours = [{"op": "add", "path": f"/metadata/{name}", "value": value} for name, value in missing.items()]
    return Guarded(msgspec.json.encode([*operations, *ours]), request.content_type, frozenset(missing))


def _sets_version(operation: Any) -> bool:
    """Whether a patch operation leaves a resourceVersion of the client's choice behind: its own optimistic lock."""
    if not isinstance(operation, dict) or operation.get("op") not in _SETTING_OPERATIONS:
        return False
    path, value = operation.get("path"), operation.get("value")
    if path == "/metadata":
        return isinstance(value, dict) and bool(value.get(RESOURCE_VERSION))
    if path == "":
        return isinstance(value, dict) and bool(meta.resource_version(value))
    return bool(path == _RESOURCE_VERSION_POINTER)


def _strongest(wanted: dict[str, str]) -> dict[str, str]:
    """Return the resourceVersion where there is one: it belongs to one object only, so a uid adds nothing."""
    return {RESOURCE_VERSION: wanted[RESOURCE_VERSION]} if RESOURCE_VERSION in wanted else wanted


def _with_metadata(obj: JsonObject, values: dict[str, str]) -> JsonObject:
    given = obj.get("metadata")
    return {**obj, "metadata": {**(given if isinstance(given, dict) else {}), **values}}


def _json_object(body: bytes) -> JsonObject:
    try:
        decoded = decode_value(body) if body.strip() else {}
    except msgspec.DecodeError:
        return {}
    return decoded if isinstance(decoded, dict) else {}


def _append(envelope: bytes, path: tuple[str, ...], values: dict[str, str]) -> Guarded:
    """Set string fields of an embedded message by appending bytes to the message in a protobuf envelope."""
    if not values:
        return Guarded(envelope, PROTOBUF)
    api_version, kind, body = type_and_message(envelope)
    appended = body + _encode_at(message_for(api_version, kind), path, values)
    fields = [envelope[: len(ENVELOPE_PREFIX)]]
    start = len(ENVELOPE_PREFIX)
    for key, _, stop in scan(envelope, start, len(envelope)):
        if key != _RAW << 3 | LENGTH:
            fields.append(envelope[start:stop])
        start = stop
    fields.append(length_delimited(tag(_RAW, LENGTH), appended))
    return Guarded(b"".join(fields), PROTOBUF, frozenset(values))


def _encode_at(name: str, path: tuple[str, ...], values: dict[str, str]) -> bytes:
    """Encode only these strings, inside the messages along the path."""
    numbers = {one.name: one for one in message(name).fields}
    if not path:
        encoded = (length_delimited(tag(numbers[key].number, LENGTH), text.encode()) for key, text in values.items())
        return b"".join(encoded)
    step = numbers[path[0]]
    return length_delimited(tag(step.number, LENGTH), _encode_at(step.message, path[1:], values))
