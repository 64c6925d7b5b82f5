"""Objects, definitions and contexts that the tests of the registry are written with."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.apimachinery.options import ListOptions
from gateway.apimachinery.schema import GroupVersion
from gateway.storage.definitions import ResourceDefinition
from gateway.storage.registry import Registry
from gateway.storage.write_context import WriteContext
from gateway.write_request import DeleteOptions, Precondition, WriteOptions

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


def definition(registry: Registry, api_version: str, resource: str) -> ResourceDefinition:
    found = registry.find(GroupVersion.parse(api_version).resource(resource))
    assert found is not None, f"{resource} {api_version} is not served"
    return found


def context(
    *,
    manager: str = "tester",
    dry_run: bool = False,
    validation: str = "",
    force: bool | None = None,
    warnings: list[str] | None = None,
    precondition: Precondition | None = None,
    duplicates: tuple[str, ...] = (),
) -> WriteContext:
    options = WriteOptions(dry_run, manager, validation, force)
    said: list[str] = [] if warnings is None else warnings
    return WriteContext(options, said.append, precondition, duplicates)


def config_map(name: str = "a", *, data: dict[str, str] | None = None, **metadata: Any) -> JsonObject:
    return {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": name, **metadata},
        "data": data if data is not None else {"key": "value"},
    }


def deployment(name: str = "d", replicas: int = 1, **metadata: Any) -> JsonObject:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": name, **metadata}, "spec": spec}


def pod(name: str = "p", **spec: Any) -> JsonObject:
    containers = [{"name": "c", "image": "i"}]
    return {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name}, "spec": {"containers": containers, **spec}}


def widget_crd(plural: str = "widgets", kind: str = "Widget", **version: Any) -> JsonObject:
    schema = {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "replicas": {"type": "integer"},
                    "color": {"type": "string", "default": "red"},
                    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                },
            },
            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
    }
    scale = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
    served = {
        "name": "v1",
        "served": True,
        "storage": True,
        "subresources": {"status": {}, "scale": scale},
        "schema": {"openAPIV3Schema": schema},
        **version,
    }
    return {
        "kind": "CustomResourceDefinition",
        "apiVersion": "apiextensions.k8s.io/v1",
        "metadata": {"name": f"{plural}.x.io"},
        "spec": {
            "group": "x.io",
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind},
            "versions": [served],
        },
    }


def widget(name: str = "w", *, api_version: str = "x.io/v1", **spec: Any) -> JsonObject:
    return {"kind": "Widget", "apiVersion": api_version, "metadata": {"name": name}, "spec": spec}


async def create_crd(registry: Registry, crd: JsonObject) -> JsonObject:
    crds = definition(registry, "apiextensions.k8s.io/v1", "customresourcedefinitions")
    return await registry.create(crds, "", crd, context())


async def create(registry: Registry, obj: JsonObject, namespace: str = "default", **options: Any) -> JsonObject:
    """Create an object of any kind that the registry serves."""
    kind = registry.find_kind(GroupVersion.parse(obj["apiVersion"]).kind(obj["kind"]))
    assert kind is not None
    return await registry.create(kind, namespace if kind.namespaced else "", obj, context(**options))


async def names(registry: Registry, kind: ResourceDefinition, namespace: str = "", **options: Any) -> list[str]:
    page = await registry.list(kind, namespace, ListOptions(**options))
    return [stored.key.name for stored in page.items]


async def delete(
    registry: Registry, kind: ResourceDefinition, name: str, namespace: str = "default", **options: Any
) -> JsonObject:
    key = ObjectKey(namespace if kind.namespaced else "", name)
    return (await registry.delete(kind, key, DeleteOptions(**options), context())).obj


def exists(registry: Registry, kind: ResourceDefinition, name: str, namespace: str = "default") -> bool:
    key = ObjectKey(namespace if kind.namespaced else "", name)
    return registry.storage.get(kind.storage_key, key) is not None


def read(registry: Registry, kind: ResourceDefinition, name: str, namespace: str = "default") -> JsonObject:
    key = ObjectKey(namespace if kind.namespaced else "", name)
    stored = registry.storage.get(kind.storage_key, key)
    assert stored is not None
    return kind.object(stored)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what a controller does; fails after some seconds."""
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never happened")


def refusal(error: "pytest.ExceptionInfo[ApiError]") -> tuple[int, str, str]:
    return error.value.code, error.value.reason, error.value.message
