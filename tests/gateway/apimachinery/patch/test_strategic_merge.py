"""Strategic merge patch. What kube-apiserver makes of it is in test_patch.py; this is what those scenarios lack."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.patch.strategic_merge import apply_strategic_merge_patch
from gateway.apimachinery.schema import GroupVersionKind
from gateway.apimachinery.schemas import builtin_schemas

POD = GroupVersionKind("", "v1", "Pod")


def merged(document: JsonObject, patch: Any) -> JsonObject:
    schemas = builtin_schemas()
    return apply_strategic_merge_patch(document, patch, schemas, schemas.schema_for(POD) or {})


def containers(*names: str) -> JsonObject:
    return {"spec": {"containers": [{"name": name} for name in names]}}


def order(*names: str) -> list[JsonObject]:
    return [{"name": name} for name in names]


def test_null_changes_nothing() -> None:
    assert merged({"spec": {"hostNetwork": True}}, None) == {"spec": {"hostNetwork": True}}


def test_elements_only_the_server_has_stay_before_what_they_used_to_precede() -> None:
    patch = {"spec": {"$setElementOrder/containers": order("c", "new", "a"), "containers": order("new")}}
    found = merged(containers("a", "server", "c"), patch)["spec"]["containers"]
    assert [container["name"] for container in found] == ["server", "c", "new", "a"]
    found = merged(containers("a", "c", "server"), patch)["spec"]["containers"]
    assert [container["name"] for container in found] == ["c", "new", "a", "server"]


def test_a_list_that_is_ordered_but_nowhere_is_not_made() -> None:
    assert merged({"spec": {}}, {"spec": {"$setElementOrder/containers": order("a")}}) == {"spec": {}}


def test_a_list_of_an_unknown_field_cannot_be_ordered() -> None:
    with pytest.raises(ApiError, match="unable to find api field"):
        merged({"spec": {}}, {"spec": {"$setElementOrder/nothing": []}})


def test_lists_that_replace_are_replaced_also_when_they_are_ordered() -> None:
    patch = {"spec": {"containers": [{"name": "a", "$setElementOrder/args": ["y"], "args": ["y"]}]}}
    document = {"spec": {"containers": [{"name": "a", "args": ["x"]}]}}
    assert merged(document, patch)["spec"]["containers"] == [{"name": "a", "args": ["y"]}]


def test_empty_lists_merge_to_an_empty_list() -> None:
    assert merged({"spec": {"containers": []}}, {"spec": {"containers": []}}) == {"spec": {"containers": []}}


def test_fields_no_schema_knows_merge_like_plain_json() -> None:
    document = {"spec": {"unknown": {"a": {"b": 1}, "l": [1]}}}
    patch = {"spec": {"unknown": {"a": {"c": 2}, "l": [2]}}}
    assert merged(document, patch) == {"spec": {"unknown": {"a": {"b": 1, "c": 2}, "l": [2]}}}


def test_a_directive_for_something_absent_leaves_it_absent() -> None:
    assert merged({"spec": {}}, {"spec": {"affinity": {"$patch": "delete"}, "$deleteFromPrimitiveList/x": ["a"]}}) == {
        "spec": {}
    }


def test_an_object_can_be_emptied() -> None:
    document = {"spec": {"nodeSelector": {"a": "b"}}}
    assert merged(document, {"spec": {"nodeSelector": {"$patch": "delete"}}}) == {"spec": {"nodeSelector": {}}}


def test_a_directive_takes_away_a_value_of_another_type() -> None:
    assert merged({"spec": {"affinity": "odd"}}, {"spec": {"affinity": {"$patch": "delete"}}}) == {"spec": {}}


def test_lists_of_lists_are_refused() -> None:
    with pytest.raises(ApiError) as refusal:
        merged({"metadata": {"finalizers": [[]]}}, {"metadata": {"finalizers": [[]]}})
    assert refusal.value.code == 422
    assert refusal.value.message == "the server rejected our request due to an error in our request"


def test_long_lists_take_no_quadratic_time() -> None:
    many = [f"example.com/{number}" for number in range(20_000)]
    found = merged({"metadata": {"finalizers": many}}, {"metadata": {"finalizers": many[::-1]}})
    assert found["metadata"]["finalizers"] == many[::-1]
