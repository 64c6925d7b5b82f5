"""Carries a write to its end once it has been announced, whether or not the client still waits.

A request that is cancelled (client gone, deadline passed) stops waiting; the write itself, and the record of what
became of it, go on. `drain` waits for those at shutdown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Completions:
    """The writes between their intent and their outcome. It owns their tasks; nothing cancels them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def __repr__(self) -> str:
        return f"Completions({len(self._tasks)} running)"

    async def run_to_end(self, act: Coroutine[Any, Any, T]) -> T:
        """Await the act; a cancellation of the caller does not reach it."""
        task = asyncio.get_running_loop().create_task(act)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return await asyncio.shield(task)

    async def drain(self) -> None:
        """Wait until nothing is running any more."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # seen: whoever gave up waiting does not want a log line about it
