"""Applying a patch of any kind to an object: the one entry point of this package.

It chooses by media type and turns what the parts cannot take into the right refusal. The caller decodes bodies, decodes
the result strictly, defaults and validates it, and calls `track_update` for all but server-side apply. Pure.
"""

from __future__ import annotations

import json
from typing import Any

from gateway.apimachinery.errors import ApiError, field_error, invalid, unsupported_media_type
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.patch.go_text import go_quote, go_value, json_type
from gateway.apimachinery.patch.json_patch import apply_json_patch
from gateway.apimachinery.patch.merge_patch import apply_merge_patch
from gateway.apimachinery.patch.options import PatchOptions
from gateway.apimachinery.patch.server_side_apply import server_side_apply
from gateway.apimachinery.patch.strategic_merge import apply_strategic_merge_patch
from gateway.apimachinery.schemas import builtin_schemas

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

CUSTOM_RESOURCE_PATCHES = (JSON_PATCH, MERGE_PATCH, APPLY_PATCH)
"""Media types that custom resources can be patched with."""
BUILTIN_PATCHES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH, APPLY_PATCH)
"""Media types that built-in kinds can be patched with."""


def apply_patch(media_type: str, old: JsonObject | None, patch: Any, options: PatchOptions) -> JsonObject:
    """Return the patched object; neither old object nor patch changes, though the result may share parts with them.

    `old` carries its managedFields; only server-side apply takes None, for an object that does not exist yet. Raises
    ApiError: 400 for a malformed patch, 409 for apply conflicts, 413 for too many operations, 415 for a media type that
    the kind does not have, 422 for a patch that does not apply, and the 500s of kube-apiserver (see the parts).
    """
    accepted = BUILTIN_PATCHES if options.schema.builtin else CUSTOM_RESOURCE_PATCHES
    if media_type not in accepted:
        raise unsupported_media_type(accepted)
    try:
        patched = _apply(media_type, old, patch, options)
    except RecursionError:
        raise ApiError(422, "Invalid", "the patch is nested too deeply") from None
    if not isinstance(patched, dict):
        text = f"json: cannot unmarshal {json_type(patched)} into Go value of type map[string]interface {{}}"
        raise undecodable(media_type, patch, patched, text)
    return patched


def undecodable(media_type: str, patch: Any, patched: Any, complaint: str) -> ApiError:
    """Return the 422 for a patched object that strict decoding refuses; `complaint` is what decoding said.

    kube-apiserver quotes the patched object, whose fields Go has sorted, or, for a strategic merge patch, the patch.
    """
    if isinstance(patched, dict):
        patched = dict(sorted(patched.items()))
    quoted = go_value(patch) if media_type == STRATEGIC_MERGE_PATCH else json.dumps(patched, separators=(",", ":"))
    message = f"Invalid value: {go_quote(quoted)}: {complaint}"
    return invalid("", "", "", [field_error("FieldValueInvalid", "patch", message)])


def _apply(media_type: str, old: JsonObject | None, patch: Any, options: PatchOptions) -> Any:
    if media_type == APPLY_PATCH:
        return server_side_apply(old, patch, options)
    document = old or {}
    if media_type == JSON_PATCH:
        return apply_json_patch(document, patch)
    if media_type == MERGE_PATCH:
        return apply_merge_patch(document, patch)
    schemas = builtin_schemas()
    return apply_strategic_merge_patch(document, patch, schemas, schemas.schema_for(options.schema.gvk) or {})
