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
from gateway.storage.defaulting.defaulting import default_object

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
