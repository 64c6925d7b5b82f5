"""JSON merge patch (RFC 7386), as kube-apiserver applies it.

Pure; patch.py chooses it by media type. It knows no schema: lists are replaced whole.
"""

from __future__ import annotations

from typing import Any

from gateway.apimachinery.errors import bad_request
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.patch.go_text import json_type
from gateway.apimachinery.patch.json_value import deep_copy, without_nulls


def apply_merge_patch(document: JsonObject, patch: Any) -> JsonObject:
    """Return the document with the patch merged in; neither argument changes.

    One deviation from the RFC is Kubernetes' own: where a list is put in a place that was not an object, null members
    of the objects inside that list are dropped too. Raises ApiError 400 when the patch is not an object.
    """
    if patch is None:
        raise bad_request("Invalid JSON Patch")
    if not isinstance(patch, dict):
        raise bad_request(
            f"error decoding patch: json: cannot unmarshal {json_type(patch)} into Go value of type "
            "map[string]interface {}"
        )
    return _merge(document, patch)


def _merge(document: JsonObject, patch: JsonObject) -> JsonObject:
    merged = dict(document)
    for key, value in patch.items():
        current = merged.get(key)
        if value is None:
            merged.pop(key, None)
        elif not isinstance(current, dict):
            merged[key] = without_nulls(value)
        elif isinstance(value, dict):
            merged[key] = _merge(current, value)
        else:
            merged[key] = deep_copy(value)
    return merged
