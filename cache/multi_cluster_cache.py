"""The cross-cluster cache: all members, all cached kinds.

Owns the reflectors' tasks. Members come and go while it runs; nothing here is the truth, and nothing here decides who
may see what.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cache.cached_object import CellRenderer
from cache.cacher import Cacher, CacherSettings
from cache.cold_objects import MemoryLimit
from cache.continue_token import ContinueTokenCodec
from cache.encoded_object import MalformedObject
from cache.freshness import ClusterFreshness, together
from cache.lister_watcher import ListerWatcher, ListerWatcherFactory
from cache.merged_resource import MergedResource
from cache.reflector import Reflector, ReflectorSettings
from cache.replicas import Peers
from cache.resource_kind import BUILT_IN_KINDS, ResourceKind
from cache.resource_version import RevisionClock
from cache.saved_state import SavedKind, SnapshotCursor
from cache.turns import Turns
from gateway.apimachinery.schema import GroupResource, GroupVersionResource

_CLUSTER_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_logger = logging.getLogger(__name__)
LOCAL = ""
"""The name under which objects of the federation store appear."""


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """How members are read and what is kept."""

    reflector: ReflectorSettings = field(default_factory=ReflectorSettings)
    cacher: CacherSettings = field(default_factory=CacherSettings)
    uncompressed: int = 2 * 1024**3
    """Bytes that objects may take in all before those that are not in use are compressed."""
    replica: int = 0
    """Which of several gateways this is: the slot in its resourceVersions."""


DEFAULT_SETTINGS = CacheSettings()


class MultiClusterCache:
    """Copies of member resources, merged by kind.

    Mutable state: `_cachers` and `_resources`, the kinds; `_members`, how those that were added are read; `_sources`,
    what is read from where; `_running`, the reflectors of those and their tasks. Only `add_*` and `remove_cluster`
    change them.
    """

    def __init__(
        self,
        *,
        now: Callable[[], float],
        jitter: Callable[[], float],
        token_key: bytes,
        kinds: Sequence[ResourceKind] = BUILT_IN_KINDS,
        renderers: Mapping[GroupResource, CellRenderer] | None = None,
        floor: int = 0,
        settings: CacheSettings = DEFAULT_SETTINGS,
    ) -> None:
        """`now`: seconds since the epoch. `jitter`: random numbers in [0, 1). `token_key`: secret of continue tokens.

        `floor` is a version that may have been issued by an earlier run, when the machine's clock cannot be trusted.
        """
        self._jitter = jitter
        self._settings = settings
        self._tokens = ContinueTokenCodec(token_key)
        self._now, self._floor = now, floor
        self.turns = Turns()
        """In which everything is computed that members make necessary."""
        self._memory = MemoryLimit(settings.uncompressed)
        self._cachers: dict[GroupVersionResource, Cacher] = {}
        self._resources: dict[GroupVersionResource, MergedResource] = {}
        for kind in kinds:
            self._serve(self._cacher(kind, (renderers or {}).get(kind.stored.gvr.group_resource)))
        self._first_kinds = frozenset(self._cachers)
        self._members: dict[str, tuple[ListerWatcherFactory, str]] = {}
        self._members_known = False
        self._left: dict[GroupVersionResource, SavedKind] = {}  # of the run before, until its kind is cached
        self._cursors: dict[GroupVersionResource, SnapshotCursor] = {}
        self._sources: dict[str, dict[GroupVersionResource, ListerWatcher]] = {}
        self._running: dict[str, dict[GroupVersionResource, tuple[Reflector, asyncio.Task[None]]]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._peers: Callable[[GroupVersionResource], Peers] | None = None
        self._membership = asyncio.Lock()

    def _cacher(self, kind: ResourceKind, renderer: CellRenderer | None) -> Cacher:
        clock = RevisionClock(self._now, self._floor, self._settings.replica)
        settings = self._settings.cacher
        return Cacher(kind, now=self._now, renderer=renderer, clock=clock, settings=settings, memory=self._memory)

    def _serve(self, cacher: Cacher) -> None:
        self._cachers[cacher.kind.stored.gvr] = cacher
        for served in cacher.kind.versions:
            self._resources[served.gvr] = MergedResource(cacher, served, self._tokens)

    async def run(self) -> None:
        """Follow all members until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                for name in self._sources:
                    self._start(name)
                await self._memory.keep()
            finally:
                self._group = None

    def resource(self, gvr: GroupVersionResource) -> MergedResource | None:
        """The merged resource of that name and version, or None when it is not cached."""
        return self._resources.get(gvr)

    def resources(self) -> Sequence[MergedResource]:
        """Everything that is served from the cache."""
        return tuple(self._resources.values())

    async def add_kind(self, kind: ResourceKind, renderer: CellRenderer | None = None) -> None:
        """Cache another kind, from all members there are and those that join. Raises ValueError for a known one."""
        gvr = kind.stored.gvr
        async with self._membership:
            if gvr in self._cachers:
                raise ValueError(f"{gvr} is cached already")
            cacher = self._cacher(kind, renderer)
            if saved := self._left.pop(gvr, None):
                await self._recover_late(cacher, saved)
            if self._peers:
                cacher.share(self._peers(gvr))
            self._serve(cacher)
            for name, (lister_watcher, identity) in self._members.items():
                self._sources[name][gvr] = lister_watcher(gvr)
                cacher.feed(name).identify(identity)
                if name in self._running:
                    self._start_one(name, gvr)
            if self._members_known:
                await self._drop_former_members(cacher)

    async def recover(self, saved: Mapping[GroupVersionResource, SavedKind]) -> None:
        """Go on from what the run before held of each kind. Before `run`, and before anything is served or added.

        Its members are stale until they are heard from. Raises MalformedObject, and then nothing is taken up.
        """
        recovered = []
        self._left = {gvr: kind for gvr, kind in saved.items() if gvr not in self._cachers}
        for gvr, kind in saved.items():
            if cacher := self._cachers.get(gvr):
                recovered.append((cacher, await cacher.recovery(kind), kind))
        for cacher, recovery, kind in recovered:
            await cacher.recover(recovery, kind.members, kind.views)

    @staticmethod
    async def _recover_late(cacher: Cacher, saved: SavedKind) -> None:
        try:
            recovery = await cacher.recovery(saved)
        except MalformedObject as fault:
            _logger.warning("what the last run held of a kind cannot be used: %s", fault)
            return
        await cacher.recover(recovery, saved.members, saved.views)

    def share(self, peers: Callable[[GroupVersionResource], Peers]) -> None:
        """Be one of several replicas, each of which says of each kind how far it is. After `recover`."""
        self._peers = peers
        for gvr, cacher in self._cachers.items():
            cacher.share(peers(gvr))

    def run_ahead(self, floor: int) -> None:
        """Issue versions above that only, also of kinds that are added later."""
        self._floor = max(self._floor, floor)
        for cacher in self._cachers.values():
            cacher.cache.mark(floor)

    def cachers(self) -> Mapping[GroupVersionResource, Cacher]:
        """What is held, by the version that is stored."""
        return self._cachers

    def snapshot_cursors(self) -> list[SnapshotCursor]:
        """What a keeper of snapshots asks for the changes of each kind; of each always the same one."""
        for gvr, cacher in self._cachers.items():
            if gvr not in self._cursors:
                self._cursors[gvr] = SnapshotCursor(gvr, cacher.cache, cacher.feeds, cacher.views, self.turns)
        return list(self._cursors.values())

    async def members_known(self) -> None:
        """All members there are were added: those of the run before that are not among them have left."""
        async with self._membership:
            for cacher in self._cachers.values():
                await self._drop_former_members(cacher)
            self._members_known = True

    async def _drop_former_members(self, cacher: Cacher) -> None:
        for name in [name for name in cacher.feeds if name not in self._sources]:
            await cacher.drop_feed(name)
        cacher.cache.resumption.members_known()

    async def add_cluster(self, name: str, lister_watcher: ListerWatcherFactory, *, identity: str = "") -> None:
        """Follow a member. Adding it again replaces how it is read, and keeps its objects.

        `identity` tells which cluster this is: where the run before knew another one by that name, it is listed.
        Raises ValueError for a name that is no DNS label: qualified object names are told apart by their last dot.
        """
        if not _CLUSTER_NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot name a cluster: it must be a DNS label")
        async with self._membership:
            await self._stop(name)
            self._members[name] = lister_watcher, identity
            self._sources[name] = {gvr: lister_watcher(gvr) for gvr in self._cachers}
            for cacher in self._cachers.values():
                cacher.feed(name).identify(identity)
            self._start(name)

    async def remove_cluster(self, name: str) -> None:
        """Forget a member; watchers see its objects go."""
        async with self._membership:
            await self._stop(name)
            self._sources.pop(name, None)
            self._members.pop(name, None)
            for cacher in self._cachers.values():
                await cacher.drop_feed(name)

    async def add_local_source(self, gvr: GroupVersionResource, lister_watcher: ListerWatcher) -> None:
        """Merge in what the federation store itself has of a kind, such as the Events recorded on its objects."""
        async with self._membership:
            await self._stop(LOCAL)
            self._sources.setdefault(LOCAL, {})[gvr] = lister_watcher
            self._start(LOCAL)

    def _start(self, name: str) -> None:
        for gvr in self._sources[name]:
            self._cachers[gvr].feed(name)
        if self._group is None:
            return
        self._running[name] = {}
        for gvr in self._sources[name]:
            self._start_one(name, gvr)

    def _start_one(self, name: str, gvr: GroupVersionResource) -> None:
        assert self._group is not None, "only a running cache reads"  # noqa: S101  (a fault of ours)
        reflector = Reflector(
            self._cachers[gvr].feed(name),
            self._sources[name][gvr],
            jitter=self._jitter,
            changed=self._cachers[gvr].changed,
            settings=self._settings.reflector,
            turns=self.turns,
        )
        self._cachers[gvr].look_again[name] = reflector.member_returned
        task = self._group.create_task(reflector.run(), name=f"reflector {name} {gvr.resource}")
        self._running[name][gvr] = reflector, task

    async def _stop(self, name: str) -> None:
        tasks = [task for _, task in self._running.pop(name, {}).values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # Freshness

    def report_unreachable(self, name: str, reason: str) -> None:
        """A health probe of a member failed: its objects count as stale before its watches notice."""
        self._report(name, reason)

    def report_contact(self, name: str) -> None:
        """A health probe of a member succeeded."""
        self._report(name, "")

    def _report(self, name: str, fault: str) -> None:
        for gvr, cacher in self._cachers.items():
            feed = cacher.feeds.get(name)
            if feed is None:
                continue
            if feed.probed(fault) and (running := self._running.get(name, {}).get(gvr)):
                running[0].member_returned()
            cacher.changed()

    def clusters(self) -> Sequence[ClusterFreshness]:
        """How current each member is, over the kinds that were cached from the beginning."""
        return [
            together(name, [self._cachers[gvr].feed(name).freshness() for gvr in sources if gvr in self._first_kinds])
            for name, sources in sorted(self._sources.items())
        ]

    async def wait_synced(self, timeout: float) -> bool:
        """Wait until every member was read once, for every kind that was cached from the beginning."""
        resources = [self._resources[gvr] for gvr in self._first_kinds]
        synced = await asyncio.gather(*(resource.wait_synced(timeout) for resource in resources))
        return all(synced)
