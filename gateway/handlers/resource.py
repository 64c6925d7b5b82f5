"""The end of the chain: each resource request to the handler of its destination.

Holds no policy: where a request goes is decided by dispatch, whether it may by the filters, what it does by the handlers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol

from aiohttp import web

from cache.cluster_freshness import Visible
from cache.multi_cluster_cache import MultiClusterCache
from gateway.apimachinery.codec import decode_body
from gateway.apimachinery.errors import PathNotFound, method_not_allowed
from gateway.apimachinery.meta import ObjectKey, name
from gateway.apimachinery.options import parse_list_options
from gateway.clusters.registry import ClusterRegistry
from gateway.dispatch import Destination, Surface, dispatch
from gateway.handlers.body import read_body
from gateway.handlers.connect import ClusterProxyHandler, ConnectHandler
from gateway.handlers.member_target import MergedWriteTarget, named_cluster, the_owner, unnamed_cluster
from gateway.handlers.merged_source import MergedSource
from gateway.handlers.read import get_object, list_objects
from gateway.handlers.read_source import ReadSource
from gateway.handlers.response import answer_headers, body_response, object_response
from gateway.handlers.reviews import ReviewHandler
from gateway.handlers.watch import watch_objects
from gateway.handlers.write import WriteHandler
from gateway.printers.printer import MergedPrinter
from gateway.proxy.forward import forward
from gateway.proxy.rewrite import rename
from gateway.proxy.write_target import UpstreamWriteTarget
from gateway.request import RequestInfo
from gateway.request_keys import AUDIT, QUERY, REQUEST_INFO, SCOPE
from gateway.request_scope import RequestScope
from gateway.write_request import WriteResult, WriteTarget


class FederationStore(Protocol):
    """What of the federation store the handlers use (gateway/federation.py has the two of them)."""

    @property
    def accepts_pods(self) -> bool:
        """Whether a Pod that names no member is the store's to take (Karmada propagates Pod templates)."""
        ...

    async def read(self, request: web.BaseRequest, scope: RequestScope) -> web.StreamResponse:
        """Answer get, list, watch, and get of subresources."""
        ...

    async def connect(self, request: web.BaseRequest, scope: RequestScope) -> web.StreamResponse:
        """Answer a streaming subresource of a federated object."""
        ...

    async def review(self, request: web.BaseRequest, scope: RequestScope) -> web.StreamResponse:
        """Answer a review that the gateway does not answer itself."""
        ...

    def write_target(self) -> WriteTarget:
        """Return where writes of federated objects go."""
        ...


class SurfaceSource(Protocol):
    """What is served now (gateway/discovery/catalog.py)."""

    async def surface_for(self, info: RequestInfo) -> Surface:
        """Return the surface; it looks again when the resource asked for is not known yet."""
        ...


@dataclass(frozen=True, slots=True)
class MemberParts:
    """What serves member resources; a simulated member has none of it."""

    cache: MultiClusterCache
    clusters: ClusterRegistry
    printers: Callable[[RequestInfo], MergedPrinter]
    connect: ConnectHandler
    explicit: ClusterProxyHandler


@dataclass(frozen=True, slots=True)
class ResourceParts:
    """What the handler needs. `paths` answers non-resource requests."""

    surfaces: SurfaceSource
    store: FederationStore
    reviews: ReviewHandler
    writes: WriteHandler
    paths: Callable[[web.BaseRequest, RequestInfo], Awaitable[web.StreamResponse]]
    now: Callable[[], float]
    members: MemberParts | None = None


async def read_from(
    request: web.BaseRequest, scope: RequestScope, source: ReadSource, *, now: Callable[[], float]
) -> web.StreamResponse:
    """Answer get, list or watch from a source."""
    info = scope.info
    if info.verb == "get":
        return await get_object(request, source, ObjectKey(info.namespace, info.name), now=now)
    options = parse_list_options(request[QUERY], watch=info.verb == "watch")
    if info.name and len(info.parts) > 1:  # a deprecated /watch/…/name
        options = options.for_name(info.name)
    if info.verb == "watch":
        return await watch_objects(request, source, info.namespace, options, now=now)
    return await list_objects(request, source, info.namespace, options, now=now)


async def write_response(request: web.BaseRequest, result: WriteResult) -> web.StreamResponse:
    """Return the answer of a write, in the negotiated media type where the object is at hand."""
    if result.obj is not None:
        return object_response(request, result.obj, status=result.code, headers=result.headers)
    return body_response(request, result.body, result.content_type, status=result.code, headers=result.headers)


class ResourceHandler:
    """Answers whatever comes through the chain."""

    def __init__(self, parts: ResourceParts) -> None:
        """Keep the parts."""
        self._parts = parts

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request. Raises ApiError or PathNotFound."""
        info = request[REQUEST_INFO]
        if not info.is_resource_request and not info.cluster:
            return await self._parts.paths(request, info)
        if not info.verb:
            raise method_not_allowed()
        scope = request[SCOPE]
        surface = await self._parts.surfaces.surface_for(info)
        match dispatch(info, surface):
            case Destination.NOT_SERVED:
                raise PathNotFound
            case Destination.REVIEW:
                return await self._review(request, scope)
            case Destination.STORE_READ:
                return await self._parts.store.read(request, scope)
            case Destination.STORE_WRITE:
                return await self._write(request, scope, self._parts.store.write_target())
            case Destination.STORE_CONNECT:
                return await self._parts.store.connect(request, scope)
            case destination:
                return await self._member(request, scope, destination)

    async def _review(self, request: web.BaseRequest, scope: RequestScope) -> web.StreamResponse:
        if self._parts.reviews.answers(scope):
            return await self._parts.reviews.respond(request, scope)
        return await self._parts.store.review(request, scope)

    async def _member(
        self, request: web.BaseRequest, scope: RequestScope, destination: Destination
    ) -> web.StreamResponse:
        members = self._parts.members
        if members is None:
            raise PathNotFound
        if destination is Destination.EXPLICIT_CLUSTER:
            return await members.explicit.handle(request, scope)
        if destination is Destination.MEMBER_CONNECT:
            return await members.connect.handle(request, scope)
        visible = await self.visible(scope)
        if destination is Destination.MEMBER_READ:
            return await self._read_subresource(request, scope, members, visible)
        resource = members.cache.resource(scope.info.group_version_resource)
        if resource is None:
            raise PathNotFound
        if destination is Destination.MERGED_READ:
            source = MergedSource(resource, members.printers(scope.info), scope, visible)
            return await read_from(request, scope, source, now=self._parts.now)
        local = self._parts.store.write_target()
        if scope.info.verb == "create" and not scope.info.subresource:
            return await self._create(request, scope, members, local)
        target = MergedWriteTarget(resource, members.clusters, visible, local)
        return await self._write(request, scope, target)

    async def visible(self, scope: RequestScope) -> Visible:
        """Return which members a caller may see. Whoever may read the merged resource sees every member."""
        return lambda _cluster: True

    async def _create(
        self, request: web.BaseRequest, scope: RequestScope, members: MemberParts, local: WriteTarget
    ) -> web.StreamResponse:
        """Create at the member the object names; Events, and Pods where the store takes them, in the store."""
        body = await read_body(request)
        if scope.info.resource == "events":
            return await self._write(request, scope, local, body)
        obj = decode_body(body, scope.content_type).obj
        cluster = named_cluster(obj) if isinstance(obj, dict) else ""
        if not cluster and not self._parts.store.accepts_pods:
            raise unnamed_cluster(scope.info.group_resource, name(obj) if isinstance(obj, dict) else "")
        if not cluster:
            return await self._write(request, scope, local, body)
        target = UpstreamWriteTarget(members.clusters.upstream(cluster))
        request[AUDIT].cluster = cluster
        result = await self._parts.writes.serve(scope, request[AUDIT], body, target)
        resource = members.cache.resource(scope.info.group_version_resource)
        if resource is not None and not scope.query.get("dryRun"):
            result = replace(result, body=resource.restamp(cluster, result.body), obj=None)
        return await write_response(request, result)

    async def _read_subresource(
        self, request: web.BaseRequest, scope: RequestScope, members: MemberParts, visible: Visible
    ) -> web.StreamResponse:
        info = scope.info
        resource = members.cache.resource(info.group_version_resource)
        if resource is None:
            raise PathNotFound
        owners = resource.owners(info.namespace, info.name, visible=visible)
        owner = the_owner(info.group_resource, info.name, owners)
        upstream = members.clusters.upstream(owner.cluster)
        renamed = rename(info, owner.original_name)
        return await forward(request, scope, upstream, info=renamed, headers=answer_headers(request))

    async def _write(
        self, request: web.BaseRequest, scope: RequestScope, target: WriteTarget, body: bytes | None = None
    ) -> web.StreamResponse:
        if body is None:
            body = await read_body(request)
        result = await self._parts.writes.serve(scope, request[AUDIT], body, target)
        return await write_response(request, result)

    async def write_explicit(
        self, request: web.BaseRequest, scope: RequestScope, target: WriteTarget
    ) -> web.StreamResponse:
        """Write at a member that the request names; the cluster proxy handler's way into the write path."""
        return await self._write(request, scope, target)
