"""A handler that does nothing but pass requests on, as the server's handlers do after authorization."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from gateway.apimachinery.errors import ApiError
from gateway.clusters.credentials import Credentials, StaticCredentials
from gateway.clusters.endpoint import Endpoint
from gateway.clusters.upstream import Upstream
from gateway.request import UserInfo, parse_request_info
from gateway.request_scope import RequestScope

ALICE = UserInfo("alice", groups=("dev",))

Pass = Callable[[web.BaseRequest, RequestScope, Upstream], Awaitable[web.StreamResponse]]


def make_upstream(url: str, credentials: Credentials | None = None) -> Upstream:
    source = StaticCredentials(credentials or Credentials(token="gateway"))
    return Upstream("m1", Endpoint(url), source, now=lambda: 1000.0)


def scope_of(request: web.BaseRequest) -> RequestScope:
    info = parse_request_info(request.method, request.rel_url.raw_path, dict(request.query))
    return RequestScope(info, ALICE, ALICE, "audit-1", dict(request.query))


def passing(upstream: Upstream, pass_on: Pass) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    """Return a handler that answers refusals as Status, as the chain does."""

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await pass_on(request, scope_of(request), upstream)
        except ApiError as error:
            return web.json_response(error.status, status=error.code)

    return handler
