"""What the real kube-apiserver (tests/e2e/test_upstream_writes.py) does not show: failures, and what is sent."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from msgspec.structs import replace

from gateway.apimachinery.errors import ApiError, PathNotFound
from gateway.apimachinery.meta import ObjectKey
from gateway.apimachinery.schema import GroupResource
from gateway.clusters.upstream_error import UpstreamError
from gateway.proxy.write_target import UpstreamWriteTarget
from gateway.request import UserInfo, parse_request_info
from gateway.request_scope import RequestScope
from gateway.write_request import (
    ObjectVersion,
    OutcomeUnknown,
    Precondition,
    PreconditionLost,
    WriteOptions,
    WriteRequest,
)
from tests.gateway.proxy.gateway_under_test import make_upstream
from tests.support.http_server import Handler, read_head, serve, serve_raw

ALICE = UserInfo("alice")
PATH = "/api/v1/namespaces/shop/pods/web"
SEEN = Precondition("uid-1", "77")


@asynccontextmanager
async def target_for(handler: Handler) -> AsyncIterator[UpstreamWriteTarget]:
    async with serve(handler) as url:
        upstream = make_upstream(url)
        yield UpstreamWriteTarget(upstream)
        await upstream.close()


def patch(document: Any, **fields: Any) -> WriteRequest:
    query = fields.pop("query", {})
    scope = RequestScope(
        parse_request_info("PATCH", PATH, query), ALICE, ALICE, "audit-1", query, accept="*/*", user_agent="kubectl/v1"
    )
    body = json.dumps(document).encode()
    return WriteRequest(scope, "patch", "web", body, "application/merge-patch+json", patch=document, **fields)


def status(code: int, reason: str, message: str, **details: Any) -> web.Response:
    body = {"kind": "Status", "reason": reason, "message": message, "code": code, "details": details}
    return web.json_response(body, status=code, headers={"Retry-After": "3"})


async def test_a_write_is_sent_as_the_caller_with_what_was_judged() -> None:
    seen: dict[str, Any] = {}

    async def member(request: web.BaseRequest) -> web.StreamResponse:
        seen.update(method=request.method, path=request.raw_path, headers=request.headers, body=await request.json())
        answer = {"kind": "Pod", "metadata": {"resourceVersion": "78"}}
        return web.json_response(answer, headers={"Warning": '299 - "w"', "Audit-Id": "x", "X-Pf": "1"})

    async with target_for(member) as target:
        result = await target.apply(patch({"a": 1}, query={"fieldManager": "k b", "fieldValidation": "Strict"}), SEEN)
    assert seen["method"] == "PATCH"
    assert seen["path"] == f"{PATH}?fieldManager=k%20b&fieldValidation=Strict"
    assert seen["body"] == {"a": 1, "metadata": {"resourceVersion": "77"}}
    assert seen["headers"]["Impersonate-User"] == "alice"
    assert seen["headers"]["Audit-ID"] == "audit-1"
    assert seen["headers"]["User-Agent"] == "kubectl/v1"
    assert seen["headers"]["Content-Type"] == "application/merge-patch+json"
    assert result.written == ObjectVersion("", "78")
    assert dict(result.headers) == {"Warning": '299 - "w"', "X-Pf": "1"}


async def test_a_refusal_is_the_members_own_with_its_retry_after() -> None:
    async def member(_: web.BaseRequest) -> web.StreamResponse:
        return status(429, "TooManyRequests", "slow down", retryAfterSeconds=3)

    async with target_for(member) as target:
        with pytest.raises(ApiError) as refusal:
            await target.apply(patch({}), SEEN)
    assert (refusal.value.code, refusal.value.message) == (429, "slow down")
    assert refusal.value.headers["Retry-After"] == "3"


async def test_our_lost_precondition_is_no_refusal() -> None:
    async def member(_: web.BaseRequest) -> web.StreamResponse:
        text = (
            'Operation cannot be fulfilled on pods "web": the object has been modified; please apply your changes to '
        )
        return status(409, "Conflict", text + "the latest version and try again", kind="pods", name="web")

    async with target_for(member) as target:
        with pytest.raises(PreconditionLost):
            await target.apply(patch({}), SEEN)
        with pytest.raises(ApiError):
            await target.apply(patch({"metadata": {"resourceVersion": "5"}}), SEEN)
        with pytest.raises(ApiError):
            await target.apply(patch({}), None)


async def test_an_unknown_path_stays_one() -> None:
    async def member(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=404, text="404 page not found\n")

    async with target_for(member) as target:
        with pytest.raises(PathNotFound):
            await target.apply(patch({}), SEEN)
        assert await target.read(patch({}).scope, ObjectKey("shop", "web")) is None


async def hang_up(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await read_head(reader)


async def test_a_write_without_an_answer_is_in_doubt() -> None:
    async with serve_raw(hang_up) as url:
        upstream = make_upstream(url)
        target = UpstreamWriteTarget(upstream)
        with pytest.raises(OutcomeUnknown):
            await target.apply(patch({}), SEEN)
        with pytest.raises(UpstreamError):
            await target.apply(patch({}, options=WriteOptions(dry_run=True)), SEEN)
        with pytest.raises(UpstreamError):
            await target.preview(patch({}))
        await upstream.close()


async def test_a_write_that_was_never_sent_is_not_in_doubt() -> None:
    upstream = make_upstream("http://127.0.0.1:1")
    with pytest.raises(UpstreamError) as refusal:
        await UpstreamWriteTarget(upstream).apply(patch({}), SEEN)
    await upstream.close()
    assert refusal.value.code == 503


async def test_the_deadline_ends_the_wait_and_leaves_doubt() -> None:
    async def member(_: web.BaseRequest) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    async with target_for(member) as target:
        request = patch({})
        soon = asyncio.get_running_loop().time() + 0.2
        with pytest.raises(OutcomeUnknown, match="did not answer in time"):
            await target.apply(replace(request, scope=replace(request.scope, deadline=soon)), SEEN)


async def test_a_preview_is_a_dry_run_as_the_caller() -> None:
    async def member(request: web.BaseRequest) -> web.StreamResponse:
        assert request.query["dryRun"] == "All"
        assert request.headers["Impersonate-User"] == "alice"
        assert request.headers["Accept"] == "application/json"
        return web.json_response({"spec": {"replicas": 1}})

    async with target_for(member) as target:
        assert await target.preview(patch({"a": 1})) == {"spec": {"replicas": 1}}


async def test_reading_is_done_with_our_own_right() -> None:
    async def member(request: web.BaseRequest) -> web.StreamResponse:
        assert "Impersonate-User" not in request.headers
        assert request.headers["Authorization"] == "Bearer gateway"
        return web.json_response({"path": request.raw_path})

    async with target_for(member) as target:
        assert await target.read(patch({}).scope, ObjectKey("shop", "we b")) == {"path": PATH.replace("web", "we%20b")}


async def test_a_namespace_is_read_where_it_is() -> None:
    async def member(request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({"path": request.raw_path})

    scope = replace(patch({}).scope, info=parse_request_info("DELETE", "/api/v1/namespaces/shop", {}))
    async with target_for(member) as target:
        assert await target.read(scope, ObjectKey("shop", "shop")) == {"path": "/api/v1/namespaces/shop"}


async def test_a_store_that_cannot_be_read_is_not_an_absent_object() -> None:
    async def member(_: web.BaseRequest) -> web.StreamResponse:
        return status(403, "Forbidden", "no")

    async with target_for(member) as target:
        with pytest.raises(ApiError):
            await target.read(patch({}).scope, ObjectKey("shop", "web"))
        with pytest.raises(ApiError):
            await target.definition(GroupResource("b", "a"))


@pytest.mark.parametrize(
    ("content_type", "body", "made"),
    [
        ("application/json", b'{"metadata":{"uid":"u","resourceVersion":"7","x":[1]},"y":{}}', ObjectVersion("u", "7")),
        ("application/json", b'{"kind":"Status","metadata":{}}', ObjectVersion("", "")),
        ("application/json", b'{"kind":"Status"}', None),
        ("application/json", b'{"metadata":{"uid":7}}', None),
        ("application/json", b"[]", None),
        ("application/json", b"no JSON", None),
        ("application/vnd.kubernetes.protobuf", b"k8s\0", None),
    ],
)
async def test_what_was_made_is_known_as_far_as_the_answer_tells(
    content_type: str, body: bytes, made: ObjectVersion | None
) -> None:
    async def member(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=body, content_type=content_type)

    async with target_for(member) as target:
        result = await target.apply(patch({}), None)
    assert (result.body, result.written) == (body, made)
