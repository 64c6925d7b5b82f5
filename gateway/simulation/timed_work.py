"""Work that is also due at a time: the store's work loop with one alarm an item. Nothing runs while nothing is due."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import TypeVar

from gateway.storage.controllers.work_loop import WorkLoop

T = TypeVar("T", bound=Hashable)


class TimedWorkLoop(WorkLoop[T]):
    """A WorkLoop whose items may be asked for later."""

    def __init__(self, name: str, process: Callable[[T], Awaitable[None]]) -> None:
        """`name` is what log lines call the work."""
        super().__init__(name, process)
        self._alarms: dict[T, asyncio.TimerHandle] = {}

    def add_after(self, item: T, seconds: float) -> None:
        """Ask for an item in so many seconds; this takes the place of an earlier wish for it."""
        if alarm := self._alarms.pop(item, None):
            alarm.cancel()
        self._alarms[item] = asyncio.get_running_loop().call_later(seconds, self._ring, item)

    def _ring(self, item: T) -> None:
        del self._alarms[item]
        self.add(item)
