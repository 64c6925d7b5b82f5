"""Objects in every state that a Table tells apart, put into a real kube-apiserver, and the Tables it makes of them.

Shared by the recorder of the printers' goldens and the end-to-end test that compares anew.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupResource, GroupVersion, GroupVersionResource
from tests.e2e.environment.client import Client, UnexpectedStatus

SAMPLES = Path(__file__).parents[1] / "gateway" / "printers" / "testdata" / "objects.yaml"
NAMESPACE = "tables"
HOLD = "example.io/hold"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
CUSTOM_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

_CLUSTER_SCOPED = frozenset(
    {
        "Namespace", "Node", "PersistentVolume", "StorageClass", "IngressClass", "PriorityClass", "ClusterRole",
        "ClusterRoleBinding", "CustomResourceDefinition",
    }
)  # fmt: skip
_NOT_JUST_AN_S = {
    "Endpoints": "endpoints",
    "Ingress": "ingresses",
    "IngressClass": "ingressclasses",
    "NetworkPolicy": "networkpolicies",
    "PriorityClass": "priorityclasses",
    "StorageClass": "storageclasses",
}
_OTHER_EVENTS = GroupVersionResource("events.k8s.io", "v1", "events")


@dataclass(frozen=True)
class RealTable:
    """What a kube-apiserver says of one resource: a Table with its objects, made between two moments."""

    resource: GroupResource
    columns: list[JsonObject]
    rows: list[JsonObject]
    custom_columns: list[JsonObject] | None
    """The additionalPrinterColumns of a custom resource."""
    before: float
    after: float


def samples() -> list[JsonObject]:
    """Read the objects."""
    loaded: list[JsonObject] = yaml.safe_load(SAMPLES.read_text(encoding="utf-8"))
    return loaded


def _resource(obj: JsonObject) -> GroupVersionResource:
    kind = str(obj["kind"])
    plural = _NOT_JUST_AN_S.get(kind, f"{kind.lower()}s")
    return GroupVersion.parse(obj["apiVersion"]).resource(plural)


def _collection(gvr: GroupVersionResource, *, namespaced: bool) -> str:
    prefix = gvr.group_version.path
    return f"{prefix}/namespaces/{NAMESPACE}/{gvr.resource}" if namespaced else f"{prefix}/{gvr.resource}"


def _path(obj: JsonObject) -> str:
    return _collection(_resource(obj), namespaced=obj["kind"] not in _CLUSTER_SCOPED)


def create_samples(client: Client) -> None:
    """Put all of them into the server."""
    client.request("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    objects = samples()
    definitions = [obj for obj in objects if obj["kind"] == "CustomResourceDefinition"]
    for definition in definitions:
        client.request("POST", CUSTOM_DEFINITIONS, definition)
    custom = {definition["spec"]["names"]["kind"] for definition in definitions}
    ordinary = [obj for obj in objects if obj not in definitions]
    for obj in sorted(ordinary, key=lambda obj: obj["kind"] in custom):
        _create(client, obj)


def _create(client: Client, obj: JsonObject) -> None:
    path = _path(obj)
    _until_served(client, path)
    client.request("POST", path, obj)
    name = f"{path}/{obj['metadata']['name']}"
    if "status" in obj and not obj["apiVersion"].startswith("example.io/"):
        client.request(
            "PATCH", f"{name}/status", {"status": obj["status"]}, content_type="application/merge-patch+json"
        )
    if HOLD in obj["metadata"].get("finalizers", ()):
        client.request("DELETE", f"{name}?propagationPolicy=Background")


def _until_served(client: Client, path: str) -> None:
    """Wait until a custom resource that was defined just now is served."""
    deadline = time.monotonic() + 30
    while not client.succeeds(path):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{path} is not served")
        time.sleep(0.1)


def delete_samples(client: Client) -> None:
    """Take all of them away again, one by one: a namespace takes its objects along only some time later."""
    for obj in samples():
        path = f"{_path(obj)}/{obj['metadata']['name']}"
        try:
            if "finalizers" in obj["metadata"]:
                patch = {"metadata": {"finalizers": None}}
                client.request("PATCH", path, patch, content_type="application/merge-patch+json")
            client.request("DELETE", f"{path}?gracePeriodSeconds=0&propagationPolicy=Background")
        except UnexpectedStatus:
            pass  # gone already, or a ControllerRevision, whose finalizers a kube-apiserver lets nobody take away
    client.request("DELETE", f"/api/v1/namespaces/{NAMESPACE}")


def real_tables(client: Client) -> Iterator[RealTable]:
    """Read every resource that has samples as a Table with its objects."""
    columns = _custom_columns(client)
    namespaced = {_resource(obj): obj["kind"] not in _CLUSTER_SCOPED for obj in samples()}
    for gvr, inside in {**namespaced, _OTHER_EVENTS: True}.items():
        path = _collection(gvr, namespaced=inside)
        before = time.time()
        table: JsonObject = client.request("GET", f"{path}?includeObject=Object", accept=TABLE)
        resource = gvr.group_resource
        yield RealTable(resource, table["columnDefinitions"], table["rows"], columns.get(resource), before, time.time())


def _custom_columns(client: Client) -> dict[GroupResource, list[JsonObject]]:
    definitions = client.request("GET", CUSTOM_DEFINITIONS)["items"]
    return {
        GroupResource(definition["spec"]["group"], definition["spec"]["names"]["plural"]): definition["spec"][
            "versions"
        ][0].get("additionalPrinterColumns", [])
        for definition in definitions
    }
