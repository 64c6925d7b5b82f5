"""The JSON form of built-in objects."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupVersionKind
from gateway.storage.defaulting.json_form import normalise, normalise_metadata

POD = GroupVersionKind("", "v1", "Pod")
SECRET = GroupVersionKind("", "v1", "Secret")
DEFINITION = GroupVersionKind("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
ROLE = GroupVersionKind("rbac.authorization.k8s.io", "v1", "Role")


def normalised(gvk: GroupVersionKind, **obj: Any) -> JsonObject:
    normalise(gvk, obj)
    return obj


def test_structs_are_always_there() -> None:
    assert normalised(POD) == {"metadata": {}, "spec": {"containers": None}, "status": {}}
    assert normalised(POD, spec={"containers": [{"name": "a"}]})["spec"] == {
        "containers": [{"name": "a", "resources": {}}]
    }


def test_empty_optional_fields_are_not() -> None:
    spec = {"hostNetwork": False, "nodeName": "", "volumes": [], "nodeSelector": {}, "securityContext": None}
    assert normalised(POD, spec={"containers": [], **spec})["spec"] == {"containers": []}


def test_pointers_to_zero_say_something() -> None:
    spec = {"terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False, "securityContext": {}}
    assert normalised(POD, spec=dict(spec))["spec"] == {**spec, "containers": None}


def test_required_values_are_zero_and_required_lists_null() -> None:
    container = normalised(POD, spec={"containers": [{}]})["spec"]["containers"][0]
    assert container == {"name": "", "resources": {}}
    assert normalised(ROLE)["rules"] is None


def test_quantities_have_one_spelling() -> None:
    resources = {"limits": {"cpu": 0.5, "memory": "1024Mi"}, "requests": {"cpu": 0, "memory": "0.1n"}}
    found = normalised(POD, spec={"containers": [{"resources": resources}]})["spec"]["containers"][0]
    assert found["resources"] == {"limits": {"cpu": "500m", "memory": "1Gi"}, "requests": {"cpu": "0", "memory": "1m"}}
    divided = {"valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}
    container = normalised(POD, spec={"containers": [{"env": [divided]}]})["spec"]["containers"][0]
    assert container["env"][0]["valueFrom"]["resourceFieldRef"] == {"resource": "limits.cpu", "divisor": "0"}


def test_embedded_structs_are_part_of_their_parent() -> None:
    spec = {"volumes": [{"name": "a", "secret": {"secretName": "", "items": []}}]}
    assert normalised(POD, spec=spec)["spec"]["volumes"] == [{"name": "a", "secret": {}}]


def test_wrong_shapes_are_left_for_validation() -> None:
    spec = {"containers": {"a": 1}, "nodeSelector": [1], "securityContext": 7}
    assert normalised(POD, spec=dict(spec))["spec"] == spec


@pytest.mark.parametrize("sent", [[], [{}], [{"manager": "m", "apiVersion": ""}]])
def test_managed_fields_stay_as_they_were_sent(sent: Any) -> None:
    assert normalised(POD, metadata={"managedFields": sent})["metadata"] == {"managedFields": sent}


def test_other_kinds_are_left_alone() -> None:
    assert normalised(GroupVersionKind("example.com", "v1", "Widget"), a=[]) == {"a": []}


def test_what_is_a_schema_or_something_else_stays_what_it_is() -> None:
    properties = {
        "list": {"type": "array", "items": {"type": "object", "required": []}},
        "tuple": {"items": [{"type": "string", "enum": None}]},
        "open": {"additionalProperties": True},
        "map": {"additionalProperties": {"type": "string", "nullable": False}},
        "either": {"dependencies": {"a": ["b"], "c": {"required": []}}},
    }
    version = {"name": "v1", "schema": {"openAPIV3Schema": {"properties": properties}}}
    crd = {"metadata": {"name": "x"}, "spec": {"versions": [version]}}
    normalise(GroupVersionKind("apiextensions.k8s.io", "v1", "CustomResourceDefinition"), crd)
    assert properties == {
        "list": {"type": "array", "items": {"type": "object"}},
        "tuple": {"items": [{"type": "string"}]},
        "open": {"additionalProperties": True},
        "map": {"additionalProperties": {"type": "string"}},
        "either": {"dependencies": {"a": ["b"], "c": {}}},
    }


def test_nulls_are_what_decoding_them_into_the_struct_leaves() -> None:
    metadata = {"labels": {"a": None}, "finalizers": [None], "ownerReferences": [None], "annotations": None}
    container = {"name": None, "args": [None], "env": [None], "resources": {"limits": {"cpu": None}}}
    pod = normalised(POD, metadata=metadata, spec={"containers": [None, container], "volumes": None})
    reference = {"apiVersion": "", "kind": "", "name": "", "uid": ""}
    assert pod["metadata"] == {"labels": {"a": ""}, "finalizers": [""], "ownerReferences": [reference]}
    assert pod["spec"] == {
        "containers": [
            {"name": "", "resources": {}},
            {"name": "", "args": [""], "env": [{"name": ""}], "resources": {"limits": {"cpu": "0"}}},
        ]
    }
    assert normalised(SECRET, data={"a": None})["data"] == {"a": ""}


def test_nulls_in_free_json_stay() -> None:
    schema: JsonObject = {"enum": [None, 1], "default": {"a": None}, "properties": {"a": None}, "allOf": [None]}
    schema |= {"items": [None], "dependencies": {"a": [None]}, "not": None}
    versions = [{"schema": {"openAPIV3Schema": schema}}]
    stored = normalised(DEFINITION, spec={"versions": versions})["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert stored == {
        "enum": [None, 1],
        "default": {"a": None},
        "properties": {"a": {}},
        "allOf": [{}],
        "items": [{}],
        "dependencies": {"a": [""]},
    }


def test_a_wish_to_forget_all_managers_is_kept() -> None:
    assert normalised(POD, metadata={"managedFields": []})["metadata"] == {"managedFields": []}
    assert normalised(POD, metadata={"managedFields": [None]})["metadata"] == {"managedFields": [{}]}


def test_metadata_is_typed_in_every_kind() -> None:
    widget: JsonObject = {"metadata": {"name": "w", "labels": {"a": None}, "finalizers": []}, "spec": {"a": [None]}}
    normalise_metadata(widget)
    assert widget == {"metadata": {"name": "w", "labels": {"a": ""}}, "spec": {"a": [None]}}
