"""Rules for containers; most are recorded in test_validation.py."""

from __future__ import annotations

from gateway.storage.validation.containers import validate_containers, validate_ephemeral_containers


def test_ephemeral_containers_have_names_of_their_own_and_no_ports_or_probes() -> None:
    spec = {
        "containers": [{"name": "a"}],
        "initContainers": [{"name": "b"}],
        "ephemeralContainers": [
            {"name": "c", "image": "c"},
            {"name": "a", "image": "a"},
            {"name": "b", "image": "b", "ports": [{"containerPort": 1}], "livenessProbe": {}},
            {"image": ""},
        ],
    }
    assert [f"{cause['field']}: {cause['message']}" for cause in validate_ephemeral_containers("spec", spec)] == [
        'spec.ephemeralContainers[1].name: Duplicate value: "a"',
        'spec.ephemeralContainers[2].name: Duplicate value: "b"',
        "spec.ephemeralContainers[2].ports: Forbidden: cannot be set for an Ephemeral Container",
        "spec.ephemeralContainers[3].name: Required value",
        "spec.ephemeralContainers[3].image: Required value",
    ]


def test_what_defaults_fill_in_is_required() -> None:
    bare = {"name": "a", "image": "a", "ports": [{"containerPort": 1}], "livenessProbe": {"httpGet": {"port": 1}}}
    found = {cause["field"]: cause["message"] for cause in validate_containers("spec", {"containers": [bare]}, set())}
    assert found["spec.containers[0].ports[0].protocol"] == "Required value"
    assert found["spec.containers[0].livenessProbe.httpGet.path"] == "Required value"


def test_references_that_are_right() -> None:
    sources = [
        {"fileKeyRef": {"key": "a", "path": "b", "volumeName": "c"}},
        {"resourceFieldRef": {"resource": "limits.hugepages-2Mi"}},
        {"fieldRef": {"fieldPath": "status.podIP"}},
    ]
    container = {
        "name": "a",
        "image": "a",
        "imagePullPolicy": "Always",
        "terminationMessagePolicy": "File",
        "env": [{"name": "A", "valueFrom": source} for source in sources],
        "securityContext": {"runAsUser": 5},
        "lifecycle": {"preStop": {"exec": {"command": ["true"]}}},
    }
    assert list(validate_containers("spec", {"containers": [container]}, set())) == []
