"""Every kind's rules, against what a real kube-apiserver said of the objects in testdata/cases.yaml."""

from __future__ import annotations

import json
import lzma
import re
from pathlib import Path

import pytest
import yaml

from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.patch.json_value import deep_copy
from gateway.apimachinery.schema import GroupVersion, GroupVersionKind
from gateway.storage.defaulting.cluster_ip import default_service_ip
from gateway.storage.defaulting.defaulting import default_object
from gateway.storage.strategies.jobs import prepare_new_job
from gateway.storage.validation.validation import validate_custom_resource, validate_object

TESTDATA = Path(__file__).parent / "testdata"
CLUSTER_SCOPED = {"Namespace", "Node", "ClusterRole", "ClusterRoleBinding"}
# Kubernetes prints its internal structs in these places, and after "@@" how two of them differ.
PRINTED_STRUCT = re.compile(r"(?<=Invalid value: )\{.*\}(?=: )")
PRINTED_DIFFERENCE = re.compile(r"\n@@ .*", re.DOTALL)
GOLDENS = [
    json.loads(line) for line in lzma.decompress((TESTDATA / "goldens.jsonl.xz").read_bytes()).decode().splitlines()
]
JUDGED = [golden for golden in GOLDENS if golden["answer"].get("code", 422) == 422]
THING: JsonObject = yaml.safe_load((TESTDATA / "things.yaml").read_text(encoding="utf-8"))
THING_SCHEMA = THING["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def kind_of(obj: JsonObject) -> GroupVersionKind:
    return GroupVersion.parse(obj["apiVersion"]).kind(obj["kind"])


def prepared(golden: JsonObject) -> JsonObject:
    """Stand in for the registry: names, addresses and what else it decides before validation."""
    obj: JsonObject = default_object(kind_of(golden["new"]), deep_copy(golden["new"]))
    metadata, old, answer = obj["metadata"], golden["old"], golden["answer"]
    if old is None:
        if metadata.get("generateName"):
            metadata["name"] = answer.get("details", answer["metadata"]).get("name", "generated")
        if obj["kind"] in CLUSTER_SCOPED:
            metadata.pop("namespace", None)
        else:
            metadata["namespace"] = "default"
        known = re.search(r'controller-uid":"([-\w]+)"', json.dumps(answer).replace("\\", ""))
        metadata["uid"] = known.group(1) if known else "u"
    else:
        for field in ("creationTimestamp", "selfLink"):
            metadata.pop(field, None)
            if field in old["metadata"]:
                metadata[field] = old["metadata"][field]
    if obj["kind"] == "Service":
        default_service_ip(obj, old, lambda: "10.96.0.9")
    if obj["kind"] == "Job" and old is None:
        prepare_new_job(obj)
    if obj["kind"] == "Pod" and old is not None:
        # Admission adds those of every Pod again.
        kept = obj["spec"].setdefault("tolerations", [])
        kept.extend(entry for entry in old["spec"]["tolerations"] if entry["key"].startswith("node.kubernetes.io/"))
    return obj


def comparable(causes: list[JsonObject]) -> list[tuple[str, str, str]]:
    """Causes about entries of maps come in no order, and kube-apiserver repeats some."""
    found = set()
    for cause in causes:
        field, message = cause.get("field", ""), PRINTED_DIFFERENCE.sub("", cause["message"])
        if field == "spec.template" or field.endswith("securityContext"):
            message = PRINTED_STRUCT.sub("{…}", message)
        found.add((cause["reason"], field, message))
    return sorted(found)


def name_of(golden: JsonObject) -> str:
    return f"{golden['new']['kind']} {GOLDENS.index(golden)}"


@pytest.mark.parametrize("golden", JUDGED, ids=name_of)
def test_the_causes_are_those_of_kube_apiserver(golden: JsonObject) -> None:
    new = prepared(golden)
    custom = new["kind"] == "Thing"
    namespaced = new["kind"] not in CLUSTER_SCOPED
    causes = validate_object(kind_of(new), new, golden["old"], namespaced=namespaced, builtin=not custom)
    if custom:
        causes += validate_custom_resource(new, THING_SCHEMA)
    assert comparable(causes) == comparable(golden["answer"].get("details", {}).get("causes", []))
