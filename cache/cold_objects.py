"""Compresses what is not in use: objects that nobody read singly for a while.

It goes round through the objects of one kind in key order, a few at a time. There those of one workload stand together,
so that one of them serves as the pattern by which the next ones are compressed. One writer, that of the objects.
"""

from __future__ import annotations

import asyncio

from cache.cached_object import CachedObject
from cache.ordered_objects import OrderedObjects

STEP_OBJECTS = 100
_STEP_BYTES = 512 * 1024
"""Compressed without letting anything else run: about 1 ms."""
STEP_LOOKS = 1_000
"""Looked at in a step, whatever is compressed of them: about 0.2 ms. Members that are being read would otherwise bring
objects faster than a round comes by those that are compressed already."""
_GOOD = 8
"""A pattern by which objects come to less than so many parts is a good one."""
FEWEST = 16
"""As many objects are compressed by a pattern at least, for it is kept as it is."""
_LARGEST = 64 * 1024
"""Bytes. No more of a pattern can be used."""
_PERIOD = 0.25
"""Seconds of rest when nothing is left to do, or everything was in use."""
_WORTH = 20
"""A round in which fewer than one object in so many was compressed is not followed by the next one at once."""
_REST = 20e-6
"""Seconds of rest after such a round, for each object: ten times as long as it took."""


class ColdObjects:
    """The objects of one kind, and how far the round through them has come."""

    def __init__(self, objects: OrderedObjects) -> None:
        """Begin at the first object."""
        self._objects = objects
        self._after = ""
        self._pattern = b""
        self._patterned = 0
        self._looked = self._compressed = 0
        self.rest = 0.0
        """Seconds until the next round is worth its time, counted from the end of the last."""

    @property
    def size(self) -> int:
        """Bytes of the objects that are not compressed."""
        return self._objects.size

    def step(self) -> bool:
        """Go on by a few objects; whether that was the end of a round.

        Those that were read since the last round are passed over once.
        """
        left, most = _STEP_BYTES, self._compressed + STEP_OBJECTS
        objects = self._objects.next_after(self._after, STEP_LOOKS)
        for obj in objects:
            self._after = obj.key
            self._looked += 1
            if obj.in_use:
                obj.in_use = False
            elif not obj.is_compressed:
                left -= obj.size
                self._compress(obj)
                if left <= 0 or self._compressed == most:
                    return False
        if len(objects) == STEP_LOOKS:
            return False
        self.rest = 0.0 if self._compressed * _WORTH >= self._looked else self._looked * _REST
        self._after, self._looked, self._compressed = "", 0, 0
        return True

    def _compress(self, obj: CachedObject) -> None:
        self._objects.size -= obj.size
        self._compressed += 1
        self._patterned += 1
        left = obj.compress(self._pattern)
        if left * _GOOD > obj.size and (self._patterned > FEWEST or not self._pattern):
            self._pattern, self._patterned = obj.raw[-_LARGEST:], 0
            obj.compress(self._pattern)


class MemoryLimit:
    """What uncompressed objects of all kinds may take together. Mutable state: the kinds, and whether any has grown."""

    def __init__(self, limit: int) -> None:
        """`limit` is in bytes."""
        self._limit = limit
        self._kinds: list[ColdObjects] = []
        self._grown = asyncio.Event()

    def add(self, kind: ColdObjects) -> None:
        """Count a kind's objects, too."""
        self._kinds.append(kind)

    def news(self) -> None:
        """Objects may have come."""
        self._grown.set()

    @property
    def _exceeded(self) -> bool:
        return sum(kind.size for kind in self._kinds) > self._limit

    async def keep(self) -> None:
        """Compress objects whenever the others take more than the limit, until cancelled."""
        while True:
            await self._grown.wait()
            self._grown.clear()
            pause = _PERIOD
            for kind in self._kinds:
                ended = False
                while not ended and self._exceeded:
                    ended = kind.step()
                    await asyncio.sleep(0)
                if ended:
                    pause = max(pause, kind.rest)
            if self._exceeded:
                self._grown.set()  # what was in use may not be any more
            await asyncio.sleep(pause)
