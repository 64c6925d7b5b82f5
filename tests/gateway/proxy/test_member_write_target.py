"""What a member is asked, and in whose name, before the gateway reads anything there with its own right."""

import inspect
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import ObjectKey
from gateway.apimachinery.schema import GroupResource
from gateway.authorization.member_review import MemberReviews
from gateway.proxy.member_write_target import MemberWriteTarget
from gateway.request import UserInfo, parse_request_info
from gateway.request_scope import RequestScope
from gateway.write_request import DeleteOptions, Precondition, PreconditionLost, WriteRequest, WriteTarget
from tests.gateway.proxy.gateway_under_test import make_upstream
from tests.support.clock import FakeClock
from tests.support.http_server import serve

ALICE = UserInfo("alice", groups=("dev",))
PODS = "/api/v1/namespaces/shop/pods"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
DISCOVERY = {"kind": "APIGroupDiscoveryList", "items": []}


@dataclass
class Member:
    """A member that allows what it is told to, and remembers who asked for what."""

    allowed: bool
    pods: dict[str, str] = field(default_factory=dict)
    seen: list[tuple[str, str]] = field(default_factory=list)
    reviews: list[Any] = field(default_factory=list)
    sent: list[Any] = field(default_factory=list)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        user = request.headers.get("Impersonate-User", "")
        self.seen.append((user, f"{request.method} {request.raw_path}"))
        if request.path == REVIEWS:
            self.reviews.append((await request.json())["spec"]["resourceAttributes"])
            return web.json_response({"kind": "SelfSubjectAccessReview", "status": {"allowed": self.allowed}})
        if request.method == "DELETE":
            self.sent.append(json.loads(await request.read() or b"null"))
            name = request.query["fieldSelector"].removeprefix("metadata.name=")
            items = [{"metadata": {"name": name}}] if name in self.pods else []
            return web.json_response({"kind": "PodList", "items": items})
        if request.path in {"/api", "/apis"}:
            return web.json_response(DISCOVERY)
        name = request.path.rpartition("/")[2]
        if name == "pods":
            return web.json_response({"kind": "PodList", "items": []})
        if name in self.pods:
            return web.json_response({"kind": "Pod", "metadata": {"name": name}})
        return web.json_response({"kind": "Status", "code": 404, "reason": "NotFound"}, status=404)

    @property
    def own_reads(self) -> list[str]:
        return [line for user, line in self.seen if not user]


def scope_of(method: str, path: str, **query: str) -> RequestScope:
    return RequestScope(parse_request_info(method, path, query), ALICE, ALICE, "audit-1", query)


@asynccontextmanager
async def target_at(member: Member, scope: RequestScope) -> AsyncIterator[MemberWriteTarget]:
    async with serve(member.answer) as url:
        upstream = make_upstream(url)
        yield MemberWriteTarget(upstream, scope, MemberReviews(now=FakeClock()))
        await upstream.close()


ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "read": (scope_of("DELETE", f"{PODS}/web"), ObjectKey("shop", "web")),
    "list": (scope_of("DELETE", PODS), "shop", "", ""),
    "namespace_contents": ("shop",),
    "collectable": (scope_of("DELETE", f"{PODS}/web"), {"metadata": {"namespace": "shop", "uid": "u"}}, {"u"}),
    "instances": ("apps.kruise.io", "clonesets"),
    "definition": (GroupResource("apps.kruise.io", "clonesets"),),
}
AS_THE_CALLER = {"preview", "apply"}


def test_every_way_to_read_is_known_here() -> None:
    port = {name for name, _ in inspect.getmembers(WriteTarget, inspect.isfunction) if not name.startswith("_")}
    assert port == {*ARGUMENTS, *AS_THE_CALLER}


@pytest.mark.parametrize("method", sorted(ARGUMENTS))
async def test_nothing_is_read_for_a_caller_whom_the_member_refuses(method: str) -> None:
    member = Member(allowed=False, pods={"web": "1"})
    async with target_at(member, scope_of("DELETE", f"{PODS}/web")) as target:
        with pytest.raises(ApiError) as refusal:
            await getattr(target, method)(*ARGUMENTS[method])
    assert refusal.value.code == 403
    assert refusal.value.message == (
        'pods "web" is forbidden: User "alice" cannot delete resource "pods" in API group "" in the namespace "shop"'
    )
    assert member.own_reads == []


@pytest.mark.parametrize("method", sorted(ARGUMENTS))
async def test_whom_the_member_allows_has_it_read_after_the_question(method: str) -> None:
    member = Member(allowed=True, pods={"web": "1"})
    async with target_at(member, scope_of("DELETE", f"{PODS}/web")) as target:
        await getattr(target, method)(*ARGUMENTS[method])
    assert member.seen[0] == ("alice", f"POST {REVIEWS}")
    assert member.own_reads


@pytest.mark.parametrize("name", ["web", "missing"])
async def test_a_refusal_does_not_tell_whether_there_is_such_an_object(name: str) -> None:
    member = Member(allowed=False, pods={"web": "1"})
    path = f"{PODS}/{name}"
    async with target_at(member, scope_of("PATCH", path)) as target:
        with pytest.raises(ApiError) as refusal:
            await target.read(scope_of("PATCH", path), ObjectKey("shop", name))
    assert refusal.value.status == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": f'pods "{name}" is forbidden: User "alice" cannot patch resource "pods" in API group "" '
        'in the namespace "shop"',
        "reason": "Forbidden",
        "details": {"name": name, "kind": "pods"},
        "code": 403,
    }
    assert member.own_reads == []


async def test_the_question_is_about_exactly_what_is_asked() -> None:
    member = Member(allowed=True)
    scope = scope_of("PATCH", "/apis/apps/v1/namespaces/shop/deployments/web/scale")
    async with target_at(member, scope) as target:
        await target.read(scope, ObjectKey("shop", "web"))
        await target.read(scope, ObjectKey("shop", "web"))
    assert member.reviews == [
        {
            "namespace": "shop", "verb": "patch", "group": "apps", "version": "v1", "resource": "deployments",
            "subresource": "scale", "name": "web",
        }
    ]  # fmt: skip


def one_of(name: str) -> WriteRequest:
    scope = scope_of("DELETE", f"{PODS}/{name}", gracePeriodSeconds="0")
    return WriteRequest(scope, "delete", name, delete=DeleteOptions(grace_period_seconds=0), of_collection=True)


async def test_an_object_of_a_collection_is_deleted_as_a_collection_of_one() -> None:
    member = Member(allowed=True, pods={"web": "1"})
    async with target_at(member, scope_of("DELETE", PODS)) as target:
        result = await target.apply(one_of("web"), Precondition("uid-1", "7"))
    assert member.seen == [("alice", f"DELETE {PODS}?gracePeriodSeconds=0&fieldSelector=metadata.name%3Dweb")]
    assert member.sent[0]["preconditions"] == {"uid": "uid-1", "resourceVersion": "7"}
    assert member.sent[0]["gracePeriodSeconds"] == 0
    assert (result.code, result.obj) == (200, {"metadata": {"name": "web"}})


async def test_an_object_that_was_gone_already_is_not_found() -> None:
    async with target_at(Member(allowed=True), scope_of("DELETE", PODS)) as target:
        with pytest.raises(ApiError, match='pods "web" not found'):
            await target.apply(one_of("web"), None)


async def test_another_version_than_the_judged_one_is_not_deleted() -> None:
    async def refuse(_: web.BaseRequest) -> web.StreamResponse:
        message = "Precondition failed: ResourceVersion in precondition: 7, ResourceVersion in object meta: 8"
        return web.json_response({"kind": "Status", "code": 409, "reason": "Conflict", "message": message}, status=409)

    async with serve(refuse) as url:
        upstream = make_upstream(url)
        target = MemberWriteTarget(upstream, scope_of("DELETE", PODS), MemberReviews(now=FakeClock()))
        with pytest.raises(PreconditionLost):
            await target.apply(one_of("web"), Precondition("uid-1", "7"))
        await upstream.close()
