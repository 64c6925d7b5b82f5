"""The federation store as the rest of the gateway sees it: a remote kube-apiserver, or the embedded one.

Each class gathers what differs: where reads go, what authorises, what is discovered, where Cluster objects are kept. The
server builds one of them and knows no further difference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from aiohttp import web

from gateway.apimachinery.errors import PathNotFound
from gateway.apimachinery.meta import ObjectKey
from gateway.clusters.upstream import Upstream
from gateway.handlers.body import read_body
from gateway.handlers.embedded_source import EmbeddedSource
from gateway.handlers.resource import read_from
from gateway.handlers.response import answer_headers, object_response
from gateway.printers.printer import StoredPrinter
from gateway.proxy.forward import forward
from gateway.proxy.upgrade import tunnel
from gateway.proxy.upgrade import requested_protocol
from gateway.proxy.write_target import UpstreamWriteTarget
from gateway.request_scope import RequestScope
from gateway.storage.definitions import ResourceDefinition
from gateway.storage.registry import Registry
from gateway.storage.write_target import EmbeddedWriteTarget
from gateway.write_request import WriteTarget


class RemoteStore:
    """Any kube-apiserver; everything is streamed through as the caller."""

    accepts_pods = True

    def __init__(self, upstream: Upstream) -> None:
        """Take the way to the store."""
        self.upstream = upstream

    async def read(self, request: web.BaseRequest, scope: RequestScope) -> web.StreamResponse:
        """Forward a read; the store negotiates, prints Tables and pages by itself."""
        return await forward(request, scope, self.upstream, headers=answer_headers(request))

    async def connect(self, request: web.BaseRequest, scope: RequestScope) -> web.StreamResponse:
        """Forward a streaming request, upgraded or not."""
        if requested_protocol(request.headers):
            return await tunnel(request, scope, self.upstream)
        body = await read_body(request)
        return await forward(request, scope, self.upstream, body=body or None, headers=answer_headers(request))

    async def review(self, request: web.BaseRequest, scope: RequestScope) -> web.StreamResponse:
        """Forward a review as the caller."""
        body = await read_body(request)
        return await forward(request, scope, self.upstream, body=body, headers=answer_headers(request))

    def write_target(self) -> WriteTarget:
        """Return the store's write port."""
        return UpstreamWriteTarget(self.upstream)


class EmbeddedStore:
    """The SQLite store of this process."""

    accepts_pods = False

    def __init__(
        self, registry: Registry, printer_for: Callable[[ResourceDefinition], StoredPrinter], now: Callable[[], float]
    ) -> None:
        """Take the registry and the printers of its kinds."""
        self.registry = registry
        self._printer_for = printer_for
        self._now = now

    async def read(self, request: web.BaseRequest, scope: RequestScope) -> web.StreamResponse:
        """Answer from the store."""
        info = scope.info
        definition = self.registry.find(info.group_version_resource)
        if definition is None:
            raise PathNotFound
        if info.subresource and info.subresource != "status":
            obj = await self.registry.get_subresource(
                definition, ObjectKey(info.namespace, info.name), info.subresource
            )
            return object_response(request, obj)
        source = EmbeddedSource(self.registry, definition, self._printer_for(definition))
        return await read_from(request, scope, source, now=self._now)

    async def connect(self, request: web.BaseRequest, scope: RequestScope) -> web.StreamResponse:
        """Refuse: nothing in an embedded store can be connected to."""
        raise PathNotFound

    async def review(self, request: web.BaseRequest, scope: RequestScope) -> web.StreamResponse:
        """Refuse: the gateway answers every review it knows by itself."""
        raise PathNotFound

    def write_target(self) -> WriteTarget:
        """Return the store's write port."""
        return EmbeddedWriteTarget(self.registry)
