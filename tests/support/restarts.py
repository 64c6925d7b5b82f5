"""A merged resource whose gateway is restarted, with the snapshot file between one run and the next."""

from collections.abc import Callable
from pathlib import Path

from cache.cacher import Cacher
from cache.multi_cluster_cache import MultiClusterCache
from cache.resource_kind import ResourceKind
from cache.resource_version import RevisionClock
from cache.saved_state import SnapshotCursor
from cache.turns import Turns
from cache.watch_cache import WatchCache
from gateway.clusters.cache_snapshot_file import SnapshotFile


class Disk:
    """What outlives a run. Mutable state: how the present run is asked for its cursors."""

    def __init__(self, path: Path, slot: int = 0) -> None:
        self.file = SnapshotFile(path, slot)
        self.cursors: Callable[[], list[SnapshotCursor]] = list

    async def begin(self, cache: MultiClusterCache) -> None:
        """A run begins with what the last one left."""
        await cache.recover(self.file.read())
        self.cursors = cache.snapshot_cursors

    async def begin_one(self, kind: ResourceKind, cacher: Cacher) -> None:
        if saved := self.file.read().get(kind.stored.gvr):
            await cacher.recover(await cacher.recovery(saved), saved.members, saved.views)
        cursors = [SnapshotCursor(kind.stored.gvr, cacher.cache, cacher.feeds, cacher.views, Turns())]
        self.cursors = lambda: cursors

    async def write(self) -> int:
        """Take a snapshot; how many kinds had changed."""
        collected = [(cursor, changes) for cursor in self.cursors() if (changes := await cursor.collect())]
        self.file.write([changes for _, changes in collected])
        for cursor, changes in collected:
            cursor.written(changes)
        return len(collected)


class Runs:
    """One kind, run after run. Mutable state: the present run's `cacher`."""

    def __init__(self, kind: ResourceKind, disk: Disk, now: Callable[[], float]) -> None:
        self.kind = kind
        self.disk = disk
        self.now = now
        self.cacher = self._new()

    def _new(self) -> Cacher:
        return Cacher(self.kind, now=self.now, clock=RevisionClock(self.now))

    async def start(self) -> None:
        """Begin a run, whatever became of the one before."""
        self.cacher = self._new()
        await self.disk.begin_one(self.kind, self.cacher)

    @property
    def cache(self) -> WatchCache:
        return self.cacher.cache
