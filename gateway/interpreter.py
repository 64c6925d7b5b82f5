"""How the interpreter runs in a process that holds a cache and answers from one event loop: few stalls, short turns."""

from __future__ import annotations

import asyncio
import gc
import sys

_GC_THRESHOLDS = (5_000, 2, 50_000)
"""New objects that the collector looks at in one go: about 2 ms for the first number, 4 ms for the product of two. All
of them, the third, take much longer: practically never."""
_FREEZE_PERIOD = 600.0
_YOUNG = 1
"""The generation that is looked at often: what is garbage already is not to stay."""
_SWITCH_INTERVAL = 0.001
"""Seconds for which a thread that computes may keep the interpreter from the event loop, and the loop from the thread
that writes the audit log; Python's own are five times as long. Costs nothing while no two of them want it."""


def tune() -> None:
    """Collect garbage less often than by default, and have threads take turns more often."""
    gc.set_threshold(*_GC_THRESHOLDS)
    sys.setswitchinterval(_SWITCH_INTERVAL)


async def freeze_garbage() -> None:
    """Take long-lived objects out of the collector's sight from time to time: full collections would stall the loop.

    What is in its sight no more has to go by itself: rings of objects stay for ever.
    """
    while True:
        gc.collect(_YOUNG)
        gc.freeze()
        await asyncio.sleep(_FREEZE_PERIOD)
