"""What a resource was at an earlier version: what pages of a list that was begun then are served from.

It is the present with the events since undone, so that nothing is kept between two pages. The events are taken in a few
thousand at a time, because a full history is too long to be gone through at once. Pure.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from operator import attrgetter

from cache.cached_object import CachedObject
from cache.history import History
from cache.ordered_objects import OrderedObjects
from cache.watch_event import DELETED
from gateway.apimachinery.errors import too_old_resource_version

_EVENTS = 2_048
"""Events taken in without letting anything else run: about 2 ms."""
_key = attrgetter("key")


class PastState:
    """The objects of a range of keys at a known version. To be read only while all that happened since is taken in."""

    def __init__(self, history: History, ordered: OrderedObjects, keys: tuple[str, str], revision: int) -> None:
        """`keys`: behind which and up to which."""
        self.revision = revision
        self._history = history
        self._ordered = ordered
        self._start, self._end = keys
        self._position = history.position_after(revision)
        self._changed: dict[str, bool] = {}  # whether there is an object now
        # Sorted: the keys that changed, and the objects that stood under them. One list for each time of taking in.
        self._keys: list[list[str]] = []
        self._objects: list[list[CachedObject]] = []

    def catch_up(self, most: int = _EVENTS) -> bool:
        """Take in up to `most` events that followed; whether these were all.

        Raises ApiError 410 when the past is no longer known.
        """
        # A known version need not be that of an event: a run begins with one that is not.
        forgotten = self.revision < self._history.floor
        if forgotten or (events := self._history.read(self._position, most)) is None:
            raise too_old_resource_version(self.revision, self._history.floor)
        keys: list[str] = []
        objects: list[CachedObject] = []
        for event in events:
            key = event.object.key
            if not self._start < key <= self._end:
                continue
            if key not in self._changed:
                keys.append(key)
                if event.previous is not None:
                    objects.append(event.previous)
            self._changed[key] = event.type != DELETED
        self._position += len(events)
        if keys:
            self._keys.append(sorted(keys))
            self._objects.append(sorted(objects, key=_key))
        return self._position == self._history.end

    def page(self, after: str) -> Iterator[CachedObject]:
        """The objects in key order from behind a key. Not while anything changes."""
        after = max(self._start, after)
        present = self._ordered.pieces(after, self._end)
        runs = [run[bisect_right(run, after, key=_key) :] for run in self._objects]
        stayed = (obj for piece in present for obj in piece if obj.key not in self._changed)
        return heapq.merge(stayed, *runs, key=_key) if any(runs) else stayed

    def as_it_was(self, now: Iterable[CachedObject]) -> Iterator[CachedObject]:
        """Of objects there are now those that there were then, and all those that there were in place of others."""
        yield from (obj for obj in now if obj.key not in self._changed and self._start < obj.key <= self._end)
        for run in self._objects:
            yield from run

    def remaining(self, after: str) -> int:
        """How many objects lay behind a key."""
        then = sum(len(run) - bisect_right(run, after, key=_key) for run in self._objects)
        changed = (key for run in self._keys for key in run[bisect_right(run, after) :])
        return self._ordered.count(after, self._end) - sum(map(self._changed.__getitem__, changed)) + then
