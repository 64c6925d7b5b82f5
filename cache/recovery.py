"""Rebuilds what the former run held of one kind from its snapshot: the objects exactly, the history coalesced. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge

from cache.cached_object import CachedObject
from cache.encoded_object import MalformedObject
from cache.object_builder import ObjectBuilder
from cache.resumption import FormerRun
from cache.saved_state import SavedKind, SavedObject
from cache.watch_cache import WatchCache
from cache.watch_event import ADDED, DELETED, MODIFIED, CoalescedEvent

_SLICE = 100
"""Objects read without letting anything else run: about 2 ms."""
_RUN = 1_000
"""Events sorted at once: sorting all of them would take 20 ms."""


class Recovery:
    """One kind, taken up piece by piece, and put into its cache when all of it was found to be sound."""

    def __init__(self, saved: SavedKind, builder: ObjectBuilder, recorded: float) -> None:
        """Nothing is read yet. The past it brings grows old from `recorded` on, seconds of the cache's clock."""
        self._saved = saved
        self._builder = builder
        self._recorded = recorded
        self._objects: list[CachedObject] = []
        self._events: list[list[CoalescedEvent]] = [[]]  # in runs, each of which is sorted once it is complete

    def read(self) -> Iterator[None]:
        """Read what was saved, letting go of control from time to time.

        Raises MalformedObject for bytes that no snapshot holds.
        """
        horizon = self._saved.horizon
        for count, record in enumerate(self._saved.objects, start=1):
            obj = self._rebuilt(record)
            self._objects.append(obj)
            self._recall(ADDED if record.added > horizon else MODIFIED, obj, record.added)
            if count % _SLICE == 0:
                yield
        for count, record in enumerate(self._saved.tombstones, start=1):
            self._recall(DELETED, self._rebuilt(record), record.added)
            if count % _SLICE == 0:
                yield

    def _rebuilt(self, record: SavedObject) -> CachedObject:
        obj = self._builder.rebuild(record.raw, record.cluster, record.original_name, record.member_rv)
        if obj.key != record.key:
            raise MalformedObject(f"{record.key!r} is {obj.key!r}")
        return obj

    def _recall(self, event_type: str, obj: CachedObject, added: int) -> None:
        if obj.rv > self._saved.horizon:
            self._events[-1].append(CoalescedEvent(event_type, obj, None, self._recorded, added=added))
            if len(self._events[-1]) == _RUN:
                self._events[-1].sort(key=_version)
                self._events.append([])

    def apply(self, cache: WatchCache) -> Iterator[None]:
        """Put it into an empty cache, which is not to be used before this has ended."""
        saved = self._saved
        former = FormerRun(saved.checkpoint, {member.cluster for member in saved.members}, tuple(saved.gaps))
        self._events[-1].sort(key=_version)
        events = merge(*self._events, key=_version)
        for count, _ in enumerate(cache.recover(former, saved.horizon, self._objects, events), start=1):
            if count % (2 * _SLICE) == 0:
                yield


def _version(event: CoalescedEvent) -> int:
    return event.rv
