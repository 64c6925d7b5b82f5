"""A simulated member without its API server: a store, the scheduler, the kubelet and the controllers."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.apimachinery import meta
from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.apimachinery.schema import GroupVersion
from gateway.simulation.member.kubelet import Kubelet
from gateway.simulation.member.scheduler import Scheduler
from gateway.simulation.member.server import MemberSettings, provision
from gateway.simulation.member.workload_controllers import WorkloadControllers
from gateway.storage.registry import Registry
from gateway.storage.resources import MEMBER_RESOURCES
from gateway.storage.sqlite import SqliteStorage
from gateway.storage.write_context import WriteContext
from gateway.write_request import DeleteOptions

USER = WriteContext.internal("somebody")
KINDS = {
    "pods": "v1",
    "nodes": "v1",
    "events": "v1",
    "namespaces": "v1",
    "deployments": "apps/v1",
    "replicasets": "apps/v1",
    "jobs": "batch/v1",
}


class MemberCluster:
    """What a user of the member does and sees, straight at its store."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def _definition(self, resource: str) -> Any:
        return self.registry.find(GroupVersion.parse(KINDS[resource]).resource(resource))

    def objects(self, resource: str) -> list[JsonObject]:
        definition = self._definition(resource)
        return [definition.object(stored) for stored in self.registry.storage.list(definition.storage_key)]

    def get(self, resource: str, name: str) -> JsonObject:
        return next(obj for obj in self.objects(resource) if meta.name(obj) == name)

    async def create(self, resource: str, obj: JsonObject) -> JsonObject:
        new = {
            **obj,
            "metadata": {name: obj["metadata"][name] for name in ("name", "labels") if name in obj["metadata"]},
        }
        namespace = "" if resource in {"nodes", "namespaces"} else "default"
        return await self.registry.create(self._definition(resource), namespace, new, USER)

    async def patch(self, resource: str, name: str, patch: JsonObject, *, subresource: str = "") -> None:
        key = ObjectKey("" if resource == "nodes" else "default", name)
        kind, media_type = self._definition(resource), "application/merge-patch+json"
        await self.registry.patch(kind, key, media_type, patch, USER, subresource=subresource)

    async def delete(self, resource: str, name: str, **options: Any) -> None:
        key = ObjectKey("default", name)
        await self.registry.delete(self._definition(resource), key, DeleteOptions(**options), USER)

    def running(self) -> list[JsonObject]:
        """Pods that run and are not being deleted."""
        return [
            pod
            for pod in self.objects("pods")
            if pod["status"]["phase"] == "Running" and not meta.deletion_timestamp(pod)
        ]

    def events(self, name: str) -> dict[str, JsonObject]:
        """The Events about the object of that name, by reason."""
        return {event["reason"]: event for event in self.objects("events") if event["involvedObject"]["name"] == name}

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for what the components do; fails when they do not do it within some seconds."""
        for _ in range(1500):
            if condition():
                return
            await asyncio.sleep(0.01)
        raise AssertionError([(meta.name(pod), pod["status"]) for pod in self.objects("pods")])


@asynccontextmanager
async def components(registry: Registry) -> AsyncIterator[None]:
    """Everything that acts in a member, running."""
    loops = [
        registry.run,
        Scheduler(registry, time.time).run,
        Kubelet(registry, time.time).run,
        WorkloadControllers(registry, time.time).run,
    ]
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(loop()) for loop in loops]
        yield
        for task in running:
            task.cancel()


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Registry]:
    storage = await SqliteStorage.open(tmp_path / "storage.db", now=time.time)
    registry = Registry(storage, MEMBER_RESOURCES, now=time.time)
    await registry.start()
    await provision(registry, MemberSettings("m1", 1, tmp_path, 0))
    yield registry
    await storage.close()


@pytest.fixture
async def cluster(registry: Registry) -> AsyncIterator[MemberCluster]:
    async with components(registry):
        yield MemberCluster(registry)
