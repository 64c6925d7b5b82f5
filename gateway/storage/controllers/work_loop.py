"""A list of work without duplicates, done one piece after the other; what is refused is tried again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from gateway.apimachinery.errors import ApiError
from gateway.storage.interface import StorageClosed, StorageError

T = TypeVar("T", bound=Hashable)

RETRY_SECONDS = 1.0
"""Pause before a failed piece of work is tried again."""

_LOST_RACE = frozenset({404, 409})
"""Refusals that only say that somebody else was faster; they are tried again soon."""
_LOST_RACE_SECONDS = 0.05

logger = logging.getLogger(__name__)


class WorkLoop(Generic[T]):
    """Calls `process` for every item that was added, in order; an item added again while it waits is done once."""

    def __init__(self, name: str, process: Callable[[T], Awaitable[None]]) -> None:
        """`name` is what log lines call the work."""
        self._name = name
        self._process = process
        self._waiting: dict[T, None] = {}
        self._wake = asyncio.Event()

    def add(self, item: T) -> None:
        """Ask for an item to be processed."""
        self._waiting.setdefault(item)
        self._wake.set()

    async def run(self) -> None:
        """Process items until cancelled or until the store is closed.

        An item that cannot be processed at all, as an object in the store may be junk, is logged and left alone until
        it is added again.
        """
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            while self._waiting:
                item = next(iter(self._waiting))
                del self._waiting[item]
                try:
                    await self._process(item)
                except StorageClosed:
                    return
                except (ApiError, StorageError) as error:
                    lost_race = isinstance(error, ApiError) and error.code in _LOST_RACE
                    if not lost_race:
                        logger.warning("%s of %s failed and will be tried again: %s", self._name, item, error)
                    loop.call_later(_LOST_RACE_SECONDS if lost_race else RETRY_SECONDS, self.add, item)
                except Exception:
                    logger.exception("%s of %s is not possible", self._name, item)
            self._wake.clear()
