"""Removes objects that have outlived their resource's time to live: Events, an hour after their last write.

What a label protects from deletion stays: no admission judges what is removed here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from admission.blockers import standing_protection
from gateway.storage.controllers.object_registry import ObjectRegistry
from gateway.storage.interface import Change, RevisionMismatch, StorageClosed, StorageError

INTERVAL = 60.0
"""Seconds between two rounds."""


class EventExpiry:
    """Lets the Events of one store expire."""

    def __init__(self, registry: ObjectRegistry, now: Callable[[], float]) -> None:
        """`now` is seconds since the epoch."""
        self._registry = registry
        self._now = now

    async def run(self) -> None:
        """Remove what has expired, now and then, until cancelled or until the store is closed."""
        while True:
            try:
                await self.expire()
            except StorageClosed:
                return
            except StorageError:
                pass  # the next round tries again; the store itself reports what is wrong with it
            await asyncio.sleep(INTERVAL)

    async def expire(self) -> None:
        """Remove what has expired."""
        for definition in self._registry.stored_resources():
            time_to_live = definition.rules.time_to_live
            if not time_to_live:
                continue
            deadline = self._now() - time_to_live
            for stored in self._registry.storage.list(definition.storage_key):
                if stored.written_at >= deadline:
                    continue
                if standing_protection(definition.group_resource, definition.object(stored)):
                    continue
                try:
                    change = Change(definition.storage_key, stored.key, stored.revision, None)
                    await self._registry.storage.write(change)
                except RevisionMismatch:
                    continue  # written again meanwhile: it lives on
