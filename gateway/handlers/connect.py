"""Streams to one member: logs, exec, attach, port-forward and proxy of merged Pods, and members addressed by name.

Finds the member, has a connect recorded before it opens, and leaves the bytes to gateway/proxy. Authorization came
before; the member authorises the caller once more, because everything is sent in his name.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol
from urllib.parse import quote

from aiohttp import web
from msgspec.structs import replace

from cache.cached_object import CachedObject
from cache.watcher import Visible
from gateway.apimachinery.errors import bad_request, method_not_allowed, not_found
from gateway.audit.record import AuditRecord
from gateway.clusters.registry import ClusterRegistry
from gateway.clusters.upstream import Upstream
from gateway.dispatch import tunneled_write, tunnels_api
from gateway.handlers.body import read_body
from gateway.handlers.member_target import the_owner
from gateway.handlers.response import answer_headers
from gateway.proxy.forward import forward
from gateway.proxy.member_write_target import MemberTargets
from gateway.proxy.rewrite import rename
from gateway.proxy.upgrade import requested_protocol, tunnel
from gateway.request import CONNECT_SUBRESOURCES, RequestInfo, parse_request_info
from gateway.request_keys import AUDIT, QUERY, judge_again
from gateway.request_scope import RequestScope
from gateway.write_request import WriteTarget

_UPGRADE_ONLY = frozenset({"exec", "attach", "portforward"})
_READ_METHODS = frozenset({"GET", "HEAD"})
_PREFIXES = frozenset({"watch", "proxy"})
"""The verbs of deprecated paths, whatever the method: `/api/v1/watch/…`."""


class Locator(Protocol):
    """Which objects answer to a name, in any member (a merged resource of the cross-cluster cache)."""

    def owners(self, namespace: str, name: str, *, visible: Visible) -> Sequence[CachedObject]:
        """Return those the caller may see."""
        ...


class ConnectAudit(Protocol):
    """Where connects are recorded (gateway/audit/log.py)."""

    async def started(self, record: AuditRecord) -> None:
        """Record that a stream is about to open. Raises ApiError 503 when it cannot: then it must not open."""
        ...


Visibility = Callable[[RequestScope], Awaitable[Visible]]
"""Returns which members a caller may see."""

Write = Callable[[web.BaseRequest, RequestScope, WriteTarget], Awaitable[web.StreamResponse]]
"""The write path: admission, audit, apply."""


async def connect(
    request: web.BaseRequest, scope: RequestScope, upstream: Upstream, info: RequestInfo, audit: ConnectAudit
) -> web.StreamResponse:
    """Open what is asked for at an upstream: a tunnel when the client wants an upgrade, else a streamed answer.

    Args:
        request: the client's request.
        scope: whose request it is.
        upstream: where to.
        info: what to ask for there, under the name it has there.
        audit: told before anything but a log opens.

    Raises:
        ApiError: before an answer was begun.
    """
    if info.subresource in CONNECT_SUBRESOURCES and scope.query.get("dryRun"):
        raise bad_request("dryRun is not supported")
    headers = answer_headers(request)
    record = request[AUDIT]

    async def agreed() -> None:
        record.code = 101
        await audit.started(record)

    if info.subresource in _UPGRADE_ONLY or requested_protocol(request.headers):
        return await tunnel(request, scope, upstream, info=info, headers=headers, started=agreed)
    body = None if request.method in _READ_METHODS else await read_body(request)
    if info.subresource in CONNECT_SUBRESOURCES:
        await audit.started(record)
    return await forward(request, scope, upstream, info=info, body=body, headers=headers)


class ConnectHandler:
    """logs, exec, attach, port-forward and proxy of a merged Pod, which need not say in which member it runs."""

    def __init__(self, *, pods: Locator, clusters: ClusterRegistry, visible: Visibility, audit: ConnectAudit) -> None:
        self._pods = pods
        self._clusters = clusters
        self._visible = visible
        self._audit = audit

    async def handle(
        self, request: web.BaseRequest, scope: RequestScope, located: Locator | None = None
    ) -> web.StreamResponse:
        """Answer one request; `located` finds what it is about when that is no Pod, such as a Node or a Service.

        Raises ApiError: 404 when there is no such object, 409 when several members have one, 503 when its member does
        not answer.
        """
        info = scope.info
        visible = await self._visible(scope)
        owners = (located or self._pods).owners(info.namespace, info.name, visible=visible)
        owner = the_owner(info.group_resource, info.name, owners)
        if not owner.cluster:
            raise not_found(info.group_resource, info.name)  # recorded in the store, where nothing runs
        request[AUDIT].cluster = owner.cluster

        async def judge_view() -> None:
            if not (await self._visible(scope))(owner.cluster):
                raise not_found(info.group_resource, info.name)

        judge_again(request, judge_view)
        upstream = self._clusters.upstream(owner.cluster)
        return await connect(request, scope, upstream, rename(info, owner.original_name), self._audit)


class ClusterProxyHandler:
    """One member addressed by name: `/clusters/{name}/…`, and Karmada's `clusters/{name}/proxy/…`."""

    def __init__(self, *, clusters: ClusterRegistry, write: Write, audit: ConnectAudit, targets: MemberTargets) -> None:
        self._clusters = clusters
        self._write = write
        self._targets = targets
        self._audit = audit

    async def handle(self, request: web.BaseRequest, scope: RequestScope) -> web.StreamResponse:
        """Answer one request. Raises ApiError: 404 when there is no such member, 503 when it does not answer."""
        inner = inner_request(scope.info, request.method, request[QUERY])
        request[AUDIT].cluster = inner.cluster
        if inner.is_write and inner.subresource not in CONNECT_SUBRESOURCES:
            scope = replace(scope, info=inner)
            return await self._write(request, scope, self._targets.at(inner.cluster, scope))
        if request.method not in _READ_METHODS:
            _check_writes(inner)
        return await connect(request, scope, self._clusters.upstream(inner.cluster), inner, self._audit)


def _check_writes(info: RequestInfo) -> None:
    """Raise ApiError 405 for what is no write that admission can see, and yet might write."""
    if tunnels_api(info):
        raise tunneled_write(info)
    if not info.is_resource_request or not info.verb or info.verb in _PREFIXES:
        raise method_not_allowed()


def inner_request(info: RequestInfo, method: str, query: Mapping[str, str]) -> RequestInfo:
    """Return what a request that names a member asks of it, whichever of the two ways it is written.

    Raises ApiError 400 for a path inside the proxy that is none.
    """
    if info.cluster:
        return info
    rest = "/".join(quote(segment, safe="") for segment in info.parts[3:])
    trailing = "/" if rest and info.path.endswith("/") else ""
    return parse_request_info(method, f"/clusters/{quote(info.name, safe='')}/{rest}{trailing}", query)
