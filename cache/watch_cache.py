"""State and recent history of one merged resource: what every list and watch is served from.

Decides what a member's news means: which event, under which name, with which resourceVersion; the state that comes of
it is kept by `merged_objects`. Pure: it is told what members said and never asks; waking watchers and waiting are its
caller's. One writer; readers get references.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import partial

import msgspec

from cache.cached_object import CachedObject, object_key
from cache.history import DEFAULT_LIMITS, History, HistoryLimits
from cache.merge import namings, original_names
from cache.merged_objects import MergedObjects
from cache.naming import UNCONTESTED, Naming, name_among
from cache.object_builder import ObjectBuilder
from cache.observed_object import ObservedObject
from cache.past_state import PastState
from cache.resource_kind import ResourceKind
from cache.resource_version import SLOTS, TICKS, RevisionClock, is_older
from cache.resumption import FormerRun, Resumption
from cache.selection import Selection
from cache.watch_event import ADDED, DELETED, MODIFIED, CacheEvent, CoalescedEvent

_UNPLACED = ""
"""The name of an object that is not served yet."""
_RESERVE = 10 * TICKS * SLOTS
"""Versions that may have been issued after the last snapshot was written: ten seconds of them."""
_LOOKED_THROUGH = 500
"""Events of which it is told whom they may concern: about 5 ms."""


class WatchCache:
    """The merged objects of all members for one kind."""

    def __init__(
        self,
        kind: ResourceKind,
        builder: ObjectBuilder,
        clock: RevisionClock,
        now: Callable[[], float],
        limits: HistoryLimits = DEFAULT_LIMITS,
    ) -> None:
        """`now` gives the time events are recorded at; `clock` issues their versions."""
        self._builder = builder
        self._clock = clock
        self._now = now
        self._limits = limits
        self.history = History(clock.current, limits)
        self.resumption = Resumption(self.history, clock)
        self.recovered_position: int | None = None
        """Where in the history this run begins, when there was one before."""
        self.objects = MergedObjects(kind)
        """What there is now."""
        self.by_view = False
        """Whether callers see different members: then each object carries what its name depends on."""
        self.names_known_since = 0
        """The version from which on it is known under which names callers saw the objects who see some members only."""

    @property
    def revision(self) -> int:
        """The version of the present state: the highest issued."""
        return self._clock.current

    def __len__(self) -> int:
        return len(self.objects)

    # What members say

    def observe(self, cluster: str, observed: ObservedObject, *, authoritative: bool = False) -> CachedObject | None:
        """Take an object's state from a member. Returns it as it is served, or None when the news is old.

        `authoritative` is for complete lists: there a lower version is no old news but a member restored from a backup,
        and even the same version may have been issued a second time, for another state.
        """
        known = self.objects.of_member(cluster, observed.key)
        if known is None:
            return self._add(cluster, observed)
        if (
            known.uid == observed.uid
            and known.member_rv == observed.member_rv
            and (not authoritative or observed.is_served_as(known))
        ):
            return known
        if not authoritative and is_older(observed.member_rv, known.member_rv):
            return None
        if known.uid != observed.uid or known.created != observed.created:
            self._remove(known)
            return self._add(cluster, observed)
        obj = self._builder.build(observed, cluster, known.name, self._clock.next(), known.naming)
        self.objects.replace(known, obj)
        self._record(MODIFIED, obj, known)
        return obj

    def observe_list(self, cluster: str, listed: Sequence[ObservedObject]) -> None:
        """Take what a complete list of a member has, as `observe` would take one after the other."""
        new: dict[str, ObservedObject] = {}
        served, indifferent = self.objects.served, self.resumption.indifferent
        for observed in listed:
            key = observed.key
            if indifferent and key not in new and served(key) is None:
                new[key] = observed
                continue
            self._add_new(cluster, new)
            new = {}
            self.observe(cluster, observed, authoritative=True)
        self._add_new(cluster, new)

    def forget(self, cluster: str, original_key: str, uid: str = "") -> bool:
        """Take an object's end from a member; with a uid only that very object. Returns whether it was known."""
        known = self.objects.of_member(cluster, original_key)
        if known is None or (uid and known.uid != uid):
            return False
        self._remove(known)
        return True

    def recover(
        self, former: FormerRun, horizon: int, objects: Iterable[CachedObject], events: Iterable[CacheEvent]
    ) -> Iterator[None]:
        """Begin with the state of the run before, under its names and versions, instead of with nothing.

        `events` lead there from the version `horizon`, coalesced and in the order of their versions. Lets go of control
        after every step; nobody may use the cache before the last. Raises ValueError when there is something already.
        """
        if self.objects:
            raise ValueError("only an empty cache takes up what another one held")
        self._clock.advance(former.checkpoint + _RESERVE)
        contested = False
        for obj in objects:
            self.objects.place(obj)
            contested = contested or obj.name != obj.original_name
            yield
        if self.by_view:
            yield from self._note_namings()
        self.history = History(horizon, self._limits)
        for event in events:
            self.history.append(event)
            contested = contested or event.object.name != event.object.original_name
            yield
        if contested:
            self.names_known_since = self._clock.current
        self.recovered_position = self.history.end
        self.resumption = Resumption(self.history, self._clock, former)

    def _note_namings(self) -> Iterator[None]:
        """Find out on what names depend that were given by the run before. That is told to nobody."""
        for group in self.objects.contested():
            for obj, naming in self._named(group):
                self.objects.replace(obj, msgspec.structs.replace(obj, naming=naming))
            yield

    def observe_ahead(self, cluster: str, observed: ObservedObject) -> CachedObject | None:
        """Take an object's state that comes before the events that led to it: the answer to a write.

        Clients taken over from another replica may have been told of states in between.
        """
        before = self.history.end
        obj = self.observe(cluster, observed)
        since = self.resumption.takeovers.ahead_since(cluster)
        if since is not None:
            for event in self.history.read(before, self.history.end - before) or ():
                event.doubted_since = since
        return obj

    # What clients of other replicas know otherwise

    def retell(self, obj: CachedObject, since: int | None = None) -> None:
        """Tell an object's present state once more; it is doubted what those know who go on from `since` or later."""
        if self.objects.served(obj.key) is not obj:
            return
        again = obj.at_revision(self._clock.next())
        self.objects.replace(obj, again)
        self._record(MODIFIED, again, obj)
        self._doubt(since)

    def rebury(self, gone: CachedObject, since: int) -> None:
        """Tell once more that nothing stands under a key."""
        if self.objects.served(gone.key) is None:
            self._record(DELETED, gone.at_revision(self._clock.next()), None)
            self._doubt(since)

    def _doubt(self, since: int | None) -> None:
        for event in self.history.read(self.history.end - 1, 1) or ():
            event.doubted_since = since

    @property
    def slot(self) -> int:
        """Of the replica that issues these versions."""
        return self._clock.slot

    def mark(self, floor: int = 0) -> int:
        """Issue a version, greater than `floor`, at which nothing happens."""
        rv = self._clock.advance(floor)
        self.history.mark(rv)
        return rv

    # What readers ask

    def touched(self, position: int) -> set[Hashable] | None:
        """The anchors of all selections that what happened since a position may concern; None: it may be any."""
        count = self.history.end - position
        events = self.history.read(position, count) if 0 <= count <= _LOOKED_THROUGH else None
        if events is None:
            return None
        found: set[Hashable] = set()
        for event in events:
            if event.doubted_since is not None or isinstance(event, CoalescedEvent):
                return None
            for obj in (event.object, event.previous):
                if obj is not None:
                    found.update(self.objects.anchors(obj))
        return found

    def knows(self, rv: int) -> bool:
        """Whether the state at this version can still be told."""
        return self.resumption.knows(rv)

    def resume_position(self, rv: int) -> int | None:
        """Where in the history a client goes on that has seen everything up to a version; None: it must list anew.

        The one place that decides this. A version that was not issued here says nothing about which of our events the
        client has seen: going on from there could lose some.
        """
        return self.resumption.position(rv)

    def past(self, selection: Selection, rv: int, *, by_name: bool = True) -> PastState:
        """What may be selected, as it was at a known version. `by_name`: names are selected as they are served."""
        keys = selection.range if by_name else selection.namespace_range
        return PastState(self.history, self.objects.ordered, keys, rv)

    # Names

    def _add(self, cluster: str, observed: ObservedObject) -> CachedObject:
        key = observed.key
        self.resumption.touch(cluster, observed.namespace, observed.name)
        if self.objects.served(key) is None:
            obj = self._builder.build(observed, cluster, observed.name, self._clock.next())
            self.objects.place(obj)
            self._record(ADDED, obj, None)
            return obj
        self.objects.enrol(self._builder.build(observed, cluster, _UNPLACED, 0))
        self._settle_names(observed.namespace, observed.name)
        placed = self.objects.of_member(cluster, key)
        assert placed is not None, "it was added a moment ago"  # noqa: S101  (for the type)
        return placed

    def _add_new(self, cluster: str, new: Mapping[str, ObservedObject]) -> None:
        """Add objects by their keys, under each of which nothing stands, while nobody cares that they come."""
        if not new:
            return
        build, recorded = self._builder.build, self._now()
        versions = self._clock.next_of_many(len(new))
        objects = [
            build(observed, cluster, observed.name, rv) for observed, rv in zip(new.values(), versions, strict=True)
        ]
        self.objects.place_new(cluster, objects)
        self.history.extend([CacheEvent(ADDED, obj, None, recorded) for obj in objects])

    def _remove(self, obj: CachedObject) -> None:
        self.resumption.touch(obj.cluster, obj.namespace, obj.original_name)
        self.objects.strike(obj)
        self._vacate(obj)
        if self.objects.group(obj.original_key) or self.objects.qualified():
            self._settle_names(obj.namespace, obj.original_name)

    def _settle_names(self, namespace: str, name: str) -> None:
        """Give the right names to all objects whose names depend on who uses `name`.

        These are the objects of that original name, and those that would be served under it as their qualified name.
        """
        moves: list[tuple[CachedObject, str, Naming]] = []
        for original in (name, *original_names(name)):
            for obj, naming in self._named(self.objects.group(object_key(namespace, original))):
                served = name_among(obj, naming, lambda _: True)
                kept = naming if self.by_view else UNCONTESTED
                if (obj.name, obj.naming) != (served, kept):
                    moves.append((obj, served, kept))
        # Whoever takes a name takes it after it was given up, in every view.
        left = [None if obj.name == _UNPLACED else self._vacate(obj) for obj, _, _ in moves]
        for (obj, served, naming), leaving in zip(moves, left, strict=True):
            moved = msgspec.structs.replace(obj.renamed(served, self._clock.next()), naming=naming)
            self.objects.exchange(obj, moved)
            self.objects.serve(moved)
            arriving = self._record(ADDED, moved, None)
            if leaving is not None:
                leaving.other_half, arriving.other_half = moved, obj

    def _named(self, group: Sequence[CachedObject]) -> list[tuple[CachedObject, Naming]]:
        """What the names of objects that share one depend on."""
        if not group:
            return []
        return list(zip(group, namings(group, partial(self.objects.users, group[0].namespace)), strict=True))

    def _vacate(self, obj: CachedObject) -> CacheEvent:
        """Stop serving an object under its name, and say so."""
        self.objects.withdraw(obj)
        return self._record(DELETED, obj.at_revision(self._clock.next()), obj)

    def _record(self, event_type: str, obj: CachedObject, previous: CachedObject | None) -> CacheEvent:
        event = CacheEvent(event_type, obj, previous, self._now())
        self.history.append(event)
        return event
