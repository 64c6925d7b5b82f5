import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.apimachinery.errors import service_unavailable
from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.authorization import rbac_source
from gateway.authorization.authorizer import Attributes
from gateway.authorization.rbac_source import RbacAuthorizer
from gateway.request import UserInfo
from gateway.storage.registry import Registry
from gateway.storage.resources import FEDERATION_RESOURCES
from gateway.storage.sqlite import SqliteStorage
from gateway.write_request import DeleteOptions
from tests.gateway.storage.builders import context, definition

NOW = 1_780_000_000.0
RBAC = "rbac.authorization.k8s.io/v1"
ALICE = UserInfo("alice", groups=("system:authenticated",))
LIST_PODS = Attributes(ALICE, "list", namespace="shop", resource="pods")


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Registry]:
    storage = await SqliteStorage.open(tmp_path / "storage.db", now=lambda: NOW)
    registry = Registry(storage, FEDERATION_RESOURCES, now=lambda: NOW)
    await registry.start()
    yield registry
    await storage.close()


@pytest.fixture
async def authorizer(registry: Registry) -> AsyncIterator[RbacAuthorizer]:
    authorizer = RbacAuthorizer(registry)
    await authorizer.load()
    task = asyncio.get_running_loop().create_task(authorizer.run())
    yield authorizer
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def create(registry: Registry, resource: str, obj: JsonObject, namespace: str = "") -> None:
    await registry.create(definition(registry, RBAC, resource), namespace, obj, context())


def role(*verbs: str) -> JsonObject:
    return {"metadata": {"name": "reader"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": list(verbs)}]}


def binding(kind: str) -> JsonObject:
    return {
        "metadata": {"name": "readers"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": "reader"},
        "subjects": [{"kind": "User", "name": "alice", "apiGroup": "rbac.authorization.k8s.io"}],
    }


async def until(authorizer: RbacAuthorizer, *, allowed: bool) -> None:
    async with asyncio.timeout(5):
        while (await authorizer.authorize(LIST_PODS)).allowed is not allowed:
            await asyncio.sleep(0.005)


async def test_a_store_begins_with_the_usual_roles(registry: Registry, authorizer: RbacAuthorizer) -> None:
    admin = UserInfo("admin", groups=("fleetgate:admins",))
    assert (await authorizer.authorize(Attributes(admin, "delete", resource="pods"))).allowed
    assert not (await authorizer.authorize(LIST_PODS)).allowed
    stored = await registry.get(definition(registry, RBAC, "clusterroles"), ObjectKey("", "cluster-admin"))
    assert b"bootstrapping" in stored.raw


async def test_what_was_changed_of_them_stays(registry: Registry, authorizer: RbacAuthorizer) -> None:
    bindings = definition(registry, RBAC, "clusterrolebindings")
    key = ObjectKey("", "fleetgate:admins")
    await registry.patch(bindings, key, "application/merge-patch+json", {"subjects": None}, context())
    again = RbacAuthorizer(registry)
    await again.load()
    admin = UserInfo("admin", groups=("fleetgate:admins",))
    assert not (await again.authorize(Attributes(admin, "delete", resource="pods"))).allowed


@pytest.mark.parametrize(
    ("role_resource", "binding_resource", "kind"),
    [("clusterroles", "clusterrolebindings", "ClusterRole"), ("roles", "rolebindings", "Role")],
)
async def test_changes_hold_at_once(
    registry: Registry, authorizer: RbacAuthorizer, role_resource: str, binding_resource: str, kind: str
) -> None:
    namespace = "default" if kind == "Role" else ""
    question = Attributes(ALICE, "list", namespace="default", resource="pods")

    async def settled(*, allowed: bool) -> None:
        async with asyncio.timeout(5):
            while (await authorizer.authorize(question)).allowed is not allowed:
                await asyncio.sleep(0.005)

    await create(registry, role_resource, role("get", "list"), namespace)
    await create(registry, binding_resource, binding(kind), namespace)
    await settled(allowed=True)
    roles = definition(registry, RBAC, role_resource)
    await registry.update(roles, ObjectKey(namespace, "reader"), role("get"), context())
    await settled(allowed=False)
    await registry.update(roles, ObjectKey(namespace, "reader"), role("list"), context())
    await settled(allowed=True)
    bindings = definition(registry, RBAC, binding_resource)
    await registry.delete(bindings, ObjectKey(namespace, "readers"), DeleteOptions(), context())
    await settled(allowed=False)


async def test_a_store_that_cannot_be_read_keeps_the_policy_in_use(
    registry: Registry, authorizer: RbacAuthorizer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(rbac_source, "_RETRY_DELAY", 0.01)
    reading = authorizer._read
    failures = 2

    async def fail() -> None:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise service_unavailable("the disk is full")
        await reading()

    monkeypatch.setattr(authorizer, "_read", fail)
    await create(registry, "clusterroles", role("list"))
    await create(registry, "clusterrolebindings", binding("ClusterRole"))
    await until(authorizer, allowed=True)
    assert "the disk is full" in caplog.text


async def test_a_store_without_rbac_is_told(registry: Registry) -> None:
    bare = RbacAuthorizer(Registry(registry.storage, (), now=lambda: NOW))
    with pytest.raises(LookupError):
        await bare.load()


async def test_roles_of_a_namespace_are_its_own(registry: Registry, authorizer: RbacAuthorizer) -> None:
    await create(registry, "roles", role("get"), "default")
    await create(registry, "rolebindings", binding("Role"), "default")
    async with asyncio.timeout(5):
        while "default" not in authorizer.policy.bindings:
            await asyncio.sleep(0.005)
    assert ("default", "reader") in authorizer.policy.roles
    assert ("", "reader") not in authorizer.policy.roles
    assert [binding.name for binding in authorizer.policy.bindings["default"]] == ["readers"]


async def test_what_has_not_changed_is_not_read_again(registry: Registry, authorizer: RbacAuthorizer) -> None:
    before = {binding.name: binding for binding in authorizer.policy.cluster_bindings}
    await create(registry, "clusterroles", role("list"))
    await create(registry, "clusterrolebindings", binding("ClusterRole"))
    await until(authorizer, allowed=True)
    after = {binding.name: binding for binding in authorizer.policy.cluster_bindings}
    assert set(after) - set(before) == {"readers"}
    assert all(after[name] is known for name, known in before.items())
