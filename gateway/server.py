"""The composition root: builds every part, owns the TaskGroup and the listener, and ends them in order. No behaviour.

Start: certificates -> audit log (and what a crash left in doubt) -> federation store -> members and cache -> listener
-> READY. Stop: see lifecycle.py.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from admission.chain import AdmissionChain
from admission.plugins.order import build_plugins
from cache.resource_kind import BUILT_IN_KINDS
from certs import commands as certificates
from certs.errors import CertsError
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject
from gateway.audit.file import AuditInUse, AuditUnusable
from gateway.audit.log import AuditLog
from gateway.audit.recovery import Intent
from gateway.authentication.authenticator import RefuseBearerTokens, UnionAuthenticator
from gateway.authentication.x509 import CertificateAuthenticator
from gateway.authorization.caller_rights import AuthorizedRights
from gateway.chain import ChainParts, chain, handler_chain
from gateway.clusters.kubeconfig import KubeconfigError
from gateway.config import GatewayConfig, ResourcesConfig, parse_listen
from gateway.config_decoding import ConfigError
from gateway.discovery.allow_list import AllowList
from gateway.discovery.catalog import Catalog
from gateway.discovery.merged_kinds import MERGED_RESOURCES
from gateway.federation import Federation, open_embedded, open_remote
from gateway.freed_memory import give_back_freed
from gateway.handlers.discovery import DiscoveryHandler
from gateway.handlers.health import HealthCheck, HealthEndpoint
from gateway.handlers.paths import PathHandler
from gateway.handlers.resource import ResourceHandler, ResourceParts, upstream_write
from gateway.handlers.reviews import ReviewHandler
from gateway.handlers.write import WriteHandler
from gateway.identity import ADMIN_KUBECONFIG, Identity, open_identity, write_admin_kubeconfig
from gateway.interpreter import freeze_garbage, tune
from gateway.lifecycle import Lifecycle, Stage
from gateway.listener import Listener, shared_sockets
from gateway.loop_watch import LoopWatch
from gateway.members import Members
from gateway.metrics import Metrics
from gateway.open_members import open_members
from gateway.proxy.write_target import UpstreamWriteTarget
from gateway.request import ANONYMOUS_USER, RequestInfo
from gateway.request_keys import Handler
from gateway.request_scope import RequestScope
from gateway.storage.interface import StorageError
from gateway.supervision import Supervisor
from gateway.workers.core_end import CoreParts
from gateway.workers.pool import LAST_WORD, WorkerPool, worker_settings
from gateway.workers.summed_metrics import SummedMetrics

_WORKERS_WAIT = 30.0
"""Seconds for the workers to come up before the gateway says that it is ready without them."""

START_FAILURES = (CertsError, ConfigError, StorageError, AuditInUse, AuditUnusable, KubeconfigError, ApiError, OSError)
"""What may keep the gateway from starting; their texts are made for people."""

logger = logging.getLogger("gateway")

Loop = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Settings:
    """What `fleetgate serve` was asked for, defaults filled in."""

    config: GatewayConfig
    data_dir: Path
    listen: str
    federation_kubeconfig: Path | None


@dataclass(frozen=True, slots=True)
class Ready:
    """What a person needs to know once the gateway serves."""

    url: str
    kubeconfig: Path


async def serve(settings: Settings, stop: asyncio.Event, ready: Callable[[Ready], None]) -> None:
    """Run the gateway until `stop` is set, then drain and return.

    Raises the plain-worded errors of the parts (CertsError, StorageError, AuditInUse, KubeconfigError, OSError) when it
    cannot start.
    """
    tune()
    async with AsyncExitStack() as stack:
        await _Gateway(settings).run(stack, stop, ready)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What is built once, in this order, each from those before it."""

    identity: Identity
    audit: AuditLog
    federation: Federation
    catalog: Catalog
    members: Members
    writes: WriteHandler

    @property
    def loops(self) -> list[Loop]:
        """What runs for ever beside the listener."""
        return [self.audit.run, self.federation.discovery.run, *self.federation.loops, *self.members.loops]


class _Gateway:
    """One run, from the first part built to the last connection closed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._host, self._port = parse_listen(settings.listen)
        self._count = settings.config.serving.workers
        self._summed = SummedMetrics() if self._count > 1 else None
        self._metrics = self._summed or Metrics()
        self._workers: WorkerPool | None = None
        self._workers_may_begin = asyncio.Event()
        self._lifecycle = Lifecycle()
        self._supervisor = Supervisor()

    async def run(self, stack: AsyncExitStack, stop: asyncio.Event, ready: Callable[[Ready], None]) -> None:
        data_dir = self._settings.data_dir
        parts = await self._build(stack)
        listener = Listener(self._handler(parts), parts.identity.context.context)
        async with asyncio.TaskGroup() as tasks:
            loops = [LoopWatch(self._metrics).run, self._supervisor.run, freeze_garbage, give_back_freed, *parts.loops]
            running = [tasks.create_task(loop(), name=loop.__qualname__) for loop in loops]
            url = _url(self._host, await self._listen(listener, parts))
            certificates.write_server_url(data_dir, url)
            await asyncio.to_thread(write_admin_kubeconfig, data_dir, url)
            running.append(tasks.create_task(parts.identity.run(url), name="identity"))
            workers = tasks.create_task(self._workers.run(), name="workers") if self._workers else None
            await self._begin(parts)
            if self._workers is not None:
                running.append(tasks.create_task(self._open_workers(parts), name="opening of workers"))
                if await parts.members.registry.wait_synced(0):
                    await self._workers.wait_up(_WORKERS_WAIT)
            ready(Ready(url, data_dir / ADMIN_KUBECONFIG))
            await stop.wait()
            await self._drain(listener, parts.writes, workers)
            for task in running:
                task.cancel()

    async def _listen(self, listener: Listener, parts: _Parts) -> int:
        """Listen, and return the port. With workers there are sockets for each process. Raises OSError."""
        if self._summed is None:
            return await listener.start(self._host, self._port)
        own, *others = await asyncio.to_thread(shared_sockets, self._host, self._port, self._count)
        await listener.start_on(own)
        built_in = [kind.stored.gvr for kind in BUILT_IN_KINDS]
        core = CoreParts(
            cachers=[parts.members.cache.cachers()[gvr] for gvr in built_in],
            authorizer=parts.federation.authorizer,
            complete=parts.audit.complete,
            opened=self._workers_may_begin,
        )
        settings = worker_settings(self._settings.config, self._settings.data_dir, self._host)
        self._workers = WorkerPool(settings, core, self._summed, listener, others)
        self._metrics.publish(self._workers.samples)
        return int(own[0].getsockname()[1])

    async def _open_workers(self, parts: _Parts) -> None:
        """Once it is known which members there are; the core says that it does not know them until then."""
        while not await parts.members.registry.wait_synced(60):
            pass
        self._workers_may_begin.set()

    def _workers_problem(self) -> str:
        return self._workers.problem() if self._workers else "not started"

    async def _build(self, stack: AsyncExitStack) -> _Parts:
        config, data_dir = self._settings.config, self._settings.data_dir
        authorities = config.authentication.client_certificate_authorities
        identity = await asyncio.to_thread(open_identity, data_dir, self._host, config.serving.names, authorities)
        audit = await AuditLog.open(data_dir / "audit", config.audit, now=time.time)
        stack.push_async_callback(audit.close)
        federation = await self._open_federation(stack, audit)
        rights = AuthorizedRights(federation.authorizer)
        plugins = build_plugins(config.admission, rights)
        members = await open_members(
            config, data_dir, federation.clusters, federation.events, rights, federation.remote
        )
        members.on_views(self._supervisor.judge_views)
        catalog = Catalog(
            federation.discovery,
            allow_list=_allow_list(config.resources),
            merged=MERGED_RESOURCES,
            members=members.kinds.resources if members.kinds else None,
        )
        return _Parts(
            identity=identity,
            audit=audit,
            federation=federation,
            catalog=catalog,
            members=members,
            writes=WriteHandler(AdmissionChain(plugins), audit),
        )

    async def _open_federation(self, stack: AsyncExitStack, audit: AuditLog) -> Federation:
        config, kubeconfig = self._settings.config, self._settings.federation_kubeconfig
        if kubeconfig is not None:
            return await stack.enter_async_context(open_remote(config.federation, kubeconfig, audit))
        root_ca = (self._settings.data_dir / "pki" / "ca.crt").read_text()
        return await stack.enter_async_context(open_embedded(self._settings.data_dir, root_ca))

    def _handler(self, parts: _Parts) -> Handler:
        authenticator = UnionAuthenticator((RefuseBearerTokens(), CertificateAuthenticator(parts.identity.verifier)))
        authorizer = parts.federation.authorizer
        resource = ResourceHandler(
            ResourceParts(
                surfaces=parts.catalog,
                store=parts.federation.store,
                reviews=ReviewHandler(authorizer, parts.federation.rules_of),
                writes=parts.writes,
                paths=self._paths(parts).handle,
                now=time.time,
                members=parts.members.parts(upstream_write(parts.writes, time.time), parts.audit),
            )
        )
        filters = handler_chain(
            ChainParts(
                now=time.time,
                metrics=self._metrics,
                lifecycle=self._lifecycle,
                audit=parts.audit,
                authenticator=authenticator,
                authorizer=authorizer,
                supervisor=self._supervisor,
            )
        )
        return chain(filters, resource.handle)

    def _paths(self, parts: _Parts) -> PathHandler:
        checks = [
            HealthCheck("ping", lambda: ""),
            HealthCheck("lifecycle", lambda: "" if self._lifecycle.stage is Stage.READY else "not serving"),
            HealthCheck("audit", parts.audit.unhealthy),
            HealthCheck("certificates", parts.identity.problem),
            HealthCheck("federation-store", lambda: "" if parts.catalog.synced else "not read yet"),
        ]
        if self._summed is not None:
            checks.append(HealthCheck("workers", self._workers_problem))
        rights = AuthorizedRights(parts.federation.authorizer)
        health = {
            "livez": HealthEndpoint("livez", checks[:1]),
            "healthz": HealthEndpoint("healthz", checks),
            "readyz": HealthEndpoint("readyz", checks, partial(parts.members.notes, rights)),
        }
        self._metrics.publish(parts.members.samples)
        documents = DiscoveryHandler(parts.catalog, parts.federation.openapi(parts.catalog), now=time.time)
        return PathHandler(health, self._metrics, documents, parts.members.status)

    async def _begin(self, parts: _Parts) -> None:
        """Wait for what must be known before the first request, then open."""
        await parts.catalog.fresh_documents()
        await parts.audit.recover(partial(_live_object, parts.federation, parts.members))
        await parts.members.wait_synced(self._settings.config.cache.first_sync_wait)
        self._lifecycle.ready()

    async def _drain(self, listener: Listener, writes: WriteHandler, workers: asyncio.Task[None] | None = None) -> None:
        self._lifecycle.drain()
        if self._workers is not None:
            self._workers.drain()
        listener.stop_accepting()
        self._supervisor.drain()
        try:
            async with asyncio.timeout(self._settings.config.serving.shutdown_grace):
                await self._lifecycle.idle()
        except TimeoutError:
            logger.warning("requests were still in flight at the end of the grace period: %r", self._lifecycle)
        if workers is not None:
            await asyncio.wait([workers], timeout=self._settings.config.serving.shutdown_grace + LAST_WORD)
            workers.cancel()
        await listener.close(1.0)
        await writes.drain()


def _allow_list(config: ResourcesConfig) -> AllowList:
    try:
        return AllowList(config.allow, config.deny)
    except ValueError as error:
        raise ConfigError(f"resources: {error}") from None


async def _live_object(federation: Federation, members: Members, intent: Intent) -> JsonObject | None:
    """Read the object that a write was announced for, to see what became of it."""
    info = RequestInfo(
        True, "", "get", "apis" if intent.api_group else "api", intent.api_group, intent.api_version,
        intent.namespace, intent.resource, name=intent.name,
    )  # fmt: skip
    scope = RequestScope(info=info, user=ANONYMOUS_USER, requestor=ANONYMOUS_USER, audit_id=intent.audit_id)
    target = federation.store.write_target()
    if intent.cluster:
        target = UpstreamWriteTarget(members.registry.upstream(intent.cluster))
    return await target.read(scope, info.key)


def _url(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104  (compared)
    return f"https://{shown}:{port}"
