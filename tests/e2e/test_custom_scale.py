"""No version of a custom kind, and no change of its definition, is a way around scale-down protection."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.environment.kubectl import Kubectl

GROUP = "scale.example.io"
DEFINITION = f"pools.{GROUP}"
LIFTED = "fleetgate.io/allow-scale-down=true"
NUMBER = {"type": "integer"}


def version(name: str, path: str, *fields: str, **more: Any) -> dict[str, Any]:
    spec = {"type": "object", "properties": dict.fromkeys(fields, NUMBER)}
    scale = {"scale": {"specReplicasPath": path, "statusReplicasPath": ".status.replicas"}} if path else {}
    status = {"type": "object", "properties": {"replicas": NUMBER}}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec, "status": status}}}
    return {"name": name, "served": True, "storage": False, "schema": schema, "subresources": scale} | more


def definition(*versions: dict[str, Any]) -> str:
    names = {"plural": "pools", "singular": "pool", "kind": "Pool", "listKind": "PoolList"}
    return json.dumps(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": DEFINITION},
            "spec": {"group": GROUP, "scope": "Namespaced", "names": names, "versions": list(versions)},
        }
    )


V1 = version("v1", ".spec.replicas", "replicas", "size", storage=True)
V1BETA1 = version("v1beta1", ".spec.size", "replicas", "size")
V1ALPHA1 = version("v1alpha1", "", "size")
"""Knows nothing of `replicas`: whatever is written through it loses them."""


@pytest.fixture(params=["admin", "store"], ids=["real kube-apiserver", "embedded store"])
def pools(request: pytest.FixtureRequest) -> Iterator[Kubectl]:
    """kubectl at a gateway with one Pool of ten replicas and size six."""
    kubectl: Kubectl = request.getfixturevalue(request.param)
    kubectl.output("apply", "-f", "-", stdin=definition(V1, V1BETA1, V1ALPHA1))
    kubectl.output("wait", "--for=condition=Established", f"crd/{DEFINITION}", "--timeout=30s")
    pool = {"apiVersion": f"{GROUP}/v1", "kind": "Pool", "metadata": {"name": "a", "namespace": "default"}}
    kubectl.output("apply", "-f", "-", stdin=json.dumps(pool | {"spec": {"replicas": 10, "size": 6}}))
    yield kubectl
    kubectl.output("delete", "crd", DEFINITION)


def spec(kubectl: Kubectl) -> dict[str, int]:
    found: dict[str, int] = json.loads(kubectl.output("get", f"pools.v1.{GROUP}", "a", "-o", "json"))["spec"]
    return found


def merge(version: str, spec: str) -> tuple[str, ...]:
    return ("patch", f"pools.{version}.{GROUP}", "a", "--type=merge", "-p", f'{{"spec":{spec}}}')


def test_no_version_is_a_way_around(pools: Kubectl) -> None:
    for command in (
        merge("v1beta1", '{"replicas":0}'),
        merge("v1", '{"size":0}'),
        merge("v1beta1", '{"replicas":null}'),
        ("scale", f"pools.v1beta1.{GROUP}", "a", "--replicas=0"),
        ("scale", f"pools.v1.{GROUP}", "a", "--replicas=4"),
        merge("v1alpha1", '{"size":7}'),
    ):
        refused = pools.run(*command)
        assert refused.returncode == 1, command
        assert "fleetgate.io/allow-scale-down" in refused.stderr, (command, refused.stderr)
    assert spec(pools) == {"replicas": 10, "size": 6}
    assert "drops .spec.replicas, by which v1 asks for 10 replicas" in pools.run(*merge("v1alpha1", "{}")).stderr
    pools.output(*merge("v1beta1", '{"replicas":9,"size":5}'))
    pools.output("scale", f"pools.v1beta1.{GROUP}", "a", "--replicas=4")
    assert spec(pools) == {"replicas": 9, "size": 4}


def test_what_is_written_through_a_version_that_prunes_the_count_is_lost_indeed(pools: Kubectl) -> None:
    pools.output("annotate", f"pools.v1.{GROUP}", "a", LIFTED)
    pools.output(*merge("v1alpha1", '{"size":7}'))
    assert spec(pools) == {"size": 7}


CHANGES = {
    "the field is pruned": (version("v1", ".spec.replicas", "size", storage=True), V1BETA1, V1ALPHA1),
    "the scale path is dropped": (version("v1", "", "replicas", "size", storage=True), V1BETA1, V1ALPHA1),
    "the scale path is changed": (version("v1", ".spec.size", "replicas", "size", storage=True), V1BETA1, V1ALPHA1),
    "the version is not served": (V1, V1BETA1 | {"served": False}, V1ALPHA1),
    "the version is removed": (V1, V1ALPHA1),
    "a version that prunes it is new": (V1, V1BETA1, V1ALPHA1, version("v2", "", "size")),
    "another version is stored": (V1 | {"storage": False}, V1BETA1, V1ALPHA1 | {"storage": True}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_definition_keeps_the_counts_while_objects_run(pools: Kubectl, change: str) -> None:
    changed = definition(*CHANGES[change])
    for command in (("replace",), ("apply",), ("apply", "--server-side", "--force-conflicts", "--dry-run=server")):
        refused = pools.run(*command, "-f", "-", stdin=changed)
        assert refused.returncode == 1, command
        assert f"pools.{GROUP} default/a (" in refused.stderr, (command, refused.stderr)
    pools.output("annotate", "crd", DEFINITION, LIFTED)
    pools.output("apply", "-f", "-", stdin=changed)


def test_a_definition_that_keeps_them_is_changed_freely(pools: Kubectl) -> None:
    wider = version("v1", ".spec.replicas", "replicas", "size", "more", storage=True)
    pools.output("apply", "-f", "-", stdin=definition(wider, V1BETA1))
