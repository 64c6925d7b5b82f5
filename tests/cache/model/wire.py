"""Fake members behind real HTTP: the same faults, as they look on connections."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from aiohttp import web

from cache.lister_watcher import Expired, ListWatchError, NotServed, Unavailable
from gateway.apimachinery.schema import GroupVersionResource
from gateway.clusters.credentials import Credentials, StaticCredentials
from gateway.clusters.endpoint import Endpoint
from gateway.clusters.lister_watcher import HttpListerWatcher
from gateway.clusters.upstream import Upstream
from tests.support import virtual_time
from tests.support.fake_member import FakeMember
from tests.support.http_server import serve

PODS = GroupVersionResource("shop.example.com", "v1", "pods")
"""Of a group that a member may lack: that it has none of the core kinds would not be believed."""


class Wire:
    """One server for all members, which are told apart by the token of a request."""

    def __init__(self) -> None:
        self.url = ""
        self._members: dict[str, FakeMember] = {}
        self._upstreams: list[Upstream] = []

    def port(self, member: FakeMember) -> HttpListerWatcher:
        """Read this member over HTTP, with connections of its own."""
        token = str(len(self._members))
        self._members[token] = member
        credentials = StaticCredentials(Credentials(token=token))
        self._upstreams.append(Upstream("m", Endpoint(self.url), credentials, now=virtual_time.now))
        return HttpListerWatcher(self._upstreams[-1], PODS)

    async def close(self) -> None:
        for upstream in self._upstreams:
            await upstream.close()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        member = self._members[request.headers["Authorization"].removeprefix("Bearer ")]
        response = web.StreamResponse()
        try:
            if "watch" in request.query:
                await self._watch(member, request, response)
                return response
            limit, token = int(request.query.get("limit", "0")), request.query.get("continue", "")
            return web.Response(body=await member.list(limit=limit, continue_token=token))
        except ListWatchError as error:
            if isinstance(error, Unavailable) and not error.retry_after:
                assert request.transport is not None
                request.transport.abort()
                return response
            return _refusal(error)

    async def _watch(self, member: FakeMember, request: web.BaseRequest, response: web.StreamResponse) -> None:
        query = request.query
        version, timeout = query["resourceVersion"], int(query["timeoutSeconds"])
        async with aclosing(member.watch(resource_version=version, timeout_seconds=timeout)) as chunks:
            async for chunk in chunks:
                if not response.prepared:
                    await response.prepare(request)
                if chunk:
                    await response.write(chunk)


def _refusal(error: ListWatchError) -> web.Response:
    code = 410 if isinstance(error, Expired) else 404 if isinstance(error, NotServed) else 429
    body = {"kind": "Status", "apiVersion": "v1", "code": code, "message": str(error)}
    return web.json_response(body, status=code, headers={"Retry-After": "2"} if code == 429 else {})


@asynccontextmanager
async def wire() -> AsyncIterator[Wire]:
    """The server, until the end of a test."""
    members = Wire()
    async with serve(members.answer) as url:
        members.url = url
        yield members
        await members.close()
        await asyncio.sleep(0.01)
