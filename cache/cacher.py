"""One kind of all members: the merged cache, the members' feeds, and those who wait for news.

The shell around WatchCache. It neither reads from members (reflectors do) nor answers requests (MergedResource does).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cache.cached_object import CachedObject, CellRenderer
from cache.caller_views import CallerViews, SavedViews
from cache.cold_objects import MemoryLimit
from cache.fan_out import FanOut
from cache.history import DEFAULT_LIMITS, HistoryLimits
from cache.member_feed import MemberFeed
from cache.naming import UNCONTESTED
from cache.object_builder import ObjectBuilder
from cache.observed_object import ObservedObject
from cache.recovery import Recovery
from cache.replicas import Peers, Replicas
from cache.resource_kind import ResourceKind
from cache.resource_version import SLOTS, RevisionClock
from cache.rider import Rider
from cache.saved_state import SavedKind, SavedMember
from cache.selection import Selections
from cache.turns import Turns
from cache.watch_cache import WatchCache
from cache.watcher import Visible

_SLICE = 100


@dataclass(frozen=True, slots=True)
class CacherSettings:
    """Durations are in seconds."""

    history: HistoryLimits = DEFAULT_LIMITS
    first_sync_wait: float = 3.0
    """How long after its joining reads wait for a member that was not read yet."""
    first_sync_limit: float = 60.0
    """How long the end of a watch's initial state waits for such a member, while it does answer."""
    by_view: bool = False
    """Whether callers see different members."""
    future_wait: float = 3.0
    """How long a read waits for a version that lies in the future, as kube-apiserver does."""


DEFAULT_SETTINGS = CacherSettings()


class Cacher:
    """The merged copy of one kind."""

    def __init__(
        self,
        kind: ResourceKind,
        *,
        now: Callable[[], float],
        renderer: CellRenderer | None = None,
        clock: RevisionClock | None = None,
        settings: CacherSettings = DEFAULT_SETTINGS,
        memory: MemoryLimit | None = None,
    ) -> None:
        """`now` gives seconds since the epoch; `clock` issues the versions, by default as the only replica.

        `memory` is shared by all kinds, and compresses objects of each.
        """
        self.kind = kind
        self.settings = settings
        self._now = now
        self._builder = ObjectBuilder(kind, renderer)
        self.cache = self._new_cache(clock or RevisionClock(now))
        self._memory = memory
        if memory:
            memory.add(self.cache.objects.cold_objects())
        self.cache.by_view = settings.by_view
        self.views = CallerViews(self.cache.mark)
        self._fan_out = FanOut(self.cache)
        self.turns = Turns()
        """Taken for each part of a large search or sort: those of all who read would add up."""
        self.feeds: dict[str, MemberFeed] = {}
        self.look_again: dict[str, Callable[[], None]] = {}
        """By member, what has its feed tried anew at once."""
        self.selections = Selections(kind)
        self.replicas: Replicas | None = None
        """What there is to other replicas of the gateway; None for the only one."""
        self._waiting: dict[asyncio.Future[None], None] = {}  # in the order in which they came
        self._wake_scheduled = False

    def _new_cache(self, clock: RevisionClock) -> WatchCache:
        """What holds the objects."""
        return WatchCache(self.kind, self._builder, clock, self._now, self.settings.history)

    # Members

    def feed(self, cluster: str) -> MemberFeed:
        """The feed of a member, begun when it is new."""
        if cluster not in self.feeds:
            self.feeds[cluster] = MemberFeed(cluster, self.cache, self._now)
            self.cache.resumption.joined(cluster)
            self.changed()
        return self.feeds[cluster]

    async def drop_feed(self, cluster: str) -> None:
        """A member left: its objects go, each with a DELETED event."""
        if self.feeds.pop(cluster, None):
            self.cache.resumption.missed(cluster)
        keys = self.cache.objects.keys_of(cluster)
        for start in range(0, len(keys), _SLICE):
            for key in keys[start : start + _SLICE]:
                self.cache.forget(cluster, key)
            self.changed()
            await asyncio.sleep(0)
        self.changed()

    # The run before

    async def recovery(self, saved: SavedKind) -> Recovery:
        """Rebuild what the run before held, apart from the cache. Raises MalformedObject when it makes no sense."""
        recovery = Recovery(saved, self._builder, self._now())
        for _ in recovery.read():
            await asyncio.sleep(0)
        return recovery

    async def recover(self, recovery: Recovery, members: Iterable[SavedMember], views: SavedViews | None) -> None:
        """Go on from there. Raises ValueError when there is something already."""
        for _ in recovery.apply(self.cache):
            await asyncio.sleep(0)
        if views is not None:
            self.views.recover(views, self.cache.resumption.lost_window, self.cache.history.floor)
        for member in members:
            feed = self.feeds[member.cluster] = MemberFeed(member.cluster, self.cache, self._now)
            feed.recover(member.reached, member.last_contact, member.identity)

    def share(self, peers: Peers) -> None:
        """Be one of several replicas. Not before `recover`."""
        self.replicas = Replicas(self.cache, self.feeds, peers, now=self._now, changed=self.changed)

    # News

    def changed(self) -> None:
        """Something was applied: wake all who wait, once for everything applied in this turn of the loop."""
        if self._memory:
            self._memory.news()
        if (self._waiting or not self._fan_out.idle) and not self._wake_scheduled:
            self._wake_scheduled = True
            asyncio.get_running_loop().call_soon(self._wake)

    def _wake(self) -> None:
        self._wake_scheduled = False
        waiting, self._waiting = self._waiting, {}
        for future in waiting:
            if not future.done():
                future.set_result(None)
        self._fan_out.news()

    async def ride(self, rider: Rider, timeout: float) -> None:
        """Have a watcher told what happens without waking it, until it is handed back or `timeout` seconds are over."""
        await self._fan_out.ride(rider, timeout)

    async def wait(self, timeout: float) -> None:
        """Return when something changed, or after `timeout` seconds."""
        future = asyncio.get_running_loop().create_future()
        self._waiting[future] = None
        try:
            async with asyncio.timeout(timeout):
                await future
        except TimeoutError:
            pass
        finally:
            self._waiting.pop(future, None)

    async def wait_until(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait until a condition on the cache holds; False when it does not within `timeout` seconds."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + timeout
        while not condition():
            remaining = deadline - clock()
            if remaining <= 0:
                return False
            await self.wait(remaining)
        return True

    # First sync

    def visible_feeds(self, visible: Visible) -> Iterable[MemberFeed]:
        """The feeds of the members that a caller may see."""
        return [feed for feed in self.feeds.values() if visible(feed.cluster)]

    def settled(self, visible: Visible) -> bool:
        """Whether every member was read, does not answer, or takes too long to be waited for."""
        oldest = self._now() - self.settings.first_sync_limit
        return all(feed.settled or feed.started <= oldest for feed in self.visible_feeds(visible))

    async def wait_first_sync(self, visible: Visible) -> None:
        """Wait for members that joined a moment ago; not for those that are down or slow."""
        pending = [feed for feed in self.visible_feeds(visible) if not feed.settled]
        if not pending:
            return
        patience = max(feed.started for feed in pending) + self.settings.first_sync_wait - self._now()
        if patience > 0:
            await self.wait_until(lambda: all(feed.settled for feed in pending), patience)

    # Answers of members

    def written(self, cluster: str, observed: ObservedObject) -> CachedObject:
        """Take a member's answer to a write, and return the object as it is served."""
        feed = self.feeds.get(cluster)
        obj = feed.written(observed) if feed else None
        self.changed()
        return obj or self.represent(cluster, observed)

    async def find(self, cluster: str) -> None:
        """Look at once whether a member has come to serve the kind, which it was not known to have.

        Waits as long as reads wait for a version to come, and no longer.
        """
        feed = self.feeds.get(cluster)
        if feed is not None and feed.absent:
            if look_again := self.look_again.get(cluster):
                look_again()
            await self.wait_until(lambda: not feed.absent, self.settings.future_wait)

    def represent(self, cluster: str, observed: ObservedObject) -> CachedObject:
        """An object as it would be served, without taking it into the cache: dry runs, and states already past."""
        known = self.cache.objects.of_member(cluster, observed.key)
        name = known.name if known else observed.name
        naming = known.naming if known else UNCONTESTED
        return self._builder.build(observed, cluster, name, self._revision_of(known, observed), naming)

    def _revision_of(self, known: CachedObject | None, observed: ObservedObject) -> int:
        if not observed.member_rv:
            return 0
        if known and known.uid == observed.uid and known.member_rv == observed.member_rv:
            return known.rv
        if found := self.cache.history.version_of(observed.uid, observed.member_rv):
            return found
        # A past state of which no event is left. Its version must be lower than that of what followed, and a write
        # that is based on it must fail.
        return (known.rv if known else self.cache.revision) - SLOTS
