"""JSON patch. What kube-apiserver makes of it is in test_patch.py."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.patch.json_patch import MAX_COPIED_BYTES, MAX_OPERATIONS, apply_json_patch
from gateway.apimachinery.patch.json_value import deep_copy, same
from tests.gateway.apimachinery.patch.json_strategies import json_objects, json_values, names

DOCUMENT = {"a": {"b": [1, 2, 3]}, "n": None, "c/d": {"~": 4}}


def pointer(name: str) -> str:
    return f"/{name.replace('~', '~0').replace('/', '~1')}"


@pytest.mark.parametrize(
    ("operation", "patched"),
    [
        ({"op": "add", "path": "/x", "value": 1}, {**DOCUMENT, "x": 1}),
        ({"op": "add", "path": "x", "value": 1}, None),
        ({"op": "add", "path": "anything/x", "value": 1}, {**DOCUMENT, "x": 1}),
        ({"op": "add", "path": "/x"}, {**DOCUMENT, "x": None}),
        ({"op": "add", "path": "/a/b/-", "value": 4}, {**DOCUMENT, "a": {"b": [1, 2, 3, 4]}}),
        ({"op": "add", "path": "/a/b/3", "value": 4}, {**DOCUMENT, "a": {"b": [1, 2, 3, 4]}}),
        ({"op": "add", "path": "/a/b/-1", "value": 4}, {**DOCUMENT, "a": {"b": [1, 2, 3, 4]}}),
        ({"op": "add", "path": "/a/b/-4", "value": 0}, {**DOCUMENT, "a": {"b": [0, 1, 2, 3]}}),
        ({"op": "add", "path": "/a/b/+1", "value": 9}, {**DOCUMENT, "a": {"b": [1, 9, 2, 3]}}),
        ({"op": "add", "path": "/a/b/4", "value": 4}, None),
        ({"op": "add", "path": "/a/b/-5", "value": 4}, None),
        ({"op": "add", "path": "/a/b/1_0", "value": 4}, None),
        ({"op": "add", "path": "/n/x", "value": 1}, None),
        ({"op": "add", "path": "/a/b/0/x", "value": 1}, None),
        ({"op": "add", "path": "/a/b/0/x/y", "value": 1}, None),
        ({"op": "add", "path": "", "value": {}}, None),
        ({"op": "add", "value": 1}, None),
        ({"op": "replace", "path": "/new", "value": 1}, {**DOCUMENT, "new": 1}),
        ({"op": "replace", "path": "/a/b/-1", "value": 9}, {**DOCUMENT, "a": {"b": [1, 2, 9]}}),
        ({"op": "replace", "path": "/a/b/3", "value": 9}, None),
        ({"op": "replace", "path": "", "value": {"x": 1}}, {"x": 1}),
        ({"op": "replace", "path": "", "value": [1]}, [1]),
        ({"op": "replace", "path": "", "value": 1}, None),
        ({"op": "replace", "path": ""}, None),
        ({"op": "remove", "path": "/c~1d/~0"}, {**DOCUMENT, "c/d": {}}),
        ({"op": "remove", "path": "/a/b/0"}, {**DOCUMENT, "a": {"b": [2, 3]}}),
        ({"op": "remove", "path": "/absent"}, None),
        ({"op": "remove", "path": "/a/b/3"}, None),
        ({"op": "move", "from": "/a/b/0", "path": "/a/b/1"}, {**DOCUMENT, "a": {"b": [2, 1, 3]}}),
        ({"op": "move", "from": "/absent", "path": "/x"}, None),
        ({"op": "copy", "from": "/a/b/0", "path": "/a/b/-"}, {**DOCUMENT, "a": {"b": [1, 2, 3, 1]}}),
        ({"op": "copy", "from": "/absent", "path": "/x"}, {**DOCUMENT, "x": None}),
        ({"op": "copy", "from": "/a/x/y", "path": "/x"}, None),
        ({"op": "test", "path": "/a/b", "value": [1, 2, 3]}, DOCUMENT),
        ({"op": "test", "path": "/a/b/0", "value": 1.0}, None),
        ({"op": "test", "path": "/a/b/0", "value": True}, None),
        ({"op": "test", "path": "/absent"}, DOCUMENT),
        ({"op": "test", "path": "", "value": DOCUMENT}, DOCUMENT),
        ({"op": "dance", "path": "/a"}, None),
        (None, None),
    ],
)
def test_each_operation(operation: Any, patched: Any) -> None:
    """None as the result stands for a refusal, which says nothing about its reason."""
    if patched is not None:
        assert apply_json_patch(DOCUMENT, [operation]) == patched
        return
    with pytest.raises(ApiError) as refusal:
        apply_json_patch(DOCUMENT, [operation])
    assert refusal.value.code == 422
    assert refusal.value.reason == "Invalid"
    assert refusal.value.message == "the server rejected our request due to an error in our request"


@pytest.mark.parametrize(
    ("patch", "what"),
    [
        ({}, "object into Go value of type []handlers.jsonPatchOp"),
        ("a", "string into Go value of type []handlers.jsonPatchOp"),
        ([1], "number into Go value of type handlers.jsonPatchOp"),
        ([{"op": 5}], "number into Go struct field jsonPatchOp.op of type string"),
        ([{"op": "add", "path": []}], "array into Go struct field jsonPatchOp.path of type string"),
        ([{"op": "copy", "from": True}], "bool into Go struct field jsonPatchOp.from of type string"),
    ],
)
def test_what_is_no_patch_is_a_bad_request(patch: Any, what: str) -> None:
    with pytest.raises(ApiError) as refusal:
        apply_json_patch({}, patch)
    assert refusal.value.code == 400
    assert refusal.value.message == f"error decoding patch: json: cannot unmarshal {what}"


def test_null_is_a_patch_of_no_operations() -> None:
    assert apply_json_patch(DOCUMENT, None) == DOCUMENT


def test_too_many_operations_are_refused() -> None:
    test = {"op": "test", "path": "/absent"}
    assert apply_json_patch({}, [test] * MAX_OPERATIONS) == {}
    with pytest.raises(ApiError) as refusal:
        apply_json_patch({}, [test] * (MAX_OPERATIONS + 1))
    assert refusal.value.code == 413
    assert refusal.value.message.endswith("The allowed maximum operations in a JSON patch is 10000, got 10001")


def test_copies_may_not_grow_the_document_without_bound() -> None:
    document = {"a": "x" * (MAX_COPIED_BYTES // 2 - 2)}
    copies = [{"op": "copy", "from": "/a", "path": f"/b{number}"} for number in range(3)]
    assert len(apply_json_patch(document, copies[:2])) == 3
    with pytest.raises(ApiError) as refusal:
        apply_json_patch(document, copies)
    assert refusal.value.code == 422


def test_copies_may_not_nest_without_bound() -> None:
    doubling = [{"op": "copy", "from": "/a", "path": "/a" * 2**step} for step in range(1, 14)]
    with pytest.raises(ApiError) as refusal:
        apply_json_patch({"a": {}}, doubling)
    assert refusal.value.code == 422


@given(json_objects, names, json_values)
def test_added_and_removed_again_leaves_the_document_as_it_was(document: JsonObject, name: str, value: Any) -> None:
    path = pointer(name)
    before = deep_copy([document, value])
    added = apply_json_patch(document, [{"op": "add", "path": path, "value": value}])
    assert same(added[name], value)
    removed = apply_json_patch(added, [{"op": "remove", "path": path}])
    assert same(removed, {other: child for other, child in document.items() if other != name})
    assert same(before, [document, value])


@given(json_objects, st.data())
def test_moving_there_and_back_leaves_the_document_as_it_was(document: JsonObject, data: st.DataObject) -> None:
    for name in document:
        there = data.draw(st.sampled_from(["new", "newer"]))
        moves = [
            {"op": "move", "from": pointer(name), "path": pointer(there)},
            {"op": "move", "from": pointer(there), "path": pointer(name)},
        ]
        assert same(apply_json_patch(document, moves), document)
