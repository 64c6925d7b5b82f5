"""Server-side apply. What kube-apiserver makes of it is in test_patch.py; here are the corners."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.patch.options import PatchOptions
from gateway.apimachinery.patch.server_side_apply import LAST_APPLIED, server_side_apply
from gateway.apimachinery.patch.typed_schema import builtin_type, custom_type
from gateway.apimachinery.schema import GroupVersionKind

CONFIG_MAP = builtin_type(GroupVersionKind("", "v1", "ConfigMap"))
TIME = "2026-01-01T00:00:00Z"


def options(manager: str, *, force: bool = False) -> PatchOptions:
    assert CONFIG_MAP is not None
    return PatchOptions(CONFIG_MAP, manager, TIME, force=force)


def config_map(data: Any = None, annotations: Any = None, **metadata: Any) -> JsonObject:
    if annotations is not None:
        metadata["annotations"] = annotations
    obj: JsonObject = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm", **metadata}}
    return obj if data is None else {**obj, "data": data}


def refusal_of(live: JsonObject | None, config: Any, by: PatchOptions) -> ApiError:
    with pytest.raises(ApiError) as refusal:
        server_side_apply(live, config, by)
    return refusal.value


def last_applied(**data: str) -> dict[str, str]:
    return {LAST_APPLIED: json.dumps(config_map(data))}


def managed(**fields: Any) -> list[JsonObject]:
    return [
        {
            "manager": manager,
            "operation": "Update",
            "apiVersion": "v1",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {f"f:{key}": {} for key in keys}},
        }
        for manager, keys in fields.items()
    ]


def test_fields_of_an_object_nobody_tracked_belong_to_those_before() -> None:
    applied = server_side_apply(config_map({"a": "1"}), config_map({"b": "2"}), options("me"))
    assert {entry["manager"]: entry["fieldsV1"] for entry in applied["metadata"]["managedFields"]} == {
        "before-first-apply": {"f:data": {".": {}, "f:a": {}}},
        "me": {"f:data": {"f:b": {}}},
    }


def test_conflicts_are_listed_by_manager() -> None:
    live = config_map({"a": "1", "b": "1", "c": "1"}, managedFields=managed(zoe="bc", adam="a"))
    error = refusal_of(live, config_map({"a": "2", "b": "2", "c": "2"}), options("me"))
    assert error.code == 409
    assert error.message == (
        'Apply failed with 3 conflicts: conflicts with "adam" using v1:\n- .data.a\n'
        'conflicts with "zoe" using v1:\n- .data.b\n- .data.c'
    )
    assert error.details["causes"] == [
        {"reason": "FieldManagerConflict", "message": f'conflict with "{who}" using v1', "field": f".data.{key}"}
        for who, key in (("adam", "a"), ("zoe", "b"), ("zoe", "c"))
    ]


def test_kubectl_takes_over_what_client_side_apply_set_and_nobody_changed() -> None:
    live = config_map({"a": "1"}, last_applied(a="1"), managedFields=managed(old="a"))
    applied = server_side_apply(live, config_map({"a": "2"}), options("kubectl"))
    assert applied["data"] == {"a": "2"}
    assert json.loads(applied["metadata"]["annotations"][LAST_APPLIED]) == config_map({"a": "2"})


@pytest.mark.parametrize(
    "annotations",
    [
        None,
        {LAST_APPLIED: "not JSON"},
        {LAST_APPLIED: "[]"},
        {LAST_APPLIED: '{"apiVersion":"v2"}'},
        {LAST_APPLIED: '{"apiVersion":"v1","data":[]}'},
        last_applied(a="changed since"),
    ],
)
def test_kubectl_conflicts_where_client_side_apply_proves_nothing(annotations: Any) -> None:
    live = config_map({"a": "1"}, annotations, managedFields=managed(old="a"))
    assert refusal_of(live, config_map({"a": "2"}), options("kubectl")).code == 409


def test_kubectl_still_conflicts_over_the_rest() -> None:
    live = config_map({"a": "1", "b": "1"}, last_applied(a="1"), managedFields=managed(old="ab"))
    error = refusal_of(live, config_map({"a": "2", "b": "2"}), options("kubectl"))
    assert error.message == 'Apply failed with 1 conflict: conflict with "old" using v1: .data.b'


def test_other_appliers_neither_take_over_nor_touch_the_annotation() -> None:
    live = config_map({"a": "1"}, last_applied(a="1"), managedFields=managed(old="a"))
    assert refusal_of(live, config_map({"a": "2"}), options("helm")).code == 409
    forced = server_side_apply(live, config_map({"a": "2"}), options("helm", force=True))
    assert forced["metadata"]["annotations"] == last_applied(a="1")


def test_the_annotation_goes_when_it_would_not_fit() -> None:
    live = config_map({}, {**last_applied(), "big": "x" * 200_000}, managedFields=managed(old=""))
    applied = server_side_apply(live, config_map({"a": "y" * 100_000}), options("kubectl"))
    assert list(applied["metadata"]["annotations"]) == ["big"]


def test_the_annotation_does_not_contain_itself() -> None:
    live = config_map({"a": "1"}, last_applied(a="1"))
    config = config_map({"a": "1"}, {**last_applied(a="0"), "x": "y"})
    applied = server_side_apply(live, config, options("kubectl", force=True))
    assert json.loads(applied["metadata"]["annotations"][LAST_APPLIED]) == config_map({"a": "1"}, {"x": "y"})


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ([], "error decoding YAML: the configuration is not an object"),
        ({}, "invalid object type: /, Kind="),
        ({"apiVersion": "a/b/c", "kind": "ConfigMap"}, "invalid object type: /, Kind=ConfigMap"),
        ({"apiVersion": 1, "kind": 2}, "invalid object type: /, Kind="),
        ({"apiVersion": "apps/v1", "kind": "ConfigMap"}, "invalid object type: apps/v1, Kind=ConfigMap"),
        (config_map({}, managedFields=[]), "metadata.managedFields must be nil"),
    ],
)
def test_configurations_of_something_else_are_bad_requests(config: Any, message: str) -> None:
    error = refusal_of(None, config, options("me"))
    assert (error.code, error.message) == (400, message)


def test_live_objects_that_cannot_be_read_are_refused() -> None:
    unreadable = config_map({}, managedFields=[{"operation": "?"}])
    assert refusal_of(unreadable, config_map({}), options("me")).message == "failed to decode managed fields"
    misshapen = config_map([], namespace="ns", managedFields=managed(old=""))
    error = refusal_of(misshapen, config_map({}), options("me"))
    assert error.code == 500
    assert (
        error.message
        == "failed to create typed live object (ns/cm; /v1, Kind=ConfigMap): .data: expected map, got &{[]}"
    )


def test_who_owns_nothing_any_more_is_dropped() -> None:
    schema = custom_type(GroupVersionKind("example.com", "v1", "Blob"), None)
    by = PatchOptions(schema, "me", TIME)
    empty = {"apiVersion": "example.com/v1", "kind": "Blob", "metadata": {"name": "b"}}
    first = server_side_apply(None, {**empty, "a": {"b": 1}}, by)
    assert "managedFields" in first["metadata"]
    second = server_side_apply(first, empty, by)
    assert second == empty
