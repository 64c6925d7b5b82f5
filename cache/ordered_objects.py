"""Objects in key order, for lists and pages: inserts, replacements and range reads without sorting anew.

Keys and objects stand in parallel chunks of bounded size, so an insert moves a few hundred references whatever the
number of objects. A snapshot of many shares the chunks, and a chunk that is shared is copied before it changes: taking
one would otherwise touch every object, which a million of them make 20 ms. Pure; one writer.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain
from typing import overload

from cache.cached_object import CachedObject

_CHUNK = 512
_SHARED = 16
"""A snapshot of more chunks than these shares them; of fewer it is a list."""


class Snapshot(Sequence[CachedObject]):
    """Objects in order, in pieces that nobody changes."""

    def __init__(self, pieces: Sequence[list[CachedObject]]) -> None:
        """Of pieces one after the other."""
        self._pieces = pieces
        self._ends = list(accumulate(map(len, pieces)))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __iter__(self) -> Iterator[CachedObject]:
        return chain.from_iterable(self._pieces)

    @overload
    def __getitem__(self, index: int) -> CachedObject: ...
    @overload
    def __getitem__(self, index: slice) -> list[CachedObject]: ...
    def __getitem__(self, index: int | slice) -> CachedObject | list[CachedObject]:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            return self._between(start, stop, step) if step > 0 else list(self)[index]
        number = index + len(self) if index < 0 else index
        if not 0 <= number < len(self):
            raise IndexError(index)
        return self._between(number, number + 1, 1)[0]

    def _between(self, start: int, stop: int, step: int) -> list[CachedObject]:
        found: list[CachedObject] = []
        piece = bisect_right(self._ends, start)
        while start < stop:
            if start < self._ends[piece]:
                objects = self._pieces[piece]
                begun = self._ends[piece] - len(objects)
                taken = objects[start - begun : stop - begun : step]
                found += taken
                start += step * len(taken)
            piece += 1
        return found


class OrderedObjects:
    """A map from key to object that is read in key order."""

    def __init__(self) -> None:
        """Start empty."""
        self._keys: list[list[str]] = []
        self._objects: list[list[CachedObject]] = []
        self._shared: list[bool] = []  # whether a snapshot may have this chunk of objects, which then is not changed
        self._last: list[str] = []  # the last key of each chunk
        self._count = 0
        self.size = 0
        """Bytes of the objects that are not compressed."""

    def __len__(self) -> int:
        return self._count

    def put(self, obj: CachedObject) -> None:
        """Insert an object, or replace the one of the same key."""
        self.put_all((obj,))

    def put_all(self, objects: Iterable[CachedObject]) -> None:
        """Do so with many of them, one after the other."""
        for obj in objects:
            body, key = obj.body, obj.key
            if isinstance(body, bytes):
                self.size += len(body)
            chunk = min(bisect_left(self._last, key), len(self._last) - 1)
            if chunk < 0:
                self._keys, self._objects, self._last, self._count = [[key]], [[obj]], [key], 1
                self._shared = [False]
                continue
            keys, stored = self._keys[chunk], self._own(chunk)
            position = bisect_left(keys, key)
            if position == len(keys):
                self._last[chunk] = key
            elif keys[position] == key:
                self._leave(stored[position])
                stored[position] = obj
                continue
            keys.insert(position, key)
            stored.insert(position, obj)
            self._count += 1
            if len(keys) > 2 * _CHUNK:
                self._split(chunk)

    def _own(self, chunk: int) -> list[CachedObject]:
        """The objects of a chunk, to be changed."""
        if self._shared[chunk]:
            self._objects[chunk], self._shared[chunk] = self._objects[chunk].copy(), False
        return self._objects[chunk]

    def _leave(self, obj: CachedObject) -> None:
        if not obj.is_compressed:
            self.size -= obj.size

    def _split(self, chunk: int) -> None:
        keys, objects = self._keys[chunk], self._objects[chunk]
        self._keys[chunk : chunk + 1] = [keys[:_CHUNK], keys[_CHUNK:]]
        self._objects[chunk : chunk + 1] = [objects[:_CHUNK], objects[_CHUNK:]]
        self._shared[chunk : chunk + 1] = [False, False]
        self._last[chunk : chunk + 1] = [keys[_CHUNK - 1], keys[-1]]

    def remove(self, key: str) -> None:
        """Remove the object of this key. Raises KeyError when there is none."""
        chunk = bisect_left(self._last, key)
        if chunk == len(self._last):
            raise KeyError(key)
        keys = self._keys[chunk]
        position = bisect_left(keys, key)
        if keys[position] != key:
            raise KeyError(key)
        objects = self._own(chunk)
        self._leave(objects[position])
        del keys[position], objects[position]
        self._count -= 1
        if keys:
            self._last[chunk] = keys[-1]
        else:
            del self._keys[chunk], self._objects[chunk], self._shared[chunk], self._last[chunk]

    def _position(self, key: str) -> tuple[int, int]:
        """Where the first key greater than this one stands."""
        chunk = bisect_right(self._last, key)
        return (chunk, bisect_right(self._keys[chunk], key)) if chunk < len(self._last) else (chunk, 0)

    def pieces(self, after: str, up_to: str) -> Iterator[list[CachedObject]]:
        """The objects with `after < key <= up_to`, in order, chunk by chunk. Not while the map changes."""
        chunk, start = self._position(after)
        last_chunk, end = self._position(up_to)
        while chunk < last_chunk:
            yield self._objects[chunk][start:]
            chunk, start = chunk + 1, 0
        if chunk == last_chunk and start < end:
            yield self._objects[chunk][start:end]

    def next_after(self, after: str, count: int) -> list[CachedObject]:
        """The next objects in order whose key is greater: so many, or fewer at the end."""
        found: list[CachedObject] = []
        for piece in self.pieces(after, "\U0010ffff"):
            found += piece[: count - len(found)]
            if len(found) == count:
                break
        return found

    def between(self, after: str, up_to: str) -> Sequence[CachedObject]:
        """The objects with `after < key <= up_to`, in order: a snapshot."""
        (first, start), (last, end) = self._position(after), self._position(up_to)
        if last - first <= _SHARED:
            return list(chain.from_iterable(self.pieces(after, up_to)))
        self._shared[first + 1 : last] = [True] * (last - first - 1)
        pieces = [self._objects[first][start:], *self._objects[first + 1 : last]]
        return Snapshot([*pieces, self._objects[last][:end]] if end else pieces)

    def count(self, after: str, up_to: str) -> int:
        """How many objects have `after < key <= up_to`."""
        chunk, start = self._position(after)
        last_chunk, end = self._position(up_to)
        return sum(len(self._keys[position]) for position in range(chunk, last_chunk)) + end - start
