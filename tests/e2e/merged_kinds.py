"""The merged kinds that faults of a member are tried with: what they are called, where they are, and their objects."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.e2e.environment.client import UnexpectedStatus
from tests.e2e.environment.controlplane import ControlPlane

CONFIGURATION = """
apiVersion: config.fleetgate.io/v1alpha1
kind: GatewayConfiguration
cache:
  resources: [replicasets.apps, widgets.shop.example.com]
"""
"""Adds those that are not merged by default."""

NAMESPACE = "shop"
_DEFINITION = {
    "metadata": {"name": "widgets.shop.example.com"},
    "spec": {
        "group": "shop.example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "kind": "Widget"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


@dataclass(frozen=True)
class MergedKind:
    """A resource as clients see it.

    Attributes:
        resource: As the programs of the environment name it.
        root: Its API version's path.
        body: Gives an object for the name to create in it; None where it is another view of what is made elsewhere.
    """

    resource: str
    root: str
    body: Callable[[str], dict[str, Any]] | None

    @property
    def plural(self) -> str:
        """The last part of its paths."""
        return self.resource.partition(".")[0]

    @property
    def path(self) -> str:
        """All of its objects."""
        return f"{self.root}/{self.plural}"

    def path_of(self, key: str) -> str:
        """One object, by namespace and name."""
        namespace, name = key.split("/")
        return f"{self.root}/namespaces/{namespace}/{self.plural}/{name}"

    def create(self, plane: ControlPlane, name: str, padding: str = "") -> None:
        """Create an object in a member, past the gateway."""
        if self.body:
            body = self.body(name)
            body["metadata"] = {**body.get("metadata", {}), "name": name, "annotations": {"padding": padding}}
            plane.client.request("POST", f"{self.root}/namespaces/{NAMESPACE}/{self.plural}", body)

    def delete(self, plane: ControlPlane, key: str) -> None:
        """Delete an object of a member at once, past the gateway."""
        if self.body:
            plane.client.request("DELETE", self.path_of(key), {"gracePeriodSeconds": 0})

    def of(self, plane: ControlPlane) -> list[Any]:
        """What a member has of it; nothing where it is not served."""
        try:
            items: list[Any] = plane.client.request("GET", self.path)["items"]
        except UnexpectedStatus as refusal:
            if refusal.status != 404:
                raise
            return []
        return items


def event_named(name: str) -> dict[str, Any]:
    """An Event about a Pod of that name."""
    regarding = {"kind": "Pod", "namespace": NAMESPACE, "name": name, "apiVersion": "v1"}
    return {"involvedObject": regarding, "reason": "Tried", "message": f"tried {name}", "type": "Normal"}


def _pod(_: str) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "a", "image": "a:1"}]}}


def _replica_set(name: str) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "a", "image": "a:1"}]}}
    return {"spec": {"replicas": 0, "selector": {"matchLabels": {"app": name}}, "template": template}}


def _widget(_: str) -> dict[str, Any]:
    return {"apiVersion": "shop.example.com/v1", "kind": "Widget", "spec": {"size": "small"}}


PODS = MergedKind("pods", "/api/v1", _pod)
EVENTS = MergedKind("events", "/api/v1", event_named)
EVENTS_OF_THEIR_GROUP = MergedKind("events.events.k8s.io", "/apis/events.k8s.io/v1", None)
REPLICA_SETS = MergedKind("replicasets.apps", "/apis/apps/v1", _replica_set)
WIDGETS = MergedKind("widgets.v1.shop.example.com", "/apis/shop.example.com/v1", _widget)
MERGED_KINDS = (PODS, EVENTS, EVENTS_OF_THEIR_GROUP, REPLICA_SETS, WIDGETS)


def define_widgets(plane: ControlPlane) -> None:
    """Make a member serve Widgets, and wait until it does."""
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    plane.client.request("POST", definitions, _DEFINITION)
    end = time.monotonic() + 60
    while True:
        try:
            plane.client.request("GET", WIDGETS.path)
        except UnexpectedStatus:
            assert time.monotonic() < end, f"{plane.name} does not serve Widgets"
            time.sleep(0.2)
        else:
            return


def forget_widgets(plane: ControlPlane) -> None:
    """Make a member serve no Widgets any more; those it has go."""
    plane.client.request("DELETE", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.shop.example.com")
