"""Scripted neighbours of the rules: a lookup that answers from given objects and counts what it is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from admission.attributes import Attributes
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupResource, GroupVersionResource
from gateway.request import UserInfo

DEPLOYMENTS = GroupVersionResource("apps", "v1", "deployments")
CLONE_SETS = GroupVersionResource("apps.kruise.io", "v1alpha1", "clonesets")
NAMESPACES = GroupVersionResource("", "v1", "namespaces")
PODS = GroupVersionResource("", "v1", "pods")
CONFIG_MAPS = GroupVersionResource("", "v1", "configmaps")
DEFINITIONS = GroupVersionResource("apiextensions.k8s.io", "v1", "customresourcedefinitions")


class ScriptedLookup:
    """An ObjectLookup. An ApiError in the place of an answer is raised."""

    def __init__(
        self,
        old: JsonObject | None = None,
        *,
        new: JsonObject | ApiError | None = None,
        contents: Sequence[tuple[GroupResource, JsonObject]] | ApiError = (),
        instances: Sequence[JsonObject] | ApiError = (),
        taken_along: Sequence[tuple[GroupResource, JsonObject]] | ApiError = (),
        definition: JsonObject | None = None,
        at_versions: Mapping[str, JsonObject] | None = None,
    ) -> None:
        self._old = old
        self._new = new
        self._contents = contents
        self._instances = instances
        self._taken_along = taken_along
        self._definition = definition
        self._at_versions = at_versions or {}
        self.asked: Counter[str] = Counter()

    async def old(self) -> JsonObject | None:
        self.asked["old"] += 1
        return self._old

    async def old_at(self, version: str) -> JsonObject | None:
        self.asked[f"old at {version}"] += 1
        return self._at_versions.get(version)

    async def new(self) -> JsonObject:
        self.asked["new"] += 1
        if isinstance(self._new, ApiError):
            raise self._new
        assert self._new is not None, "no preview was expected"
        return self._new

    async def namespace_contents(self, namespace: str) -> Sequence[tuple[GroupResource, JsonObject]]:
        self.asked["namespace_contents"] += 1
        if isinstance(self._contents, ApiError):
            raise self._contents
        return self._contents

    async def taken_along(self, owners: Collection[str]) -> Sequence[tuple[GroupResource, JsonObject]]:
        self.asked[f"taken_along {' '.join(sorted(owners))}"] += 1
        if isinstance(self._taken_along, ApiError):
            raise self._taken_along
        return self._taken_along

    async def instances(self, group: str, resource: str, version: str = "") -> Sequence[JsonObject]:
        self.asked[f"instances {resource}.{group}"] += 1
        if isinstance(self._instances, ApiError):
            raise self._instances
        return self._instances

    async def definition(self, resource: GroupResource) -> JsonObject | None:
        self.asked["definition"] += 1
        return self._definition


def attributes(verb: str, resource: GroupVersionResource = DEPLOYMENTS, **more: Any) -> Attributes:
    return Attributes(
        verb=verb,
        resource=resource,
        subresource=more.pop("subresource", ""),
        namespace=more.pop("namespace", "shop"),
        name=more.pop("name", "web"),
        user=UserInfo("alice"),
        **more,
    )


def workload(replicas: Any = 10, *, labels: dict[str, str] | None = None, **metadata: Any) -> JsonObject:
    spec = {} if replicas is None else {"replicas": replicas}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "labels": labels or {}, **metadata},
        "spec": spec,
    }


REPLICAS_SCHEMA: JsonObject = {"type": "object", "properties": {"replicas": {"type": "integer"}}}
"""A spec that knows `replicas` and nothing else."""


def version(name: str = "v1alpha1", path: str = "", *, spec: JsonObject | None = None, **more: Any) -> JsonObject:
    """Return a version of a definition: its scale path, the schema of its spec (none: everything is kept)."""
    inner = spec if spec is not None else {"x-kubernetes-preserve-unknown-fields": True}
    scale = {"scale": {"specReplicasPath": path, "statusReplicasPath": ".status.replicas"}} if path else {}
    return {
        "name": name,
        "served": True,
        "storage": False,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": inner}}},
        "subresources": {"status": {}, **scale},
    } | more


def definition(*versions: JsonObject, annotations: dict[str, str] | None = None, **spec: Any) -> JsonObject:
    """Return the CustomResourceDefinition of CLONE_SETS; the first version is the stored one unless one says so."""
    listed = list(versions or (version(),))
    if not any(entry["storage"] for entry in listed):
        listed[0] = listed[0] | {"storage": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "clonesets.apps.kruise.io", "annotations": annotations or {}},
        "spec": {
            "group": CLONE_SETS.group,
            "names": {"plural": CLONE_SETS.resource, "kind": "CloneSet"},
            "versions": listed,
        }
        | spec,
    }


def established(*versions: JsonObject) -> JsonObject:
    """Return the definition of CLONE_SETS with the status it has once its names are accepted."""
    found = definition(*versions)
    names = {"plural": CLONE_SETS.resource, "singular": "cloneset", "kind": "CloneSet", "listKind": "CloneSetList"}
    conditions = [{"type": kind, "status": "True"} for kind in ("NamesAccepted", "Established")]
    return found | {"status": {"acceptedNames": names, "conditions": conditions, "storedVersions": ["v1alpha1"]}}
