import json
from typing import Any

import pytest

from gateway.apimachinery.errors import ApiError, PathNotFound
from gateway.apimachinery.meta import ObjectKey
from gateway.apimachinery.schema import GroupResource
from gateway.request import ANONYMOUS_USER, parse_request_info
from gateway.request_scope import RequestScope
from gateway.storage.registry import Registry
from gateway.storage.resources import FEDERATION_RESOURCES
from gateway.storage.write_target import EmbeddedWriteTarget
from gateway.write_request import (
    DeleteOptions,
    Precondition,
    PreconditionLost,
    WriteOptions,
    WriteRequest,
    WriteResult,
    WriteTarget,
)
from tests.gateway.storage.builders import (
    MERGE,
    config_map,
    context,
    create,
    create_crd,
    definition,
    deployment,
    exists,
    pod,
    widget,
    widget_crd,
)

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
METHODS = {"create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE"}


def scope(method: str, path: str) -> RequestScope:
    info = parse_request_info(method, path, {})
    return RequestScope(info, ANONYMOUS_USER, ANONYMOUS_USER, "audit")


def request(verb: str, path: str, *, manager: str = "tester", dry_run: bool = False, **parts: Any) -> WriteRequest:
    asked = scope(METHODS[verb], path)
    obj = parts.get("obj") or {}
    name = asked.info.name or obj.get("metadata", {}).get("name", "")
    content_type = MERGE if verb == "patch" else "application/json"
    return WriteRequest(asked, verb, name, content_type=content_type, options=WriteOptions(dry_run, manager), **parts)


async def apply(registry: Registry, write: WriteRequest, precondition: Precondition | None = None) -> WriteResult:
    target: WriteTarget = EmbeddedWriteTarget(registry)
    return await target.apply(write, precondition)


async def test_every_verb_and_its_code(registry: Registry) -> None:
    made = await apply(registry, request("create", CONFIG_MAPS, obj=config_map()))
    assert (made.code, made.content_type) == (201, "application/json")
    assert json.loads(made.body) == made.obj
    changed = await apply(registry, request("update", f"{CONFIG_MAPS}/a", obj=config_map(data={"x": "y"})))
    assert changed.code == 200
    patched = await apply(registry, request("patch", f"{CONFIG_MAPS}/a", patch={"data": {"z": "1"}}))
    assert patched.obj is not None
    assert patched.obj["data"] == {"x": "y", "z": "1"}
    deleted = await apply(registry, request("delete", f"{CONFIG_MAPS}/a"))
    assert deleted.obj is not None
    assert (deleted.code, deleted.obj["status"]) == (200, "Success")


async def test_an_apply_that_creates_is_201(registry: Registry) -> None:
    asked = scope("PATCH", f"{CONFIG_MAPS}/a")
    kind = "application/apply-patch+yaml"
    write = WriteRequest(asked, "patch", "a", content_type=kind, patch=config_map(), options=WriteOptions(False, "m"))
    assert (await apply(registry, write)).code == 201
    assert (await apply(registry, write)).code == 200


async def test_subresources(registry: Registry) -> None:
    await create(registry, deployment())
    scaled = await apply(registry, request("patch", f"{DEPLOYMENTS}/d/scale", patch={"spec": {"replicas": 4}}))
    assert scaled.obj is not None
    assert (scaled.obj["kind"], scaled.obj["spec"]) == ("Scale", {"replicas": 4})
    status = await apply(registry, request("patch", f"{DEPLOYMENTS}/d/status", patch={"status": {"replicas": 4}}))
    assert status.obj is not None
    assert status.obj["status"] == {"replicas": 4}


async def test_a_pod_is_evicted_through_its_subresource(member: Registry) -> None:
    await create(member, pod())
    path = "/api/v1/namespaces/default/pods/p/eviction"
    eviction = {"kind": "Eviction", "apiVersion": "policy/v1", "metadata": {"name": "p"}}
    assert (await apply(member, request("create", path, obj=eviction))).code == 201
    assert not exists(member, definition(member, "v1", "pods"), "p")


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("create", "/apis/nope.io/v1/namespaces/default/things"),
        ("patch", f"{CONFIG_MAPS}/a/status"),
        ("patch", f"{DEPLOYMENTS}/d/nonsense"),
        ("patch", "/api/v1/namespaces/default/persistentvolumes/a"),
    ],
)
async def test_what_is_not_served(registry: Registry, verb: str, path: str) -> None:
    with pytest.raises(PathNotFound):
        await apply(registry, request(verb, path))


@pytest.mark.parametrize(
    ("verb", "path", "text"),
    [
        ("create", f"{DEPLOYMENTS}/d/scale", 'create is not supported on resources of kind "deployments.apps"'),
        ("create", "/api/v1/configmaps", "the server does not allow this method on the requested resource"),
        ("delete", f"{DEPLOYMENTS}/d/status", 'delete is not supported on resources of kind "deployments.apps"'),
        ("create", "/api/v1/namespaces/default/serviceaccounts/default/token", "this store issues no ServiceAccount"),
    ],
)
async def test_verbs_that_are_not_for_a_subresource(registry: Registry, verb: str, path: str, text: str) -> None:
    await create(registry, deployment())
    with pytest.raises(ApiError) as error:
        await apply(registry, request(verb, path, obj={"metadata": {"name": "d"}}))
    assert error.value.code == 405
    assert text in error.value.message


async def test_warnings_reach_the_answer(registry: Registry) -> None:
    write = request(
        "create", CONFIG_MAPS, obj={**config_map(), "dataa": {}}, duplicate_fields=('duplicate field "data"',)
    )
    await apply(registry, write)
    assert write.scope.warnings == ['duplicate field "data"', 'unknown field "dataa"']


async def test_writes_of_a_deprecated_version_are_warned_about(registry: Registry) -> None:
    write = request("create", "/api/v1/namespaces/default/endpoints", obj={"metadata": {"name": "e"}})
    await apply(registry, write)
    assert write.scope.warnings == ["v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"]


async def test_a_preview_is_what_the_write_would_answer(registry: Registry) -> None:
    await create(registry, deployment())
    write = request("patch", f"{DEPLOYMENTS}/d", patch={"spec": {"replicas": 0, "odd": 1}})
    preview = await EmbeddedWriteTarget(registry).preview(write)
    assert preview["spec"]["replicas"] == 0
    assert write.scope.warnings == [], "only the write itself warns"
    assert (
        definition(registry, "apps/v1", "deployments").object(registry.storage.list("deployments.apps")[0])["spec"][
            "replicas"
        ]
        == 1
    )


async def test_the_version_that_was_judged(registry: Registry) -> None:
    made = await create(registry, config_map())
    judged = Precondition(made["metadata"]["uid"], made["metadata"]["resourceVersion"])
    await apply(registry, request("patch", f"{CONFIG_MAPS}/a", patch={"data": {"x": "1"}}), judged)
    for write in (
        request("patch", f"{CONFIG_MAPS}/a", patch={"data": {"x": "2"}}),
        request("delete", f"{CONFIG_MAPS}/a", delete=DeleteOptions()),
    ):
        with pytest.raises(PreconditionLost):
            await apply(registry, write, judged)


async def test_what_admission_looks_up(registry: Registry) -> None:
    await create_crd(registry, widget_crd())
    await create(registry, config_map(labels={"app": "web"}))
    await create(registry, config_map("b"))
    await create(registry, widget())
    await create(registry, deployment())
    target = EmbeddedWriteTarget(registry)
    asked = scope("PATCH", f"{CONFIG_MAPS}/a")
    found = await target.read(asked, ObjectKey("default", "a"))
    assert found is not None
    assert (found["kind"], found["metadata"]["name"]) == ("ConfigMap", "a")
    assert await target.read(asked, ObjectKey("default", "nope")) is None
    assert [obj["metadata"]["name"] for obj in await target.list(asked, "default", "app=web", "")] == ["a"]
    assert len(await target.list(asked, "", "", "metadata.name=b")) == 1
    contents = [
        (str(resource), obj["metadata"]["name"]) for resource, obj in await target.namespace_contents("default")
    ]
    assert sorted(contents) == [
        ("configmaps", "a"),
        ("configmaps", "b"),
        ("deployments.apps", "d"),
        ("serviceaccounts", "default"),
        ("widgets.x.io", "w"),
    ]
    assert [obj["kind"] for obj in await target.instances("x.io", "widgets")] == ["Widget"]
    assert await target.instances("x.io", "gadgets") == []
    defined = await target.definition(GroupResource("x.io", "widgets"))
    assert defined is not None
    assert (defined["kind"], defined["metadata"]["name"]) == ("CustomResourceDefinition", "widgets.x.io")
    assert await target.definition(GroupResource("", "configmaps")) is None


UNSERVE = {"spec": {"versions": [{**widget_crd()["spec"]["versions"][0], "served": False}]}}


async def test_what_is_stored_counts_whether_it_is_served_or_not(registry: Registry) -> None:
    await create_crd(registry, widget_crd())
    crds = definition(registry, "apiextensions.k8s.io/v1", "customresourcedefinitions")
    owner = await create(registry, config_map())
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": owner["metadata"]["uid"]}
    owned = widget()
    owned["metadata"] |= {"ownerReferences": [reference], "labels": {"k": "v"}}
    await create(registry, owned)
    await registry.patch(crds, ObjectKey("", "widgets.x.io"), MERGE, UNSERVE, context())
    for later in (registry, reopened(registry)):
        assert not any(kind.gvr.resource == "widgets" for kind in later.resources())
        target = EmbeddedWriteTarget(later)
        contents = dict(await target.namespace_contents("default"))
        assert contents[GroupResource("x.io", "widgets")]["metadata"]["labels"] == {"k": "v"}
        assert [obj["metadata"]["name"] for obj in await target.instances("x.io", "widgets")] == ["w"]
        asked = scope("DELETE", f"{CONFIG_MAPS}/a")
        along = await target.collectable(asked, owner, {owner["metadata"]["uid"]})
        assert [str(resource) for resource, _ in along if resource.group] == ["widgets.x.io"]


def reopened(registry: Registry) -> Registry:
    """Return another registry of the same store, as after a restart."""
    return Registry(registry.storage, FEDERATION_RESOURCES, now=lambda: 0.0)
