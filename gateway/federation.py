"""The federation store as the rest of the gateway sees it: a remote kube-apiserver, or the embedded one.

Each class gathers what differs: where reads go, what authorises, what is discovered, where Cluster objects are kept.
The server builds one of them and knows no further difference.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from cache.lister_watcher import ListerWatcher
from gateway.apimachinery.errors import PathNotFound, method_not_supported
from gateway.apimachinery.schema import GroupVersionResource
from gateway.authorization.access_review import AccessReviewAuthorizer
from gateway.authorization.authorizer import Authorizer
from gateway.authorization.guarded_write_target import GuardedWriteTarget
from gateway.authorization.rbac import visible_rules
from gateway.authorization.rbac_source import RbacAuthorizer
from gateway.clusters.embedded_lister_watcher import EmbeddedListerWatcher
from gateway.clusters.embedded_source import EmbeddedClusterSource
from gateway.clusters.kubeconfig import KubeconfigCredentials, read_kubeconfig
from gateway.clusters.lister_watcher import HttpListerWatcher
from gateway.clusters.source import ClusterSource, RemoteClusterSource
from gateway.clusters.upstream import Upstream
from gateway.config import FederationConfig
from gateway.discovery.catalog import Catalog
from gateway.discovery.embedded import EmbeddedDiscovery
from gateway.discovery.openapi import OpenApiSource
from gateway.discovery.openapi_embedded import EmbeddedOpenApi
from gateway.discovery.openapi_remote import RemoteOpenApi
from gateway.discovery.remote import RemoteDiscovery
from gateway.discovery.sources import DiscoverySource
from gateway.handlers.body import read_body
from gateway.handlers.connect import ConnectAudit, connect
from gateway.handlers.embedded_source import SCALE_PRINTER, EmbeddedScaleSource, EmbeddedSource
from gateway.handlers.read_source import ReadSource
from gateway.handlers.resource import FederationStore, read_from
from gateway.handlers.response import answer_headers
from gateway.handlers.reviews import RulesOf
from gateway.handlers.watch_stream import is_websocket
from gateway.handlers.write_answer import OwnForm
from gateway.printers.printer import StoredPrinter, stored_printer
from gateway.proxy.forward import forward
from gateway.proxy.upgrade import tunnel
from gateway.proxy.write_target import UpstreamWriteTarget
from gateway.request import RequestInfo
from gateway.request_scope import RequestScope
from gateway.storage.definitions import ResourceDefinition
from gateway.storage.registry import Registry
from gateway.storage.resources import FEDERATION_RESOURCES
from gateway.storage.sqlite import SqliteStorage
from gateway.storage.write_target import EmbeddedWriteTarget
from gateway.write_request import WriteTarget

EVENTS = GroupVersionResource("", "v1", "events")


class RemoteStore:
    """Any kube-apiserver; everything is streamed through as the caller."""

    accepts_pods = True

    def __init__(self, upstream: Upstream, audit: ConnectAudit) -> None:
        """Take the way to the store, and where connects are recorded."""
        self.upstream = upstream
        self._audit = audit

    async def read(self, request: web.BaseRequest, scope: RequestScope) -> web.StreamResponse:
        """Forward a read; the store negotiates, prints Tables and pages by itself."""
        if scope.info.verb == "watch" and is_websocket(request):
            return await tunnel(request, scope, self.upstream, headers=answer_headers(request))
        return await forward(request, scope, self.upstream, headers=answer_headers(request))

    async def connect(self, request: web.BaseRequest, scope: RequestScope) -> web.StreamResponse:
        """Forward a streaming request, upgraded or not."""
        return await connect(request, scope, self.upstream, scope.info, self._audit)

    async def review(self, request: web.BaseRequest, scope: RequestScope) -> web.StreamResponse:
        """Forward a review as the caller."""
        body = await read_body(request)
        return await forward(request, scope, self.upstream, body=body, headers=answer_headers(request))

    def write_target(self) -> WriteTarget:
        """Return the store's write port."""
        return UpstreamWriteTarget(self.upstream)

    def form(self, info: RequestInfo) -> None:
        """The store answers a write in the form that is asked for."""


class EmbeddedStore:
    """The SQLite store of this process."""

    accepts_pods = False

    def __init__(
        self,
        registry: Registry,
        printer_for: Callable[[ResourceDefinition], StoredPrinter],
        now: Callable[[], float],
        target: WriteTarget | None = None,
    ) -> None:
        """Take the registry and the printers of its kinds; `target` stands before the registry's own write port."""
        self.registry = registry
        self._printer_for = printer_for
        self._now = now
        self._target = target or EmbeddedWriteTarget(registry)

    async def read(self, request: web.BaseRequest, scope: RequestScope) -> web.StreamResponse:
        """Answer from the store."""
        info = scope.info
        definition = self.registry.find(info.group_version_resource)
        if definition is None:
            raise PathNotFound
        if definition.deprecation_warning:
            scope.warn(definition.deprecation_warning)
        if info.subresource == "scale":
            source: ReadSource = EmbeddedScaleSource(self.registry, definition)
        elif info.subresource in {"", "status"}:
            source = EmbeddedSource(self.registry, definition, self._printer_for(definition))
        else:
            raise method_not_supported(info.group_resource, info.verb)
        return await read_from(request, scope, source, now=self._now)

    async def connect(self, request: web.BaseRequest, scope: RequestScope) -> web.StreamResponse:
        """Refuse: nothing in an embedded store can be connected to."""
        raise PathNotFound

    async def review(self, request: web.BaseRequest, scope: RequestScope) -> web.StreamResponse:
        """Refuse: the gateway answers every review it knows by itself."""
        raise PathNotFound

    def write_target(self) -> WriteTarget:
        """Return the store's write port."""
        return self._target

    def form(self, info: RequestInfo) -> OwnForm | None:
        """Return the printer of the kind that a write is answered with."""
        definition = self.registry.find(info.group_version_resource)
        if definition is None:
            return None
        if info.subresource == "scale":
            return OwnForm(True, SCALE_PRINTER)
        return OwnForm(definition.builtin, self._printer_for(definition))


@dataclass(slots=True)
class Federation:
    """A federation store with all that comes from it. `loops` run for ever beside the server."""

    store: FederationStore
    authorizer: Authorizer
    rules_of: RulesOf | None
    discovery: DiscoverySource
    openapi: Callable[[Catalog], OpenApiSource]
    clusters: ClusterSource
    events: ListerWatcher
    loops: list[Callable[[], Coroutine[Any, Any, None]]]
    remote: Upstream | None = None
    """The way to a store that other gateways may have as well."""


@asynccontextmanager
async def open_embedded(data_dir: Path, root_ca: str) -> AsyncIterator[Federation]:
    """Open the SQLite store of a data directory. Raises StorageError."""
    storage = await SqliteStorage.open(data_dir / "storage.db", now=time.time)
    try:
        registry = Registry(storage, FEDERATION_RESOURCES, now=time.time, root_ca=root_ca)
        await registry.start()
        authorizer = RbacAuthorizer(registry)
        await authorizer.load()
        discovery = EmbeddedDiscovery(registry)
        target = GuardedWriteTarget(registry, lambda: authorizer.policy)
        yield Federation(
            store=EmbeddedStore(registry, stored_printer, time.time, target),
            authorizer=authorizer,
            rules_of=lambda user, namespace: visible_rules(authorizer.policy, user, namespace),
            discovery=discovery,
            openapi=lambda catalog: EmbeddedOpenApi(catalog, schema_of=discovery.schema),
            clusters=EmbeddedClusterSource(registry),
            events=EmbeddedListerWatcher(registry, EVENTS),
            loops=[storage.run, registry.run, authorizer.run],
        )
    finally:
        await storage.close()


@asynccontextmanager
async def open_remote(config: FederationConfig, kubeconfig: Path, audit: ConnectAudit) -> AsyncIterator[Federation]:
    """Reach a remote kube-apiserver. Raises KubeconfigError."""
    upstream = Upstream(
        "federation",
        read_kubeconfig(kubeconfig).endpoint(config.context),
        KubeconfigCredentials(kubeconfig, config.context),
        now=time.time,
        title="the federation store",
    )
    try:
        yield Federation(
            store=RemoteStore(upstream, audit),
            authorizer=AccessReviewAuthorizer(upstream, now=time.monotonic),
            rules_of=None,
            discovery=RemoteDiscovery(upstream, now=time.monotonic, interval=config.discovery_interval),
            openapi=lambda catalog: RemoteOpenApi(catalog, upstream),
            clusters=RemoteClusterSource(upstream),
            events=HttpListerWatcher(upstream, EVENTS),
            loops=[],
            remote=upstream,
        )
    finally:
        await upstream.close()
