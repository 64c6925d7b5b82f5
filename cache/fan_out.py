"""Writes what happens to all watchers that are up to date, in one pass, without waking the task of any of them.

A watcher that has nothing to do but wait for events rides along: it leaves its cursor and an outlet here. Watchers that
want the same in the same form are a group, for which what lies between a position and the end of the history is encoded
and joined once. A client that does not read is a cursor that lags. Whoever cannot be served so is handed back and goes
on by itself: one that fell off the history, one to whom an event is told in a way of its own. There is neither a task
nor a queue here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Hashable
from time import thread_time
from typing import NamedTuple

from cache.rider import Rider
from cache.watch_cache import WatchCache
from cache.watch_event import CoalescedEvent, WatchEvent

_SLICE = 64
"""Watchers that are written to in one turn of the event loop."""
_SLICE_BYTES = 512 * 1024
"""Bytes that are encrypted and sent in one turn: where nothing lies in the processor's cache, up to 3 ms."""
_SLICE_SECONDS = 0.003
"""CPU time of one turn after which nobody else is served in it: protobuf has to look into every object."""
_PIECE_BYTES = 64 * 1024
_PIECE_EVENTS = 64
"""What a watcher is given in one write, about. What a write costs on its own is little beside that many bytes."""
_READ_EVENTS = 1_024
_REST = 100e-6
"""Seconds between the beginnings of two passes for each watcher that was written to, unless a whole piece waits before:
what happens meanwhile shares a write. A few watchers are told at once, a thousand ten times a second."""
_LONGEST_REST = 0.1
_LOOK_AGAIN = 0.05
"""Seconds until those are looked at again whose clients were not ready."""

logger = logging.getLogger("cache.fan_out")


class _Piece(NamedTuple):
    """What lies between two positions, for one group."""

    data: bytes
    position: int
    revision: int
    """Of the last event that was looked at."""


class _Group:
    """Riders who are sent the same."""

    def __init__(self, rider: Rider) -> None:
        self.riders: dict[Rider, None] = {}
        self.anchor = rider.sight.anchor
        self._see = rider.sight.see
        self._encode = rider.outlet.encode
        self._pieces: dict[int, _Piece | None] = {}

    def forget_pieces(self) -> None:
        """The pass is over: what follows a position may be more in the next one."""
        self._pieces.clear()

    def piece(self, position: int, cache: WatchCache) -> _Piece | None:
        """What follows a position; None where each watcher has to see for itself."""
        try:
            return self._pieces[position]
        except KeyError:
            pass
        piece = self._pieces[position] = self._join(position, cache)
        return piece

    def _join(self, start: int, cache: WatchCache) -> _Piece | None:
        position, revision, size = start, 0, 0
        seen: list[WatchEvent] = []
        for event in cache.history.read(start, _READ_EVENTS) or ():
            if event.doubted_since is not None or isinstance(event, CoalescedEvent):
                break  # how it is told depends on what a watcher knows
            position += 1
            revision = event.rv
            if told := self._see(event):
                seen.append(told)
                size += event.object.size
                if size >= _PIECE_BYTES or len(seen) >= _PIECE_EVENTS:
                    break
        if position == start:
            return None
        data = self._encode(seen) if seen else b""
        return _Piece(data, position, revision)


class FanOut:
    """The riders of one merged resource.

    Mutable state: `_groups`, who rides; `_turn`, who is still to be served in the pass under way; `_next`, the slice or
    pass that comes next; `_resting`, whether that is a pass whose time has not come; `_retry`, the pass that comes when
    nothing happens before; `_looked_until`, the position at which the last pass began; `_told_until`, the one up to
    which it has told all who read.
    """

    def __init__(self, cache: WatchCache) -> None:
        """Begin without riders."""
        self._cache = cache
        self._groups: dict[Hashable, _Group] = {}
        self._turn: list[tuple[Rider, _Group]] = []
        self._next: asyncio.Handle | None = None
        self._resting = False
        self._retry: asyncio.Handle | None = None
        self._rests_until = 0.0
        self._began = 0.0
        self._written = 0
        self._lagging = False
        self._losses = cache.resumption.losses
        self._looked_until = self._told_until = cache.history.end

    def __len__(self) -> int:
        return sum(len(group.riders) for group in self._groups.values())

    @property
    def idle(self) -> bool:
        """Whether nobody rides."""
        return not self._groups

    async def ride(self, rider: Rider, timeout: float) -> None:
        """Have a rider served until it is handed back, for `timeout` seconds at most. Safe to cancel."""
        key = rider.sight, rider.outlet.form
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _Group(rider)
        group.riders[rider] = None
        try:
            await rider.wait(timeout)
        finally:
            rider.hand_back()
            del group.riders[rider]
            if not group.riders:
                del self._groups[key]

    def news(self) -> None:
        """Something happened: begin a pass, or have it follow the one before at the proper distance."""
        if not self._groups or (self._next is not None and not self._resting):
            return
        loop = asyncio.get_running_loop()
        rest = self._rests_until - loop.time()
        if rest <= 0:
            self._cancel()
            self._next = loop.call_soon(self._rested)
        elif self._told_until <= self._last_whole_piece():
            self._cancel()
            self._next = loop.call_soon(self._begin)
        elif self._next is None:
            self._resting = True
            self._next = loop.call_later(rest, self._rested)

    def _last_whole_piece(self) -> int:
        """The last position behind which a whole piece waits; -1 where it is unknown."""
        position = self._cache.history.end
        size = 0
        for event in reversed(self._cache.history.read(max(0, position - _PIECE_EVENTS), _PIECE_EVENTS) or ()):
            position -= 1
            size += event.object.size
            if size >= _PIECE_BYTES:
                return position
        return self._cache.history.end - _PIECE_EVENTS

    def _cancel(self) -> None:
        for handle in (self._next, self._retry):
            if handle is not None:
                handle.cancel()
        self._next = self._retry = None
        self._resting = False

    def _rested(self) -> None:
        self._rests_until = 0.0
        self._begin()

    def _begin(self) -> None:
        """Serve all who are behind; before the rest is over only those for whom a whole piece waits."""
        self._cancel()
        self._began = asyncio.get_running_loop().time()
        self._written = 0
        self._lagging = False
        self._hand_back_the_lost()
        self._pass_over_the_untouched()
        self._told_until = end = self._cache.history.end
        last = end - 1 if self._began >= self._rests_until else self._last_whole_piece()
        riders = [(rider, group) for group in self._groups.values() for rider in group.riders]
        self._turn = [served for served in riders if served[0].position <= last]
        if last < end - 1:
            self._told_until = min((rider.position for rider, _ in riders if rider.position > last), default=end)
        self._serve_slice()

    def _hand_back_the_lost(self) -> None:
        """Now and then it turns out that nobody can go on from some versions: let all look whether theirs is one."""
        if self._losses == self._cache.resumption.losses:
            return
        self._losses = self._cache.resumption.losses
        for group in self._groups.values():
            for rider in group.riders:
                rider.hand_back()

    def _pass_over_the_untouched(self) -> None:
        """Move on whom nothing concerns that happened since the last pass, without looking at it for each of them."""
        history = self._cache.history
        start, end = self._looked_until, history.end
        self._looked_until = end
        if start == end or all(group.anchor is None for group in self._groups.values()):
            return
        touched, last = self._cache.touched(start), history.read(end - 1, 1)
        if touched is None or not last:
            return
        for group in self._groups.values():
            if group.anchor is not None and group.anchor not in touched:
                for rider in group.riders:
                    if rider.position >= start:
                        rider.position, rider.revision = end, last[0].rv

    def _serve_slice(self) -> None:
        self._next = None
        size = 0
        ends = thread_time() + _SLICE_SECONDS
        for _ in range(min(_SLICE, len(self._turn))):
            rider, group = self._turn.pop()
            try:
                size += self._serve(rider, group)
            except Exception:
                # One connection must not keep the others from what they wait for.
                logger.exception("a watcher could not be written to")
                rider.hand_back()
            if size >= _SLICE_BYTES or thread_time() >= ends:
                break
        if self._turn:
            self._next = asyncio.get_running_loop().call_soon(self._serve_slice)
        else:
            self._end()

    def _serve(self, rider: Rider, group: _Group) -> int:
        """Send one rider what follows its position, and return the number of bytes."""
        if rider.over():
            return 0
        outlet = rider.outlet
        if not outlet.ready():
            self._lagging = True
            return 0
        piece = group.piece(rider.position, self._cache)
        if piece is None:
            rider.hand_back()
            return 0
        data, position, revision = piece
        if data:
            outlet.write(data)
            self._written += 1
        rider.position, rider.revision = position, revision
        if position < self._told_until:
            self._told_until = position
        return len(data)

    def _end(self) -> None:
        """The pass is over. What came meanwhile, or did not fit, waits a little unless it is a whole piece."""
        for group in self._groups.values():
            group.forget_pieces()
        self._rests_until = max(self._rests_until, self._began + min(_LONGEST_REST, self._written * _REST))
        if self._told_until != self._cache.history.end:
            self.news()
        if self._lagging and (self._next is None or self._resting):
            self._retry = asyncio.get_running_loop().call_later(_LOOK_AGAIN, self._begin)
