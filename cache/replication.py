"""How one process tells another what a merged resource is: its state once, then every step of its history, in order.

The versions are issued in one place; whoever follows has the same ones, and at each of them the same objects. This is
the side that tells; `followed` is the other. Values and a cursor: how they get there is not known here.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from cache.cached_object import CachedObject
from cache.cacher import Cacher
from cache.resumption import Range
from cache.watch_event import ADDED, DELETED, CacheEvent

_LISTED_CHARACTERS = 200
"""Most of a member's error text: it is shown to people, and sent whenever it changes."""


class HistoryLost(Exception):
    """The follower lags so far behind that the steps it needs are forgotten: it has to begin anew."""


class Step(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One step of a history, or an object of the state that it begins with (as if it were added)."""

    type: str
    rv: int
    key: str
    cluster: str
    original_name: str
    member_rv: str
    raw: bytes
    """Empty where the follower has the object: at its end."""
    doubted_since: int | None = None
    moves_to: int | None = None
    """At the end of an object that moves to another name, the version at which it comes there."""


class MemberReport(msgspec.Struct, frozen=True, array_like=True):
    """How current the copy of one member is."""

    name: str
    started: float
    settled: bool
    synced: bool
    last_contact: float
    """Kept up to date while it is stale; before that nobody asks."""
    stale_since: float | None
    error: str
    overfull: bool = False


class Condition(msgspec.Struct, frozen=True, array_like=True):
    """What is to be known of a merged resource beside its objects."""

    members: tuple[MemberReport, ...]
    gaps: tuple[Range, ...]


def _added(obj: CachedObject) -> Step:
    return Step(ADDED, obj.rv, obj.key, obj.cluster, obj.original_name, obj.member_rv, obj.raw)


def _moves_to(event: CacheEvent) -> int | None:
    return event.other_half.rv if event.type == DELETED and event.other_half is not None else None


def _step_of(event: CacheEvent) -> Step:
    obj = event.object
    raw = b"" if event.type == DELETED and event.previous is not None else obj.raw
    return Step(
        event.type,
        obj.rv,
        obj.key,
        obj.cluster,
        obj.original_name,
        obj.member_rv,
        raw,
        event.doubted_since,
        _moves_to(event),
    )


class LogReader:
    """A follower's place in the history of one merged resource. Begins with the present state, taken at once."""

    def __init__(self, cacher: Cacher) -> None:
        """Remember the present state; what follows is kept by the history, as for every watcher."""
        self._cacher = cacher
        self._position = cacher.cache.history.end
        self._told: Condition | None = None
        self._names: set[str] = set()
        self.revision = cacher.cache.revision
        """The version that the follower has come to."""
        self._objects = cacher.cache.objects.everything()

    def state(self, start: int, count: int) -> Sequence[Step]:
        """Some of the objects to begin with; none once all were told, and they are let go then."""
        piece = self._objects[start : start + count]
        if not piece:
            self._objects = []
        return [_added(obj) for obj in piece]

    @property
    def at_end(self) -> bool:
        """Whether everything was told."""
        cache = self._cacher.cache
        return self._position == cache.history.end and self.revision == cache.revision

    def steps(self, most: int) -> Sequence[Step]:
        """What comes next, few more than `most`: a move is told in one piece. `revision` is where that leads.

        Raises HistoryLost.
        """
        cache = self._cacher.cache
        if self.at_end:
            return ()
        events: list[CacheEvent] = []
        whole = 0
        while len(events) < most or (events and events[-1].rv < whole):
            piece = cache.history.read(self._position, most)
            if piece is None:
                raise HistoryLost
            if not piece:
                break
            events += piece
            self._position += len(piece)
            whole = max([whole, *filter(None, map(_moves_to, piece))])
        # Versions without an event are issued as well: the follower is told the last one.
        self.revision = cache.revision if self._position == cache.history.end else events[-1].rv
        return [_step_of(event) for event in events]

    @property
    def joined_or_left(self) -> bool:
        """Whether there are other members than those that the follower knows; cheap, unlike `condition`."""
        return self._names != self._cacher.feeds.keys()

    def condition(self) -> Condition | None:
        """How current everything is; None when the follower knows that."""
        self._names = set(self._cacher.feeds)
        condition = Condition(tuple(self._reports()), self._cacher.cache.resumption.gaps)
        if condition == self._told:
            return None
        self._told = condition
        return condition

    def _reports(self) -> Sequence[MemberReport]:
        reports = []
        for feed in self._cacher.feeds.values():
            fresh = feed.freshness()
            heard = fresh.last_contact if fresh.stale_since is not None else 0.0
            error = fresh.error[:_LISTED_CHARACTERS]
            report = MemberReport(
                fresh.name, feed.started, feed.settled, fresh.synced, heard, fresh.stale_since, error, fresh.overfull
            )
            reports.append(report)
        return reports
