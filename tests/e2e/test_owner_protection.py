"""Nobody gets a garbage collector to take a protected object: not the store's, not a member's, not the embedded one."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.environment.kubectl import Kubectl
from tests.e2e.gateway import Gateway

LABEL = "fleetgate.io/delete-protection"
GONE = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "00000000-0000-0000-0000-000000000000"}
SPACE = "owners"


@dataclass(frozen=True)
class Place:
    """Where objects are kept, seen through a gateway."""

    kubectl: Kubectl
    server: tuple[str, ...] = ()

    def run(self, *arguments: str, stdin: str | None = None) -> Any:
        """Run kubectl in the namespace of these tests."""
        return self.kubectl.run(*self.server, "-n", SPACE, *arguments, stdin=stdin)

    def output(self, *arguments: str, stdin: str | None = None) -> str:
        """Run it, and have it succeed."""
        return self.kubectl.output(*self.server, "-n", SPACE, *arguments, stdin=stdin)

    def create(self, name: str, *owners: str, labels: dict[str, str] | None = None) -> None:
        """Create a ConfigMap that others own."""
        references = [self.reference(owner) for owner in owners]
        metadata = {"name": name, "labels": labels or {}, "ownerReferences": references}
        config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
        self.output("create", "-f", "-", stdin=json.dumps(config_map))

    def reference(self, name: str) -> dict[str, str]:
        """Name a ConfigMap as an owner."""
        uid = self.output("get", "configmap", name, "-o", "jsonpath={.metadata.uid}")
        return {"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uid}

    def exists(self, name: str) -> bool:
        """Whether a ConfigMap is there and stays."""
        stamp = self.run("get", "configmap", name, "-o", "jsonpath=:{.metadata.deletionTimestamp}")
        return bool(stamp.stdout == ":")

    def wait_gone(self, name: str) -> None:
        """Wait until a ConfigMap was collected."""
        self.output("wait", "--for=delete", f"configmap/{name}", "--timeout=30s")


@pytest.fixture(params=["embedded", "federation", "member"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """Each place with a namespace for the test, in which one ConfigMap is protected."""
    if request.param == "embedded":
        place = Place(request.getfixturevalue("store"))
    else:
        gateway: Gateway = request.getfixturevalue("gateway")
        server = ("--server", f"{gateway.url}/clusters/member1") if request.param == "member" else ()
        place = Place(request.getfixturevalue("admin"), server)
    place.output("create", "namespace", SPACE)
    place.create("kept", labels={LABEL: "Always"})
    yield place
    for kind in ("configmaps", "persistentvolumeclaims"):
        place.output("label", kind, "--all", f"{LABEL}-")
    place.output("delete", "namespace", SPACE, "--timeout=60s")


def patches(current: dict[str, Any]) -> dict[str, tuple[tuple[str, ...], str | None]]:
    """Return the commands that give the protected ConfigMap an owner that is not there."""
    metadata = {"ownerReferences": [GONE]}
    body = json.dumps({"metadata": metadata})
    operation = json.dumps([{"op": "add", "path": "/metadata/ownerReferences", "value": [GONE]}])
    replaced = {**current, "metadata": {**current["metadata"], **metadata}}
    applied = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept", **metadata}}
    return {
        "strategic": (("patch", "configmap", "kept", "-p", body), None),
        "merge": (("patch", "configmap", "kept", "--type=merge", "-p", body), None),
        "json": (("patch", "configmap", "kept", "--type=json", "-p", operation), None),
        "replace": (("replace", "-f", "-"), json.dumps(replaced)),
        "apply": (("apply", "--server-side", "--force-conflicts", "-f", "-"), json.dumps(applied)),
        "dry run": (("patch", "configmap", "kept", "--dry-run=server", "-p", body), None),
    }


def test_a_protected_object_gets_no_owner_that_is_gone(place: Place) -> None:
    current = json.loads(place.output("get", "configmap", "kept", "-o", "json"))
    for route, (command, stdin) in patches(current).items():
        refused = place.run(*command, stdin=stdin)
        assert refused.returncode == 1, (route, refused.stdout)
        assert "its ownerReferences may not be changed" in refused.stderr, (route, refused.stderr)
        assert LABEL in refused.stderr, route
    place.create("free")
    place.output("patch", "configmap", "free", "-p", json.dumps({"metadata": {"ownerReferences": [GONE]}}))
    place.wait_gone("free")  # so the collector works, and looks at this namespace
    assert place.exists("kept")


def test_what_owns_a_protected_object_is_deleted_only_without_it(place: Place) -> None:
    place.create("root")
    place.create("between", "root")
    place.create("leaf", "between", labels={LABEL: "Always"})
    for command in (
        ("delete", "configmap", "root"),
        ("delete", "configmap", "root", "--cascade=foreground"),
        ("delete", "configmap", "between", "--grace-period=0", "--force"),
        ("delete", "configmap", "root", "--dry-run=server"),
    ):
        refused = place.run(*command)
        assert refused.returncode == 1, command
        assert f"configmaps {SPACE}/leaf (label {LABEL}=Always)" in refused.stderr, (command, refused.stderr)
    place.output("delete", "configmap", "root", "--cascade=orphan")
    place.wait_gone("root")
    place.output("label", "configmap", "leaf", f"{LABEL}-")
    place.output("delete", "configmap", "between")
    place.wait_gone("leaf")


@pytest.mark.parametrize("place", ["embedded"], indirect=True)
def test_the_embedded_collector_spares_what_is_protected_all_the_same(place: Place) -> None:
    for name, labels in (("born", {LABEL: "Always"}), ("bare", {})):
        metadata = {"name": name, "labels": labels, "ownerReferences": [GONE]}
        config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
        place.output("create", "-f", "-", stdin=json.dumps(config_map))
    place.wait_gone("bare")
    assert place.exists("born")
    place.output("label", "configmap", "born", f"{LABEL}-")
    place.wait_gone("born")


CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "data", "labels": {LABEL: "Always"}},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "holder"},
    "spec": {
        "containers": [{"name": "c", "image": "i"}],
        "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}],
    },
}


@pytest.mark.parametrize("place", ["member"], indirect=True)
def test_a_pod_of_the_merged_view_keeps_its_protected_claim(place: Place) -> None:
    place.output("create", "-f", "-", stdin=json.dumps(POD))
    uid = place.output("get", "pod", "holder", "-o", "jsonpath={.metadata.uid}")
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "holder", "uid": uid}
    claim = {**CLAIM, "metadata": {"name": "data", "labels": {LABEL: "Always"}, "ownerReferences": [owner]}}
    place.output("create", "-f", "-", stdin=json.dumps(claim))
    merged = Place(place.kubectl)
    for _ in range(100):
        if merged.run("get", "pod", "holder").returncode == 0:
            break
        time.sleep(0.1)
    for command in (("delete", "pod", "holder"), ("delete", "pods", "--all")):
        refused = merged.run(*command)
        assert refused.returncode == 1, command
        assert f"persistentvolumeclaims {SPACE}/data (label {LABEL}=Always)" in refused.stderr, refused.stderr
    merged.output("label", "pod", "holder", f"{LABEL}=Always")
    refused = merged.run("patch", "pod", "holder", "-p", json.dumps({"metadata": {"ownerReferences": [GONE]}}))
    assert refused.returncode == 1
    assert "its ownerReferences may not be changed" in refused.stderr
    merged.output("label", "pod", "holder", f"{LABEL}-")
