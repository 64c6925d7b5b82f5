"""The end of the chain: each resource request to the handler of its destination.

Holds no policy: where a request goes is decided by dispatch, whether it may by the filters, what it does by the
handlers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from aiohttp import web
from msgspec.structs import replace

from cache.multi_cluster_cache import LOCAL, MultiClusterCache
from cache.watcher import Visible
from gateway.apimachinery.errors import ApiError, PathNotFound, expired, method_not_allowed, not_found
from gateway.apimachinery.options import parse_list_options
from gateway.apimachinery.schema import GroupVersionResource
from gateway.clusters.cluster import CLUSTERS
from gateway.clusters.registry import ClusterRegistry
from gateway.dispatch import Destination, Surface, dispatch, tunneled_write, tunnels_api
from gateway.handlers.body import decode_apart, read_body
from gateway.handlers.connect import ClusterProxyHandler, ConnectHandler, Write
from gateway.handlers.federation_target import FederationWriteTarget
from gateway.handlers.member_subresource import read_subresource
from gateway.handlers.member_target import MergedWriteTarget, unnamed_cluster
from gateway.handlers.merged_source import VIEW_CHANGED, CallerView, MergedSource, remember_view, served_object
from gateway.handlers.read import get_object, list_objects
from gateway.handlers.read_source import ReadSource
from gateway.handlers.reviews import ReviewHandler
from gateway.handlers.watch import watch_objects
from gateway.handlers.write import WriteHandler
from gateway.handlers.write_answer import OwnForm, WriteAnswer
from gateway.handlers.write_decoding import decode_write
from gateway.printers.member_columns import KindPrinter
from gateway.proxy.member_write_target import MemberTargets
from gateway.request import CONNECT_SUBRESOURCES, RequestInfo
from gateway.request_keys import AUDIT, QUERY, REQUEST_INFO, SCOPE, judge_again
from gateway.request_scope import RequestScope
from gateway.write_request import WriteTarget

PODS = GroupVersionResource("", "v1", "pods")
EVENT_GROUPS = frozenset({"", "events.k8s.io"})


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

    def form(self, info: RequestInfo) -> OwnForm | None:
        """Return the forms in which what is written there can be given; None where it is the store that gives them."""
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
    targets: MemberTargets
    printers: Callable[[RequestInfo, Visible], KindPrinter]
    """What prints a kind to somebody who sees some members."""
    visible: Callable[[RequestScope], Awaitable[Visible]]
    by_caller: bool
    """Whether callers may see different members."""
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
        return await get_object(request, source, info.key, now=now)
    options = parse_list_options(request[QUERY], watch=info.verb == "watch")
    if info.name and len(info.parts) > 1:  # a deprecated /watch/…/name
        options = options.for_name(info.name)
    if info.verb == "watch":
        return await watch_objects(request, source, info.object_namespace, options, now=now)
    return await list_objects(request, source, info.object_namespace, options, now=now)


async def write_through(
    writes: WriteHandler, answer: WriteAnswer, request: web.BaseRequest, scope: RequestScope, target: WriteTarget
) -> web.StreamResponse:
    """Answer a write: admission, audit, apply. Raises ApiError."""
    write = await decode_apart(partial(decode_write, answer.asked(scope)), await read_body(request))
    return await answer.response(await writes.serve(write, request[AUDIT], target))


def upstream_write(writes: WriteHandler, now: Callable[[], float]) -> Write:
    """Return the write path for upstreams that answer in whatever form they are asked for."""

    async def write(request: web.BaseRequest, scope: RequestScope, target: WriteTarget) -> web.StreamResponse:
        return await write_through(writes, WriteAnswer(request, scope.info, None, now), request, scope, target)

    return write


def not_served(info: RequestInfo, surface: Surface) -> Exception:
    """Return the 404 of a resource that is not served: a Status inside a group of Kubernetes' own, else plain text."""
    if surface.has_routes(info.api_group):
        return ApiError(404, "NotFound", "the server could not find the requested resource", details={})
    return PathNotFound()


def _own_form(members: MemberParts, info: RequestInfo, visible: Visible) -> OwnForm:
    printer = members.printers(info, visible)
    return OwnForm(printer.built_in, printer)


async def _same_view(members: MemberParts, scope: RequestScope, visible: Visible) -> None:
    """Raise ApiError 410 when the caller of an open watch sees other members by now: he is to list anew."""
    if await members.visible(scope) != visible:
        raise expired(VIEW_CHANGED)


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
        if not info.verb or (info.verb == "watch" and request.method != "GET"):
            raise method_not_allowed()
        scope = request[SCOPE]
        surface = await self._parts.surfaces.surface_for(info)
        destination = dispatch(info, surface)
        if destination is Destination.NOT_SERVED:
            raise not_served(info, surface)
        if destination is not Destination.EXPLICIT_CLUSTER:
            if request.method == "HEAD" and info.subresource not in CONNECT_SUBRESOURCES:
                raise method_not_allowed()
            if (wrong_verb := surface.wrong_verb(info)) is not None:
                raise wrong_verb
        if info.is_write and destination is not Destination.EXPLICIT_CLUSTER:
            scope = replace(scope, kind=surface.kind_of(info))
        match destination:
            case Destination.MERGED_READ:  # first, because it is most of all requests
                return await self._merged_read(request, scope)
            case Destination.REVIEW:
                return await self._review(request, scope)
            case Destination.STORE_READ:
                return await self._parts.store.read(request, scope)
            case Destination.STORE_WRITE:
                form = self._parts.store.form(info)
                return await self._write(request, scope, self._store_target(scope), form)
            case Destination.STORE_CONNECT:
                if request.method not in {"GET", "HEAD"} and tunnels_api(info):
                    raise tunneled_write(info)
                return await self._parts.store.connect(request, scope)
            case _:
                return await self._member(request, scope, destination)

    def _store_target(self, scope: RequestScope) -> WriteTarget:
        target = self._parts.store.write_target()
        members = self._parts.members
        pods = members.cache.resource(PODS) if members else None
        if members is None or pods is None:
            return target
        return FederationWriteTarget(target, pods, partial(members.visible, scope))

    async def _review(self, request: web.BaseRequest, scope: RequestScope) -> web.StreamResponse:
        if self._parts.reviews.answers(scope):
            return await self._parts.reviews.respond(request, scope)
        return await self._parts.store.review(request, scope)

    async def _merged_read(self, request: web.BaseRequest, scope: RequestScope) -> web.StreamResponse:
        members, info = self._parts.members, scope.info
        if members is None:
            raise PathNotFound
        visible = await members.visible(scope)
        resource = members.cache.resource(info.group_version_resource)
        if resource is None:
            raise PathNotFound
        if info.verb == "watch":
            judge_again(request, partial(_same_view, members, scope, visible))
        view = CallerView(visible, members.by_caller)
        source = MergedSource(resource, members.printers(info, visible), scope, view, self._parts.now)
        return await read_from(request, scope, source, now=self._parts.now)

    async def _member(
        self, request: web.BaseRequest, scope: RequestScope, destination: Destination
    ) -> web.StreamResponse:
        members = self._parts.members
        if members is None:
            raise PathNotFound
        if destination is Destination.EXPLICIT_CLUSTER:
            return await members.explicit.handle(request, scope)
        if destination is Destination.MEMBER_CONNECT:
            return await members.connect.handle(
                request, scope, members.cache.resource(scope.info.group_version_resource)
            )
        visible = await members.visible(scope)
        if destination is Destination.MEMBER_READ:
            return await self._read_subresource(request, scope, members, visible)
        resource = members.cache.resource(scope.info.group_version_resource)
        if resource is None:
            raise PathNotFound
        remember_view(resource, scope.user, CallerView(visible, members.by_caller))
        local = self._parts.store.write_target()
        if scope.info.verb == "create" and not scope.info.subresource:
            return await self._create(request, scope, members, visible, local)
        target = MergedWriteTarget(scope, resource, members.targets, visible, local)
        answer = WriteAnswer(request, scope.info, _own_form(members, scope.info, visible), self._parts.now)
        write = await decode_apart(partial(decode_write, answer.asked(scope)), await read_body(request))
        target.mean(write)
        return await answer.response(await self._parts.writes.serve(write, request[AUDIT], target))

    async def _create(
        self, request: web.BaseRequest, scope: RequestScope, members: MemberParts, visible: Visible, local: WriteTarget
    ) -> web.StreamResponse:
        """Create at the member the object names; Events, and Pods where the store takes them, in the store."""
        answer = WriteAnswer(request, scope.info, _own_form(members, scope.info, visible), self._parts.now)
        write = await decode_apart(partial(decode_write, answer.asked(scope)), await read_body(request))
        writes = self._parts.writes
        recorded = scope.info.resource == "events" and scope.info.api_group in EVENT_GROUPS
        is_pod = scope.info.group_version_resource == PODS
        if is_pod and self._parts.store.accepts_pods and not write.cluster:
            return await answer.response(await writes.serve(write, request[AUDIT], local))
        if not recorded and not write.cluster:
            raise unnamed_cluster(scope.info.group_resource, write.name)
        cluster = LOCAL if recorded else write.cluster
        request[AUDIT].cluster = cluster
        if not visible(cluster):
            raise not_found(CLUSTERS.group_resource, cluster)
        target = local if recorded else members.targets.at(cluster, scope)
        result = await writes.serve(write, request[AUDIT], target)
        resource = members.cache.resource(scope.info.group_version_resource)
        if resource is not None and write.options.dry_run:
            result = replace(result, body=resource.writes.decorate(cluster, result.body), obj=None)
        elif resource is not None:
            result = replace(result, body=await resource.writes.made(cluster, result.body, visible=visible), obj=None)
        return await answer.response(result)

    async def _read_subresource(
        self, request: web.BaseRequest, scope: RequestScope, members: MemberParts, visible: Visible
    ) -> web.StreamResponse:
        info = scope.info
        resource = members.cache.resource(info.group_version_resource)
        if resource is None:
            raise PathNotFound
        owner = await served_object(resource, scope, info.key, visible)
        upstream = members.clusters.upstream(owner.cluster)
        return await read_subresource(request, scope, upstream, resource, owner, _own_form(members, info, visible))

    async def _write(
        self, request: web.BaseRequest, scope: RequestScope, target: WriteTarget, form: OwnForm | None
    ) -> web.StreamResponse:
        answer = WriteAnswer(request, scope.info, form, self._parts.now)
        return await write_through(self._parts.writes, answer, request, scope, target)
