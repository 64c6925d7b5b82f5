"""The gateway's life as named stages, and what must end before it may exit.

    STARTING --ready()--> READY --drain()--> DRAINING --(requests gone, or grace over)--> the process exits

Timeline of a shutdown: SIGTERM -> /readyz turns red and new requests get 429 with Connection: close -> short requests
finish -> watches and streams are ended -> the audit log is flushed last. Pure state; the server acts on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum


class Stage(Enum):
    """Where the gateway stands."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"


class Lifecycle:
    """The current stage and the requests in flight. Written by the server (stage) and the lifecycle filter (counts)."""

    def __init__(self) -> None:
        """Begin in STARTING with nothing in flight."""
        self.stage = Stage.STARTING
        self.in_flight = 0
        self.long_running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def ready(self) -> None:
        """Open for requests."""
        if self.stage is Stage.STARTING:
            self.stage = Stage.READY

    def drain(self) -> None:
        """Stop taking requests."""
        self.stage = Stage.DRAINING

    @contextmanager
    def serving(self, *, long_running: bool) -> Iterator[None]:
        """Count one request while it is served."""
        self.begin(long_running=long_running)
        try:
            yield
        finally:
            self.end(long_running=long_running)

    def begin(self, *, long_running: bool) -> None:
        """Count a request that is served from here on; it is owed an `end`."""
        self.in_flight += 1
        self.long_running += long_running
        self._idle.clear()

    def end(self, *, long_running: bool) -> None:
        """A request is served no longer."""
        self.in_flight -= 1
        self.long_running -= long_running
        if self.in_flight == 0:
            self._idle.set()

    async def idle(self) -> None:
        """Wait until nothing is in flight."""
        await self._idle.wait()

    def __repr__(self) -> str:
        """Show stage and counts, for tests and logs."""
        return f"Lifecycle({self.stage.value}, in_flight={self.in_flight}, long_running={self.long_running})"
