"""One watch on a merged resource: a cursor into its history.

It owns no task and no queue. A slow client is a cursor that lags; when it falls off the history it gets an ERROR 410
and lists anew. `poll` decides, `next_batch` waits; where it is given an outlet, it rides along meanwhile (see FanOut).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from cache.cached_object import CachedObject
from cache.rider import Outlet, Rider
from cache.selection import Selection
from cache.sight import EventView, Sight
from cache.watch_cache import WatchCache
from cache.watch_event import ADDED, BOOKMARK, WatchEvent, error_event
from gateway.apimachinery.errors import ApiError, too_old_resource_version

BOOKMARK_PERIOD = 60.0
"""Seconds, as in kube-apiserver."""
LAST_BOOKMARK = 2.0
"""Seconds before the timeout at which the last bookmark is sent."""
_LOOK_AGAIN = 1.0
"""Seconds between two looks at what a bookmark that is due waits for: time settles it as well, and nobody tells."""
_BATCH_BYTES = 128 * 1024
_INITIAL_BYTES = 256 * 1024
"""Bytes of the initial state at a time, as of a list in one turn: what a batch costs beside its bytes is halved."""
_BATCH_EVENTS = 512
_READ_EVENTS = 4_096

Visible = Callable[[str], bool]


def everyone(cluster: str) -> bool:
    """The visibility of a caller who may see every member."""
    return True


@dataclass(frozen=True, slots=True)
class WatchStart:
    """Where a watch begins."""

    initial: Sequence[CachedObject] | None = None
    """The present state, the lowest version first, to be sent first; None to begin with events."""
    announce_end: bool = False
    """Whether the end of the initial state is to be marked by a bookmark."""
    after: int = 0
    """The version of the initial state; without one that after which events are wanted, which may yet come."""
    error: ApiError | None = None
    """Why the watch cannot begin; sent as its only event."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What is to be told, and for how long."""

    selection: Selection
    visible: Visible = everyone
    bookmarks: bool = False
    timeout: float = 0.0
    """Seconds."""
    view: EventView | None = None
    """How objects are shown, where it is not as they are served."""


class News(Protocol):
    """The port through which watches wait; one kind of all members, see `Cacher`."""

    async def wait(self, timeout: float) -> None:
        """Return when something changed, or after `timeout` seconds."""

    async def ride(self, rider: Rider, timeout: float) -> None:
        """Return when the rider, who is told what happens, is handed back, or after `timeout` seconds."""

    def changed(self) -> None:
        """Wake all who wait."""

    def settled(self, visible: Visible) -> bool:
        """Whether no member is waited for."""


class Watcher:
    """A running watch. Mutable state: the cursor (`_position`, `_revision`), what is due, and whether it ended."""

    def __init__(
        self,
        cache: WatchCache,
        watched: Watched,
        start: WatchStart,
        *,
        news: News,
        clock: Callable[[], float],
    ) -> None:
        """`clock` gives seconds since any moment."""
        self._cache = cache
        self._visible = watched.visible
        self._sight = Sight(watched.selection, watched.visible, watched.view)
        self._bookmarks = watched.bookmarks
        self._clock = clock
        self._news = news
        self._deadline = clock() + watched.timeout
        self._bookmark_due = self._next_bookmark()
        self._error = start.error
        self._ended = False
        # In the order of their versions: whoever breaks off in between can go on from the last version seen. The list
        # is reversed, so that what was sent is let go.
        self._initial = list(reversed(start.initial or ()))
        self._announce_end = start.announce_end and watched.bookmarks
        self._resumed = 0 if start.initial is not None else start.after  # the version it goes on from
        self._awaited = self._resumed
        self._position = cache.history.position_after(start.after)
        self._revision = start.after
        self._rider: Rider | None = None

    def poll(self) -> list[WatchEvent]:
        """What is to be sent now; nothing need not mean the end."""
        if self._ended:
            return []
        if self._clock() >= self._deadline:
            self._ended = True
            return []
        try:
            return self._failure() or self._take_initial() or self._take_events() or self._take_bookmark()
        except ApiError as error:
            self._ended = True
            return [error_event(error, self._revision)]

    async def next_batch(self, outlet: Outlet | None = None) -> list[WatchEvent]:
        """Wait for what is to be sent next. Nothing is the orderly end; an ERROR event is the last one.

        What is written to `outlet` meanwhile is not returned, too, and comes before what is.
        """
        while not (batch := self.poll()) and not self._ended:
            if not self._caught_up:
                await asyncio.sleep(0)
            elif outlet is None or self._awaited or self._announce_end:
                await self._news.wait(self._patience())
            else:
                await self._ride(outlet)
        return batch

    async def _ride(self, outlet: Outlet) -> None:
        rider = self._rider = Rider(self._sight, outlet, self._position, self._revision)
        try:
            await self._news.ride(rider, self._patience())
        finally:
            self._position, self._revision = rider.position, rider.revision
            self._rider = None

    def look(self) -> None:
        """Have `next_batch` look at what is new by itself, also where an outlet is told."""
        if self._rider is not None:
            self._rider.hand_back()

    def _patience(self) -> float:
        """Seconds until there may be something to send. What is overdue waits for a member, or a version, to come."""
        now = self._clock()
        due = self._bookmark_due if self._bookmark_due > now else now + _LOOK_AGAIN
        return max(0.0, min(self._deadline, due) - now)

    def close(self) -> None:
        """End without a word."""
        self._ended = True
        self._initial.clear()
        if self._rider is not None:
            self._rider.hand_back()
        else:
            self._news.changed()

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self._ended

    @property
    def _caught_up(self) -> bool:
        return bool(self._awaited) or (not self._initial and self._position == self._cache.history.end)

    def _failure(self) -> list[WatchEvent]:
        if self._error is not None:
            raise self._error
        return []

    def take_initial(self) -> list[CachedObject]:
        """What `poll` would tell next, if that is more of the initial state: those objects, and nothing otherwise."""
        if self._ended or self._clock() >= self._deadline:
            return []
        return self._next_initial()

    def _next_initial(self) -> list[CachedObject]:
        batch: list[CachedObject] = []
        size = 0
        while self._initial and size < _INITIAL_BYTES and len(batch) < _BATCH_EVENTS:
            obj = self._initial.pop()
            size += obj.size
            batch.append(obj)
        return batch

    def _take_initial(self) -> list[WatchEvent]:
        return [WatchEvent(ADDED, obj.rv, obj, shared=False) for obj in self._next_initial()]

    def _take_events(self) -> list[WatchEvent]:
        if self._awaited and not self._begin_after():
            return []
        if self._cache.resumption.is_lost(self._resumed):
            raise too_old_resource_version(self._revision, self._cache.history.floor)
        events = self._cache.history.read(self._position, _READ_EVENTS)
        if events is None:
            raise too_old_resource_version(self._revision, self._cache.history.floor)
        batch: list[WatchEvent] = []
        size = 0
        for event in events:
            self._position += 1
            self._revision = event.rv
            if seen := self._sight.see(event, self._resumed):
                batch.append(seen)
                size += event.object.size
                if size >= _BATCH_BYTES or len(batch) >= _BATCH_EVENTS:
                    break
        return batch

    def _begin_after(self) -> bool:
        """Place the cursor behind the version asked for, once the cache has come so far."""
        position = self._cache.resume_position(self._awaited)
        if position is None:
            if self._cache.resumption.may_come(self._awaited):
                return False
            raise too_old_resource_version(self._awaited, self._cache.history.floor)
        self._position = position
        self._revision, self._awaited = self._awaited, 0
        return True

    def _take_bookmark(self) -> list[WatchEvent]:
        if not self._caught_up or self._awaited:
            return []
        if self._announce_end:
            if not self._news.settled(self._visible):
                return []
            self._announce_end = False
            return [WatchEvent(BOOKMARK, self._revision, initial_events_end=True)]
        if self._clock() < self._bookmark_due:
            return []
        self._bookmark_due = self._next_bookmark()
        return [WatchEvent(BOOKMARK, self._revision)] if self._bookmarks else []

    def _next_bookmark(self) -> float:
        now, last = self._clock(), self._deadline - LAST_BOOKMARK
        return min(now + BOOKMARK_PERIOD, last) if now < last else now + BOOKMARK_PERIOD
