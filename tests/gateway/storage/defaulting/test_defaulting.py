"""Defaults of every kind, against what a real kube-apiserver filled in."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import pytest

from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.patch.json_value import deep_copy
from gateway.apimachinery.schema import GroupVersion, GroupVersionKind
from gateway.storage.defaulting.cluster_ip import default_service_ip
from gateway.storage.defaulting.defaulting import default_custom_resource, default_object

TESTDATA = Path(__file__).parent / "testdata"
GOLDENS = [
    json.loads(line) for line in lzma.decompress((TESTDATA / "goldens.jsonl.xz").read_bytes()).decode().splitlines()
]
REGISTRY_FIELDS = ("uid", "resourceVersion", "creationTimestamp", "generation", "namespace", "managedFields")


def kind_of(obj: JsonObject) -> GroupVersionKind:
    return GroupVersion.parse(obj["apiVersion"]).kind(obj["kind"])


def comparable(obj: JsonObject) -> JsonObject:
    """Leave out what the registry and admission decide, or a controller reports."""
    metadata = {name: value for name, value in obj["metadata"].items() if name not in REGISTRY_FIELDS}
    rest = {name: value for name, value in obj.items() if name != "status"}
    if obj["kind"] == "Pod":
        rest["spec"] = {name: value for name, value in obj["spec"].items() if name not in {"tolerations", "priority"}}
    if obj["kind"] == "Namespace":
        rest["spec"] = None
    if obj["kind"] == "DaemonSet":
        metadata.pop("annotations", None)
    if obj["kind"] == "Job":
        template = {**obj["spec"]["template"], "metadata": None}
        rest["spec"] = {**obj["spec"], "selector": None, "template": template}
        metadata.pop("labels", None)
    return {**rest, "metadata": metadata}


def name_of(golden: JsonObject) -> str:
    return f"{golden['new']['kind']} {GOLDENS.index(golden)}"


@pytest.mark.parametrize("golden", GOLDENS, ids=name_of)
def test_objects_get_the_defaults_kube_apiserver_gives_them(golden: JsonObject) -> None:
    assert golden["answer"]["kind"] != "Status", golden["answer"]
    obj = default_object(kind_of(golden["new"]), deep_copy(golden["new"]))
    if obj["kind"] == "Service":
        default_service_ip(obj, None, lambda: "")
    assert comparable(obj) == comparable(golden["answer"])


def test_defaults_do_not_change_what_they_made() -> None:
    for golden in GOLDENS:
        obj = default_object(kind_of(golden["new"]), deep_copy(golden["new"]))
        assert default_object(kind_of(obj), deep_copy(obj)) == obj


def test_kinds_that_are_not_built_in_are_left_alone() -> None:
    obj = {"apiVersion": "example.com/v1", "kind": "Widget", "spec": {"a": []}}
    assert default_object(kind_of(obj), dict(obj)) == obj


SCHEMA: JsonObject = {
    "type": "object",
    "properties": {
        "size": {"type": "integer", "default": 3},
        "maybe": {"type": "string", "nullable": True, "default": "x"},
        "object": {"type": "object", "default": {}, "properties": {"inner": {"default": [1]}}},
        "absent": {"type": "object", "properties": {"inner": {"default": 1}}},
        "list": {"type": "array", "items": {"type": "object", "properties": {"a": {"default": 1}}}},
        "map": {"type": "object", "additionalProperties": {"properties": {"a": {"default": 1}}}},
        "free": {"type": "object", "additionalProperties": True},
        "bare": {"type": "array"},
    },
}


def test_custom_resources_get_the_defaults_of_their_schema() -> None:
    obj: JsonObject = {
        "size": None,
        "maybe": None,
        "list": [{}, {"a": 2}],
        "map": {"k": {}},
        "free": {"x": {}},
        "bare": [{}],
    }
    assert default_custom_resource(obj, SCHEMA) == {
        "size": 3,
        "maybe": None,
        "object": {"inner": [1]},
        "list": [{"a": 1}, {"a": 2}],
        "map": {"k": {"a": 1}},
        "free": {"x": {}},
        "bare": [{}],
    }


def test_defaults_of_a_schema_are_never_shared_between_objects() -> None:
    first = default_custom_resource({}, SCHEMA)
    first["object"]["inner"].append(2)
    assert default_custom_resource({}, SCHEMA)["object"] == {"inner": [1]}
