"""An answer of another API server, whose body is still to come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.http import RawResponseMessage
from multidict import CIMultiDictProxy

from cache.turns import Turns


class PlainAnswer:
    """An answer whose body is still to come; as far as it goes like aiohttp.ClientResponse.

    Its connection goes back to the pool when the body has come to its end, and is closed when that is not waited for.
    """

    __slots__ = ("_connection", "_give_back", "_open", "_timer", "content", "headers", "reason", "status")

    def __init__(
        self,
        message: RawResponseMessage,
        content: aiohttp.StreamReader,
        connection: aiohttp.connector.Connection,
        open_answers: set[PlainAnswer],
        give_back: Callable[[aiohttp.connector.Connection, int], None],
    ) -> None:
        self.status: int = message.code
        self.reason: str | None = message.reason
        self.headers: CIMultiDictProxy[str] = message.headers
        self.content = content
        self._connection: aiohttp.connector.Connection | None = connection  # None once it has gone back
        self._timer: asyncio.TimerHandle | None = None
        self._open = open_answers
        self._give_back = give_back
        open_answers.add(self)
        content.on_eof(self._end)

    @property
    def content_type(self) -> str:
        """The media type without its parameters."""
        return self.headers.get("Content-Type", "application/octet-stream").partition(";")[0].strip().lower()

    @property
    def content_length(self) -> int | None:
        """How many bytes the body has; None when that is not known beforehand."""
        length = self.headers.get("Content-Length", "")
        return int(length) if length else None  # the parser has refused what is no number

    def end_at(self, deadline: float) -> None:
        """Break the body off when it has not come to its end at this time of the event loop."""
        if not self.content.is_eof():
            self._timer = asyncio.get_running_loop().call_at(deadline, self._expire)

    def close(self) -> None:
        """Give the connection up unless the body has come to its end; whoever reads it is told."""
        self._settle()
        if not self.content.is_eof() and self.content.exception() is None:
            self.content.set_exception(aiohttp.ClientConnectionError("the answer was given up"))
        if self._connection is not None:
            self._connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _end(self) -> None:
        self._settle()
        connection, self._connection = self._connection, None
        if connection is not None:
            self._give_back(connection, self.content.total_bytes)

    def _expire(self) -> None:
        self.content.set_exception(TimeoutError())
        self.close()

    def _settle(self) -> None:
        self._open.discard(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


Answer = aiohttp.ClientResponse | PlainAnswer
"""What an API server answers: of a session where a proxy or an upgrade is in the way, else of an Exchange."""


async def beginning(answer: Answer, at_most: int, turns: Turns | None = None) -> tuple[bytes, bool]:
    """Return an answer's body and True; where it is longer than `at_most` bytes, what came of it by then and False.

    With `turns`, shared by all who read large answers, a piece is taken in each: of what is not taken little more is
    received and decrypted meanwhile.
    """
    content = answer.content
    parts: list[bytes] = []
    size = 0
    while chunk := await content.readany():
        parts.append(chunk)
        size += len(chunk)
        if size > at_most:
            return b"".join(parts), False
        if content.at_eof():
            break
        if turns is not None:
            await turns.take()
    return b"".join(parts), True
