"""Lets many compute on one event loop without holding it: what they do together in one turn of it is bounded.

Whoever works in slices keeps nobody waiting alone. But one turn of the loop runs everything that is ready, and slices
of twenty members that are ready at once add up.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")

SHARE = 0.002
"""Seconds of one turn of the loop after which no further slice begins in it."""


class Turns:
    """Shared by all who do such work; first come, first served.

    Mutable state: `_ends`, when the share of the present turn of the loop is used up, None while nobody has begun in
    it; `_waiting`, who comes next, one in each turn.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """`clock` gives seconds, and goes on while something is computed."""
        self._clock = clock
        self._ends: float | None = None
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> None:
        """Return when the next slice may be done: at once where little was done in this turn of the loop.

        The slice is to end before the caller waits for anything else. Safe to cancel.
        """
        loop = asyncio.get_running_loop()
        if self._ends is None:
            self._ends = self._clock() + SHARE
            loop.call_soon(self._next_turn)
        elif self._waiting or self._clock() >= self._ends:
            turn: asyncio.Future[None] = loop.create_future()
            self._waiting.append(turn)
            await turn

    def _next_turn(self) -> None:
        self._ends = None
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)  # whoever waits goes on in the turn after this one
                self._ends = self._clock() + SHARE
                asyncio.get_running_loop().call_soon(self._next_turn)
                return


class FewInATurn:
    """Lets few of many that are ready at once go on in one turn of the loop; first come, first served.

    For what takes too little time to look at the clock, or all of it before the clock can be looked at again.
    Mutable state: `_begun`, how many went on in the present turn, or in earlier ones with fewer than may; `_waiting`,
    who comes next.
    """

    def __init__(self, count: int) -> None:
        """Let so many go on in one turn."""
        self._count = count
        self._begun = 0
        self._waiting: deque[Callable[[], None]] = deque()

    def do(self, step: Callable[[], None]) -> bool:
        """Call `step`: now where few went on in this turn of the loop, else in a later one. Returns whether now."""
        if self._waiting or self._begun >= self._count:
            self._waiting.append(step)
            return False
        self._begin()
        step()
        return True

    async def take(self) -> None:
        """Return when the caller may go on: at once where few did in this turn of the loop. Safe to cancel."""
        if not self._waiting and self._begun < self._count:
            self._begin()
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(partial(_awaken, turn))
        await turn

    def _begin(self) -> None:
        self._begun += 1
        if self._begun == self._count:  # not for the first: a turn of the loop that only counts costs 10 us
            asyncio.get_running_loop().call_soon(self._next_turn)

    def _next_turn(self) -> None:
        self._begun = 0
        for _ in range(min(self._count, len(self._waiting))):
            self._begin()
            self._waiting.popleft()()


def _awaken(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_result(None)


class OfEachLoop(Generic[T]):
    """One thing for each event loop, made when it is first asked for: what all that run there share is its time."""

    def __init__(self, make: Callable[[], T]) -> None:
        """Make none yet."""
        self._make = make
        self._made: WeakKeyDictionary[asyncio.AbstractEventLoop, T] = WeakKeyDictionary()

    def __call__(self) -> T:
        """Return that of the running event loop."""
        loop = asyncio.get_running_loop()
        found = self._made.get(loop)
        if found is None:
            found = self._made[loop] = self._make()
        return found
