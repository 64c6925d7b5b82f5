"""A watcher whose client is written to while its task sleeps (see fan_out.py), and the way to that client."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from typing import Protocol

from cache.sight import Sight
from cache.watch_event import WatchEvent


class Outlet(Protocol):
    """The way to one client, for bytes that may go there at any time."""

    @property
    def form(self) -> Hashable:
        """What bytes are equal under: all outlets of a form encode alike."""

    def encode(self, events: Sequence[WatchEvent]) -> bytes:
        """Return what a client of this form is sent of some events."""

    def ready(self) -> bool:
        """Whether the client has taken most of what was sent before."""

    def write(self, data: bytes) -> None:
        """Send what `encode` made, without waiting."""


class Rider:
    """A watcher that rides along. Its cursor is moved here until it is handed back."""

    __slots__ = ("_waiter", "outlet", "over", "position", "revision", "sight")

    def __init__(self, sight: Sight, outlet: Outlet, position: int, revision: int) -> None:
        """Ride on from a position of the history; `revision` is the version up to which everything was told."""
        self.sight = sight
        self.outlet = outlet
        self.position = position
        self.revision = revision
        self._waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.over = self._waiter.done
        """Says whether it rides no longer."""

    def hand_back(self) -> None:
        """Let the watcher go on by itself."""
        if not self.over():
            self._waiter.set_result(None)

    async def wait(self, timeout: float) -> None:
        """Return when the ride is over, after `timeout` seconds at the latest."""
        try:
            async with asyncio.timeout(timeout):
                await self._waiter
        except TimeoutError:
            pass
