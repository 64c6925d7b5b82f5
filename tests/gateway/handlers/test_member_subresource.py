"""Subresources of merged objects, read at a member that is a small HTTP server."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web

from cache.cached_object import CachedObject
from cache.merged_resource import MergedResource
from gateway.apimachinery.errors import ApiError
from gateway.handlers.member_subresource import read_subresource
from gateway.request import UserInfo, parse_request_info
from gateway.request_keys import QUERY
from gateway.request_scope import RequestScope
from tests.gateway.proxy.gateway_under_test import make_upstream
from tests.support.http_server import Handler, serve

ALICE = UserInfo("alice")
SCALE = {
    "kind": "Scale",
    "apiVersion": "autoscaling/v1",
    "metadata": {"name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "7"},
    "spec": {"replicas": 2},
}
PATH = "/apis/apps/v1/namespaces/shop/replicasets/web.m2/scale"


class Merged:
    """The merged resource, which tells the member's words from its own, and what writes need of it."""

    @property
    def writes(self) -> "Merged":
        return self

    async def decorate_part(self, cluster: str, body: bytes, name: str) -> bytes:
        assert cluster == "m2"
        return body.replace(b'"name":"web"', b'"name":"%b"' % name.encode()).replace(b'"7"', b'"1700"')


@asynccontextmanager
async def gateway(member: Handler) -> AsyncIterator[aiohttp.ClientSession]:
    owner = cast("CachedObject", SimpleNamespace(cluster="m2", original_name="web"))

    async with serve(member) as member_url:
        upstream = make_upstream(member_url)

        async def handler(request: web.BaseRequest) -> web.StreamResponse:
            request[QUERY] = dict(request.query)
            info = parse_request_info("GET", request.rel_url.raw_path, request[QUERY])
            scope = RequestScope(info, ALICE, ALICE, "audit-1", request[QUERY])
            form = SimpleNamespace(built_in=True)
            try:
                return await read_subresource(request, scope, upstream, cast("MergedResource", Merged()), owner, form)
            except ApiError as error:
                return web.json_response(error.status, status=error.code)

        async with serve(handler) as url, aiohttp.ClientSession(url) as client:
            yield client
        await upstream.close()


async def test_it_is_read_as_the_caller_by_the_members_name_and_answered_in_words_of_the_view() -> None:
    asked: list[tuple[str, str | None]] = []

    async def member(request: web.BaseRequest) -> web.StreamResponse:
        asked.append((request.raw_path, request.headers.get("Impersonate-User")))
        return web.json_response(SCALE)

    async with gateway(member) as client:
        answer = await client.get(f"{PATH}?resourceVersion=1699")
        found = json.loads(await answer.read())
        assert asked == [("/apis/apps/v1/namespaces/shop/replicasets/web/scale", "alice")]
        assert found["metadata"] == {"name": "web.m2", "namespace": "shop", "uid": "u", "resourceVersion": "1700"}
        assert found["spec"] == {"replicas": 2}
        yaml = await client.get(PATH, headers={"Accept": "application/yaml"})
        assert b'resourceVersion: "1700"' in await yaml.read()
        protobuf = await client.get(PATH, headers={"Accept": "application/vnd.kubernetes.protobuf"})
        body = await protobuf.read()
        assert body.startswith(b"k8s\x00")
        assert b"web.m2" in body


async def test_a_table_is_the_members_to_make() -> None:
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"

    async def member(request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({"kind": "Table", "accepted": request.headers["Accept"]})

    async with gateway(member) as client:
        answer = await client.get(PATH, headers={"Accept": table})
        assert json.loads(await answer.read()) == {"kind": "Table", "accepted": table}


@pytest.mark.parametrize("code", [403, 404, 503])
async def test_what_the_member_refuses_is_refused(code: int) -> None:
    async def member(_: web.BaseRequest) -> web.StreamResponse:
        status: dict[str, Any] = {"kind": "Status", "status": "Failure", "message": "no", "reason": "X", "code": code}
        return web.json_response(status, status=code)

    async with gateway(member) as client:
        answer = await client.get(PATH)
        assert (answer.status, json.loads(await answer.read())["message"]) == (code, "no")
