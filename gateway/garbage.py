"""How often the garbage collector runs in a process that holds a cache: full collections would stall the event loop."""

from __future__ import annotations

import asyncio
import gc

_THRESHOLDS = (50_000, 20, 1000)
_FREEZE_PERIOD = 600.0


def collect_seldom() -> None:
    """Have it run less often than by default."""
    gc.set_threshold(*_THRESHOLDS)


async def freeze_garbage() -> None:
    """Take long-lived objects out of the collector's sight from time to time, for ever."""
    while True:
        gc.freeze()
        await asyncio.sleep(_FREEZE_PERIOD)
