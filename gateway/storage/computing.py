"""Where a write is worked out: at once when it is short, in a thread when it is long, so others are served meanwhile.

What runs there must look at nothing that changes: StoredObjects, bodies that are the write's own, and copies.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

from gateway.storage.write_context import WriteContext

T = TypeVar("T")

MAX_SHORT_BYTES = 32 * 1024
MAX_SHORT_COMMAS = 500
"""Most bytes and values of a JSON text that is worked out on the event loop: a value takes up to 40 us of work."""

_computing = ThreadPoolExecutor(max_workers=1, thread_name_prefix="compute")
"""One thread: more of them would not be faster, only keep the event loop waiting longer for its turn."""


def is_long(text: bytes) -> bool:
    """Whether an object of this JSON text is worked out in the thread; commas say how many values it has."""
    return len(text) > MAX_SHORT_BYTES or text.count(b",") > MAX_SHORT_COMMAS


async def compute(work: Callable[[], T], *, long: bool) -> T:
    """Return `work()`; when it is long, it is worked out in the thread, one after the other."""
    if not long:
        return work()
    return await asyncio.get_running_loop().run_in_executor(_computing, work)


@contextmanager
def held_warnings(context: WriteContext) -> Iterator[WriteContext]:
    """Keep the warnings of a write until it ends: they may come from the thread, and go out on the event loop."""
    said: list[str] = []
    try:
        yield replace(context, warn=said.append)
    finally:
        for text in tuple(said):
            context.warn(text)
