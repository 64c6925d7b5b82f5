from typing import Any

import pytest

from admission.replica_change import (
    UNCERTAIN,
    UNTOUCHED,
    Effect,
    ReplicaChange,
    apply_leaves_alone,
    replica_change,
    touches_spec,
)
from admission.replicas import SPEC_REPLICAS
from gateway.apimachinery.patch.patch import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH
from tests.admission.support import attributes


def sets(value: Any) -> ReplicaChange:
    return ReplicaChange(Effect.SET, value)


def change(patch_type: str, patch: Any) -> ReplicaChange:
    return replica_change(attributes("patch", patch_type=patch_type, patch=patch), SPEC_REPLICAS)


def operation(op: str, path: Any, **more: Any) -> dict[str, Any]:
    return {"op": op, "path": path, **more}


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        ({"spec": {"replicas": 3}}, sets(3)),
        ({"spec": {"template": {}}}, sets(None)),
        ({"spec": None}, sets(None)),
        ({}, sets(None)),
        (None, sets(None)),
        ({"spec": "no object"}, UNCERTAIN),
    ],
)
def test_update_sets_the_field_or_removes_it(obj: Any, expected: ReplicaChange) -> None:
    assert replica_change(attributes("update", obj=obj), SPEC_REPLICAS) == expected


@pytest.mark.parametrize("patch_type", [MERGE_PATCH, STRATEGIC_MERGE_PATCH])
@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ({"spec": {"replicas": 0}}, sets(0)),
        ({"spec": {"replicas": None}}, sets(None)),
        ({"spec": None}, sets(None)),
        ({"spec": {"template": {"metadata": {}}}}, UNTOUCHED),
        ({"metadata": {"labels": {"a": "b"}}}, UNTOUCHED),
        ({"spec": 5}, UNCERTAIN),
        ([], UNCERTAIN),
    ],
)
def test_merging_patches(patch_type: str, patch: Any, expected: ReplicaChange) -> None:
    assert change(patch_type, patch) == expected


@pytest.mark.parametrize(
    "patch",
    [
        {"$patch": "replace", "spec": {}},
        {"spec": {"$patch": "replace", "template": {}}},
        {"spec": {"$retainKeys": ["template"], "template": {}}},
    ],
)
def test_a_directive_on_the_way_makes_a_strategic_patch_uncertain(patch: Any) -> None:
    assert change(STRATEGIC_MERGE_PATCH, patch) == UNCERTAIN


def test_the_order_of_a_list_elsewhere_is_no_directive_to_the_count() -> None:
    patch = {"spec": {"$setElementOrder/containers": [], "replicas": 4}}
    assert change(STRATEGIC_MERGE_PATCH, patch) == sets(4)


def test_a_merge_patch_knows_no_directives() -> None:
    assert change(MERGE_PATCH, {"spec": {"$patch": "replace", "replicas": 4}}) == sets(4)


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ([operation("replace", "/spec/replicas", value=0)], sets(0)),
        ([operation("add", "/spec/replicas", value=2)], sets(2)),
        ([operation("remove", "/spec/replicas")], sets(None)),
        ([operation("remove", "/spec")], sets(None)),
        ([operation("replace", "/spec", value={"replicas": 3})], sets(3)),
        ([operation("replace", "/spec", value={})], sets(None)),
        ([operation("replace", "", value={"spec": {"replicas": 1}})], sets(1)),
        ([operation("replace", "/spec", value=[])], UNCERTAIN),
        ([operation("add", "/spec/replicas")], UNCERTAIN),
        ([operation("add", "/spec/replicas/x", value=1)], UNCERTAIN),
        ([operation("test", "/spec/replicas", value=3)], UNTOUCHED),
        ([operation("add", "/metadata/labels/a~1b", value="c")], UNTOUCHED),
        ([operation("replace", "/spec/replicas", value=9), operation("replace", "/spec/replicas", value=0)], sets(0)),
        ([operation("copy", "/spec/replicas", **{"from": "/metadata/generation"})], UNCERTAIN),
        ([operation("move", "/metadata/annotations/x", **{"from": "/spec/replicas"})], UNCERTAIN),
        ([operation("move", "/spec/paused", **{"from": "/spec/other"})], UNTOUCHED),
        ([operation("REPLACE", "/spec/replicas", value=0)], UNCERTAIN),
        (["not an operation"], UNCERTAIN),
        ({}, UNCERTAIN),
    ],
)
def test_json_patch(operations: Any, expected: ReplicaChange) -> None:
    assert change(JSON_PATCH, operations) == expected


@pytest.mark.parametrize("path", ["spec/replicas", "x/spec/replicas", None, 7])
def test_a_pointer_that_libraries_read_differently_is_never_read_literally(path: Any) -> None:
    assert change(JSON_PATCH, [operation("replace", path, value=0)]) == UNCERTAIN


def test_a_from_that_means_nothing_does_not_hide_what_came_before() -> None:
    """kube-apiserver ignores `from` of a replace; taken for a second touch it would cover up the zero."""
    operations = [
        operation("replace", "/spec/replicas", value=0),
        operation("replace", "/metadata/x", value=100, **{"from": "/spec/replicas"}),
    ]
    assert change(JSON_PATCH, operations) == sets(0)


def test_apply_is_certain_only_about_what_it_names() -> None:
    assert change(APPLY_PATCH, {"spec": {"replicas": 2}}) == sets(2)
    assert change(APPLY_PATCH, {"spec": {"replicas": None}}) == UNCERTAIN
    assert change(APPLY_PATCH, {"spec": {}}) == UNCERTAIN


def owner(manager: str, operation_name: str, fields: Any) -> dict[str, Any]:
    return {"manager": manager, "operation": operation_name, "apiVersion": "apps/v1", "fieldsV1": fields}


OWNED: Any = {"f:spec": {"f:replicas": {}}}


@pytest.mark.parametrize(
    ("entries", "patch", "expected"),
    [
        ([owner("helm", "Apply", OWNED)], {"spec": {}}, False),
        ([owner("helm", "Apply", {"f:spec": {"f:template": {}}})], {"spec": {}}, True),
        ([owner("helm", "Update", OWNED)], {"spec": {}}, True),
        ([owner("kubectl", "Apply", OWNED)], {"spec": {}}, True),
        ([owner("kubectl", "Apply", OWNED)], {"spec": {"replicas": None}}, False),
        ([owner("kubectl", "Apply", OWNED)], {"spec": "odd"}, False),
        ([owner("helm", "Apply", "odd")], {"spec": {}}, False),
        ([], {"spec": {}}, False),
        (None, {"spec": {}}, False),
        (["odd"], {"spec": {}}, False),
    ],
)
def test_an_apply_gives_up_only_what_its_manager_applied_before(entries: Any, patch: Any, expected: bool) -> None:
    obj = {"metadata": {"managedFields": entries}}
    asked = attributes("patch", patch_type=APPLY_PATCH, patch=patch, field_manager="helm")
    assert apply_leaves_alone(obj, asked, SPEC_REPLICAS) is expected


@pytest.mark.parametrize(
    ("patch_type", "patch", "expected"),
    [
        (MERGE_PATCH, {"metadata": {}, "apiVersion": "v1", "kind": "X", "status": {}}, False),
        (MERGE_PATCH, {"spec": {}}, True),
        (MERGE_PATCH, {"size": 1}, True),
        (JSON_PATCH, [operation("add", "/metadata/labels/a", value="b")], False),
        (JSON_PATCH, [operation("add", "/spec/size", value=0)], True),
        (JSON_PATCH, [operation("replace", "", value={})], True),
        (JSON_PATCH, ["odd"], True),
        (JSON_PATCH, None, True),
        (APPLY_PATCH, {"metadata": {}}, True),
        (MERGE_PATCH, None, True),
    ],
)
def test_whether_a_patch_touches_more_than_metadata(patch_type: str, patch: Any, expected: bool) -> None:
    assert touches_spec(attributes("patch", patch_type=patch_type, patch=patch)) is expected


def test_an_update_touches_everything() -> None:
    assert touches_spec(attributes("update", obj={}))
