"""What a snapshot holds of a merged resource, and how the part that changed since the last one is collected.

Values only: where they are written is not known here. Nothing is held twice: what can be read from an object's bytes
(names as served, version, labels) is not kept beside them. Pure but for letting others run between slices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from cache.cached_object import CachedObject
from cache.caller_views import CallerViews, SavedViews
from cache.member_feed import MemberFeed
from cache.resumption import Range
from cache.turns import Turns
from cache.watch_cache import WatchCache
from cache.watch_event import ADDED, DELETED, CacheEvent
from gateway.apimachinery.schema import GroupVersionResource

_SLICE = 500
"""Events looked at without letting anything else run: about 1 ms."""
_CONTACT_PERIOD = 10.0
"""Seconds. That a member was heard from is worth a write no more often."""


class SavedObject(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An object as it is served, or the last state of one that was deleted, with the version of its deletion."""

    key: str
    cluster: str
    original_name: str
    member_rv: str
    added: int
    """The version from which on clients may know it under this key; 0 when that is not known."""
    raw: bytes


class SavedMember(msgspec.Struct, frozen=True, gc=False):
    """How far a member was read."""

    cluster: str
    identity: str
    reached: str
    last_contact: float


@dataclass(frozen=True, slots=True)
class SavedKind:
    """A merged resource at one version."""

    checkpoint: int
    """The version of this state."""
    horizon: int
    """From this version on every deletion is among the tombstones."""
    gaps: Sequence[Range]
    members: Sequence[SavedMember]
    objects: Iterable[SavedObject]
    tombstones: Iterable[SavedObject]
    views: SavedViews | None = None
    """What callers see; None where that is not known, or among changes: where it did not change."""


@dataclass(frozen=True, slots=True)
class SavedChanges:
    """What turns the last snapshot of a kind into the next."""

    gvr: GroupVersionResource
    state: SavedKind
    """Of objects and tombstones only those that are new; `added` 0 stands for what the last snapshot says."""
    gone: Iterable[str]
    """Keys under which nothing is left."""
    whole: bool
    """Whether the objects and tombstones are all there are, not changes."""
    count: int
    """How many objects there are, whether they changed or not."""
    position: int
    """Up to where in the history this goes."""


class _Batch:
    """The events since the last snapshot, coalesced by key."""

    def __init__(self, known_since: Callable[[str, int], int]) -> None:
        self._known_since = known_since
        self.objects: dict[str, CachedObject | None] = {}
        self.added: dict[str, int] = {}
        self.buried: list[tuple[CachedObject, int]] = []

    def take(self, event: CacheEvent) -> None:
        obj = event.object
        if event.type == DELETED and event.stays:
            return  # to whom it moved, its other half tells; here it is what stood under the key before
        if event.type == DELETED:
            self.buried.append((obj, self.added.pop(obj.key, 0)))
            self.objects[obj.key] = None
            return
        if event.type == ADDED and not event.stays:
            self.added[obj.key] = self._known_since(obj.cluster, obj.rv)
        self.objects[obj.key] = obj

    # These may be many, so whoever writes them takes them apart: in another thread, where objects may be compressed
    # meanwhile, but not change.

    def present(self) -> Iterator[SavedObject]:
        """What stands under the keys now."""
        return (_saved(obj, self.added.get(key, 0)) for key, obj in self.objects.items() if obj is not None)

    def gone(self) -> Iterator[str]:
        """The keys under which nothing is left."""
        return (key for key, obj in self.objects.items() if obj is None)

    def tombstones(self) -> Iterator[SavedObject]:
        """What was deleted."""
        return (_saved(obj, added) for obj, added in self.buried)


class SnapshotCursor:
    """Follows one merged resource from snapshot to snapshot. Mutable state: what the last one held."""

    def __init__(
        self,
        gvr: GroupVersionResource,
        cache: WatchCache,
        feeds: dict[str, MemberFeed],
        views: CallerViews,
        turns: Turns,
    ) -> None:
        """Start with the state that was recovered, or with nothing. Changes are collected in `turns`."""
        self._gvr = gvr
        self._turns = turns
        self._cache = cache
        self._feeds = feeds
        self._views = views
        self._position = cache.recovered_position or 0
        self._first = cache.recovered_position is None  # whatever the file holds of this kind, it was not recovered
        self._written: object = None
        self._views_written = self._views_collected = -1  # as of so many changes

    async def collect(self) -> SavedChanges | None:
        """What changed since the last snapshot that was written, as of the moment this returns; None for nothing."""
        batch = _Batch(self._cache.resumption.known_since)
        position = self._position
        while True:
            await self._turns.take()
            events = self._cache.history.read(position, _SLICE)
            if events is None:
                return self._collect_whole()
            for event in events:
                batch.take(event)
            position += len(events)
            if position == self._cache.history.end:
                break
        if (position, self._written, self._views_written) == (self._position, self._facts(), self._views.changes):
            return None
        state = self._state(batch.present(), batch.tombstones())
        return SavedChanges(self._gvr, state, batch.gone(), self._first, len(self._cache), position)

    def _collect_whole(self) -> SavedChanges:
        """Everything, when more happened since than the history holds."""
        history = self._cache.history
        start = history.position_after(history.floor)
        events = history.read(start, history.end - start) or ()
        tombstones = (_saved(event.object, 0) for event in events if event.type == DELETED)
        objects = map(_saved, self._cache.objects.everything())
        return SavedChanges(self._gvr, self._state(objects, tombstones), (), True, len(self._cache), history.end)

    def written(self, changes: SavedChanges) -> None:
        """The snapshot now holds these changes."""
        self._position = changes.position
        self._first = False
        self._written = _facts(changes.state)
        self._views_written = self._views_collected

    def _state(self, objects: Iterable[SavedObject], tombstones: Iterable[SavedObject]) -> SavedKind:
        members = [
            SavedMember(feed.cluster, feed.identity, feed.reached if feed.synced else "", feed.last_contact)
            for feed in self._feeds.values()
        ]
        views = None if self._views_written == self._views.changes else self._views.saved()
        self._views_collected = self._views.changes
        cache = self._cache
        gaps = cache.resumption.unproven
        return SavedKind(cache.revision, cache.history.floor, gaps, members, objects, tombstones, views)

    def _facts(self) -> object:
        return _facts(self._state((), ()))


def _facts(state: SavedKind) -> object:
    """What is worth a write although no object changed."""
    members = [
        (member.cluster, member.identity, member.reached, member.last_contact // _CONTACT_PERIOD)
        for member in state.members
    ]
    return members, tuple(state.gaps), state.horizon


def _saved(obj: CachedObject, added: int = 0) -> SavedObject:
    return SavedObject(obj.key, obj.cluster, obj.original_name, obj.member_rv, added, obj.raw)
