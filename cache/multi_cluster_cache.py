"""The cross-cluster cache: all members, all cached kinds.

Owns the reflectors' tasks. Members come and go while it runs; nothing here is the truth, and nothing here decides who
may see what.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cache.cached_object import CellRenderer
from cache.cacher import Cacher, CacherSettings
from cache.continue_token import ContinueTokenCodec
from cache.freshness import ClusterFreshness, together
from cache.lister_watcher import ListerWatcher, ListerWatcherFactory
from cache.merged_resource import MergedResource
from cache.reflector import Reflector, ReflectorSettings
from cache.resource_kind import BUILT_IN_KINDS, ResourceKind
from cache.resource_version import RevisionClock
from gateway.apimachinery.schema import GroupResource, GroupVersionResource

_CLUSTER_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
LOCAL = ""
"""The name under which objects of the federation store appear."""


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """How members are read and what is kept."""

    reflector: ReflectorSettings = field(default_factory=ReflectorSettings)
    cacher: CacherSettings = field(default_factory=CacherSettings)
    replica: int = 0
    """Which of several gateways this is: the slot in its resourceVersions."""


DEFAULT_SETTINGS = CacheSettings()


class MultiClusterCache:
    """Copies of member resources, merged by kind.

    Mutable state: `_sources`, what is read from where; `_running`, the reflectors of those and their tasks. Only
    `add_*` and `remove_cluster` change them.
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
        tokens = ContinueTokenCodec(token_key)
        self._cachers: dict[GroupVersionResource, Cacher] = {}
        self._resources: dict[GroupVersionResource, MergedResource] = {}
        for kind in kinds:
            stored = kind.stored.gvr
            renderer = (renderers or {}).get(stored.group_resource)
            clock = RevisionClock(now, floor, settings.replica)
            cacher = Cacher(kind, now=now, renderer=renderer, clock=clock, settings=settings.cacher)
            self._cachers[stored] = cacher
            for served in kind.versions:
                self._resources[served.gvr] = MergedResource(cacher, served, tokens)
        self._sources: dict[str, dict[GroupVersionResource, ListerWatcher]] = {}
        self._running: dict[str, dict[GroupVersionResource, tuple[Reflector, asyncio.Task[None]]]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._membership = asyncio.Lock()

    async def run(self) -> None:
        """Follow all members until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                for name in self._sources:
                    self._start(name)
                await asyncio.get_running_loop().create_future()
            finally:
                self._group = None

    def resource(self, gvr: GroupVersionResource) -> MergedResource | None:
        """The merged resource of that name and version, or None when it is not cached."""
        return self._resources.get(gvr)

    def resources(self) -> Sequence[MergedResource]:
        """Everything that is served from the cache."""
        return tuple(self._resources.values())

    async def add_cluster(self, name: str, lister_watcher: ListerWatcherFactory) -> None:
        """Follow a member. Adding it again replaces how it is read, and keeps its objects.

        Raises ValueError for a name that is no DNS label: qualified object names are told apart by their last dot.
        """
        if not _CLUSTER_NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot name a cluster: it must be a DNS label")
        async with self._membership:
            await self._stop(name)
            self._sources[name] = {gvr: lister_watcher(gvr) for gvr in self._cachers}
            self._start(name)

    async def remove_cluster(self, name: str) -> None:
        """Forget a member; watchers see its objects go."""
        async with self._membership:
            await self._stop(name)
            self._sources.pop(name, None)
            for cacher in self._cachers.values():
                await cacher.drop_feed(name)

    async def add_local_source(self, gvr: GroupVersionResource, lister_watcher: ListerWatcher) -> None:
        """Merge in what the federation store itself has of a kind, such as the Events recorded on its objects."""
        async with self._membership:
            await self._stop(LOCAL)
            self._sources.setdefault(LOCAL, {})[gvr] = lister_watcher
            self._start(LOCAL)

    def _start(self, name: str) -> None:
        feeds = {gvr: self._cachers[gvr].feed(name) for gvr in self._sources[name]}
        if self._group is None:
            return
        running = self._running[name] = {}
        for gvr, lister_watcher in self._sources[name].items():
            reflector = Reflector(
                feeds[gvr],
                lister_watcher,
                jitter=self._jitter,
                changed=self._cachers[gvr].changed,
                settings=self._settings.reflector,
            )
            task = self._group.create_task(reflector.run(), name=f"reflector {name} {gvr.resource}")
            running[gvr] = reflector, task

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
        """How current each member is, over all kinds."""
        return [
            together(name, [self._cachers[gvr].feed(name).freshness() for gvr in sources])
            for name, sources in sorted(self._sources.items())
        ]

    async def wait_synced(self, timeout: float) -> bool:
        """Wait until every member was read once, for every kind."""
        synced = await asyncio.gather(*(resource.wait_synced(timeout) for resource in self._resources.values()))
        return all(synced)
