"""Reading the beginning of an answer, and the whole of a short one."""

import asyncio
from collections.abc import Sequence
from unittest.mock import Mock

import aiohttp
import pytest

from cache.turns import Turns
from gateway.clusters.answer import PlainAnswer, beginning


class Content(aiohttp.StreamReader):
    """A body of which each piece has come by the time it is asked for; counts how often it was."""

    def __init__(self, *pieces: bytes, error: Exception | None = None) -> None:
        super().__init__(Mock(), 1 << 16, loop=asyncio.get_running_loop())
        self.pieces, self.error, self.asked = list(pieces), error, 0

    async def readany(self) -> bytes:
        self.asked += 1
        if self.pieces:
            self.feed_data(self.pieces.pop(0))
        elif self.error is not None:
            self.set_exception(self.error)
        if not self.pieces and self.error is None:
            self.feed_eof()
        return await super().readany()


def answer_of(content: Content) -> PlainAnswer:
    return PlainAnswer(Mock(headers={}), content, Mock(), set(), Mock())


class CountedTurns(Turns):
    taken = 0

    async def take(self) -> None:
        self.taken += 1


@pytest.mark.parametrize(
    ("pieces", "found", "asked"),
    [
        ((), (b"", True), 1),
        ((b"all",), (b"all", True), 1),
        ((b"half", b"way"), (b"halfway", True), 2),
        ((b"12345678",), (b"12345678", True), 1),
        ((b"123456789",), (b"123456789", False), 1),
        ((b"12345", b"67890", b"never asked for"), (b"1234567890", False), 2),
    ],
)
async def test_it_is_asked_no_more_once_it_is_all_there(
    pieces: Sequence[bytes], found: tuple[bytes, bool], asked: int
) -> None:
    content = Content(*pieces)
    assert await beginning(answer_of(content), 8) == found
    assert content.asked == asked


async def test_what_breaks_off_after_a_piece_is_not_whole() -> None:
    content = Content(b"half", error=aiohttp.ClientPayloadError("gone"))
    with pytest.raises(aiohttp.ClientPayloadError):
        await beginning(answer_of(content), 8)


async def test_a_turn_is_taken_between_two_pieces() -> None:
    turns = CountedTurns()
    assert await beginning(answer_of(Content(b"a", b"b", b"c")), 8, turns) == (b"abc", True)
    assert turns.taken == 2
