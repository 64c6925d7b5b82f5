"""Rebuilds what the former run held of one kind from its snapshot: the objects exactly, the history coalesced. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cache.cached_object import CachedObject, MalformedObject, ObjectBuilder
from cache.resumption import FormerRun
from cache.saved_state import SavedKind, SavedObject
from cache.watch_cache import WatchCache
from cache.watch_event import ADDED, DELETED, MODIFIED, CoalescedEvent


class Recovery:
    """One kind, taken up piece by piece, and put into its cache when all of it was found to be sound."""

    def __init__(self, saved: SavedKind, builder: ObjectBuilder) -> None:
        """Nothing is read yet."""
        self._saved = saved
        self._builder = builder
        self._objects: list[tuple[CachedObject, int]] = []
        self._tombstones: list[tuple[CachedObject, int]] = []

    def read(self, slice_size: int) -> Iterator[None]:
        """Read what was saved; lets go of control after so many objects.

        Raises MalformedObject for bytes that no snapshot holds.
        """
        for saved, found in ((self._saved.objects, self._objects), (self._saved.tombstones, self._tombstones)):
            for count, record in enumerate(saved, start=1):
                found.append((self._rebuilt(record), record.added))
                if count % slice_size == 0:
                    yield

    def _rebuilt(self, record: SavedObject) -> CachedObject:
        obj = self._builder.rebuild(record.raw, record.cluster, record.original_name, record.member_rv)
        if obj.key != record.key:
            raise MalformedObject(f"{record.key!r} is {obj.key!r}")
        return obj

    def apply(self, cache: WatchCache, recorded: float) -> None:
        """Put it into an empty cache. The past it brings grows old from `recorded` on, seconds of the cache's clock."""
        saved = self._saved
        former = FormerRun(saved.checkpoint, {member.cluster for member in saved.members}, tuple(saved.gaps))
        events = sorted(self._events(recorded), key=lambda event: event.rv)
        cache.recover(former, saved.horizon, (obj for obj, _ in self._objects), events)

    def _events(self, recorded: float) -> Iterable[CoalescedEvent]:
        horizon = self._saved.horizon
        for obj, added in self._objects:
            if obj.rv > horizon:
                yield CoalescedEvent(ADDED if added > horizon else MODIFIED, obj, recorded, added)
        for obj, added in self._tombstones:
            if obj.rv > horizon:
                yield CoalescedEvent(DELETED, obj, recorded, added)
