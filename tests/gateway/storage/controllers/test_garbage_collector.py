import asyncio
from typing import Any

import pytest

from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.storage.controllers.garbage_collector import GarbageCollector
from gateway.storage.registry import Registry
from tests.gateway.storage.builders import (
    MERGE,
    config_map,
    context,
    create,
    definition,
    delete,
    deployment,
    exists,
    read,
    until,
)
from tests.gateway.storage.test_registry import running


def owner(obj: JsonObject, **more: Any) -> JsonObject:
    metadata = obj["metadata"]
    return {
        "kind": obj["kind"],
        "apiVersion": obj["apiVersion"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        **more,
    }


def owned(name: str, *owners: JsonObject, **metadata: Any) -> JsonObject:
    return config_map(name, ownerReferences=list(owners), **metadata)


def owners_of(registry: Registry, name: str) -> list[str]:
    metadata = read(registry, definition(registry, "v1", "configmaps"), name)["metadata"]
    return [entry["name"] for entry in metadata.get("ownerReferences", [])]


async def settle() -> None:
    """Give the controllers time to do what they should not do."""
    await asyncio.sleep(0.15)


async def test_dependents_of_dependents_go_in_the_background(registry: Registry) -> None:
    maps, deployments = definition(registry, "v1", "configmaps"), definition(registry, "apps/v1", "deployments")
    async with running(registry):
        root = await create(registry, deployment())
        child = await create(registry, owned("child", owner(root)))
        await create(registry, owned("grandchild", owner(child)))
        await create(registry, config_map("stranger"))
        assert (await delete(registry, deployments, "d"))["status"] == "Success"
        await until(lambda: not exists(registry, maps, "grandchild"))
    assert not exists(registry, maps, "child")
    assert exists(registry, maps, "stranger")


async def test_an_object_with_another_owner_stays_without_the_one_that_is_gone(registry: Registry) -> None:
    deployments = definition(registry, "apps/v1", "deployments")
    async with running(registry):
        first, second = [await create(registry, deployment(name)) for name in ("one", "two")]
        await create(registry, owned("shared", owner(first), owner(second)))
        await delete(registry, deployments, "one")
        await until(lambda: owners_of(registry, "shared") == ["two"])


async def test_an_owner_deleted_in_the_foreground_waits_for_what_blocks_it(registry: Registry) -> None:
    maps, deployments = definition(registry, "v1", "configmaps"), definition(registry, "apps/v1", "deployments")
    async with running(registry):
        root = await create(registry, deployment())
        await create(registry, owned("slow", owner(root, blockOwnerDeletion=True), finalizers=["x.io/slow"]))
        await create(registry, owned("free", owner(root)))
        going = await delete(registry, deployments, "d", propagation_policy="Foreground")
        assert going["metadata"]["finalizers"] == ["foregroundDeletion"]
        await until(lambda: not exists(registry, maps, "free"))
        await until(lambda: "deletionTimestamp" in read(registry, maps, "slow")["metadata"])
        await settle()
        assert exists(registry, deployments, "d")
        key = ObjectKey("default", "slow")
        await registry.patch(maps, key, MERGE, {"metadata": {"finalizers": None}}, context())
        await until(lambda: not exists(registry, deployments, "d"))


async def test_orphans_live_on(registry: Registry) -> None:
    maps, deployments = definition(registry, "v1", "configmaps"), definition(registry, "apps/v1", "deployments")
    async with running(registry):
        root = await create(registry, deployment())
        await create(registry, owned("orphan", owner(root)))
        await delete(registry, deployments, "d", propagation_policy="Orphan")
        await until(lambda: not exists(registry, deployments, "d"))
        await settle()
    assert exists(registry, maps, "orphan")
    assert owners_of(registry, "orphan") == []


async def test_an_owner_that_never_was_counts_as_gone(registry: Registry) -> None:
    maps = definition(registry, "v1", "configmaps")
    absent = {"kind": "Deployment", "apiVersion": "apps/v1", "name": "d", "uid": "never"}
    async with running(registry):
        root = await create(registry, deployment())
        await create(registry, owned("impostor", absent))
        await create(registry, owned("kept", owner(root)))
        await until(lambda: not exists(registry, maps, "impostor"))
        await settle()
        assert exists(registry, maps, "kept")


async def test_nothing_is_said_of_owners_that_are_not_served_here(registry: Registry) -> None:
    reference = {"kind": "CloneSet", "apiVersion": "apps.kruise.io/v1alpha1", "name": "c", "uid": "u"}
    async with running(registry):
        await create(registry, owned("kept", reference))
        await settle()
    assert exists(registry, definition(registry, "v1", "configmaps"), "kept")


async def test_owners_are_found_under_any_version_of_their_kind(registry: Registry) -> None:
    maps = definition(registry, "v1", "configmaps")
    async with running(registry):
        root = await create(registry, deployment())
        await create(registry, owned("child", {**owner(root), "apiVersion": "apps/v1beta1"}))
        await settle()
        assert exists(registry, maps, "child")
        await delete(registry, definition(registry, "apps/v1", "deployments"), "d")
        await until(lambda: not exists(registry, maps, "child"))


async def test_garbage_from_before_the_start_is_found(registry: Registry) -> None:
    maps = definition(registry, "v1", "configmaps")
    root = await create(registry, deployment())
    await create(registry, owned("left", owner(root)))
    await delete(registry, definition(registry, "apps/v1", "deployments"), "d")
    async with running(registry):
        await until(lambda: not exists(registry, maps, "left"))


PROTECTED = {"fleetgate.io/delete-protection": "Always"}


async def test_what_a_label_protects_stays_until_the_label_goes(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    maps, deployments = definition(registry, "v1", "configmaps"), definition(registry, "apps/v1", "deployments")
    key = ObjectKey("default", "kept")
    async with running(registry):
        root = await create(registry, deployment())
        await create(registry, owned("kept", owner(root), labels=PROTECTED))
        await create(registry, owned("garbage", owner(root)))
        await delete(registry, deployments, "d")
        await until(lambda: not exists(registry, maps, "garbage"))
        for number in range(3):
            await registry.patch(maps, key, MERGE, {"data": {"n": str(number)}}, context())
        await settle()
        assert "deletionTimestamp" not in read(registry, maps, "kept")["metadata"]
        assert [line for line in caplog.messages if "has no owner left and stays" in line] == [
            "configmaps default/kept has no owner left and stays: fleetgate.io/delete-protection=Always"
        ]
        await registry.patch(maps, key, MERGE, {"metadata": {"labels": None}}, context())
        await until(lambda: not exists(registry, maps, "kept"))


async def test_cascading_protects_from_collection_while_something_runs(registry: Registry) -> None:
    deployments = definition(registry, "apps/v1", "deployments")
    absent = {"kind": "ConfigMap", "apiVersion": "v1", "name": "gone", "uid": "never"}
    labels = {"policy.kruise.io/delete-protection": "Cascading"}
    async with running(registry):
        await create(registry, deployment("running", labels=labels, ownerReferences=[absent]))
        await create(registry, deployment("stopped", 0, labels=labels, ownerReferences=[absent]))
        await until(lambda: not exists(registry, deployments, "stopped"))
        assert exists(registry, deployments, "running")
        key = ObjectKey("default", "running")
        await registry.patch(deployments, key, MERGE, {"spec": {"replicas": 0}}, context())
        await until(lambda: not exists(registry, deployments, "running"))


async def test_an_owner_deleted_in_the_foreground_waits_for_what_is_protected_without_spinning(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps, deployments = definition(registry, "v1", "configmaps"), definition(registry, "apps/v1", "deployments")
    looked_at: list[str] = []
    judge = GarbageCollector._judge

    async def counted(self: GarbageCollector, kind: Any, stored: Any) -> None:
        looked_at.append(stored.key.name)
        await judge(self, kind, stored)

    monkeypatch.setattr(GarbageCollector, "_judge", counted)
    async with running(registry):
        root = await create(registry, deployment())
        await create(registry, owned("kept", owner(root, blockOwnerDeletion=True), labels=PROTECTED))
        await delete(registry, deployments, "d", propagation_policy="Foreground")
        await settle()
        assert exists(registry, deployments, "d")
        assert "deletionTimestamp" not in read(registry, maps, "kept")["metadata"]
        assert looked_at.count("kept") <= 5
        key = ObjectKey("default", "kept")
        await registry.patch(maps, key, MERGE, {"metadata": {"ownerReferences": None}}, context())
        await until(lambda: not exists(registry, deployments, "d"))
        assert exists(registry, maps, "kept")
