"""The composition root of a simulated member: its API server, its controllers and its kubelet in one event loop.

Built of the gateway's own parts, without all that makes a gateway: no members, no cache, no admission rules.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from admission.chain import AdmissionChain
from certs import commands as certificates
from certs import kubeconfig
from certs.profiles import CLIENT, Subject
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.apimachinery.schema import GroupResource, GroupVersion
from gateway.audit.config import AuditConfig
from gateway.audit.log import AuditLog
from gateway.audit.recovery import Intent
from gateway.authentication.authenticator import RefuseBearerTokens, UnionAuthenticator
from gateway.authentication.x509 import CertificateAuthenticator
from gateway.authorization.rbac import visible_rules
from gateway.authorization.rbac_source import RbacAuthorizer
from gateway.chain import ChainParts, chain, handler_chain
from gateway.clusters.rights import rbac_manifest
from gateway.discovery.allow_list import AllowList
from gateway.discovery.catalog import Catalog
from gateway.discovery.embedded import EmbeddedDiscovery
from gateway.discovery.openapi_embedded import EmbeddedOpenApi
from gateway.discovery.server_version import gateway_version
from gateway.handlers.discovery import DiscoveryHandler
from gateway.handlers.health import HealthCheck, HealthEndpoint
from gateway.handlers.paths import PathHandler
from gateway.handlers.resource import ResourceHandler, ResourceParts
from gateway.handlers.reviews import ReviewHandler
from gateway.handlers.write import WriteHandler
from gateway.identity import Identity, open_identity, write_admin_kubeconfig
from gateway.lifecycle import Lifecycle
from gateway.listener import Listener
from gateway.metrics import Metrics
from gateway.request_keys import Handler
from gateway.simulation.member.kubelet import Kubelet
from gateway.simulation.member.nodes import simulated_nodes
from gateway.simulation.member.objects import definition
from gateway.simulation.member.scheduler import Scheduler
from gateway.simulation.member.store import MemberStore
from gateway.simulation.member.workload_controllers import WorkloadControllers
from gateway.storage.registry import Registry
from gateway.storage.resources import MEMBER_RESOURCES
from gateway.storage.sqlite import SqliteStorage
from gateway.storage.write_context import WriteContext
from gateway.supervision import Supervisor

GATEWAY_KUBECONFIG = "gateway.kubeconfig"
"""What a gateway joins this member with; beside it lies the administrator's `admin.kubeconfig`."""

GATEWAY_USER = "fleetgate-gateway"
CACHED = (GroupResource("", "nodes"), GroupResource("apps", "replicasets"))
"""What the gateway of the demo reads of a member beside Pods and Events."""
HOST = "127.0.0.1"

_DRAIN_SECONDS = 2.0
"""Seconds for requests in flight at the end: watches are ended cleanly, and nothing here takes longer."""


@dataclass(frozen=True, slots=True)
class MemberSettings:
    """Which member this is.

    Attributes:
        name: its name.
        number: 1 to 254, different for each member: it makes the addresses of its Pods.
        data_dir: where it keeps everything.
        port: where it listens if it can; 0 lets the kernel choose.
    """

    name: str
    number: int
    data_dir: Path
    port: int


async def serve_member(settings: MemberSettings, stop: asyncio.Event, ready: Callable[[str], None]) -> None:
    """Run a member until `stop` is set; `ready` is called with its URL once it serves.

    Raises CertsError, StorageInUse, AuditInUse or OSError when it cannot start.
    """
    async with AsyncExitStack() as stack:
        await _Member(settings).run(stack, stop, ready)


class _Member:
    """One run."""

    def __init__(self, settings: MemberSettings) -> None:
        self._settings = settings
        self._lifecycle = Lifecycle()
        self._supervisor = Supervisor()

    async def run(self, stack: AsyncExitStack, stop: asyncio.Event, ready: Callable[[str], None]) -> None:
        data_dir = self._settings.data_dir
        identity = await asyncio.to_thread(open_identity, data_dir, HOST, (), ())
        storage = await SqliteStorage.open(data_dir / "storage.db", now=time.time)
        stack.push_async_callback(storage.close)
        audit = await AuditLog.open(data_dir / "audit", AuditConfig(max_files=2), now=time.time)
        stack.push_async_callback(audit.close)
        root_ca = (data_dir / "pki" / "ca.crt").read_text()
        registry = Registry(storage, MEMBER_RESOURCES, now=time.time, root_ca=root_ca)
        await registry.start()
        await provision(registry, self._settings)
        authorizer = RbacAuthorizer(registry)
        await authorizer.load()
        writes = WriteHandler(AdmissionChain(()), audit)
        listener = Listener(self._handler(identity, audit, registry, authorizer, writes), identity.context.context)
        loops: list[Callable[[], Coroutine[Any, Any, None]]] = [
            storage.run, registry.run, authorizer.run, audit.run, self._supervisor.run,
            Scheduler(registry, time.time).run, Kubelet(registry, time.time).run,
            WorkloadControllers(registry, time.time).run,
        ]  # fmt: skip
        async with asyncio.TaskGroup() as tasks:
            port = await self._listen(listener)
            url = f"https://{HOST}:{port}"
            await asyncio.to_thread(write_kubeconfigs, data_dir, url)
            running = [tasks.create_task(loop(), name=loop.__qualname__) for loop in loops]
            running.append(tasks.create_task(identity.run(url), name="identity"))
            await audit.recover(_live_object(registry))
            self._lifecycle.ready()
            ready(url)
            await stop.wait()
            await self._drain(listener, writes)
            for task in running:
                task.cancel()

    async def _listen(self, listener: Listener) -> int:
        """Listen where the member was last, or anywhere when somebody else is there now."""
        try:
            return await listener.start(HOST, self._settings.port)
        except OSError:
            return await listener.start(HOST, 0)

    def _handler(
        self,
        identity: Identity,
        audit: AuditLog,
        registry: Registry,
        authorizer: RbacAuthorizer,
        writes: WriteHandler,
    ) -> Handler:
        discovery = EmbeddedDiscovery(registry)
        catalog = Catalog(discovery, allow_list=AllowList(), merged=())
        checks = [HealthCheck("ping", lambda: ""), HealthCheck("audit", audit.unhealthy)]
        health = {name: HealthEndpoint(name, checks) for name in ("livez", "healthz", "readyz")}
        metrics = Metrics()
        documents = DiscoveryHandler(catalog, EmbeddedOpenApi(catalog, schema_of=discovery.schema), now=time.time)
        resource = ResourceHandler(
            ResourceParts(
                surfaces=catalog,
                store=MemberStore(registry, self._settings.name, time.time),
                reviews=ReviewHandler(
                    authorizer, lambda user, namespace: visible_rules(authorizer.policy, user, namespace)
                ),
                writes=writes,
                paths=PathHandler(health, metrics, documents, None).handle,
                now=time.time,
                members=None,
            )
        )
        parts = ChainParts(
            now=time.time,
            metrics=metrics,
            lifecycle=self._lifecycle,
            audit=audit,
            authenticator=UnionAuthenticator((RefuseBearerTokens(), CertificateAuthenticator(identity.verifier))),
            authorizer=authorizer,
            supervisor=self._supervisor,
        )
        return chain(handler_chain(parts), resource.handle)

    async def _drain(self, listener: Listener, writes: WriteHandler) -> None:
        self._lifecycle.drain()
        listener.stop_accepting()
        self._supervisor.drain()
        await listener.close(_DRAIN_SECONDS)
        await writes.drain()


async def provision(registry: Registry, settings: MemberSettings) -> None:
    """Make what a member lacks: its nodes when it is new, and the rights of the gateway that joins it."""
    version = str(gateway_version()["gitVersion"])
    for obj in simulated_nodes(settings.name, settings.number, version, time.time()):
        if await _create(registry, "nodes", obj):
            nodes = definition(registry, "v1", "nodes")
            key, context = ObjectKey("", obj["metadata"]["name"]), WriteContext.internal("kubelet")
            await registry.update(nodes, key, obj, context, subresource="status")
    for role in yaml.safe_load_all(rbac_manifest(GATEWAY_USER, CACHED)):
        resource = f"{role['kind'].lower()}s"
        if not await _create(registry, resource, role) and resource == "clusterroles":
            roles, key = definition(registry, role["apiVersion"], resource), ObjectKey("", role["metadata"]["name"])
            await registry.update(roles, key, role, WriteContext.internal("fleetgate-simulation"))


async def _create(registry: Registry, resource: str, obj: JsonObject) -> bool:
    """Create a cluster-scoped object; False when it is there already."""
    try:
        await registry.create(
            definition(registry, obj["apiVersion"], resource), "", obj, WriteContext.internal("fleetgate-simulation")
        )
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
        return False
    return True


def write_kubeconfigs(data_dir: Path, url: str) -> None:
    """Remember the address; write the administrator's kubeconfig and a new one for a gateway. Raises CertsError."""
    certificates.write_server_url(data_dir, url)
    write_admin_kubeconfig(data_dir, url)
    issued = certificates.issue(data_dir, Subject(GATEWAY_USER), CLIENT.max_ttl, server=url, now=time.time)
    kubeconfig.write(data_dir / GATEWAY_KUBECONFIG, issued.credentials)


def _live_object(registry: Registry) -> Callable[[Intent], Coroutine[Any, Any, JsonObject | None]]:
    """Return how the audit log looks up what became of a write that a crash interrupted."""

    async def read(intent: Intent) -> JsonObject | None:
        found = registry.find(GroupVersion(intent.api_group, intent.api_version).resource(intent.resource))
        key = ObjectKey(intent.namespace, intent.name)
        stored = registry.storage.get(found.storage_key, key) if found is not None else None
        return found.object(stored) if found is not None and stored is not None else None

    return read
