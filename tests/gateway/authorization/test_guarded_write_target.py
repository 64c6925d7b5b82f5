import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject, ObjectKey, resource_version, uid
from gateway.authorization.guarded_write_target import GuardedWriteTarget
from gateway.authorization.rbac_source import RbacAuthorizer
from gateway.request import UserInfo, parse_request_info
from gateway.request_scope import RequestScope
from gateway.storage.registry import Registry
from gateway.storage.resources import FEDERATION_RESOURCES
from gateway.storage.sqlite import SqliteStorage
from gateway.write_request import DeleteOptions, Precondition, PreconditionLost, WriteOptions, WriteRequest
from tests.gateway.storage.builders import APPLY, JSON_PATCH, MERGE, config_map, context, definition

NOW = 1_780_000_000.0
RBAC = "/apis/rbac.authorization.k8s.io/v1"
ADMIN = UserInfo("admin", groups=("fleetgate:admins",))
ALICE = UserInfo("alice")
METHODS = {"create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE"}
GET_PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
GET_SECRETS = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}


@dataclass
class Store:
    registry: Registry
    authorizer: RbacAuthorizer
    target: GuardedWriteTarget

    async def write(
        self, verb: str, path: str, body: Any = None, *, user: UserInfo = ALICE, content_type: str = MERGE, **more: Any
    ) -> JsonObject:
        request = self.request(verb, path, body, user=user, content_type=content_type, **more)
        result = await self.target.apply(request, more.get("precondition"))
        await self.authorizer.load()
        assert result.obj is not None
        return result.obj

    def request(
        self, verb: str, path: str, body: Any = None, *, user: UserInfo, content_type: str, **more: Any
    ) -> WriteRequest:
        info = parse_request_info(METHODS[verb], path, {})
        return WriteRequest(
            RequestScope(info, user, user, "audit"),
            verb,
            info.name or (body or {})["metadata"]["name"],
            json.dumps(body).encode(),
            content_type if verb == "patch" else "application/json",
            obj=body if verb in {"create", "update"} else None,
            patch=body if verb == "patch" else None,
            options=WriteOptions(more.get("dry_run", False), "tester", "", True if content_type == APPLY else None),
            delete=DeleteOptions(),
        )


def role(name: str, *rules: JsonObject, **metadata: Any) -> JsonObject:
    return {
        "kind": "ClusterRole",
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "metadata": {"name": name, **metadata},
        "rules": list(rules),
    }


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A store in which alice may get Pods, and write roles as far as her rights go."""
    storage = await SqliteStorage.open(tmp_path / "storage.db", now=lambda: NOW)
    registry = Registry(storage, FEDERATION_RESOURCES, now=lambda: NOW)
    await registry.start()
    authorizer = RbacAuthorizer(registry)
    await authorizer.load()
    store = Store(registry, authorizer, GuardedWriteTarget(registry, lambda: authorizer.policy))
    await store.write("create", f"{RBAC}/clusterroles", role("pods", GET_PODS), user=ADMIN)
    binding = {
        "metadata": {"name": "alice"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "pods"},
        "subjects": [{"kind": "User", "name": "alice", "apiGroup": "rbac.authorization.k8s.io"}],
    }
    await store.write("create", f"{RBAC}/clusterrolebindings", binding, user=ADMIN)
    yield store
    await storage.close()


async def refused(store: Store, verb: str, path: str, body: Any, **more: Any) -> str:
    with pytest.raises(ApiError) as refusal:
        await store.write(verb, path, body, **more)
    assert refusal.value.code == 403
    return refusal.value.message


async def test_what_is_held_can_be_granted(store: Store) -> None:
    await store.write("create", f"{RBAC}/clusterroles", role("mine", GET_PODS))
    message = await refused(store, "create", f"{RBAC}/clusterroles", role("more", GET_PODS, GET_SECRETS))
    assert message.endswith('not currently held:\n{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}')


@pytest.mark.parametrize(
    ("verb", "body", "content_type"),
    [
        ("update", role("mine", GET_PODS, GET_SECRETS), ""),
        ("patch", {"rules": [GET_SECRETS]}, MERGE),
        ("patch", [{"op": "add", "path": "/rules/-", "value": GET_SECRETS}], JSON_PATCH),
        ("patch", [{"op": "add", "path": "/rules/0/verbs/-", "value": "*"}], JSON_PATCH),
        ("patch", role("mine", GET_SECRETS), APPLY),
    ],
)
async def test_no_way_of_writing_gets_around_it(store: Store, verb: str, body: Any, content_type: str) -> None:
    await store.write("create", f"{RBAC}/clusterroles", role("mine", GET_PODS))
    path = f"{RBAC}/clusterroles/mine"
    for dry_run in (True, False):
        assert "not currently held" in await refused(
            store, verb, path, body, content_type=content_type, dry_run=dry_run
        )
    stored = await store.registry.get(
        definition(store.registry, "rbac.authorization.k8s.io/v1", "clusterroles"), ObjectKey("", "mine")
    )
    assert b"secrets" not in stored.raw
    await store.write(verb, path, body, content_type=content_type, user=ADMIN)


@pytest.mark.parametrize(("verb", "content_type"), [("update", ""), ("patch", APPLY)])
async def test_what_is_created_by_the_way_is_judged_too(store: Store, verb: str, content_type: str) -> None:
    path = f"{RBAC}/clusterroles/new"
    await refused(store, verb, path, role("new", GET_SECRETS), content_type=content_type)
    await store.write(verb, path, role("new", GET_PODS), content_type=content_type)


async def test_bindings_are_judged_by_their_role(store: Store) -> None:
    def binding(name: str, role_name: str) -> JsonObject:
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role_name}
        return {"metadata": {"name": name}, "roleRef": reference, "subjects": []}

    path = f"{RBAC}/namespaces/default/rolebindings"
    await store.write("create", path, binding("a", "pods"))
    assert "not currently held" in await refused(store, "create", path, binding("b", "cluster-admin"))
    with pytest.raises(ApiError) as refusal:
        await store.write("create", path, binding("c", "missing"))
    assert refusal.value.code == 404


async def test_freeing_an_object_is_free(store: Store) -> None:
    held = role("held", GET_SECRETS, finalizers=["example.io/hold"])
    await store.write("create", f"{RBAC}/clusterroles", held, user=ADMIN)
    path = f"{RBAC}/clusterroles/held"
    await store.write("patch", path, {"metadata": {"finalizers": None}})
    await refused(store, "patch", path, {"metadata": {"labels": {"a": "b"}}})


async def test_deleting_and_all_other_resources_are_nobodys_business_here(store: Store) -> None:
    await store.write("delete", f"{RBAC}/clusterroles/view")
    await store.write("create", "/api/v1/namespaces/default/configmaps", config_map("c"))


async def test_what_was_judged_is_what_is_written(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another write between the judgement and the write: the judgement no longer holds."""
    path = f"{RBAC}/clusterroles/mine"
    await store.write("create", f"{RBAC}/clusterroles", role("mine", GET_PODS))
    patch = [{"op": "add", "path": "/rules/0/verbs/-", "value": "get"}]
    roles = definition(store.registry, "rbac.authorization.k8s.io/v1", "clusterroles")
    looked = store.target.preview

    async def raced(request: WriteRequest) -> JsonObject:
        found = await looked(request)
        secrets = {"rules": [{**GET_SECRETS, "verbs": ["list"]}]}
        await store.registry.patch(roles, ObjectKey("", "mine"), MERGE, secrets, context())
        return found

    monkeypatch.setattr(store.target, "preview", raced)
    with pytest.raises(PreconditionLost):
        await store.write("patch", path, patch, content_type=JSON_PATCH)


async def test_a_judgement_of_admission_on_another_version_is_lost(store: Store) -> None:
    made = await store.write("create", f"{RBAC}/clusterroles", role("mine", GET_PODS))
    path = f"{RBAC}/clusterroles/mine"
    right, wrong = Precondition(uid(made), resource_version(made)), Precondition(uid(made), "1")
    with pytest.raises(PreconditionLost):
        await store.write("update", path, role("mine", GET_PODS), precondition=wrong)
    await store.write("update", path, role("mine", GET_PODS, labels={"a": "b"}), precondition=right)
