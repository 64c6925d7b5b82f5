"""Many objects in the order of their versions, without keeping everybody else waiting for the sort."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from operator import attrgetter

from cache.cached_object import CachedObject
from cache.turns import Turns

_SLICE = 2_048
"""Objects that are handled without letting anything else run: less than 1 ms."""
_SAMPLED = 64
"""Every so many objects one is looked at to guess where to divide."""

_version = attrgetter("rv")


async def in_version_order(objects: Sequence[CachedObject], turns: Turns) -> list[CachedObject]:
    """Return the objects, the one with the lowest version first; each slice of the work takes a turn.

    They are dealt out to parts of about a slice, each of which is then sorted: it costs what one sort costs.
    """
    await turns.take()
    if len(objects) <= _SLICE:
        return sorted(objects, key=_version)
    sample = sorted(map(_version, objects[::_SAMPLED]))
    bounds = sample[_SLICE // _SAMPLED :: _SLICE // _SAMPLED]
    parts: list[list[CachedObject]] = [[] for _ in range(len(bounds) + 1)]
    for start in range(0, len(objects), _SLICE):
        for obj in objects[start : start + _SLICE]:
            parts[bisect_left(bounds, obj.rv)].append(obj)
        await turns.take()
    ordered: list[CachedObject] = []
    for part in parts:
        ordered += sorted(part, key=_version)
        part.clear()  # here, a few at a time: each object that is let go of is looked at
        await turns.take()
    return ordered
