"""Work on many things that lets everybody else have their turn: one event loop serves all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

TURN = 0.005
"""Seconds of work after which others have their turn."""


async def in_turns(items: Iterable[T], *, clock: Callable[[], float] = time.perf_counter) -> AsyncIterator[T]:
    """Yield the items; after each few milliseconds of what is done with them, others have their turn first.

    By the clock and not by number: some objects are a thousand times as long as others.
    """
    end = clock() + TURN
    for item in items:
        yield item
        if clock() >= end:
            await asyncio.sleep(0)
            end = clock() + TURN


async def each_in_turn(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Return what `work` makes of each item, worked out in turns."""
    return [work(item) async for item in in_turns(items)]
