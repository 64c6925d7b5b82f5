"""Writes bound to a judged version, against a real kube-apiserver: every verb and media type, JSON and protobuf."""

import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from admission.custom_definition import scale_paths
from gateway.apimachinery import meta
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.apimachinery.protobuf import MEDIA_TYPE, encode
from gateway.apimachinery.schema import GroupResource
from gateway.clusters.kubeconfig import KubeconfigCredentials, read_kubeconfig
from gateway.clusters.upstream import Upstream
from gateway.proxy.write_target import UpstreamWriteTarget
from gateway.request import UserInfo, parse_request_info
from gateway.request_scope import RequestScope
from gateway.write_request import DeleteOptions, Precondition, PreconditionLost, WriteOptions, WriteRequest
from tests.e2e.environment.fleet import Fleet

ADMIN = UserInfo("admin", uid="u-1", groups=("system:masters",), extra={"example.io/team": ("a b",)})
NAMESPACE = "upstream-writes"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
JSON = "application/json"
METHODS = {"create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE"}


@pytest.fixture(scope="module", autouse=True)
def namespace(fleet: Fleet) -> Iterator[None]:
    client = fleet.federation.client
    client.request("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    yield
    client.request("DELETE", f"/api/v1/namespaces/{NAMESPACE}")


@pytest.fixture
async def target(fleet: Fleet) -> AsyncIterator[UpstreamWriteTarget]:
    path = fleet.federation.kubeconfig
    upstream = Upstream("store", read_kubeconfig(path).endpoint(), KubeconfigCredentials(path), now=time.time)
    yield UpstreamWriteTarget(upstream)
    await upstream.close()


def deployment(name: str, replicas: int = 3) -> JsonObject:
    labels = {"app": name}
    container = {"name": "c", "image": "example.invalid/c"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


@pytest.fixture
def live(fleet: Fleet, request: pytest.FixtureRequest) -> JsonObject:
    """A Deployment of this test's own."""
    name = f"d{abs(hash(request.node.name)) % 10**9}"
    made: JsonObject = fleet.federation.client.request("POST", DEPLOYMENTS, deployment(name))
    return made


def write(
    verb: str, live: JsonObject, body: bytes, content_type: str, subresource: str = "", **fields: Any
) -> WriteRequest:
    name = meta.name(live)
    query = fields.pop("query", {})
    info = parse_request_info(METHODS[verb], f"{DEPLOYMENTS}/{name}{subresource}", query)
    scope = RequestScope(info, ADMIN, ADMIN, "audit", query, user_agent="kubectl/v1.36.3 (linux/amd64)")
    return WriteRequest(scope, verb, name, body, content_type, **fields)


def precondition(live: JsonObject) -> Precondition:
    return Precondition(meta.uid(live), meta.resource_version(live))


def touch(fleet: Fleet, live: JsonObject) -> None:
    """Somebody else writes to the object."""
    body = {"metadata": {"annotations": {"touched": str(time.time_ns())}}}
    path = f"{DEPLOYMENTS}/{meta.name(live)}"
    fleet.federation.client.request("PATCH", path, body, content_type="application/merge-patch+json")


def update(live: JsonObject, **metadata: str) -> JsonObject:
    obj = deployment(meta.name(live), 2)
    obj["metadata"] |= metadata
    return obj


def all_writes(live: JsonObject) -> dict[str, WriteRequest]:
    obj, name = update(live), meta.name(live)
    scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": name, "namespace": NAMESPACE}}
    scale["spec"] = {"replicas": 2}
    spec = {"spec": {"replicas": 2}}
    operations = [{"op": "replace", "path": "/spec/replicas", "value": 2}]
    apply = {**obj, "metadata": {"name": name, "namespace": NAMESPACE}}
    options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
    manager = {"fieldManager": "t", "force": "true"}

    def encoded(document: Any) -> bytes:
        return json.dumps(document).encode()

    return {
        "update": write("update", live, encoded(obj), JSON, obj=obj),
        "update, protobuf": write("update", live, encode(obj), MEDIA_TYPE, obj=obj),
        "scale": write("update", live, encoded(scale), JSON, "/scale", obj=scale),
        "scale, protobuf": write("update", live, encode(scale), MEDIA_TYPE, "/scale", obj=scale),
        "merge patch": write("patch", live, encoded(spec), "application/merge-patch+json", patch=spec),
        "strategic patch": write("patch", live, encoded(spec), "application/strategic-merge-patch+json", patch=spec),
        "scale patch": write("patch", live, encoded(spec), "application/merge-patch+json", "/scale", patch=spec),
        "json patch": write("patch", live, encoded(operations), "application/json-patch+json", patch=operations),
        "apply": write("patch", live, encoded(apply), "application/apply-patch+yaml", patch=apply, query=manager),
        "delete": write("delete", live, b"", ""),
        "delete, body": write(
            "delete", live, encoded(options), JSON, delete=DeleteOptions(propagation_policy="Background")
        ),
        "delete, protobuf": write("delete", live, encode(options), MEDIA_TYPE),
    }


WRITES = [
    "update", "update, protobuf", "scale", "scale, protobuf", "merge patch", "strategic patch", "scale patch",
    "json patch", "apply", "delete", "delete, body", "delete, protobuf",
]  # fmt: skip


@pytest.mark.parametrize("kind", WRITES)
async def test_the_judged_version_is_written_to(target: UpstreamWriteTarget, live: JsonObject, kind: str) -> None:
    request = all_writes(live)[kind]
    result = await target.apply(request, precondition(live))
    assert result.code == 200
    assert result.written is not None
    after = await target.read(request.scope, ObjectKey(NAMESPACE, meta.name(live)))
    if kind.startswith("delete"):
        assert after is None
    else:
        assert after is not None
        assert after["spec"]["replicas"] == 2
        assert result.written.resource_version == meta.resource_version(after)


@pytest.mark.parametrize("kind", WRITES)
async def test_any_other_version_is_not(fleet: Fleet, target: UpstreamWriteTarget, live: JsonObject, kind: str) -> None:
    request = all_writes(live)[kind]
    touch(fleet, live)
    with pytest.raises(PreconditionLost):
        await target.apply(request, precondition(live))
    after = await target.read(request.scope, ObjectKey(NAMESPACE, meta.name(live)))
    assert after is not None
    assert after["spec"]["replicas"] == 3


@pytest.mark.parametrize("kind", WRITES)
async def test_another_object_of_that_name_is_left_alone(
    fleet: Fleet, target: UpstreamWriteTarget, live: JsonObject, kind: str
) -> None:
    request = all_writes(live)[kind]
    path = f"{DEPLOYMENTS}/{meta.name(live)}"
    fleet.federation.client.request("DELETE", path)
    fleet.federation.client.request("POST", DEPLOYMENTS, deployment(meta.name(live)))
    with pytest.raises(PreconditionLost):
        await target.apply(request, Precondition(meta.uid(live), ""))


async def test_an_apply_to_an_object_that_is_gone_does_not_create_it(
    fleet: Fleet, target: UpstreamWriteTarget, live: JsonObject
) -> None:
    request = all_writes(live)["apply"]
    fleet.federation.client.request("DELETE", f"{DEPLOYMENTS}/{meta.name(live)}")
    with pytest.raises(PreconditionLost):
        await target.apply(request, precondition(live))
    assert await target.read(request.scope, ObjectKey(NAMESPACE, meta.name(live))) is None


async def test_the_clients_own_conflict_is_the_clients(
    fleet: Fleet, target: UpstreamWriteTarget, live: JsonObject
) -> None:
    obj = update(live, resourceVersion=meta.resource_version(live))
    touch(fleet, live)
    now = await target.read(write("update", live, b"", JSON).scope, ObjectKey(NAMESPACE, meta.name(live)))
    assert now is not None
    patch = {"metadata": {"resourceVersion": meta.resource_version(live)}}
    theirs = DeleteOptions(precondition_resource_version=meta.resource_version(live))
    for request in (
        write("update", live, json.dumps(obj).encode(), JSON, obj=obj),
        write("patch", live, json.dumps(patch).encode(), "application/merge-patch+json", patch=patch),
        write("delete", live, b"", "", delete=theirs),
    ):
        with pytest.raises(ApiError) as refusal:
            await target.apply(request, precondition(now))
        assert (refusal.value.code, refusal.value.reason) == (409, "Conflict")


async def test_an_apply_conflict_is_the_clients(target: UpstreamWriteTarget, live: JsonObject) -> None:
    request = all_writes(live)["apply"]
    scope = replace(request.scope, query={"fieldManager": "other"})
    with pytest.raises(ApiError) as refusal:
        await target.apply(replace(request, scope=scope), precondition(live))
    assert refusal.value.message.startswith("Apply failed with 1 conflict")
    assert refusal.value.details["causes"][0]["reason"] == "FieldManagerConflict"


@pytest.mark.parametrize("kind", WRITES)
async def test_a_preview_changes_nothing(target: UpstreamWriteTarget, live: JsonObject, kind: str) -> None:
    request = all_writes(live)[kind]
    shown = await target.preview(request)
    if not kind.startswith("delete"):
        assert shown["spec"]["replicas"] == 2
    after = await target.read(request.scope, ObjectKey(NAMESPACE, meta.name(live)))
    assert after is not None
    assert meta.resource_version(after) == meta.resource_version(live)


@pytest.mark.parametrize("kind", ["delete", "delete, body"])
async def test_a_dry_run_delete_deletes_nothing(target: UpstreamWriteTarget, live: JsonObject, kind: str) -> None:
    request = all_writes(live)[kind]
    scope = replace(request.scope, query={"dryRun": "All"})
    result = await target.apply(replace(request, scope=scope, options=WriteOptions(dry_run=True)), precondition(live))
    assert result.code == 200
    assert await target.read(request.scope, ObjectKey(NAMESPACE, meta.name(live))) is not None


async def test_the_caller_is_who_writes(fleet: Fleet, target: UpstreamWriteTarget, live: JsonObject) -> None:
    nobody = UserInfo("nobody", groups=("nowhere",))
    request = all_writes(live)["merge patch"]
    with pytest.raises(ApiError) as refusal:
        await target.apply(replace(request, scope=replace(request.scope, user=nobody)), precondition(live))
    assert refusal.value.code == 403
    assert 'User "nobody" cannot patch resource "deployments"' in refusal.value.message


async def test_an_answer_in_protobuf_stays_protobuf(target: UpstreamWriteTarget, live: JsonObject) -> None:
    request = all_writes(live)["update, protobuf"]
    scope = replace(request.scope, accept=f"{MEDIA_TYPE},application/json")
    result = await target.apply(replace(request, scope=scope), precondition(live))
    assert result.content_type == MEDIA_TYPE
    assert result.body.startswith(b"k8s\x00")
    assert result.written is None


# -- what admission asks


async def test_everything_in_a_namespace_is_known(fleet: Fleet, target: UpstreamWriteTarget, live: JsonObject) -> None:
    contents = await target.namespace_contents(NAMESPACE)
    found = {(str(resource), meta.name(obj)) for resource, obj in contents}
    assert ("deployments.apps", meta.name(live)) in found
    one = next(obj for resource, obj in contents if resource == GroupResource("apps", "deployments"))
    assert (one["apiVersion"], one["kind"]) == ("apps/v1", "Deployment")


async def test_a_list_is_whole_and_selected(target: UpstreamWriteTarget, live: JsonObject) -> None:
    scope = write("delete", live, b"", "").scope
    every = await target.list(scope, NAMESPACE, "", "")
    assert meta.name(live) in {meta.name(obj) for obj in every}
    assert all(obj["kind"] == "Deployment" for obj in every)
    assert not await target.list(scope, NAMESPACE, "app=none", "")
    named = await target.list(scope, NAMESPACE, "", f"metadata.name={meta.name(live)}")
    assert [meta.name(obj) for obj in named] == [meta.name(live)]


async def test_a_custom_resource_says_where_its_replicas_are(fleet: Fleet, target: UpstreamWriteTarget) -> None:
    group = "upstream.example.io"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    scale = {"specReplicasPath": ".spec.count", "statusReplicasPath": ".status.count"}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    spec = {
        "group": group,
        "scope": "Namespaced",
        "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
        "versions": [{**version, "subresources": {"scale": scale}}],
    }
    client, path = fleet.federation.client, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    client.request("POST", path, {"metadata": {"name": f"widgets.{group}"}, "spec": spec})
    try:
        assert scale_paths(await target.definition(GroupResource(group, "widgets"))) == {"v1": ("spec", "count")}
        assert await target.definition(GroupResource("apps", "deployments")) is None
        for _ in range(100):
            if client.succeeds(f"/apis/{group}/v1/widgets"):
                break
            time.sleep(0.1)
        body = {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": {"name": "w"}}
        client.request("POST", f"/apis/{group}/v1/namespaces/{NAMESPACE}/widgets", body)
        listed = []
        for _ in range(100):
            listed = list(await target.instances(group, "widgets"))
            if listed:
                break
            time.sleep(0.1)
        assert [meta.name(obj) for obj in listed] == ["w"]
    finally:
        client.request("DELETE", f"{path}/widgets.{group}")
