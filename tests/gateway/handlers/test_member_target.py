"""Writes to merged objects, with a cache of two Pods in two members that decide for themselves."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from msgspec.structs import replace

from cache.watcher import everyone
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.apimachinery.schema import GroupResource
from gateway.authorization.member_review import MemberReviews
from gateway.handlers.member_target import MergedWriteTarget
from gateway.handlers.write_decoding import decode_write
from gateway.proxy.member_write_target import MemberTargets
from gateway.request import UserInfo, parse_request_info
from gateway.request_scope import RequestScope
from gateway.write_request import WriteRequest
from tests.gateway.handlers.memory_target import MemoryTarget
from tests.gateway.handlers.write_support import POD, Gateway
from tests.gateway.proxy.gateway_under_test import make_upstream
from tests.support.clock import FakeClock
from tests.support.http_server import serve

ALICE = UserInfo("alice")
PODS = "/api/v1/namespaces/shop/pods"
CLUSTER = "/metadata/labels/fleetgate.io~1cluster"
CACHED_FROM = "/metadata/annotations/resource.karmada.io~1cached-from-cluster"


@dataclass
class Pods:
    """Stands for the merged resource: `web-1` lives in m1, `web-2` in m2, where both are called `web`."""

    served: Any
    waited: list[str] = field(default_factory=list)

    @property
    def writes(self) -> "Pods":
        """Stands for what writes need of it as well."""
        return self

    def owners(self, namespace: str, name: str, *, visible: Any) -> Sequence[Any]:
        return [pod for pod in self._all() if pod.name == name]

    async def list(self, namespace: str, options: Any, *, visible: Any) -> Any:
        return SimpleNamespace(items=self._all())

    def object(self, pod: Any) -> bytes:
        return json.dumps({"kind": "Pod", "metadata": {"name": pod.name, "namespace": "shop"}}).encode()

    def member_version(self, pod: Any, version: str) -> str | None:
        return f"member's {version}" if version == str(pod.rv) else None

    async def changed(self, pod: Any, body: bytes, name: str) -> bytes:
        self.waited.append(f"changed {pod.name}")
        return body

    def decorate(self, cluster: str, body: bytes, name: str) -> bytes:
        return body

    async def deleted(self, pod: Any, body: bytes, name: str) -> bytes:
        self.waited.append(f"deleted {pod.name}")
        return body

    async def decorate_part(self, cluster: str, body: bytes, name: str) -> bytes:
        return body

    async def wait_gone(self, pod: Any, *, or_lingers: bool) -> bool:
        self.waited.append(f"gone or lingers {pod.name}" if or_lingers else f"gone {pod.name}")
        return True

    def _all(self) -> Sequence[Any]:
        return [
            SimpleNamespace(name=f"web-{number}", original_name="web", namespace="shop", cluster=f"m{number}", uid="u")
            for number in (1, 2)
        ]


@dataclass
class Member:
    allows: bool = True
    seen: list[tuple[str, str]] = field(default_factory=list)
    reviews: list[Any] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        user = request.headers.get("Impersonate-User", "")
        body = json.loads(await request.read() or b"null")
        if request.path.endswith("selfsubjectaccessreviews"):
            self.reviews.append(body["spec"]["resourceAttributes"])
            return web.json_response({"status": {"allowed": self.allows}})
        self.seen.append((user, f"{request.method} {request.path}"))
        self.bodies.append(body)
        pod = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "web", "uid": "u", "resourceVersion": "77"}}
        collection = {"kind": "PodList", "apiVersion": "v1", "items": [pod]}
        return web.json_response(collection if request.path.endswith("/pods") else pod)


@dataclass
class Fleet:
    m1: Member
    m2: Member
    clusters: Any

    def target(self, scope: RequestScope, kind: str = "Pod", pods: Any = None) -> MergedWriteTarget:
        pods = pods or Pods(SimpleNamespace(kind=kind))
        targets = MemberTargets(self.clusters, MemberReviews(now=FakeClock()))
        return MergedWriteTarget(scope, pods, targets, everyone, MemoryTarget(POD))


@pytest.fixture
async def fleet() -> AsyncIterator[Fleet]:
    async with AsyncExitStack() as stack:
        members = {"m1": Member(), "m2": Member()}
        upstreams = {}
        for name, member in members.items():
            upstreams[name] = make_upstream(await stack.enter_async_context(serve(member.answer)))
            stack.push_async_callback(upstreams[name].close)
        yield Fleet(members["m1"], members["m2"], SimpleNamespace(upstream=upstreams.__getitem__))


def scope_of(method: str, path: str, content_type: str = "", **query: str) -> RequestScope:
    info = parse_request_info(method, path, query)
    return RequestScope(info, ALICE, ALICE, "audit-1", query, content_type=content_type)


def json_patch(*operations: Any) -> WriteRequest:
    scope = scope_of("PATCH", f"{PODS}/web-1", "application/json-patch+json")
    return decode_write(scope, json.dumps(operations).encode())


async def test_an_object_is_read_once_its_member_allows_the_write(fleet: Fleet) -> None:
    scope = scope_of("DELETE", f"{PODS}/web-1")
    await fleet.target(scope).read(scope, ObjectKey("shop", "web-1"))
    assert fleet.m1.reviews == [
        {"namespace": "shop", "verb": "delete", "version": "v1", "resource": "pods", "name": "web"}
    ]
    assert fleet.m1.seen == [("", f"GET {PODS}/web")]
    assert fleet.m2.seen == []


TOYS = "/apis/shop.example.com/v1/namespaces/shop/toys"
TOY_DEFINITION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/toys.shop.example.com"


@pytest.mark.parametrize("path", [f"{TOYS}/web-2", f"{TOYS}/web-2/scale"])
async def test_a_custom_object_goes_by_the_definition_of_its_own_member(fleet: Fleet, path: str) -> None:
    """The store may have none, or one in which the replica count stands elsewhere."""
    scope = scope_of("PATCH", path)
    target = fleet.target(scope, kind="Toy")
    definition = await target.definition(GroupResource("shop.example.com", "toys"))
    assert definition is not None
    assert fleet.m2.seen == [("", f"GET {TOY_DEFINITION}")]
    assert fleet.m2.reviews[0]["name"] == "web"
    assert fleet.m1.seen == []


async def test_definitions_of_other_resources_are_the_stores(fleet: Fleet) -> None:
    toys = GroupResource("shop.example.com", "toys")
    for kind, scope in (("Pod", scope_of("PATCH", f"{PODS}/web-1")), ("Toy", scope_of("DELETE", TOYS))):
        assert await fleet.target(scope, kind=kind).definition(toys) is None
    assert fleet.m1.seen == fleet.m2.seen == []


async def test_an_object_is_not_read_for_whom_its_member_refuses(fleet: Fleet) -> None:
    fleet.m1.allows = False
    scope = scope_of("DELETE", f"{PODS}/web-1")
    with pytest.raises(ApiError, match='User "alice" cannot delete resource "pods"'):
        await fleet.target(scope).read(scope, ObjectKey("shop", "web-1"))
    assert fleet.m1.seen == []


async def test_a_collection_needs_the_right_in_every_member_that_has_a_part_of_it(fleet: Fleet) -> None:
    scope = scope_of("DELETE", PODS, labelSelector="fleetgate.io/cluster", dryRun="All")
    assert len(await fleet.target(scope).list(scope, "shop", "fleetgate.io/cluster", "")) == 2
    asked = {"namespace": "shop", "verb": "deletecollection", "version": "v1", "resource": "pods"}
    assert fleet.m1.reviews == fleet.m2.reviews == [asked]
    fleet.m2.allows = False
    with pytest.raises(ApiError, match=r'^pods is forbidden: User "alice" cannot deletecollection resource "pods"'):
        await fleet.target(scope).list(scope, "shop", "fleetgate.io/cluster", "")


@pytest.mark.parametrize("path", [CLUSTER, CACHED_FROM])
async def test_a_patch_may_test_where_an_object_lives(fleet: Fleet, path: str) -> None:
    change = {"op": "add", "path": "/metadata/labels/a", "value": "b"}
    request = json_patch({"op": "test", "path": path, "value": "m1"}, change)
    target = fleet.target(request.scope)
    await target.preview(request)
    await target.apply(request, None)
    assert [body[0] for body in fleet.m1.bodies] == [change, change]
    assert all(operation["op"] != "test" for body in fleet.m1.bodies for operation in body)


@pytest.mark.parametrize("path", [CLUSTER, CACHED_FROM])
@pytest.mark.parametrize("value", ["m2", None, {}])
async def test_a_patch_that_tests_for_another_member_is_not_applied(fleet: Fleet, path: str, value: Any) -> None:
    request = json_patch({"op": "test", "path": path, "value": value}, {"op": "remove", "path": "/metadata/labels"})
    for act in (fleet.target(request.scope).preview(request), fleet.target(request.scope).apply(request, None)):
        with pytest.raises(ApiError) as refusal:
            await act
        assert (refusal.value.code, refusal.value.reason) == (422, "Invalid")
    assert fleet.m1.seen == []


async def test_what_the_view_does_not_show_is_tested_at_the_member(fleet: Fleet) -> None:
    operation = {"op": "test", "path": "/metadata/annotations/fleetgate.io~1cluster", "value": "m1"}
    request = json_patch(operation)
    await fleet.target(request.scope).preview(request)
    assert fleet.m1.bodies == [[operation]]


async def test_what_a_pod_takes_along_is_looked_for_at_its_own_member(fleet: Fleet) -> None:
    scope = scope_of("DELETE", f"{PODS}/web-2")
    claimed = {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]}
    obj = {"kind": "Pod", "metadata": {"name": "web", "namespace": "shop", "uid": "u"}, "spec": claimed}
    with pytest.raises(ApiError, match="aggregated discovery"):  # these members serve none
        await fleet.target(scope).collectable(scope, obj, {"u"})
    assert fleet.m2.seen == [("", "GET /api")]
    assert fleet.m1.seen == []


@pytest.mark.parametrize(
    ("method", "path", "body", "query", "waited"),
    [
        ("DELETE", "web-1", None, {}, ["deleted web-1"]),
        ("DELETE", "web-1", None, {"dryRun": "All"}, []),
        ("PUT", "web-1", {}, {}, ["changed web-1"]),
        ("PUT", "web-1", {}, {"dryRun": "All"}, []),
        ("POST", "web-1/eviction", {}, {}, ["gone or lingers web-1"]),
        ("POST", "web-1/eviction", {}, {"dryRun": "All"}, []),
        ("POST", "web-1/eviction", {"deleteOptions": {"dryRun": ["All"]}}, {}, []),
    ],
)
async def test_an_end_is_answered_once_it_is_read(
    fleet: Fleet, method: str, path: str, body: Any, query: Any, waited: list[str]
) -> None:
    scope = scope_of(method, f"{PODS}/{path}", "application/json", **query)
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web-1"}}
    request = decode_write(scope, b"" if body is None else json.dumps(eviction | body).encode())
    pods = Pods(SimpleNamespace(kind="Pod"))
    result = await fleet.target(scope, pods=pods).apply(request, None)
    assert pods.waited == []
    if result.shown is not None:  # whoever applies waits then
        await result.shown()
    assert pods.waited == waited


async def test_an_end_as_one_of_many_is_answered_before_it_is_read(fleet: Fleet) -> None:
    read = asyncio.Event()

    class Slow(Pods):
        async def deleted(self, pod: Any, body: bytes, name: str) -> bytes:
            await read.wait()
            return await super().deleted(pod, body, name)

    request = replace(decode_write(scope_of("DELETE", f"{PODS}/web-1", "application/json"), b""), of_collection=True)
    pods = Slow(SimpleNamespace(kind="Pod"))
    async with asyncio.timeout(10):
        result = await fleet.target(request.scope, pods=pods).apply(request, None)
    assert result.shown is not None
    assert pods.waited == []
    read.set()
    await result.shown()
    assert pods.waited == ["deleted web-1"]


@pytest.mark.parametrize(
    ("method", "path", "content_type", "body"),
    [
        ("PUT", "web-1", "application/json", {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-1"}}),
        ("PATCH", "web-1/status", "application/merge-patch+json", {"status": {"phase": "Running"}}),
        ("DELETE", "web-1", "application/json", {"propagationPolicy": "Orphan"}),
    ],
)
async def test_the_log_names_what_the_member_made(
    fleet: Fleet, gateway: Gateway, method: str, path: str, content_type: str, body: Any
) -> None:
    """The answer is in words of the view, the log in those of the member, as for what is in the store."""

    class Served(Pods):
        async def changed(self, pod: Any, body: bytes, name: str) -> bytes:
            return body.replace(b'"77"', b'"1700"')

        deleted = changed

    target = fleet.target(scope_of(method, f"{PODS}/{path}"), pods=Served(SimpleNamespace(kind="Pod")))
    result = await gateway.send(target, method, f"{PODS}/{path}", body, content_type=content_type)
    assert json.loads(result.body)["metadata"]["resourceVersion"] == "1700"
    assert result.obj is None
    outcome = gateway.events()[-1]
    assert outcome["annotations"]["audit.fleetgate.io/resource-version"] == "77"
    assert outcome["objectRef"]["uid"] == "u"


async def test_the_outcome_is_on_its_way_to_the_log_while_the_view_is_waited_for(
    fleet: Fleet, gateway: Gateway
) -> None:
    class Patient(Pods):
        async def changed(self, pod: Any, body: bytes, name: str) -> bytes:
            while len(gateway.events()) < 2:  # its intent and its outcome
                await asyncio.sleep(0)
            return body

    path = f"{PODS}/web-1"
    target = fleet.target(scope_of("PATCH", path), pods=Patient(SimpleNamespace(kind="Pod")))
    async with asyncio.timeout(10):
        await gateway.send(target, "PATCH", path, {"metadata": {"labels": {"a": "b"}}}, content_type=MERGE_PATCH)
    assert [event["stage"] for event in gateway.events()] == ["RequestReceived", "ResponseComplete"]


class Twins(Pods):
    """Both are served under names that either may be asked for by `web`."""

    def owners(self, namespace: str, name: str, *, visible: Any) -> Sequence[Any]:
        return self._all() if name == "web" else super().owners(namespace, name, visible=visible)

    def _all(self) -> Sequence[Any]:
        return [
            SimpleNamespace(
                name=name, original_name="web", namespace="shop", cluster=cluster, uid=f"u-{cluster}", rv=rv
            )
            for name, cluster, rv in (("web", "m1", 1100), ("web.m2", "m2", 1200))
        ]


def named_web(**metadata: str) -> JsonObject:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", **metadata}}


def eviction_of(**preconditions: str) -> JsonObject:
    options = {"deleteOptions": {"preconditions": preconditions}}
    return {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web"}, **options}


UID_TEST = {"op": "test", "path": "/metadata/uid", "value": "u-m1"}
JSON_PATCH, MERGE_PATCH = "application/json-patch+json", "application/merge-patch+json"


@pytest.mark.parametrize(
    ("method", "path", "content_type", "body"),
    [
        ("PUT", "web", "application/json", named_web(uid="u-m1")),
        ("PUT", "web", "application/json", named_web(resourceVersion="1100")),
        ("PUT", "web/status", "application/json", named_web(uid="u-m1")),
        ("PATCH", "web", MERGE_PATCH, named_web(uid="u-m1")),
        ("PATCH", "web", MERGE_PATCH, named_web(resourceVersion="1100")),
        ("PATCH", "web", JSON_PATCH, [UID_TEST]),
        ("PATCH", "web", JSON_PATCH, [{"op": "replace", "path": "/metadata/resourceVersion", "value": "1100"}]),
        ("DELETE", "web", "application/json", {"preconditions": {"uid": "u-m1"}}),
        ("DELETE", "web", "application/json", {"preconditions": {"resourceVersion": "1100"}}),
        ("POST", "web/eviction", "application/json", eviction_of(uid="u-m1")),
    ],
)
async def test_a_write_that_says_which_object_it_means_is_not_ambiguous(
    fleet: Fleet, method: str, path: str, content_type: str, body: Any
) -> None:
    scope = scope_of(method, f"{PODS}/{path}", content_type)
    request = decode_write(scope, json.dumps(body).encode())
    target = fleet.target(scope, pods=Twins(SimpleNamespace(kind="Pod")))
    with pytest.raises(ApiError, match="ambiguous"):
        await target.read(scope, request.key)
    target.mean(request)
    await target.read(scope, request.key)
    await target.apply(request, None)
    assert fleet.m1.seen
    assert fleet.m2.seen == []


@pytest.mark.parametrize("metadata", [{}, {"uid": "u-m3"}, {"resourceVersion": "1000"}, {"uid": 7}, {"uid": None}])
async def test_a_write_that_means_none_of_them_stays_ambiguous(fleet: Fleet, metadata: Any) -> None:
    scope = scope_of("PATCH", f"{PODS}/web", MERGE_PATCH)
    request = decode_write(scope, json.dumps(named_web(**metadata)).encode())
    target = fleet.target(scope, pods=Twins(SimpleNamespace(kind="Pod")))
    target.mean(request)
    with pytest.raises(ApiError, match="ambiguous"):
        await target.apply(request, None)


async def test_a_collection_means_the_objects_that_were_listed(fleet: Fleet) -> None:
    scope = scope_of("DELETE", PODS)
    target = fleet.target(scope, pods=Twins(SimpleNamespace(kind="Pod")))
    await target.list(scope, "shop", "", "")
    each = scope_of("DELETE", f"{PODS}/web")
    await target.apply(decode_write(each, b""), None)
    assert fleet.m1.seen == [("alice", f"DELETE {PODS}/web")]
    assert fleet.m2.seen == []


async def test_a_patch_may_test_the_name_by_which_an_object_is_asked_for(fleet: Fleet) -> None:
    original = "/metadata/annotations/fleetgate.io~1original-name"
    change = {"op": "add", "path": "/metadata/labels/a", "value": "b"}
    tests = [
        {"op": "test", "path": "/metadata/name", "value": "web-1"},
        {"op": "test", "path": original, "value": "web"},
    ]
    request = json_patch(*tests, change)
    await fleet.target(request.scope).apply(request, None)
    assert fleet.m1.bodies[0][0] == change
    assert all(operation["op"] != "test" for operation in fleet.m1.bodies[0])
    for path, value in (("/metadata/name", "web"), (original, "web-1")):
        request = json_patch({"op": "test", "path": path, "value": value}, change)
        with pytest.raises(ApiError, match="the server rejected our request due to an error"):
            await fleet.target(request.scope).apply(request, None)


async def test_a_patch_of_the_name_is_left_to_the_member_to_refuse(fleet: Fleet) -> None:
    for name, sent in {"web-1": "web", "web": "web", "other": "other"}.items():
        scope = scope_of("PATCH", f"{PODS}/web-1", MERGE_PATCH)
        request = decode_write(scope, json.dumps({"metadata": {"name": name}}).encode())
        await fleet.target(scope).apply(request, None)
        assert fleet.m1.bodies[-1]["metadata"]["name"] == sent
