"""Other programs than kubectl at the embedded store: client-go's informers and typed clients, Helm, a Python client."""

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.environment.clientgo import Informer, run_typedclient
from tests.e2e.environment.controlplane import ControlPlane
from tests.e2e.environment.fleet import Fleet
from tests.e2e.environment.kubectl import Kubectl
from tests.e2e.gateway import Gateway, fleetgate
from tests.e2e.test_embedded_store import SHOP
from tests.e2e.test_gateway_writes import PYTHON_CLIENT

INFORMERS = list(itertools.product([True, False], ["json", "protobuf"]))


@pytest.fixture(scope="module")
def member(embedded: Gateway, seeded_fleet: Fleet) -> Iterator[ControlPlane]:
    """A real member, joined to the embedded store for the time of these tests."""
    member = seeded_fleet.members["member1"]
    embedded.join(member)
    yield member
    done = fleetgate("unjoin", member.name, "--gateway", str(embedded.admin))
    assert done.returncode == 0, done.stderr


def uids(kubectl: Kubectl, resource: str) -> set[str]:
    return {
        item["metadata"]["uid"] for item in json.loads(kubectl.output("get", resource, "-A", "-o", "json"))["items"]
    }


@pytest.mark.parametrize(("watch_list", "content_type"), INFORMERS)
def test_informers_hold_what_the_store_holds(
    embedded: Gateway, store: Kubectl, binaries: dict[str, Path], *, watch_list: bool, content_type: str
) -> None:
    with Informer(
        binaries["informer"], embedded.admin, resource="configmaps", watch_list=watch_list, content_type=content_type
    ) as informer:
        informer.wait_for_sync()
        store.output("create", "configmap", "informed")
        informer.next_of("ADDED", key="default/informed")
        store.output("label", "configmap", "informed", "changed=yes")
        informer.next_of("MODIFIED", key="default/informed")
        store.output("delete", "configmap", "informed")
        informer.next_of("DELETED", key="default/informed")
        assert {item["uid"] for item in informer.store()} == uids(store, "configmaps")
        assert not informer.watch_errors()


@pytest.mark.parametrize("content_type", ["protobuf", "json"])
def test_a_typed_client(embedded: Gateway, member: ControlPlane, binaries: dict[str, Path], content_type: str) -> None:
    results = run_typedclient(
        binaries["typedclient"], embedded.admin, "--content-type", content_type, "--page-size", "7"
    )
    assert results["stale update is a conflict"] == "Conflict"
    assert results["namespace ends"] == "deleted"
    assert results["create secret"]["data"] == {"password": "Y29ycmVjdCBob3JzZQ=="}
    assert results["scale deployment"]["spec"]["replicas"] == 3
    pods = member.client.request("GET", "/api/v1/pods")["items"]
    assert set(results["list pods"]["uids"]) == {pod["metadata"]["uid"] for pod in pods}


def test_events_of_the_store_and_of_members_are_one_view(
    embedded: Gateway, member: ControlPlane, store: Kubectl, binaries: dict[str, Path]
) -> None:
    event = {
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": "recorded", "namespace": "default"},
        "involvedObject": {"kind": "Deployment", "name": "web", "namespace": "default"}, "reason": "Divided",
    }  # fmt: skip
    with Informer(binaries["informer"], embedded.admin, resource="events") as informer:
        informer.wait_for_sync()
        store.output("create", "-f", "-", stdin=json.dumps(event))
        assert "cluster" not in informer.next_of("ADDED", key="default/recorded")
        held = {item["uid"] for item in informer.store()}
        theirs = {item["metadata"]["uid"] for item in member.client.request("GET", "/api/v1/events")["items"]}
        assert held >= theirs
        assert held == uids(store, "events")
        store.output("delete", "event", "recorded")
        informer.next_of("DELETED", key="default/recorded")
        assert not informer.watch_errors()


@pytest.mark.parametrize("version", ["v1", "events.k8s.io/v1"])
def test_events_of_the_store_are_written_like_any_object(store: Kubectl, version: str) -> None:
    """A recorder creates an Event and counts up in it, by the version its own answers carry."""
    subject = {"kind": "Deployment", "name": "web", "namespace": "default"}
    event: dict[str, Any] = {
        "apiVersion": version, "kind": "Event", "metadata": {"name": "counted", "namespace": "default"},
        "reason": "Divided", "type": "Normal",
    }  # fmt: skip
    if version == "v1":
        event |= {"involvedObject": subject, "count": 1}
    else:
        event |= {
            "regarding": subject, "eventTime": "2026-01-01T00:00:00.000000Z", "action": "Divide",
            "reportingController": "test", "reportingInstance": "test-1",
        }  # fmt: skip
    resource = "events" if version == "v1" else "events.events.k8s.io"
    made = json.loads(store.output("create", "-f", "-", "-o", "json", stdin=json.dumps(event)))
    made["metadata"]["labels"] = {"written": "by-put"}
    put = json.loads(store.output("replace", "-f", "-", "-o", "json", stdin=json.dumps(made)))
    assert int(put["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
    stale = store.run("replace", "-f", "-", stdin=json.dumps(made))
    assert "the object has been modified" in stale.stderr
    for kind in ("merge", "strategic"):
        store.output(
            "patch", resource, "counted", "--type", kind, "-p", json.dumps({"metadata": {"labels": {kind: "1"}}})
        )
    store.output("annotate", resource, "counted", "note=read")
    found = json.loads(store.output("get", resource, "counted", "-o", "json"))
    assert found["metadata"]["labels"] == {"written": "by-put", "merge": "1", "strategic": "1"}
    assert found["metadata"]["annotations"]["note"] == "read"
    store.output("delete", resource, "counted")


def test_helm(embedded: Gateway, store: Kubectl, binaries: dict[str, Path], tmp_path: Path) -> None:
    chart = tmp_path / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: demo\nversion: 0.1.0\n")
    (chart / "values.yaml").write_text("tag: 1\n")
    shop = SHOP.replace("namespace: SPACE", "namespace: {{ .Release.Namespace }}")
    (chart / "templates" / "shop.yaml").write_text(shop.replace("web:1", "web:{{ .Values.tag }}"))
    environment = os.environ | {"HOME": str(tmp_path), "KUBECONFIG": str(embedded.admin)}

    def helm(*arguments: str) -> str:
        done = subprocess.run(
            [binaries["helm"], *arguments, "-n", "charts"],
            env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    image = ("get", "deployment", "web", "-n", "charts", "-o", "jsonpath={..image}")
    assert "STATUS: deployed" in helm("install", "front", str(chart), "--create-namespace")
    assert store.output(*image) == "web:1"
    assert "STATUS: deployed" in helm("upgrade", "front", str(chart), "--set", "tag=2")
    assert store.output(*image) == "web:2"
    helm("rollback", "front", "1")
    assert store.output(*image) == "web:1"
    assert "Rollback to 1" in helm("history", "front")
    helm("uninstall", "front")
    assert store.run(*image).returncode == 1
    store.output("delete", "namespace", "charts")


def test_the_python_client(embedded: Gateway, member: ControlPlane) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PYTHON_CLIENT, embedded.admin], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    count = len(member.client.request("GET", "/api/v1/pods")["items"])
    assert done.stdout.strip() == f"{count} {count} ['a', 'c']"
