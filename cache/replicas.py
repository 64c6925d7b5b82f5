"""One merged resource among several replicas of the gateway: what ours tells the others, and whom it takes over.

Reading what others published is behind a port; how it gets there is not known here. What is decided by `checkpoints`
and `takeover` is carried out here, letting go of control between slices.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from cache.cached_object import CachedObject
from cache.checkpoints import Checkpoint, MemberPosition, Published, includes
from cache.member_feed import MemberFeed
from cache.resource_version import SLOTS, TICKS, issuer
from cache.takeover import Era
from cache.watch_cache import WatchCache
from cache.watch_event import CacheEvent

_SLICE = 100
"""Objects told once more without letting anything else run: about 2 ms."""
_READ = 1_000
_FUTURE = 60 * TICKS * SLOTS
"""So far ahead of the time a version may be: clocks differ."""


class Peers(Protocol):
    """What other replicas say of one merged resource."""

    async def ask(self, slot: int) -> Published | None:
        """What the replica of a slot says by now; None where there is none, or it cannot be known."""
        ...

    def known(self, slot: int) -> Published | None:
        """What it said a moment ago."""
        ...


class Replicas:
    """Our part in it. Mutable state: none but the cache's."""

    def __init__(
        self,
        cache: WatchCache,
        feeds: Mapping[str, MemberFeed],
        peers: Peers,
        *,
        now: Callable[[], float],
        changed: Callable[[], None],
    ) -> None:
        """`now` gives seconds since the epoch; `changed` wakes watchers. Not before the cache was recovered."""
        self._cache = cache
        self._feeds = feeds
        self._peers = peers
        self._now = now
        self._changed = changed
        self._taking_over = asyncio.Lock()
        cache.resumption.takeovers.active = True

    # What others are told

    def checkpoint(self) -> Published:
        """Note how far the members were read, and return all there is to say."""
        log = self._cache.resumption.takeovers.log
        log.add(self._cache.revision, self._positions())
        # Later versions than that will be issued only.
        return log.published(max(self._cache.revision, int(self._now() * TICKS) * SLOTS))

    def remember(self, former: Sequence[Checkpoint]) -> None:
        """Go on saying what the run before said of its versions."""
        self._cache.resumption.takeovers.log.remember(former)

    def _positions(self) -> Mapping[str, MemberPosition] | None:
        known = {feed.cluster: feed.position() for feed in self._feeds.values()}
        positions = {cluster: position for cluster, position in known.items() if position is not None}
        return positions if len(positions) == len(known) else None

    # What readers ask

    def is_foreign(self, rv: int) -> bool:
        """Whether a version was issued by a replica that is known."""
        return issuer(rv) != self._cache.slot and self._peers.known(issuer(rv)) is not None

    def includes(self, rv: int) -> bool:
        """Whether everything another replica had told at a version is known here."""
        published = self._peers.known(issuer(rv))
        told = published.after(rv) if published and self._is_near(rv) else None
        if told is None or told.members is None:
            return False
        own = {feed.cluster: position for feed in self._feeds.values() if (position := feed.position()) is not None}
        return includes(own, told.members)

    def _is_near(self, rv: int) -> bool:
        return rv <= int(self._now() * TICKS) * SLOTS + _FUTURE

    def overtake(self, rv: int) -> None:
        """Have a version greater than one that was issued elsewhere, and lies in no far future."""
        if self._cache.revision < rv:
            self._cache.mark(rv)

    def correct(self, obj: CachedObject, rv: int) -> None:
        """Tell an object once more where somebody knows it by the version of another replica, at most once a second.

        Controllers that hold that version then come to hold ours, and their next write is good.
        """
        known = self._cache.objects.of_member(obj.cluster, obj.original_key)
        if known and self.is_foreign(rv) and (self._now() - 1) * TICKS * SLOTS > known.rv:
            self._cache.retell(known)
            self._changed()

    # Whom we take over

    async def take_over(self, rv: int) -> int | None:
        """The version of ours from which a client goes on that has seen everything up to one of another replica.

        All that is told from there on has a greater version than what the client has seen. None: it must list anew.
        """
        if issuer(rv) == self._cache.slot or not self._is_near(rv):
            return None
        published = await self._peers.ask(issuer(rv))
        seen = published.before(rv) if published else None
        if seen is None:
            return None
        async with self._taking_over:
            return await self._take_over(rv, seen)

    async def _take_over(self, rv: int, seen: Checkpoint) -> int | None:
        takeovers = self._cache.resumption.takeovers
        self.checkpoint()
        base = takeovers.base(seen, self._cache.history.floor)
        if base is None:
            return None
        era, until = takeovers.era, 0
        if era is None or era.start <= rv or base.rv > era.start or era.start < self._cache.history.floor:
            era = takeovers.era = Era(self._cache.mark(rv), base.rv)
            until = era.start
        elif base.rv < era.base:
            until, era.base = era.base, base.rv
        takeovers.take_over(era.start, base.rv, self._feeds)
        if until and not await self._retell(base.rv, until, era):
            takeovers.era = None
            return None
        return None if self._cache.resumption.is_lost(era.start) else era.start

    async def _retell(self, after: int, until: int, era: Era) -> bool:
        """Tell once more all that changed between two versions; False when the past does not reach back so far.

        Also what changed again in the meantime: it is not known which of its states the client has seen.
        """
        changed: dict[str, CacheEvent] = {}
        history = self._cache.history
        position, end = history.position_after(after), history.position_after(until)
        while position < end:
            events = history.read(position, min(_READ, end - position))
            if not events:
                return False
            changed.update((event.object.key, event) for event in events)
            position += len(events)
            await asyncio.sleep(0)
        for count, key in enumerate(changed.keys() - era.told, start=1):
            obj = self._cache.objects.served(key)
            if obj is None:
                self._cache.rebury(changed[key].object, era.start)
            else:
                self._cache.retell(obj, era.start)
            era.told.add(key)
            if count % _SLICE == 0:
                self._changed()
                await asyncio.sleep(0)
        self._changed()
        return True
