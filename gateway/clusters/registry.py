"""The member clusters there are now: follows their declarations, keeps one Upstream for each, and probes them.

Members come and go while requests run. Listeners (the cache) are told of each change in order; whoever serves a request
asks for a member by name. An outage of the store, or a broken file, changes nothing: the members known stay.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.apimachinery import meta
from gateway.apimachinery.errors import ApiError, PathNotFound, not_found, service_unavailable
from gateway.apimachinery.meta import JsonObject
from gateway.clusters.cluster import CLUSTERS, SECRET_NAMESPACE, Cluster
from gateway.clusters.credentials import CredentialSource, ImpersonatorCredentials, SecretCredentials
from gateway.clusters.health import INVALID, ClusterHealth
from gateway.clusters.kubeconfig import KubeconfigCredentials
from gateway.clusters.members import (
    ChangeKind,
    ClusterChange,
    Declaration,
    Member,
    declare_cluster,
    difference,
    merge_declarations,
)
from gateway.clusters.prober import HealthListener, Prober
from gateway.clusters.source import ClustersNotServed, ClusterSource, SourceLost
from gateway.clusters.static_members import StaticMembers
from gateway.clusters.status import updated_cluster
from gateway.clusters.upstream import Upstream

Listener = Callable[[ClusterChange], Awaitable[None]]

FILE_INTERVAL = 5.0
"""Seconds between looks at the kubeconfig file."""

_RETRY_FIRST = 1.0
_RETRY_LIMIT = 30.0
_RETRY_AFTER = 1
_NOT_SERVED_INTERVAL = 10.0

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Entry:
    """One member: the declaration in force and what was made of it."""

    declaration: Declaration
    upstream: Upstream | None
    prober: Prober | None = None
    task: asyncio.Task[None] | None = None

    @property
    def health(self) -> ClusterHealth:
        if self.upstream is None:
            return ClusterHealth(ready=False, reason=INVALID, message=self.declaration.problem)
        return self.prober.health if self.prober else ClusterHealth()


class ClusterRegistry:
    """Name to member. `run` follows the declarations until it is cancelled.

    Mutable state: `_entries`, changed by `_settle` alone; what is declared, changed by the two that follow it.

    Args:
        source: where Cluster objects are kept, None for none.
        kubeconfig: a file whose contexts are members, None for none. Raises KubeconfigError when it cannot be used.
        contexts: which of its contexts; empty means all.
        secret_namespaces: where the Secrets that Cluster objects name may stand; others are never read.
        now: seconds since the epoch.
        jitter: a number in [0, 1), to spread probes.
    """

    def __init__(
        self,
        *,
        source: ClusterSource | None,
        kubeconfig: Path | None = None,
        contexts: Sequence[str] = (),
        secret_namespaces: Collection[str] = (SECRET_NAMESPACE,),
        now: Callable[[], float],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._source = source
        self._secret_namespaces = frozenset(secret_namespaces)
        self._file = StaticMembers(kubeconfig, contexts) if kubeconfig else None
        self._now = now
        self._jitter = jitter
        self._entries: dict[str, _Entry] = {}
        self._listeners: list[Listener] = []
        self._health_listeners: list[HealthListener] = []
        self._declared_in_store: dict[str, Declaration] = {}
        self._objects: dict[str, JsonObject] = {}
        self._unread = "the federation store has not answered yet"
        self._synced = asyncio.Event()
        self._settling = asyncio.Lock()
        self._tasks: asyncio.TaskGroup | None = None

    def __repr__(self) -> str:
        """List the members with their health."""
        return f"<ClusterRegistry {[(name, entry.health.reason) for name, entry in sorted(self._entries.items())]}>"

    def on_change(self, listener: Listener) -> None:
        """Have a coroutine called for each change of membership, in order. Register before `run`."""
        self._listeners.append(listener)

    def on_health(self, listener: HealthListener) -> None:
        """Have a coroutine called with a member's name and health after each probe."""
        self._health_listeners.append(listener)

    def members(self) -> list[Member]:
        """Return all members, by name."""
        return [self._member(name) for name in sorted(self._entries)]

    def get(self, name: str) -> Member | None:
        """Return one member, None when there is none of that name."""
        return self._member(name) if name in self._entries else None

    def upstream(self, name: str) -> Upstream:
        """Return the way to a member that a request may be sent to.

        Raises ApiError: 404 when there is no such member, 503 at once when it is known not to answer, or when nobody
        knows yet whether there is one.
        """
        entry = self._entries.get(name)
        if entry is None:
            self.require_known()
            raise not_found(CLUSTERS.group_resource, name)
        if entry.upstream is None or not entry.health.reachable:
            message = entry.health.message
            prefix = f'member cluster "{name}"'
            raise service_unavailable(message if message.startswith(prefix) else f"{prefix} cannot be used: {message}")
        return entry.upstream

    def require_known(self) -> None:
        """Raise ApiError 503 until the declared members were read once.

        Before that, what no member is known to have may well exist: an answer without it would be taken for the truth.
        """
        if not self._synced.is_set():
            # Who is told when to come again does so, and does not give up the watch it wants to go on with.
            raise service_unavailable(
                f"the member clusters are not known yet: {self._unread}", retry_after_seconds=_RETRY_AFTER
            )

    async def wait_synced(self, timeout: float) -> bool:
        """Wait until the declared members are known; False when that takes longer than `timeout` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._synced.wait()
        return self._synced.is_set()

    async def run(self) -> None:
        """Follow the declarations and probe the members until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                await self._settle()
                if self._file:
                    tasks.create_task(self._follow_file(self._file))
                if self._source:
                    tasks.create_task(self._follow_source(self._source))
                else:
                    self._synced.set()
        finally:
            self._tasks = None
            for entry in self._entries.values():
                if entry.upstream is not None:
                    await entry.upstream.close()

    def _member(self, name: str) -> Member:
        entry = self._entries[name]
        declaration = entry.declaration
        return Member(name, declaration.origin, entry.upstream, entry.health, declaration.cluster)

    # -- what is declared

    @property
    def _declared_in_file(self) -> Mapping[str, Declaration]:
        return self._file.declarations if self._file else {}

    async def _follow_file(self, file: StaticMembers) -> None:
        while True:
            await asyncio.sleep(FILE_INTERVAL)
            if await asyncio.to_thread(file.reload):
                await self._settle()

    async def _follow_source(self, source: ClusterSource) -> None:
        delay = _RETRY_FIRST
        while True:
            try:
                items, resource_version = await source.list_clusters()
                self._objects = {meta.name(item): item for item in items}
                await self._settle_store()
                delay = _RETRY_FIRST
                async for kind, obj in source.watch_clusters(resource_version):
                    self._observe(kind, obj)
                    await self._settle_store()
            except ClustersNotServed:
                self._objects = {}
                await self._settle_store()
                await self._pause(_NOT_SERVED_INTERVAL)
            except SourceLost:
                await self._pause(_RETRY_FIRST)
            except ApiError as error:
                if error.code == 403 and self._file:
                    # Members come from the file alone: the gateway was given no right to look for others.
                    await self._settle_store()
                    await self._pause(_NOT_SERVED_INTERVAL)
                    continue
                self._unread = error.message
                _log.warning("Cluster objects cannot be read, keeping the members known: %s", error.message)
                await self._pause(delay)
                delay = min(delay * 2, _RETRY_LIMIT)

    def _observe(self, kind: str, obj: JsonObject) -> None:
        if kind == "DELETED":
            self._objects.pop(meta.name(obj), None)
        elif kind in {"ADDED", "MODIFIED"}:
            self._objects[meta.name(obj)] = obj

    async def _settle_store(self) -> None:
        declarations = [
            declare_cluster(obj, self._secret_namespaces)
            for obj in self._objects.values()
            if not meta.deletion_timestamp(obj)
        ]
        self._declared_in_store = {declaration.name: declaration for declaration in declarations}
        await self._settle()
        self._synced.set()

    # -- what follows from it

    async def _settle(self) -> None:
        """Make the members those declared: the only place where members appear, change and go."""
        async with self._settling:
            wanted = merge_declarations(self._declared_in_file, self._declared_in_store)
            changes = difference({name: entry.declaration for name, entry in self._entries.items()}, wanted)
            for name in changes.removed:
                await self._remove(name)
            for declaration in changes.opened:
                await self._open(declaration)
                await asyncio.sleep(0)  # they may be hundreds
            for declaration in changes.renewed:
                entry = self._entries[declaration.name]
                entry.declaration = declaration
                if entry.upstream is not None:
                    await entry.upstream.refresh_credentials()

    async def _open(self, declaration: Declaration) -> None:
        name = declaration.name
        previous = self._entries.get(name)
        upstream = self._connect(declaration)
        entry = self._entries[name] = _Entry(declaration, upstream)
        if previous is not None and previous.upstream is not None:
            kind = ChangeKind.REPLACED if upstream is not None else ChangeKind.REMOVED
            await self._announce(ClusterChange(kind, name, upstream))
            await self._retire(previous)
        elif upstream is not None:
            await self._announce(ClusterChange(ChangeKind.ADDED, name, upstream))
        if upstream is None:
            _log.warning("member cluster %r cannot be used: %s", name, declaration.problem)
            await self._report(name, entry.health)
        elif self._tasks is not None:
            entry.prober = Prober(upstream, probed=self._tell, changed=self._report, now=self._now, jitter=self._jitter)
            entry.task = self._tasks.create_task(entry.prober.run())

    async def _remove(self, name: str) -> None:
        entry = self._entries.pop(name)
        if entry.upstream is not None:
            await self._announce(ClusterChange(ChangeKind.REMOVED, name))
        await self._retire(entry)

    async def _announce(self, change: ClusterChange) -> None:
        for listener in self._listeners:
            await listener(change)

    @staticmethod
    async def _retire(entry: _Entry) -> None:
        if entry.task is not None:
            entry.task.cancel()
        if entry.upstream is not None:
            await entry.upstream.close()

    def _connect(self, declaration: Declaration) -> Upstream | None:
        if declaration.endpoint is None:
            return None
        if declaration.kubeconfig is not None:
            credentials: CredentialSource = KubeconfigCredentials(declaration.kubeconfig, declaration.context)
            return Upstream(declaration.name, declaration.endpoint, credentials, now=self._now)
        cluster = declaration.cluster
        if cluster is None or self._source is None:
            return None
        return Upstream(
            declaration.name,
            declaration.endpoint,
            SecretCredentials(cluster, self._source.read_secret),
            impersonator=self._impersonator(cluster, self._source),
            full_impersonation=cluster.full_impersonation,
            now=self._now,
        )

    @staticmethod
    def _impersonator(cluster: Cluster, source: ClusterSource) -> CredentialSource | None:
        if cluster.impersonator_secret is None or cluster.impersonator_secret == cluster.secret:
            return None
        return ImpersonatorCredentials(cluster, cluster.impersonator_secret, source.read_secret)

    # -- health

    async def _tell(self, name: str, health: ClusterHealth) -> None:
        for listener in self._health_listeners:
            await listener(name, health)

    async def _report(self, name: str, health: ClusterHealth) -> None:
        """Write the Cluster object's status where that is ours to do."""
        obj = self._objects.get(name)
        changed = updated_cluster(obj, health) if obj is not None else None
        if self._source is None or changed is None or name in self._declared_in_file:
            return
        try:
            if await self._source.owns_status():
                await self._source.write_status(changed)
        except (ApiError, PathNotFound) as error:
            _log.info("the status of Cluster %r was not written: %s", name, error)

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds * (0.8 + 0.4 * self._jitter()))
