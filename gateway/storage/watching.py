"""Watches of one store: who reads which resource, and what waits for them. In the event loop; owned by the back end."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from gateway.storage.interface import StoredEvent

PENDING_LIMIT = 10_000
"""Events that may wait for one reader; one further behind is closed and starts again from its last revision."""


class StoreWatch:
    """One reader of events. Its queue has one writer, the Watchers it is registered at."""

    def __init__(self, watchers: Watchers, resource: str) -> None:
        """Register by `Watchers.add` only."""
        self._watchers = watchers
        self._resource = resource
        self._pending: list[StoredEvent] = []
        self._limit = PENDING_LIMIT
        self._wake: asyncio.Future[None] | None = None
        self._closed = False

    def __repr__(self) -> str:
        """Show what is read and how far behind the reader is."""
        return f"StoreWatch({self._resource or 'all'}, pending={len(self._pending)}, closed={self._closed})"

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be read."""
        return not self._pending

    def prepend(self, events: Sequence[StoredEvent]) -> None:
        """Put the replayed past before what arrived meanwhile; however long it is, the reader may take its time."""
        self._pending[:0] = events
        self._limit += len(events)
        self._notify()

    def offer(self, event: StoredEvent) -> None:
        """Queue an event; a reader that is too far behind is closed."""
        if len(self._pending) >= self._limit:
            self._pending.clear()
            self.close()
            return
        self._pending.append(event)
        self._notify()

    async def next_batch(self) -> list[StoredEvent]:
        """Wait for events; an empty list says that the watch has ended."""
        while not self._pending and not self._closed:
            self._wake = asyncio.get_running_loop().create_future()
            try:
                await self._wake
            finally:
                self._wake = None
        batch, self._pending, self._limit = self._pending, [], PENDING_LIMIT
        return batch

    def close(self) -> None:
        """End the watch; what is already queued can still be read."""
        if not self._closed:
            self._closed = True
            self._watchers.discard(self._resource, self)
            self._notify()

    def _notify(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


class Watchers:
    """All watches of a store, by resource; "" reads every resource."""

    def __init__(self) -> None:
        """Start without any."""
        self._by_resource: defaultdict[str, set[StoreWatch]] = defaultdict(set)

    def add(self, resource: str) -> StoreWatch:
        """Register a new watch: it receives every event published from now on."""
        watch = StoreWatch(self, resource)
        self._by_resource[resource].add(watch)
        return watch

    def discard(self, resource: str, watch: StoreWatch) -> None:
        """Forget a watch."""
        self._by_resource[resource].discard(watch)

    def publish(self, event: StoredEvent) -> None:
        """Hand an event to everyone who watches its resource."""
        for resource in (event.resource, ""):
            for watch in tuple(self._by_resource[resource]):
                watch.offer(event)

    def close(self) -> None:
        """End every watch."""
        for watches in tuple(self._by_resource.values()):
            for watch in tuple(watches):
                watch.close()
