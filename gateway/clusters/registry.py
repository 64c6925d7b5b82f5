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

from gateway.apimachinery.errors import not_found, service_unavailable
from gateway.clusters.cluster import CLUSTERS, SECRET_NAMESPACE, Cluster
from gateway.clusters.credentials import CredentialSource, ImpersonatorCredentials, SecretCredentials
from gateway.clusters.health import INVALID, ClusterHealth
from gateway.clusters.kubeconfig import KubeconfigCredentials
from gateway.clusters.members import (
    ChangeKind,
    ClusterChange,
    Declaration,
    Member,
    difference,
    merge_declarations,
)
from gateway.clusters.prober import HealthListener, Prober
from gateway.clusters.source import ClusterSource
from gateway.clusters.static_members import StaticMembers
from gateway.clusters.stored_members import StoredMembers
from gateway.clusters.upstream import Upstream

Listener = Callable[[ClusterChange], Awaitable[None]]

FILE_INTERVAL = 5.0
"""Seconds between looks at the kubeconfig file."""

_RETRY_AFTER = 1

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

    Mutable state: `_entries`, changed by `_settle` alone. What is declared, StaticMembers and StoredMembers know.

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
        self._file = StaticMembers(kubeconfig, contexts) if kubeconfig else None
        self._stored: StoredMembers | None = None
        if source is not None:
            optional = self._file is not None
            self._stored = StoredMembers(source, secret_namespaces=secret_namespaces, optional=optional, jitter=jitter)
        self._now = now
        self._jitter = jitter
        self._entries: dict[str, _Entry] = {}
        self._listeners: list[Listener] = []
        self._health_listeners: list[HealthListener] = []
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
            why = self._stored.unread if self._stored else "no declaration has been read"
            raise service_unavailable(f"the member clusters are not known yet: {why}", retry_after_seconds=_RETRY_AFTER)

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
                if self._stored:
                    tasks.create_task(self._stored.follow(self._settle_stored))
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

    @property
    def _declared_in_store(self) -> Mapping[str, Declaration]:
        return self._stored.declarations if self._stored else {}

    async def _follow_file(self, file: StaticMembers) -> None:
        while True:
            await asyncio.sleep(FILE_INTERVAL)
            if await asyncio.to_thread(file.reload):
                await self._settle()

    async def _settle_stored(self) -> None:
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
        if self._stored is not None and name not in self._declared_in_file:
            await self._stored.report(name, health)
