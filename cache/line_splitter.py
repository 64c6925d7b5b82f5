"""Lines of a watch stream, from chunks that are cut anywhere. Pure."""

from __future__ import annotations

LINE_LIMIT = 32 * 1024 * 1024
"""Bytes. Objects are at most a few MiB; a longer line is a fault or an attack and must not fill the memory."""


class LineTooLong(ValueError):
    """A line beyond the limit."""


class LineSplitter:
    """Collects chunks and gives out complete lines."""

    def __init__(self, limit: int = LINE_LIMIT) -> None:
        """Refuse lines longer than `limit` bytes."""
        self._limit = limit
        self._parts: list[bytes] = []
        self._length = 0

    @property
    def unfinished(self) -> bool:
        """Whether the stream stands inside a line."""
        return bool(self._parts)

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take a chunk and return the lines it completes, without their ends. Raises LineTooLong."""
        *complete, rest = chunk.split(b"\n")
        if complete:
            complete[0] = b"".join((*self._parts, complete[0]))
            self._parts.clear()
            self._length = 0
        if rest:
            self._parts.append(rest)
            self._length += len(rest)
        if self._length > self._limit or any(len(line) > self._limit for line in complete):
            raise LineTooLong(f"a line of more than {self._limit} bytes")
        return [line for line in complete if line]
