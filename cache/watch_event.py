"""What happened to a merged resource, and how one watcher sees it.

A `CacheEvent` is a step in the history that all watchers share; a `WatchEvent` is what a client is sent of it. The
rendered forms of a WatchEvent are kept with it, so that a frame is encoded once for any number of watchers. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

import msgspec

from cache.cached_object import CachedObject
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject

ADDED = "ADDED"
MODIFIED = "MODIFIED"
DELETED = "DELETED"
BOOKMARK = "BOOKMARK"
ERROR = "ERROR"


class WatchEvent:
    """One event of a watch, as a client gets it."""

    __slots__ = ("_encoded", "initial_events_end", "object", "rv", "status", "type")

    def __init__(
        self,
        event_type: str,
        rv: int,
        obj: CachedObject | None = None,
        *,
        initial_events_end: bool = False,
        status: JsonObject | None = None,
        shared: bool = True,
    ) -> None:
        """`obj` comes with ADDED, MODIFIED and DELETED; `status` with ERROR. `shared`: several watchers get it."""
        self.type = event_type
        self.rv = rv
        self.object = obj
        self.initial_events_end = initial_events_end
        self.status = status
        # None where nobody is expected to ask again.
        self._encoded: dict[Hashable, bytes] | None = {} if shared and obj is not None else None

    @property
    def shared(self) -> bool:
        """Whether frames are kept, because others will ask for them."""
        return self._encoded is not None

    def encoded(self, form: Hashable, encode: Callable[[WatchEvent], bytes]) -> bytes:
        """The frame of this event in one form, made on first use and shared."""
        if self._encoded is None:
            return encode(self)
        frame = self._encoded.get(form)
        if frame is None:
            frame = self._encoded[form] = encode(self)
        return frame

    def forget_encoded(self) -> None:
        """Keep no frames of an event that most watchers are past."""
        self._encoded = None

    def __repr__(self) -> str:
        """Show type, key and version: what tests compare."""
        what = self.object.key if self.object else "end of initial events" if self.initial_events_end else ""
        return f"<{self.type} {what} @{self.rv}>"


def error_event(error: ApiError, rv: int) -> WatchEvent:
    """The last event of a watch that cannot go on."""
    return WatchEvent(ERROR, rv, status=error.status)


class CacheEvent(msgspec.Struct, gc=False, eq=False):
    """One step of a resource's history: an object came, changed or went.

    `previous` is what stood under the key before, None for ADDED. For DELETED, `object` is the last state with the
    version of the deletion. There are many and they lead to none of their own, so the collector is spared them.
    """

    type: str
    object: CachedObject
    previous: CachedObject | None
    recorded: float
    """When it happened, in seconds of the cache's clock."""
    doubted_since: int | None = None
    """Who goes on from a version since then may have known another state than `previous` before."""
    other_half: CachedObject | None = None
    """Of an object that moved from one name to another, which is DELETED and ADDED: how it stands in the other."""
    seen: dict[str, WatchEvent] | None = None
    """What watchers were told of it, by the type of the event."""

    @property
    def stays(self) -> bool:
        """Whether it is half of a move that leaves the object where it was: its name changed for some callers only."""
        return self.other_half is not None and self.other_half.key == self.object.key

    @property
    def rv(self) -> int:
        """The version of this step."""
        return self.object.rv

    def is_doubted(self, since: int) -> bool:
        """Whether it is not known what somebody knew before who goes on from a version."""
        return self.doubted_since is not None and self.doubted_since <= since < self.rv

    def seen_as(self, event_type: str) -> WatchEvent:
        """The event of a watcher for which the object entered, changed in or left its selection."""
        if self.seen is None:
            self.seen = {}
        event = self.seen.get(event_type)
        if event is None:
            obj = self.object
            if event_type == DELETED and self.previous is not None and self.type != DELETED:
                obj = self.previous.at_revision(self.rv)
            event = self.seen[event_type] = WatchEvent(event_type, self.rv, obj)
        return event

    def forget_encoded(self) -> None:
        """Drop shared frames."""
        for event in (self.seen or {}).values():
            event.forget_encoded()


class CoalescedEvent(CacheEvent, gc=False, eq=False):
    """All that happened to an object within a past of which the steps are not known: there is no `previous`.

    Who was last told of it at a version before `added` knows nothing of the object.
    """

    added: int = 0
    """The version from which on clients may know it under its key; 0 when that is not known."""
