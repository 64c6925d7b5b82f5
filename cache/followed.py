"""A merged resource that another process keeps: the same objects under the same versions, applied step by step.

Nothing is decided here, neither names nor versions; the process that reads the members did. What readers and watchers
ask is answered as there, from the version on with which following began.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cache.cached_object import CachedObject, CellRenderer
from cache.cacher import DEFAULT_SETTINGS, Cacher, CacherSettings
from cache.cold_objects import MemoryLimit
from cache.history import History, HistoryLimits
from cache.member_feed import MemberFeed
from cache.object_builder import ObjectBuilder
from cache.replication import Condition, MemberReport, Step
from cache.resource_kind import ResourceKind
from cache.resource_version import RevisionClock, issuer
from cache.resumption import Resumption
from cache.watch_cache import WatchCache
from cache.watch_event import ADDED, DELETED, MODIFIED, CacheEvent


class OutOfStep(ValueError):
    """A step that does not follow from the state that is known: what is told has to be told anew."""


class FollowedCache(WatchCache):
    """State and recent history, as they are told."""

    def __init__(
        self,
        kind: ResourceKind,
        builder: ObjectBuilder,
        clock: RevisionClock,
        now: Callable[[], float],
        limits: HistoryLimits,
    ) -> None:
        """Begin with nothing; `clock` is one that follows."""
        super().__init__(kind, builder, clock, now, limits)
        self._following = clock
        # Moves of which the first half is told: the version of the other one -> the first, and the object before it.
        self._moving: dict[int, tuple[CacheEvent, CachedObject]] = {}

    def place(self, step: Step) -> None:
        """Take an object of the state that everything begins with."""
        self.objects.place(self._object(step))

    def begin(self, revision: int) -> None:
        """Everything was placed, and this is its version. What was before is not known."""
        self._following.follow(revision)
        self.history = History(revision, self._limits)
        self.resumption = Resumption(self.history, self._following)

    def apply(self, step: Step) -> None:
        """Take one step. Raises OutOfStep, MalformedObject."""
        known = self._standing(step.key)
        self._following.follow(step.rv)
        if step.type == DELETED:
            gone = self._object(step) if known is None else known.at_revision(step.rv)
            if known is not None:
                self.objects.strike(known)
                self.objects.withdraw(known)
            leaving = self._note(step, CacheEvent(DELETED, gone, known, self._now()))
            if step.moves_to is not None and known is not None:
                self._moving[step.moves_to] = leaving, known
            return
        obj = self._object(step)
        if (known is not None) != (step.type == MODIFIED):
            raise OutOfStep(f"{step.type} of {step.key} at {step.rv}")
        if known is None:
            self.objects.place(obj)
            arriving = self._note(step, CacheEvent(ADDED, obj, None, self._now()))
            if moved := self._moving.pop(step.rv, None):
                leaving, arriving.other_half = moved
                leaving.other_half = obj
            return
        self.objects.replace(known, obj)
        self._note(step, CacheEvent(MODIFIED, obj, known, self._now()))

    def reach(self, revision: int) -> None:
        """Everything up to this version was told, whether or not something happened at it."""
        if revision > self.revision:
            self._following.follow(revision)
            self.history.mark(revision)

    def answers_from(self, rv: int) -> bool:
        """Whether it can be said here what followed a version, or will be once it has come."""
        return issuer(rv) == self.slot and (rv > self.revision or self.knows(rv))

    def _standing(self, key: str) -> CachedObject | None:
        """What stands under a key. In the middle of moves the first of a group may stand under another one yet."""
        found = self.objects.served(key)
        return found if found is not None and found.key == key else None

    def _object(self, step: Step) -> CachedObject:
        return self._builder.rebuild(step.raw, step.cluster, step.original_name, step.member_rv)

    def _note(self, step: Step, event: CacheEvent) -> CacheEvent:
        event.doubted_since = step.doubted_since
        self.history.append(event)
        return event


class FollowedFeed(MemberFeed):
    """How current a member's copy is, as it is told."""

    def __init__(self, report: MemberReport, cache: WatchCache) -> None:
        """Say what the report says."""
        super().__init__(report.name, cache, lambda: report.started)
        self.report(report)

    def report(self, report: MemberReport) -> None:
        """Say what a later one says, to those as well who wait for this member."""
        self._settled = report.settled
        self.started, self.synced, self.error = report.started, report.synced, report.error
        self._last_contact, self._stale_since = report.last_contact, report.stale_since
        self.overfull = report.overfull

    @property
    def settled(self) -> bool:
        """Whether there is nothing to wait for."""
        return self._settled


class FollowedCacher(Cacher):
    """One kind of all members, as another process tells it."""

    def __init__(
        self,
        kind: ResourceKind,
        *,
        now: Callable[[], float],
        slot: int,
        renderer: CellRenderer | None = None,
        settings: CacherSettings = DEFAULT_SETTINGS,
    ) -> None:
        """`now` gives seconds since the epoch; `slot` is that of the versions that are told."""
        clock = RevisionClock(lambda: 0.0, slot=slot)  # far below every version that is ever told
        super().__init__(kind, now=now, renderer=renderer, clock=clock, settings=settings)
        self._told: dict[str, FollowedFeed] = {}

    def _new_cache(self, clock: RevisionClock) -> WatchCache:
        self.followed = FollowedCache(self.kind, self._builder, clock, self._now, self.settings.history)
        return self.followed

    def limit(self, memory: MemoryLimit) -> None:
        """Have objects compressed where those of all kinds take more than that."""
        self._memory = memory
        memory.add(self.cache.objects.cold_objects())

    def place(self, steps: Sequence[Step]) -> None:
        """Take objects to begin with."""
        for step in steps:
            self.followed.place(step)

    def follow(self, steps: Sequence[Step], revision: int) -> None:
        """Take what happened next, which leads to a version. Raises OutOfStep, MalformedObject."""
        for step in steps:
            self.followed.apply(step)
        self.followed.reach(revision)
        self.changed()

    def report(self, condition: Condition) -> None:
        """Take how current everything is."""
        known, self._told = self._told, {}
        for report in condition.members:
            feed = known.get(report.name) or FollowedFeed(report, self.cache)
            feed.report(report)
            self._told[report.name] = feed
        self.feeds = dict(self._told)
        self.followed.resumption.follow(condition.gaps)
        self.changed()
