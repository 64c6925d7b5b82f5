"""From a decoded body to an object the store can work with: its kind is the right one, it has the fields it may have.

What kube-apiserver's decoders do: wrong types are refused, unknown and duplicate fields are dropped, warned about or
refused as `fieldValidation` says, defaults are filled in. Pure but for the warnings it hands out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from gateway.apimachinery.codec import cannot_be_handled
from gateway.apimachinery.errors import ApiError, bad_request, field_error, invalid
from gateway.apimachinery.json_values import decode_value
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.patch.go_conversion import conversion_problem
from gateway.apimachinery.patch.patch import STRATEGIC_MERGE_PATCH, undecodable
from gateway.apimachinery.protobuf_schema import message_for
from gateway.apimachinery.strict import check_fields, check_metadata
from gateway.storage.custom_resources.pruning import prune_builtin, prune_custom_resource
from gateway.storage.defaulting.defaulting import default_custom_resource, default_object
from gateway.storage.defaulting.json_form import normalise_metadata
from gateway.storage.definitions import ResourceDefinition
from gateway.storage.write_context import WriteContext

_IGNORE = "Ignore"
_STRICT = "Strict"
_SCHEME = "pkg/api/legacyscheme/scheme.go:30"
"""Where kube-apiserver says that its kinds are registered."""


def copy_json(obj: JsonObject) -> JsonObject:
    """Return an object that shares nothing with the one given."""
    copied: JsonObject = decode_value(msgspec.json.encode(obj))
    return copied


class _Misfit(Exception):
    """A body that cannot be read as an object of its kind; the text says why."""

    def __init__(self, obj: JsonObject, problem: str) -> None:
        super().__init__(problem)
        self.api_version, self.kind = str(obj["apiVersion"]), str(obj["kind"])


def read_body(definition: ResourceDefinition, body: JsonObject, context: WriteContext) -> JsonObject:
    """Return a copy of the body as an object of the definition's kind, checked, pruned and with its defaults.

    Raises ApiError 400 for another kind, for values of the wrong type and, with strict field validation, for unknown
    or duplicate fields; 422 for another kind of custom resource.
    """
    try:
        return _read(definition, copy_json(body), context)
    except _Misfit as misfit:
        raise cannot_be_handled(misfit.api_version, misfit.kind, definition.kind, str(misfit)) from None


def read_patched(
    definition: ResourceDefinition, patched: JsonObject, media_type: str, patch: Any, context: WriteContext
) -> JsonObject:
    """Return a patched object, which may be changed, checked as `read_body` does; what is refused is a 422 then."""
    before = patched if definition.builtin else dict(patched)
    try:
        return _read(definition, patched, context)
    except _Misfit as misfit:
        complaint = str(misfit)
        if media_type == STRATEGIC_MERGE_PATCH:
            complaint = conversion_problem(patched, definition.gvk) or complaint
    except ApiError as error:
        if error.code != 400:
            raise
        complaint = error.message
    raise undecodable(media_type, patch, before, complaint)


def _read(definition: ResourceDefinition, obj: JsonObject, context: WriteContext) -> JsonObject:
    obj = _with_kind(definition, obj)
    problems = [*context.duplicate_fields, *_drop_unknown(definition, obj)]
    if strict := _report(problems, context):
        raise _Misfit(obj, strict)
    return _with_defaults(definition, obj)


def _with_kind(definition: ResourceDefinition, obj: JsonObject) -> JsonObject:
    """Check or fill in kind and apiVersion."""
    gvk = definition.gvk
    kind, api_version = obj.get("kind") or "", obj.get("apiVersion") or ""
    if definition.builtin:
        kind, api_version = kind or gvk.kind, api_version or gvk.api_version
    elif not kind or not api_version:
        missing = "apiVersion" if kind else "Kind"
        raise bad_request(f"Object '{missing}' is missing in '{msgspec.json.encode(obj).decode()}'")
    rest = {name: value for name, value in obj.items() if name not in {"kind", "apiVersion"}}
    if rest.get("metadata") is None:
        rest["metadata"] = {}
    obj = {"kind": kind, "apiVersion": api_version, **rest}
    if (kind, api_version) == (gvk.kind, gvk.api_version):
        return obj
    raise _wrong_kind(definition, obj)


def _wrong_kind(definition: ResourceDefinition, obj: JsonObject) -> Exception:
    """Return how an object of another kind or version is refused."""
    gvk, kind, api_version = definition.gvk, str(obj["kind"]), str(obj["apiVersion"])
    if definition.builtin and not message_for(api_version, kind):
        return _Misfit(obj, f'no kind "{kind}" is registered for version "{api_version}" in scheme "{_SCHEME}"')
    if definition.builtin and kind != gvk.kind:
        go_types = f"({api_version.rpartition('/')[2]}.{kind}) to ({gvk.group.partition('.')[0] or 'core'}.{gvk.kind})"
        return _Misfit(obj, f"converting {go_types}: unknown conversion")
    if api_version != gvk.api_version:
        text = "the API version in the data ({}) does not match the expected API version ({})"
        return bad_request(text.format(api_version, gvk.api_version))
    wrong = field_error("FieldValueInvalid", "kind", f'Invalid value: "{kind}": must be {gvk.kind}')
    return invalid(gvk.group, kind, _name_of(obj), [wrong])


def _name_of(obj: JsonObject) -> str:
    metadata = obj.get("metadata")
    return str(metadata.get("name") or "") if isinstance(metadata, dict) else ""


def _drop_unknown(definition: ResourceDefinition, obj: JsonObject) -> list[str]:
    """Remove what the kind does not have and return how strict decoding would complain about it."""
    if definition.builtin:
        check = check_fields(obj, definition.gvk)
        if not check.type_error and check.unknown_fields:
            prune_builtin(obj, definition.gvk)
        unknown: Iterable[str] = check.unknown_fields
    else:
        check = check_metadata(obj["metadata"])
        unknown = () if check.type_error else prune_custom_resource(obj, definition.schema)
    if check.type_error:
        raise _Misfit(obj, check.type_error)
    return [f'unknown field "{path}"' for path in unknown]


def _report(problems: list[str], context: WriteContext) -> str:
    """Do with strict findings what the client wants; return the text to refuse the write with, if it wants that."""
    validation = context.options.field_validation
    if not problems or validation == _IGNORE:
        return ""
    if validation == _STRICT:
        return f"strict decoding error: {', '.join(problems)}"
    for problem in problems:
        context.warn(problem)
    return ""


def _with_defaults(definition: ResourceDefinition, obj: JsonObject) -> JsonObject:
    if definition.builtin:
        return default_object(definition.gvk, obj)
    normalise_metadata(obj)
    if definition.schema is not None:
        default_custom_resource(obj, definition.schema)
    return obj
