"""Fills a member with nodes and Pods whose content is like that of real ones: about 5 KB, and the same at each run."""

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.e2e.environment.controlplane import ControlPlane

NAMESPACES = ("shop", "payments", "search", "analytics", "platform")
APPS = ("checkout", "cart", "catalog", "ledger", "indexer", "recommender", "exporter", "gateway")
ZONES = ("a", "b", "c")
# The letters and digits of Kubernetes' own generated names.
NAME_CHARACTERS = "bcdfghjklmnpqrstvwxz2456789"
# More requests at once are not answered faster by one kube-apiserver on two cores.
PARALLEL_REQUESTS = 16


def create_nodes(member: ControlPlane, count: int) -> None:
    """Create the nodes <member>-node-0, -1, …; the member's kwok makes them ready."""
    for number in range(count):
        member.client.request("POST", "/api/v1/nodes", node(member.name, number))


def wait_for_nodes(member: ControlPlane, count: int, timeout: float = 60) -> None:
    """Wait until `count` nodes are ready.

    Raises:
        TimeoutError: They are not, after `timeout` seconds.
    """
    _wait(lambda: _ready_nodes(member) >= count, f"{count} nodes of {member.name} are ready", timeout)


def create_pods(member: ControlPlane, count: int, *, nodes: int) -> None:
    """Create Pods bound to the first `nodes` nodes, in NAMESPACES, without owners."""
    for namespace in NAMESPACES:
        member.client.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})

    def create(body: dict[str, Any]) -> None:
        member.client.request("POST", f"/api/v1/namespaces/{body['metadata']['namespace']}/pods", body)

    with ThreadPoolExecutor(PARALLEL_REQUESTS) as threads:
        # Taking every result raises the first error.
        for _ in threads.map(create, pods(member.name, count, nodes)):
            pass


def wait_for_pods(member: ControlPlane, timeout: float = 300) -> None:
    """Wait until every Pod of the member is Running.

    Raises:
        TimeoutError: They are not, after `timeout` seconds.
    """
    # One answer of at most one Pod, however many there are.
    path = "/api/v1/pods?limit=1&fieldSelector=status.phase%21%3DRunning"
    _wait(lambda: not member.client.request("GET", path)["items"], f"the Pods of {member.name} run", timeout)


def node(member: str, number: int) -> dict[str, Any]:
    """One large node, so that the scheduler never lacks room."""
    name = f"{member}-node-{number}"
    resources = {"cpu": "256", "memory": "1Ti", "ephemeral-storage": "10Ti", "pods": "100k"}
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "topology.kubernetes.io/region": member,
        "topology.kubernetes.io/zone": f"{member}-{ZONES[number % len(ZONES)]}",
    }
    info = {
        "architecture": "amd64",
        "operatingSystem": "linux",
        "osImage": "Linux",
        "kernelVersion": "6.12.0",
        "containerRuntimeVersion": "containerd://2.1.0",
        "kubeletVersion": "v1.36.3",
        "kubeProxyVersion": "",
        "machineID": "",
        "systemUUID": "",
        "bootID": "",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "status": {"capacity": resources, "allocatable": resources, "nodeInfo": info},
    }


def pods(member: str, count: int, nodes: int) -> Iterator[dict[str, Any]]:
    """The Pods of a member; equal arguments give equal Pods, and no name is used by two members."""
    randomness = random.Random(member)
    hashes = {app: _letters(randomness, 10) for app in APPS}
    for number in range(count):
        app = APPS[number % len(APPS)]
        name = f"{app}-{hashes[app]}-{_letters(randomness, 5)}"
        metadata = {
            "name": name,
            "namespace": NAMESPACES[number % len(NAMESPACES)],
            "labels": {
                "app.kubernetes.io/name": app,
                "app.kubernetes.io/instance": f"{app}-{number % 3}",
                "app.kubernetes.io/version": f"1.{number % 7}.0",
                "app.kubernetes.io/managed-by": "Helm",
                "pod-template-hash": hashes[app],
                "tier": "backend" if number % 2 else "frontend",
            },
            "annotations": {
                "prometheus.io/scrape": "true",
                "prometheus.io/port": "9090",
                "checksum/config": _letters(randomness, 64),
            },
        }
        spec = {
            "nodeName": f"{member}-node-{number % nodes}",
            "serviceAccountName": "default",
            "terminationGracePeriodSeconds": 30,
            "containers": [_container(app, number), _sidecar()],
            "initContainers": [{"name": "migrate", "image": f"registry.example/{app}:1.{number % 7}.0"}],
            "volumes": [
                {"name": "config", "configMap": {"name": f"{app}-config"}},
                {"name": "tmp", "emptyDir": {}},
                {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
            ],
            "tolerations": [
                {"key": f"node.kubernetes.io/{state}", "operator": "Exists", "effect": "NoExecute"}
                for state in ("not-ready", "unreachable")
            ],
        }
        yield {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _container(app: str, number: int) -> dict[str, Any]:
    def probe(path: str) -> dict[str, Any]:
        return {"httpGet": {"path": path, "port": "http"}, "periodSeconds": 10, "failureThreshold": 3}

    return {
        "name": app,
        "image": f"registry.example/{app}:1.{number % 7}.0",
        "args": ["--listen=:8080", f"--shard={number}", "--log-format=json"],
        "ports": [{"name": "http", "containerPort": 8080}, {"name": "metrics", "containerPort": 9090}],
        "env": [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "DATABASE_URL", "valueFrom": {"secretKeyRef": {"name": f"{app}-db", "key": "url"}}},
            {"name": "SHARD", "value": str(number)},
        ],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "256Mi"}},
        "livenessProbe": probe("/healthz"),
        "readinessProbe": probe("/ready"),
        "volumeMounts": [{"name": "config", "mountPath": "/etc/app"}, {"name": "tmp", "mountPath": "/tmp"}],
        "securityContext": {"runAsNonRoot": True, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}},
    }


def _sidecar() -> dict[str, Any]:
    return {
        "name": "proxy",
        "image": "registry.example/proxy:3.2.1",
        "ports": [{"name": "proxy", "containerPort": 15001}],
        "resources": {"requests": {"cpu": "5m", "memory": "16Mi"}},
        "volumeMounts": [{"name": "token", "mountPath": "/var/run/token", "readOnly": True}],
    }


def _letters(randomness: random.Random, count: int) -> str:
    return "".join(randomness.choices(NAME_CHARACTERS, k=count))


def _ready_nodes(member: ControlPlane) -> int:
    nodes = member.client.request("GET", "/api/v1/nodes")["items"]
    return sum(_is_ready(node) for node in nodes)


def _is_ready(node: dict[str, Any]) -> bool:
    conditions = node["status"].get("conditions", ())
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def _wait(true_now: Callable[[], bool], what: str, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while not true_now():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not after {timeout:.0f} s: {what}")
        time.sleep(0.2)
