"""What one watch is told of the history: which events, of which members, and how they are shown. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Protocol

from cache.selection import Selection
from cache.watch_event import CacheEvent, WatchEvent


class EventView(Protocol):
    """How events are shown to one caller (cache/view.py). Equal views show the same."""

    def event(self, event: CacheEvent) -> CacheEvent | None:
        """Return a step of the history as it is shown, the very step where that is no other."""


@dataclass(frozen=True, slots=True)
class Sight:
    """Equal for watches that are told the same."""

    selection: Selection
    visible: Callable[[str], bool]
    view: EventView | None = None
    """None where everything is shown as it is served."""

    @property
    def anchor(self) -> Hashable | None:
        """What all that is seen has in common and can be looked up (`WatchCache.touched`); None where it is nothing."""
        return self.selection.anchor if self.view is None else None

    def see(self, event: CacheEvent, since: int = 0) -> WatchEvent | None:
        """How a watch sees an event that goes on from the version `since`; None when it is not concerned."""
        if not self.visible(event.object.cluster):
            return None
        shown = event if self.view is None else self.view.event(event)
        if shown is event:
            return self.selection.see(event, since)
        return self.selection.see_apart(shown, since) if shown is not None else None
