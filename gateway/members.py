"""The members as the server wires them: the registry of clusters and the cache that it feeds, and how both are.

`/readyz?verbose`, metrics and `fleetgate clusters` say so, and handlers get what they need of them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from cache.multi_cluster_cache import MultiClusterCache
from cache.watcher import Visible
from cache.watcher import everyone as every_cluster
from gateway.apimachinery.duration import human_duration
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.apimachinery.schema import GroupVersionResource
from gateway.audit.log import AuditLog
from gateway.authorization.caller_rights import AuthorizedRights
from gateway.authorization.cluster_visibility import (
    ClusterVisibility,
    EveryClusterVisible,
)
from gateway.authorization.member_review import MemberReviews
from gateway.clusters.cache_snapshot import CacheSnapshot
from gateway.clusters.checkpoint_store import CheckpointStore
from gateway.clusters.cluster import CLUSTERS
from gateway.clusters.members import ClusterChange
from gateway.clusters.registry import ClusterRegistry
from gateway.clusters.status import CopyState, member_status, status_list
from gateway.handlers.connect import ClusterProxyHandler, ConnectHandler, Write
from gateway.handlers.health import Note
from gateway.handlers.resource import MemberParts
from gateway.member_kinds import MemberKinds
from gateway.metrics import Sample
from gateway.printers.printer import MERGED_PRINTERS, MergedPrinter
from gateway.proxy.member_write_target import MemberTargets
from gateway.request import RequestInfo, UserInfo
from gateway.request_scope import RequestScope

_PODS = GroupVersionResource("", "v1", "pods")
_EVENTS = GroupVersionResource("", "v1", "events")
_WELL = "ok"
_RIGHTS_TIMEOUT = 1.0  # seconds: health is answered while the store is away, too


@dataclass(frozen=True, slots=True)
class Members:
    """The registry and the cache, joined."""

    registry: ClusterRegistry
    cache: MultiClusterCache
    now: Callable[[], float]
    visibility: ClusterVisibility = field(default_factory=EveryClusterVisible)
    """What of it callers see."""
    snapshot: CacheSnapshot | None = None
    """What keeps the cache on disk; None when that is not wanted."""
    kinds: MemberKinds | None = None
    """What is cached by configuration."""
    checkpoints: CheckpointStore | None = None
    """What other replicas are told; None for the only one."""

    @property
    def loops(self) -> list[Callable[[], Coroutine[Any, Any, None]]]:
        """What runs for ever beside the server."""
        loops = [self.registry.run, self.cache.run, self._forget_former_members]
        loops += [self.kinds.loop] if self.kinds else []
        loops += [self.checkpoints.run] if self.checkpoints else []
        return [*loops, self.snapshot.run] if self.snapshot else loops

    async def _forget_former_members(self) -> None:
        """Once it is known which members there are, those that left while the gateway was away are gone."""
        while not await self.registry.wait_synced(60):
            pass
        await self.cache.members_known()

    async def wait_synced(self, seconds: float) -> None:
        """Wait until the members are known and read once, but never longer than that many seconds."""
        started = self.now()
        if await self.registry.wait_synced(seconds):
            await self.cache.wait_synced(max(0.0, seconds - (self.now() - started)))
            if self.kinds:
                await self.kinds.resources.wait_asked(max(0.0, seconds - (self.now() - started)))

    async def visible(self, scope: RequestScope) -> Visible:
        """Return which members a caller may see. Equal values mean the same members.

        Raises ApiError 503 while it is not known which members there are, or which of them he may see: an answer
        without them would pass for whole.
        """
        self.registry.require_known()
        return await self.visibility.visible(scope.user, self._names)

    def _names(self) -> list[str]:
        return [member.name for member in self.registry.members()]

    def on_views(self, listener: Callable[[], None]) -> None:
        """Have a function called when a member came or went, where that changes what callers see. Before `loops`."""

        async def changed(_change: ClusterChange) -> None:
            listener()

        if self.visibility.by_caller:
            self.registry.on_change(changed)

    def parts(self, write: Write, audit: AuditLog) -> MemberParts:
        """Return what the handlers need."""
        pods = self.cache.resource(_PODS)
        if pods is None:
            raise LookupError("Pods are not cached")
        targets = MemberTargets(self.registry, MemberReviews(now=time.monotonic))
        return MemberParts(
            cache=self.cache,
            clusters=self.registry,
            targets=targets,
            printers=self.kinds.printer if self.kinds else _printer,
            visible=self.visible,
            by_caller=self.visibility.by_caller,
            connect=ConnectHandler(pods=pods, clusters=self.registry, visible=self.visible, audit=audit),
            explicit=ClusterProxyHandler(clusters=self.registry, write=write, audit=audit, targets=targets),
        )

    async def notes(self, rights: AuthorizedRights, user: UserInfo) -> Sequence[Note]:
        """Return a line a member for `/readyz?verbose`, to whom may list Clusters; to others how many are well.

        Others are told of the members that they see only.
        """
        named = await _may_list(rights, user)
        visible = every_cluster if named else await self._seen(user)
        try:
            self.registry.require_known()
        except ApiError as error:
            return [Note("clusters", error.message if named else "not known yet")]
        if visible is None:
            return [Note("clusters", "not known now")]
        states = {item["name"]: _state_text(item) for item in self._items() if visible(item["name"])}
        if named:
            missing = self.kinds.resources.missing if self.kinds else ()
            return [
                *(Note(f"cluster/{name}", state) for name, state in states.items()),
                *(Note(f"resource/{name.text}", "no member is known to serve it") for name in missing),
            ]
        return [Note("clusters", f"{sum(state.startswith(_WELL) for state in states.values())} of {len(states)} ok")]

    async def _seen(self, user: UserInfo) -> Visible | None:
        """Return what a caller sees, None when that cannot be found out in time."""
        try:
            async with asyncio.timeout(_RIGHTS_TIMEOUT):
                return await self.visibility.visible(user, self._names)
        except (ApiError, TimeoutError):
            return None

    def status(self) -> JsonObject:
        """Return the list that `fleetgate clusters` shows."""
        return status_list(self._items())

    def samples(self) -> list[Sample]:
        """Return the members' metrics."""
        samples = []
        if self.snapshot:
            active = float(self.snapshot.active)
            samples.append(Sample("fleetgate_cache_snapshot_active", "Whether the cache is kept on disk.", active))
        if self.checkpoints:
            active = float(self.checkpoints.active)
            samples.append(Sample("fleetgate_checkpoints_active", "Whether replicas tell each other.", active))
        for item in self._items():
            labels = (("cluster", item["name"]),)
            ready, stale = float(bool(item["ready"])), float(item["staleSeconds"] or 0)
            samples.append(Sample("fleetgate_cluster_ready", "Whether the member answers.", ready, labels))
            samples.append(Sample("fleetgate_cluster_stale_seconds", "Age of the copy while stale.", stale, labels))
            for resource, count in item["objects"].items():
                more = (*labels, ("resource", resource))
                samples.append(Sample("fleetgate_cluster_objects", "Objects held in the cache.", float(count), more))
        return samples

    def _items(self) -> list[JsonObject]:
        fresh = {cluster.name: cluster for cluster in self.cache.clusters()}
        counts = {
            resource: {cluster.name: cluster.objects for cluster in merged.freshness()}
            for resource, gvr in {"pods": _PODS, "events": _EVENTS, **(self.kinds.found if self.kinds else {})}.items()
            if (merged := self.cache.resource(gvr)) is not None
        }
        unreadable = self.kinds.unreadable() if self.kinds else {}
        items = []
        for member in self.registry.members():
            freshness = fresh.get(member.name)
            items.append(
                member_status(
                    member.name,
                    origin=member.origin,
                    endpoint=member.upstream.endpoint.url if member.upstream else "",
                    health=member.health,
                    copy=CopyState(
                        synced=freshness is not None and freshness.synced,
                        stale_since=freshness.stale_since if freshness else None,
                        objects={resource: known.get(member.name, 0) for resource, known in counts.items()},
                        unreadable=unreadable.get(member.name, {}),
                    ),
                    now=self.now(),
                )
            )
        return items


def _printer(info: RequestInfo, _visible: Visible) -> MergedPrinter:
    return MERGED_PRINTERS[info.group_resource]


async def _may_list(rights: AuthorizedRights, user: UserInfo) -> bool:
    try:
        async with asyncio.timeout(_RIGHTS_TIMEOUT):
            return await rights.may(user, "list", CLUSTERS, ObjectKey("", ""))
    except (ApiError, TimeoutError):
        return False


def _state_text(item: JsonObject) -> str:
    if not item["synced"]:
        return f"not read yet: {item['message'] or item['reason'] or 'waiting for its first answer'}"
    if item["staleSeconds"] is not None:
        return f"stale for {human_duration(item['staleSeconds'])}: {item['message'] or item['reason']}"
    if not item["ready"]:
        return f"not ready: {item['message'] or item['reason']}"
    unreadable = "; ".join(f"{resource} cannot be read: {why}" for resource, why in item["unreadable"].items())
    return f"{_WELL}, but {unreadable}" if unreadable else _WELL
