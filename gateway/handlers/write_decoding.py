"""From bytes to a WriteRequest: the one reading of a write that judge, audit and store all share. Pure.

What could be read in two ways is either refused or written out anew, so that nobody behind us reads it otherwise. What
the store checks itself is left to it; names and namespaces are checked here because rules and records name the object.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from cache.stamp import ORIGINAL_NAME_ANNOTATION
from gateway.apimachinery import codec, meta
from gateway.apimachinery.errors import (
    BODY_LIMIT,
    ApiError,
    bad_request,
    field_error,
    invalid,
    request_entity_too_large,
    unsupported_media_type,
)
from gateway.apimachinery.json_syntax import json_type, quote
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.patch.patch import (
    APPLY_PATCH,
    BUILTIN_PATCHES,
    JSON_PATCH,
    MERGE_PATCH,
    STRATEGIC_MERGE_PATCH,
)
from gateway.handlers.write_options import parse_delete_options, parse_write_options
from gateway.request import RequestInfo
from gateway.request_scope import RequestScope
from gateway.write_request import WriteOptions, WriteRequest

CACHED_FROM_CLUSTER = "resource.karmada.io/cached-from-cluster"
"""Karmada's annotation on every cached object; it describes our answer, not the object, and is never written."""

CLUSTER_LABEL = "fleetgate.io/cluster"
"""On what we serve a virtual label; on what is created, label or annotation, the member it shall go to."""

_VIRTUAL = {
    ("annotations", CACHED_FROM_CLUSTER),
    ("annotations", ORIGINAL_NAME_ANNOTATION),
    ("annotations", CLUSTER_LABEL),
    ("labels", CLUSTER_LABEL),
}


def pointer(field: str, key: str) -> str:
    """Return the JSON pointer of a label or annotation."""
    return f"/metadata/{field}/{key.replace('/', '~1')}"


_VIRTUAL_POINTERS = {pointer(field, key) for field, key in _VIRTUAL}


def decode_write(scope: RequestScope, body: bytes) -> WriteRequest:
    """Read a write. generateName is not resolved yet; the handler does that.

    Raises ApiError with kube-apiserver's texts: 400 for what cannot be read or contradicts the URL, 413, 415, and 422
    for wrong options.
    """
    if len(body) > BODY_LIMIT:
        raise request_entity_too_large()
    verb = scope.info.verb
    if verb in {"delete", "deletecollection"}:
        return _decode_delete(scope, body)
    if verb == "patch":
        return _decode_patch(scope, body)
    return _decode_object(scope, body)


def with_name(request: WriteRequest, name: str) -> WriteRequest:
    """Return the create with a name for the object, re-encoded."""
    obj = dict(request.obj or {})
    obj["metadata"] = {**meta.metadata(obj), "name": name}
    return replace(request, name=name, obj=obj, body=codec.encode_json(obj), content_type=codec.JSON)


def _decode_object(scope: RequestScope, body: bytes) -> WriteRequest:
    options = parse_write_options(scope.query, scope.info.verb, patch_type="", user_agent=scope.user_agent)
    decoded = codec.decode_body(body, scope.content_type, expected_kind=scope.kind)
    obj = decoded.obj
    if scope.info.verb == "update":
        _check_update_name(scope.info, obj)
    else:
        _check_create_namespace(scope.info, obj)
    if decoded.strict_errors and options.field_validation == "Strict":
        kind, problem = str(obj.get("kind") or ""), ", ".join(decoded.strict_errors)
        raise codec.cannot_be_handled(str(obj.get("apiVersion")), kind, kind, f"strict decoding error: {problem}")
    cluster = meta.labels(obj).get(CLUSTER_LABEL) or meta.annotations(obj).get(CLUSTER_LABEL, "")
    stripped = _without_virtual(obj)
    request = WriteRequest(
        scope,
        scope.info.verb,
        scope.info.name or meta.name(obj),
        body,
        decoded.media_type,
        obj=stripped,
        options=options,
        cluster=cluster,
        duplicate_fields=_warned(scope, options, decoded.strict_errors),
    )
    needs_name = request.verb == "create" and not request.name and bool(meta.metadata(obj).get("generateName"))
    read_otherwise = decoded.strict_errors or decoded.media_type == codec.YAML  # YAML has many readers, JSON one
    changed = stripped is not obj or bool(read_otherwise)
    if (changed or needs_name) and decoded.protobuf_unknown_fields:
        raise unsupported_media_type(codec.CUSTOM_MEDIA_TYPES)  # JSON made from it would lack those fields
    if changed:
        request = replace(request, body=codec.encode_json(stripped), content_type=codec.JSON)
    return request


def _decode_patch(scope: RequestScope, body: bytes) -> WriteRequest:
    media_type = codec.media_type(scope.content_type)
    if media_type not in BUILTIN_PATCHES:
        raise ApiError(415, "UnsupportedMediaType", "415: Unsupported Media Type", details={})  # as its router says
    options = parse_write_options(scope.query, "patch", patch_type=media_type, user_agent=scope.user_agent)
    patch, strict_errors = _patch_document(body, media_type)
    if strict_errors and options.field_validation == "Strict":
        problem = f"strict decoding error: {', '.join(strict_errors)}"
        fault = field_error("FieldValueInvalid", "patch", f"Invalid value: {quote(body.decode())}: {problem}")
        raise invalid(scope.info.api_group, scope.info.resource, scope.info.name, [fault])
    stripped = _patch_without_virtual(patch)
    if stripped is not patch or strict_errors or media_type == APPLY_PATCH:  # YAML has many readers, JSON one
        body = codec.encode_json(stripped)
    return WriteRequest(
        scope,
        "patch",
        scope.info.name,
        body,
        media_type,
        patch=stripped,
        options=options,
        duplicate_fields=_warned(scope, options, tuple(strict_errors)),
    )


def _patch_document(body: bytes, media_type: str) -> tuple[Any, list[str]]:
    """Decode a patch and check that it is of the form its type has; `null` is an empty one."""
    if media_type == APPLY_PATCH:
        return _apply_document(body)
    decoding = "" if media_type == STRATEGIC_MERGE_PATCH else "error decoding patch: "
    try:
        patch = codec.decode_json(body)
        strict_errors = codec.strict_errors(body)
    except codec.DecodeError as error:
        raise bad_request(decoding + (codec.exact_problem(body) or str(error))) from None
    if patch is None:
        if media_type == MERGE_PATCH:
            raise bad_request("Invalid JSON Patch")
        return [] if media_type == JSON_PATCH else {}, []
    if not isinstance(patch, list if media_type == JSON_PATCH else dict):
        go_type = "[]handlers.jsonPatchOp" if media_type == JSON_PATCH else "map[string]interface {}"
        raise bad_request(f"{decoding}json: cannot unmarshal {json_type(patch)} into Go value of type {go_type}")
    return patch, strict_errors


def _apply_document(body: bytes) -> tuple[JsonObject, list[str]]:
    try:
        patch, strict_errors = codec.decode_yaml_or_json(body)
    except codec.DecodeError as error:
        raise bad_request(f"error decoding YAML: error converting YAML to JSON: {error}") from None
    if not isinstance(patch, dict | None):
        problem = f"json: cannot unmarshal {json_type(patch)} into Go value of type map[string]interface {{}}"
        raise bad_request(f"error decoding YAML: error unmarshaling JSON: while decoding JSON: {problem}")
    return patch or {}, strict_errors


def _decode_delete(scope: RequestScope, body: bytes) -> WriteRequest:
    decoded = codec.decode_body(body, scope.content_type, expected_kind="DeleteOptions") if body else None
    options, dry_run = parse_delete_options(scope.query, decoded.obj if decoded else None)
    request = WriteRequest(
        scope,
        scope.info.verb,
        scope.info.name if scope.info.verb == "delete" else "",
        body,
        decoded.media_type if decoded else "",
        options=WriteOptions(dry_run=dry_run),
        delete=options,
    )
    if decoded and (decoded.strict_errors or decoded.media_type == codec.YAML):
        request = replace(request, body=codec.encode_json(decoded.obj), content_type=codec.JSON)
    return request


def _warned(scope: RequestScope, options: WriteOptions, strict_errors: tuple[str, ...]) -> tuple[str, ...]:
    """Warn about duplicate fields: a store behind us cannot, it gets the body written out anew."""
    if options.field_validation == "Ignore":
        return ()
    for problem in strict_errors:
        scope.warn(problem)
    return strict_errors


def _check_update_name(info: RequestInfo, obj: JsonObject) -> None:
    name, namespace = meta.name(obj), meta.namespace(obj)
    if not name:
        raise bad_request(
            f"the name of the object ({info.name} based on URL) was undeterminable: name must be provided"
        )
    if name != info.name:
        raise bad_request(f"the name of the object ({name}) does not match the name on the URL ({info.name})")
    if info.namespace and namespace not in {"", info.namespace}:
        raise bad_request(
            f"the namespace of the object ({namespace}) does not match the namespace on the request ({info.namespace})"
        )


def _check_create_namespace(info: RequestInfo, obj: JsonObject) -> None:
    if info.namespace and meta.namespace(obj) not in {"", info.namespace}:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")


def _without_virtual(obj: JsonObject) -> JsonObject:
    """Return the object without what only our answers carry; the same object when there is nothing of it."""
    metadata = meta.metadata(obj)
    changed: dict[str, Any] = {}
    for field, key in _VIRTUAL:
        values = changed.get(field, metadata.get(field))
        if isinstance(values, dict) and key in values:
            changed[field] = {name: value for name, value in values.items() if name != key}
    if not changed:
        return obj
    kept: Mapping[str, Any] = {name: value for name, value in {**metadata, **changed}.items() if value != {}}
    return {**obj, "metadata": kept}


def _patch_without_virtual(patch: Any) -> Any:
    if isinstance(patch, dict):
        return _without_virtual(patch)
    if not any(_is_virtual(operation) for operation in patch):
        return patch
    return [operation for operation in patch if not _is_virtual(operation)]


def _is_virtual(operation: Any) -> bool:
    """Whether a patch operation would change what is not the object's. A `test` changes nothing, and has to be met."""
    return isinstance(operation, dict) and operation.get("path") in _VIRTUAL_POINTERS and operation.get("op") != "test"
