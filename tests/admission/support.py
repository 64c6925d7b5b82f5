"""Scripted neighbours of the rules: a lookup that answers from given objects and counts what it is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
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
        scale_path: str | None = None,
    ) -> None:
        self._old = old
        self._new = new
        self._contents = contents
        self._instances = instances
        self._scale_path = scale_path
        self.asked: Counter[str] = Counter()

    async def old(self) -> JsonObject | None:
        self.asked["old"] += 1
        return self._old

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

    async def instances(self, group: str, resource: str) -> Sequence[JsonObject]:
        self.asked[f"instances {resource}.{group}"] += 1
        if isinstance(self._instances, ApiError):
            raise self._instances
        return self._instances

    async def scale_path(self, resource: GroupVersionResource) -> str | None:
        self.asked["scale_path"] += 1
        return self._scale_path


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
