"""The merged resource as one caller sees it: without the members that are hidden from him, under the names that follow.

Where two members have objects of one name, the younger one is served as `<name>.<cluster>`. To somebody who does not
see the older one's member it is served as if that did not exist: under its plain name, in the order of that name, and
nothing is told when the older one comes or goes. A read of one object by a name that is accepted for it, but under
which it is not served at present, has a view of its own, too: there the object bears the name that was asked for. Pure.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cache.cached_object import CachedObject, object_key
from cache.naming import qualified, seen_name
from cache.past_state import PastState
from cache.watch_event import DELETED, MODIFIED, CacheEvent, CoalescedEvent
from cache.watcher import Visible, everyone
from gateway.apimachinery.errors import expired


@dataclass(frozen=True, slots=True)
class View:
    """What is shown of objects and events."""

    visible: Visible
    alias: str = ""
    """The qualified name by which one object is asked for."""

    @property
    def plain(self) -> bool:
        """Whether everything is shown as it is served."""
        return self.visible is everyone and not self.alias

    def name(self, obj: CachedObject) -> str:
        """The name under which an object is shown."""
        if self.alias and qualified(obj) == self.alias:
            return self.alias
        return seen_name(obj, self.visible)

    def shown(self, obj: CachedObject) -> CachedObject:
        """A visible object as it is shown."""
        name = self.name(obj)
        return obj if name == obj.name else obj.renamed(name, obj.rv)

    def event(self, event: CacheEvent) -> CacheEvent | None:
        """A step of the history of a visible object as it is shown: the very step where that is no other.

        Raises ApiError 410 when an object comes that is really named as another one is asked for: it goes before.
        """
        if self.alias and event.object.original_name == self.alias:
            raise expired(f'there is an object by the very name "{self.alias}" now; list anew')
        obj, previous, other = event.object, event.previous, event.other_half
        name = self.name(obj)
        if other is None and name == obj.name:
            return event
        if isinstance(event, CoalescedEvent):
            return CoalescedEvent(event.type, self.shown(obj), None, event.recorded, added=event.added)
        shown = CacheEvent(event.type, self.shown(obj), previous and self.shown(previous), event.recorded)
        shown.doubted_since = event.doubted_since
        if other is not None and self.name(other) == name:
            if event.type == DELETED:
                return None
            shown.type, shown.previous = MODIFIED, self.shown(other)
        return shown

    def page(self, past: PastState, after: str, contested: Iterable[CachedObject]) -> Iterator[CachedObject]:
        """The objects of the past in the order in which they are shown, from behind a key; hidden ones among them.

        `contested` are all that are served now under other names than their own. Not while anything changes.
        """
        visible = self.visible
        moved = [
            (key, obj)
            for obj in past.as_it_was(contested)
            if visible(obj.cluster) and (name := self.name(obj)) != obj.name
            if (key := object_key(obj.namespace, name)) > after
        ]
        moved.sort(key=lambda entry: entry[0])
        stayed = (
            (obj.key, obj)
            for obj in past.page(after)
            if not (obj.naming.elders and visible(obj.cluster) and self.name(obj) != obj.name)
        )
        # What is shown comes before what is hidden under the same key, so that a page that ends there has it.
        for _, obj in heapq.merge(moved, stayed, key=lambda entry: entry[0]):
            yield self.shown(obj) if visible(obj.cluster) else obj
