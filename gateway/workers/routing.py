"""Which requests a worker answers itself: those that its copy of the merged view has the whole truth about.

The core answers all others, and so a worker never has to say that it does not know: not for a version from before it
began, not for one of another replica, not for a page of a list that was begun elsewhere and is no longer known here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from aiohttp import web

from cache.continue_token import ContinueTokenCodec
from cache.followed import FollowedCacher
from cache.merged_resource import MergedResource
from cache.resource_version import issuer
from cache.watcher import everyone
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.options import EXACT
from gateway.apimachinery.schema import GroupVersionResource
from gateway.discovery.surface import ApiSurface
from gateway.filters.request_info import parse_query
from gateway.handlers.merged_source import CallerView, MergedSource
from gateway.handlers.resource import read_from
from gateway.printers.printer import MERGED_PRINTERS
from gateway.request import RequestInfo, parse_request_info, truthy
from gateway.request_keys import SCOPE, Handler

_PREFIXES = ("/api/v1/", "/apis/events.k8s.io/")
_DIGITS = 16
"""Of the longest resourceVersion that is ever issued."""

Forward = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class MergedReads:
    """get, list and watch of the kinds that are followed."""

    def __init__(
        self,
        cachers: Sequence[FollowedCacher],
        surface: ApiSurface,
        tokens: ContinueTokenCodec,
        now: Callable[[], float],
    ) -> None:
        """`surface` is what of these kinds is served at all."""
        self._surface = surface
        self._now = now
        self._cachers: dict[GroupVersionResource, FollowedCacher] = {}
        self._resources: dict[GroupVersionResource, MergedResource] = {}
        for cacher in cachers:
            for served in cacher.kind.versions:
                self._cachers[served.gvr] = cacher
                self._resources[served.gvr] = MergedResource(cacher, served, tokens)

    def answers(self, method: str, info: RequestInfo, query: Mapping[str, str]) -> bool:
        """Whether a request can be answered here."""
        cacher = self._cachers.get(info.group_version_resource)
        if cacher is None or method != "GET" or not info.is_resource_request or info.subresource or info.cluster:
            return False
        if info.verb not in {"get", "list", "watch"} or not self._surface.serves(info):
            return False
        return self._surface.wrong_verb(info) is None and _is_known(cacher, info.verb, query)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one. Raises ApiError."""
        scope = request[SCOPE]
        resource = self._resources[scope.info.group_version_resource]
        printer = MERGED_PRINTERS[scope.info.group_resource]
        source = MergedSource(resource, printer, scope, CallerView(everyone), self._now)
        return await read_from(request, scope, source, now=self._now)


def _is_known(cacher: FollowedCacher, verb: str, query: Mapping[str, str]) -> bool:
    """Whether what is asked for lies within what is known here."""
    if token := query.get("continue", ""):
        revision = ContinueTokenCodec.claimed_revision(token)
        return revision is not None and (revision == 0 or cacher.followed.knows(revision))
    version = query.get("resourceVersion", "")
    if version in {"", "0"}:
        return True
    if not (version.isascii() and version.isdigit()) or len(version) > _DIGITS:
        return False
    if verb == "watch":
        exact = not truthy(query, "sendInitialEvents")
    else:
        match = query.get("resourceVersionMatch", "")
        exact = verb == "list" and (match == EXACT or (not match and query.get("limit", "") not in {"", "0"}))
    return cacher.followed.answers_from(int(version)) if exact else issuer(int(version)) == cacher.followed.slot


class Router:
    """Sends each request to the handler chain of this process or to the core."""

    def __init__(self, reads: MergedReads | None, chain: Handler, forward: Forward) -> None:
        """Without `reads` everything is the core's."""
        self._reads = reads
        self._chain = chain
        self._forward = forward

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        return await (self._chain if self._is_ours(request) else self._forward)(request)

    def _is_ours(self, request: web.BaseRequest) -> bool:
        target = request.raw_path
        if not target.startswith("/"):
            return True  # no form in which it could be handed on; the chain refuses it
        if self._reads is None or request.method != "GET" or not target.startswith(_PREFIXES):
            return False
        if "Upgrade" in request.headers:
            return False
        path, _, raw_query = target.partition("?")
        try:
            query = parse_query(raw_query)
            info = parse_request_info(request.method, path, query)
        except ApiError:
            return False
        return self._reads.answers(request.method, info, query)
