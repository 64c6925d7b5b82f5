"""The registry as a whole; what each of its parts does is tested beside that part."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import ObjectKey
from gateway.apimachinery.options import ListOptions
from gateway.storage.registry import Registry
from gateway.storage.resources import MEMBER_RESOURCES
from gateway.storage.sqlite import SqliteStorage
from tests.gateway.storage.builders import (
    config_map,
    create,
    create_crd,
    definition,
    delete,
    exists,
    names,
    pod,
    read,
    until,
    widget,
    widget_crd,
)
from tests.gateway.storage.conftest import Clock


@asynccontextmanager
async def running(registry: Registry) -> AsyncIterator[None]:
    task = asyncio.get_running_loop().create_task(registry.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_there_is_from_the_start(storage: SqliteStorage, clock: Clock) -> None:
    registry = Registry(storage, MEMBER_RESOURCES, now=clock, root_ca="PEM")
    await registry.start()
    namespaces = definition(registry, "v1", "namespaces")
    assert await names(registry, namespaces) == ["default", "kube-node-lease", "kube-public", "kube-system"]
    assert await names(registry, definition(registry, "v1", "serviceaccounts"), "kube-system") == ["default"]
    bundle = read(registry, definition(registry, "v1", "configmaps"), "kube-root-ca.crt")
    assert bundle["data"] == {"ca.crt": "PEM"}
    before = storage.revision
    await registry.start()
    assert storage.revision == before, "a second start finds everything there"


async def test_get(registry: Registry) -> None:
    await create(registry, config_map())
    kind = definition(registry, "v1", "configmaps")
    stored = await registry.get(kind, ObjectKey("default", "a"), resource_version=str(registry.storage.revision))
    assert kind.object(stored)["data"] == {"key": "value"}
    for name, version, code in (("b", "", 404), ("a", "x", 400), ("a", str(registry.storage.revision + 1), 504)):
        with pytest.raises(ApiError) as error:
            await registry.get(kind, ObjectKey("default", name), resource_version=version)
        assert error.value.code == code


async def test_two_registries_in_one_process_know_nothing_of_each_other(tmp_path: Path, clock: Clock) -> None:
    stores = [await SqliteStorage.open(tmp_path / f"{name}.db", now=clock) for name in ("one", "two")]
    registries = [Registry(store, MEMBER_RESOURCES, now=clock) for store in stores]
    for registry in registries:
        await registry.start()
    await create(registries[0], pod())
    await create_crd(registries[0], widget_crd())
    assert exists(registries[0], definition(registries[0], "v1", "pods"), "p")
    assert not exists(registries[1], definition(registries[1], "v1", "pods"), "p")
    assert len(registries[0].resources()) == len(registries[1].resources()) + 1
    for store in stores:
        await store.close()


async def test_a_watch_of_a_custom_resource_ends_with_it(registry: Registry) -> None:
    await create_crd(registry, widget_crd())
    await create(registry, widget())
    watch = await registry.watch(definition(registry, "x.io/v1", "widgets"), "", ListOptions())
    other = await registry.watch(definition(registry, "v1", "configmaps"), "", ListOptions(resource_version="0"))
    assert [event.type for event in await watch.next_batch()] == ["ADDED"]
    crds = definition(registry, "apiextensions.k8s.io/v1", "customresourcedefinitions")
    async with running(registry):
        await delete(registry, crds, "widgets.x.io")
        assert [event.type for event in await watch.next_batch()] == ["DELETED"]
        assert await watch.next_batch() == []
    await create(registry, config_map())
    assert [event.type for event in await other.next_batch()] == ["ADDED"]


async def test_controllers_carry_on_after_a_restart(tmp_path: Path, clock: Clock) -> None:
    storage = await SqliteStorage.open(tmp_path / "s.db", now=clock)
    registry = Registry(storage, MEMBER_RESOURCES, now=clock)
    await registry.start()
    await create(registry, {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "t"}})
    await create(registry, config_map(), "t")
    namespaces = definition(registry, "v1", "namespaces")
    await delete(registry, namespaces, "t")
    await storage.close()
    storage = await SqliteStorage.open(tmp_path / "s.db", now=clock)
    again = Registry(storage, MEMBER_RESOURCES, now=clock)
    async with running(again):
        await until(lambda: not exists(again, namespaces, "t"))
    assert await names(again, definition(again, "v1", "configmaps"), "t") == []
    await storage.close()


async def test_a_store_that_cannot_write_is_unavailable_not_broken(registry: Registry) -> None:
    await create(registry, config_map())
    assert isinstance(registry.storage, SqliteStorage)
    await registry.storage.close()
    with pytest.raises(ApiError) as error:
        await create(registry, config_map("b"))
    assert (error.value.code, error.value.message) == (503, "the store is closed")
