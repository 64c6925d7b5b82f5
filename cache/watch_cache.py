"""State and recent history of one merged resource: what every list and watch is served from.

Decides what a member's news means: which event, under which name, with which resourceVersion. Pure: it is told what
members said and never asks; waking watchers and waiting are its caller's. One writer; readers get references.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain

import msgspec

from cache.cached_object import CachedObject, object_key
from cache.cold_objects import ColdObjects
from cache.history import DEFAULT_LIMITS, History, HistoryLimits
from cache.indexed_fields import FieldIndex
from cache.label_index import LabelIndex, Labels
from cache.merge import namings, original_names, precedence
from cache.naming import UNCONTESTED, Naming, name_among, seen_name
from cache.object_builder import ObjectBuilder
from cache.observed_object import ObservedObject
from cache.ordered_objects import OrderedObjects
from cache.past_state import PastState
from cache.resource_kind import ResourceKind
from cache.resource_version import SLOTS, TICKS, RevisionClock, is_older
from cache.resumption import FormerRun, Resumption
from cache.selection import Selection, anchors
from cache.watch_event import ADDED, DELETED, MODIFIED, CacheEvent, CoalescedEvent

_UNPLACED = ""
"""The name of an object that is not served yet."""
_RESERVE = 10 * TICKS * SLOTS
"""Versions that may have been issued after the last snapshot was written: ten seconds of them."""
_MANY = 2_000
"""So many objects are looked at one by one about as fast as they are found by an index."""
_FEW = 16_384
"""So many keys are sorted at once: about 10 ms."""
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
        # Groups hold the objects that share an original key, by precedence; the first is served under that key.
        self._groups: dict[str, tuple[CachedObject, ...]] = {}
        self._qualified: dict[str, CachedObject] = {}  # by served key, where that is not the original key
        self._ordered = OrderedObjects()  # by served key
        self._index = FieldIndex(kind.indexed_fields, kind.field_names)  # of served keys
        self._labels = LabelIndex()  # of served keys
        # cluster -> original keys, in an order that does not differ from run to run
        self._keys: dict[str, dict[str, None]] = {}
        self.by_view = False
        """Whether callers see different members: then each object carries what its name depends on."""
        self.names_known_since = 0
        """The version from which on it is known under which names callers saw the objects who see some members only."""

    @property
    def revision(self) -> int:
        """The version of the present state: the highest issued."""
        return self._clock.current

    def __len__(self) -> int:
        return len(self._ordered)

    # What members say

    def observe(self, cluster: str, observed: ObservedObject, *, authoritative: bool = False) -> CachedObject | None:
        """Take an object's state from a member. Returns it as it is served, or None when the news is old.

        `authoritative` is for complete lists: there a lower version is no old news but a member restored from a backup,
        and even the same version may have been issued a second time, for another state.
        """
        known = self.of_member(cluster, observed.key)
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
        self._exchange(known, obj)
        self._index.replace(obj.key, obj.fields, known.fields)
        self._labels.replace(obj.key, obj.labels, known.labels)
        self._ordered.put(obj)
        self._record(MODIFIED, obj, known)
        return obj

    def forget(self, cluster: str, original_key: str, uid: str = "") -> bool:
        """Take an object's end from a member; with a uid only that very object. Returns whether it was known."""
        known = self.of_member(cluster, original_key)
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
        if self._groups:
            raise ValueError("only an empty cache takes up what another one held")
        self._clock.advance(former.checkpoint + _RESERVE)
        contested = False
        for obj in objects:
            self._place(obj)
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

    def _place(self, obj: CachedObject) -> None:
        key = obj.original_key
        self._keys.setdefault(obj.cluster, {})[key] = None
        group = self._groups.get(key, ())
        self._groups[key] = tuple(sorted((*group, obj), key=precedence)) if group else (obj,)
        if obj.name != obj.original_name:
            self._qualified[obj.key] = obj
        self._ordered.put(obj)
        self._index.add(obj.key, obj.fields)
        self._labels.add(obj.key, obj.labels)

    def _note_namings(self) -> Iterator[None]:
        """Find out on what names depend that were given by the run before. That is told to nobody."""
        for key, group in [(key, group) for key, group in self._groups.items() if len(group) > 1]:
            namespace = group[0].namespace
            self._groups[key] = tuple(
                msgspec.structs.replace(obj, naming=naming)
                for obj, naming in zip(group, namings(group, partial(self._users, namespace)), strict=True)
            )
            for obj in self._groups[key]:
                self._ordered.put(obj)
                if obj.name != obj.original_name:
                    self._qualified[obj.key] = obj
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
        if self.served(obj.key) is not obj:
            return
        again = obj.at_revision(self._clock.next())
        self._exchange(obj, again)
        self._ordered.put(again)
        self._record(MODIFIED, again, obj)
        self._doubt(since)

    def rebury(self, gone: CachedObject, since: int) -> None:
        """Tell once more that nothing stands under a key."""
        if self.served(gone.key) is None:
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

    def of_member(self, cluster: str, original_key: str) -> CachedObject | None:
        """A member's object by its own name."""
        for obj in self._groups.get(original_key, ()):
            if obj.cluster == cluster:
                return obj
        return None

    def keys_of(self, cluster: str) -> Sequence[str]:
        """The original keys of a member's objects."""
        return tuple(self._keys.get(cluster, ()))

    def count_of(self, cluster: str) -> int:
        """How many objects a member has."""
        return len(self._keys.get(cluster, ()))

    def served(self, key: str) -> CachedObject | None:
        """The object served under a key."""
        if obj := self._qualified.get(key):
            return obj
        group = self._groups.get(key)
        return group[0] if group else None

    def owners(
        self, namespace: str, name: str, visible: Callable[[str], bool] = lambda _: True
    ) -> Sequence[CachedObject]:
        """Who of the visible answers to a name, the one served under it first; more than one: it is ambiguous.

        A name that some member really uses means those objects. Otherwise it is read as a qualified one, whether or
        not the object needs it at present.
        """
        key = object_key(namespace, name)
        if group := tuple(obj for obj in self._groups.get(key, ()) if visible(obj.cluster)):
            return group
        qualified = self._qualified.get(key)
        if qualified and visible(qualified.cluster) and seen_name(qualified, visible) == name:
            return (qualified,)
        for original in original_names(name):
            for obj in self._groups.get(object_key(namespace, original), ()):
                if visible(obj.cluster) and name == f"{original}.{obj.cluster or obj.uid}":
                    return (obj,)
        return ()

    def candidates(self, selection: Selection) -> list[CachedObject]:
        """All objects among which a selection finds its own, in key order: a snapshot."""
        few = self.few_candidates(selection)
        return self._ordered.between(*selection.range) if few is None else few

    def few_candidates(self, selection: Selection) -> list[CachedObject] | None:
        """The same where an index finds them, None where all objects of its range would have to be looked at."""
        if selection.single_key:
            obj = self.served(selection.single_key)
            return [obj] if obj else []
        keys = self._indexed(selection)
        if keys is None:
            return None
        start, end = selection.range
        return [obj for obj in map(self.served, sorted(key for key in keys if start < key <= end)) if obj]

    def _indexed(self, selection: Selection) -> Iterable[str] | None:
        by_field = self._index.find(selection.indexed) if selection.indexed else None
        by_label = self._labels.find(selection.labelled)
        if by_label is None:
            return by_field
        count = sum(map(len, by_label))
        if by_field is not None and len(by_field) <= count:
            return by_field
        few = count <= _FEW and 4 * count <= self._ordered.count(*selection.range)
        return chain.from_iterable(by_label) if few else by_field

    def index_labels(self, selection: Selection) -> Generator[None]:
        """Have `few_candidates` find what is selected by labels, where there are many objects.

        Lets go of control after every few of them; to be closed when it is not run to its end.
        """
        if selection.labelled and self._ordered.count(*selection.range) > _MANY:
            yield from self._labels.learn(selection.labelled, self._labels_now())

    def _labels_now(self) -> Iterator[tuple[str, Labels | None]]:
        begun = self._clock.current
        for obj in self.everything():
            # Without a new version nothing has changed.
            now = obj if self._clock.current == begun else self.served(obj.key)
            yield obj.key, now.labels if now else None

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
                    found.update(anchors(obj, self._index.terms(obj.fields)))
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

    def everything(self) -> list[CachedObject]:
        """All objects in key order: a snapshot."""
        return self._ordered.between("", "\U0010ffff")

    def cold_objects(self) -> ColdObjects:
        """What compresses the objects that are not in use."""
        return ColdObjects(self._ordered)

    def past(self, selection: Selection, rv: int, *, by_name: bool = True) -> PastState:
        """What may be selected, as it was at a known version. `by_name`: names are selected as they are served."""
        keys = selection.range if by_name else selection.namespace_range
        return PastState(self.history, self._ordered, keys, rv)

    def qualified(self) -> Iterable[CachedObject]:
        """The objects that are not served under their own names. Not while anything changes."""
        return self._qualified.values()

    # Names

    def _add(self, cluster: str, observed: ObservedObject) -> CachedObject:
        key = observed.key
        self.resumption.touch(cluster, observed.namespace, observed.name)
        self._keys.setdefault(cluster, {})[key] = None
        group = self._groups.get(key, ())
        if not group and key not in self._qualified:
            obj = self._builder.build(observed, cluster, observed.name, self._clock.next())
            self._groups[key] = (obj,)
            self._occupy(obj)
            return obj
        obj = self._builder.build(observed, cluster, _UNPLACED, 0)
        self._groups[key] = tuple(sorted((*group, obj), key=precedence))
        self._settle_names(observed.namespace, observed.name)
        placed = self.of_member(cluster, key)
        assert placed is not None, "it was added a moment ago"  # noqa: S101  (for the type)
        return placed

    def _remove(self, obj: CachedObject) -> None:
        key = obj.original_key
        self.resumption.touch(obj.cluster, obj.namespace, obj.original_name)
        group = tuple(other for other in self._groups[key] if other is not obj)
        if group:
            self._groups[key] = group
        else:
            del self._groups[key]
        self._keys[obj.cluster].pop(key, None)
        self._vacate(obj)
        if group or self._qualified:
            self._settle_names(obj.namespace, obj.original_name)

    def _settle_names(self, namespace: str, name: str) -> None:
        """Give the right names to all objects whose names depend on who uses `name`.

        These are the objects of that original name, and those that would be served under it as their qualified name.
        """
        moves: list[tuple[CachedObject, str, Naming]] = []
        for original in (name, *original_names(name)):
            group = self._groups.get(object_key(namespace, original), ())
            for obj, naming in zip(group, namings(group, partial(self._users, namespace)), strict=True):
                served = name_among(obj, naming, lambda _: True)
                kept = naming if self.by_view else UNCONTESTED
                if (obj.name, obj.naming) != (served, kept):
                    moves.append((obj, served, kept))
        # Whoever takes a name takes it after it was given up, in every view.
        left = [None if obj.name == _UNPLACED else self._vacate(obj) for obj, _, _ in moves]
        for (obj, served, naming), leaving in zip(moves, left, strict=True):
            moved = msgspec.structs.replace(obj.renamed(served, self._clock.next()), naming=naming)
            self._exchange(obj, moved)
            arriving = self._occupy(moved)
            if leaving is not None:
                leaving.other_half, arriving.other_half = moved, obj

    def _users(self, namespace: str, name: str) -> Sequence[str]:
        """The members that have an object of that very name."""
        return [obj.cluster for obj in self._groups.get(object_key(namespace, name), ())]

    def _exchange(self, old: CachedObject, new: CachedObject) -> None:
        """Put an object's new state into its group."""
        key = new.original_key
        self._groups[key] = tuple(new if other is old else other for other in self._groups[key])
        if new.name != new.original_name:
            self._qualified[new.key] = new

    def _occupy(self, obj: CachedObject) -> CacheEvent:
        """Serve an object under its name."""
        self._ordered.put(obj)
        self._index.add(obj.key, obj.fields)
        self._labels.add(obj.key, obj.labels)
        return self._record(ADDED, obj, None)

    def _vacate(self, obj: CachedObject) -> CacheEvent:
        """Stop serving an object under its name."""
        self._ordered.remove(obj.key)
        self._qualified.pop(obj.key, None)
        self._index.remove(obj.key, obj.fields)
        self._labels.remove(obj.key, obj.labels)
        return self._record(DELETED, obj.at_revision(self._clock.next()), obj)

    def _record(self, event_type: str, obj: CachedObject, previous: CachedObject | None) -> CacheEvent:
        event = CacheEvent(event_type, obj, previous, self._now())
        self.history.append(event)
        return event
