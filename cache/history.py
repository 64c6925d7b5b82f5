"""The recent past of one merged resource: a ring of events, bounded in age, number and bytes.

Watchers are cursors into it; old list pages are reconstructed from it. Versions that were never issued here are not
accepted, because a position in another process's history says nothing about ours. Pure; one writer.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from cache.watch_event import DELETED, CacheEvent


@dataclass(frozen=True, slots=True)
class HistoryLimits:
    """How much past is kept."""

    age: float = 300.0
    """Seconds. Clients are to be able to resume for at least 75 s; pagers get as long as etcd's compaction gives."""
    events: int = 100_000
    size: int = 256 * 1024 * 1024
    """Bytes of the objects in events."""
    quiet_events: int = 1_000
    """So many are kept whatever their age, because clients of a quiet resource see few new versions."""
    encoded_events: int = 256
    """So many keep the frames rendered for watchers."""


DEFAULT_LIMITS = HistoryLimits()
_SEARCHED_EVENTS = 4_096
_MARKS = 20_000
_FORGOTTEN = 8
"""Most events that are forgotten when one comes: those of a first sync all grow old at once."""
_RELEASED = 256
"""About so many are let go of at once, with what they said: about 1 ms."""


class History:
    """Events in the order of their versions, oldest first. A position is an ever-growing count of events."""

    def __init__(self, start: int, limits: HistoryLimits) -> None:
        """Begin at the version `start`, before which nothing is known."""
        self._limits = limits
        self._events: list[CacheEvent] = []
        self._dropped = 0  # events before self._events[0]
        self._hidden = 0  # events at the front of the list that are already forgotten
        self._floor = start
        self._size = 0
        self._marks: dict[int, None] = {}  # versions without an event, oldest first

    @property
    def floor(self) -> int:
        """The oldest version from which everything that followed is known."""
        return self._floor

    @property
    def end(self) -> int:
        """The position after the newest event."""
        return self._dropped + len(self._events)

    def __len__(self) -> int:
        return len(self._events) - self._hidden

    def append(self, event: CacheEvent) -> None:
        """Record an event and forget what is beyond the limits, a few at a time."""
        self.extend((event,))

    def extend(self, events: Sequence[CacheEvent]) -> None:
        """Record events, one or more, in their order, likewise."""
        known, past = len(self._events), len(self._events) - self._limits.encoded_events
        self._events += events
        self._size += sum([event.object.size for event in events])
        for event in self._events[max(past, self._hidden) : max(min(past + len(events), known), 0)]:
            event.forget_encoded()
        oldest = events[-1].recorded - self._limits.age
        most = min(self._hidden + _FORGOTTEN * len(events), len(self._events) - 1)
        for forgotten in self._events[self._hidden : most]:
            if not self._excessive(forgotten, oldest):
                break
            self._hidden += 1
            self._size -= forgotten.object.size
            self._floor = forgotten.rv
        if self._hidden > 64 + min(len(self) // 8, _RELEASED):
            # Shifting the list costs its length, so it is not done for every event.
            del self._events[: self._hidden]
            self._dropped += self._hidden
            self._hidden = 0

    def mark(self, rv: int) -> None:
        """Know a version, the newest, at which nothing happened."""
        self._marks[rv] = None
        if len(self._marks) > _MARKS:
            del self._marks[next(iter(self._marks))]

    def _excessive(self, event: CacheEvent, oldest: float) -> bool:
        limits = self._limits
        if len(self) > limits.events or self._size > limits.size:
            return True
        return len(self) > limits.quiet_events and event.recorded < oldest

    def knows(self, rv: int) -> bool:
        """Whether this version was issued here and everything after it is still known."""
        if rv == self._floor or (rv > self._floor and rv in self._marks):
            return True
        position = bisect_left(self._events, rv, lo=self._hidden, key=_version)
        return position < len(self._events) and self._events[position].rv == rv

    def position_after(self, rv: int) -> int:
        """The position of the first event with a greater version."""
        return self._dropped + bisect_right(self._events, rv, lo=self._hidden, key=_version)

    def read(self, position: int, count: int) -> Sequence[CacheEvent] | None:
        """Up to `count` events from a position on, or None when the past from there is no longer complete."""
        start = position - self._dropped
        return None if start < self._hidden else self._events[start : start + count]

    def version_of(self, uid: str, member_rv: str) -> int | None:
        """Under which version a state of an object was made known lately; that it was the last has a later one."""
        for event in reversed(self._events[max(self._hidden, len(self._events) - _SEARCHED_EVENTS) :]):
            if event.object.uid == uid and event.object.member_rv == member_rv:
                if event.type != DELETED:
                    return event.rv
                if event.previous is not None:
                    return event.previous.rv
        return None

    def end_of(self, uid: str) -> int | None:
        """Under which version the end of an object was made known lately."""
        for event in reversed(self._events[max(self._hidden, len(self._events) - _SEARCHED_EVENTS) :]):
            if event.type == DELETED and event.object.uid == uid:
                return event.rv
        return None


def _version(event: CacheEvent) -> int:
    return event.rv
