"""JSON merge patch. What kube-apiserver makes of it is in test_patch.py."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.patch.json_value import deep_copy, same
from gateway.apimachinery.patch.merge_patch import apply_merge_patch
from tests.gateway.apimachinery.patch.json_strategies import json_objects


def rfc_7386(target: Any, patch: Any) -> Any:
    """The algorithm of the RFC, word for word."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = rfc_7386(result.get(name), value)
    return result


def has_lists(value: Any) -> bool:
    return isinstance(value, list) or (isinstance(value, dict) and any(map(has_lists, value.values())))


@given(json_objects, json_objects)
def test_the_result_is_that_of_the_rfc_where_no_lists_are_involved(document: JsonObject, patch: JsonObject) -> None:
    before = deep_copy([document, patch])
    merged = apply_merge_patch(document, patch)
    if not has_lists(patch):
        assert same(merged, rfc_7386(document, patch))
    assert same(before, [document, patch])


@given(json_objects, json_objects)
def test_merging_twice_changes_nothing_more(document: JsonObject, patch: JsonObject) -> None:
    once = apply_merge_patch(document, patch)
    twice = apply_merge_patch(once, patch)
    assert has_lists(patch) or same(once, twice)


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        (None, "Invalid JSON Patch"),
        ([], "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"),
        (1, "error decoding patch: json: cannot unmarshal number into Go value of type map[string]interface {}"),
    ],
)
def test_only_objects_are_patches(patch: Any, message: str) -> None:
    with pytest.raises(ApiError) as refusal:
        apply_merge_patch({}, patch)
    assert (refusal.value.code, refusal.value.message) == (400, message)


def test_nulls_inside_lists_go_where_the_list_takes_the_place_of_no_object() -> None:
    patched = apply_merge_patch({"was": {"x": 1}}, {"new": [{"a": None}, None], "was": [{"a": None}]})
    assert patched == {"new": [{}, None], "was": [{"a": None}]}
