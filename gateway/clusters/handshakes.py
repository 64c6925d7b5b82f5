"""How many connections one event loop begins at a time.

A TLS handshake takes about 2 ms of computing here, and as much the settings before the first one. When hundreds of
members are joined, or come back after an outage, all of them would be computed in one turn of the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cache.turns import OfEachLoop, Turns

AT_ONCE = 2
"""Handshakes that are waited for at a time: as many may be ready in one turn of the loop."""
PATIENCE = 0.02
"""Seconds after which a handshake counts no more: who does not answer must not keep the others waiting."""


class Handshakes:
    """Those of one event loop. Mutable state: who waits, for a turn of the loop or for a place."""

    def __init__(self) -> None:
        """Nobody is connecting."""
        self._turns = Turns()
        self._places = asyncio.Semaphore(AT_ONCE)

    async def turn(self) -> None:
        """Return when the settings of a connection may be made; the caller makes them before waiting for anything."""
        await self._turns.take()

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Connect meanwhile. Whoever takes long gives the place up and goes on."""
        await self._places.acquire()
        held = [self._places]

        def give_up() -> None:
            if held:
                held.pop().release()

        late = asyncio.get_running_loop().call_later(PATIENCE, give_up)
        try:
            yield
        finally:
            late.cancel()
            give_up()


handshakes = OfEachLoop(Handshakes)
"""Those of the running event loop."""
