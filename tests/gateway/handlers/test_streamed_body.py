from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from gateway.handlers.streamed_body import CHUNK, Share, Shares, frames


@dataclass
class UpTo:
    size: int

    def begin(self) -> None: ...

    def enough(self, length: int) -> bool:
        return length >= self.size


@pytest.mark.parametrize(
    "sizes",
    [[], [0], [5], [CHUNK, 5], [40_000] * 4, [CHUNK * 3, 1, CHUNK * 3], [100] * 2_000, [0, 7, 0], [20_000, 5] * 9],
)
def test_frames_hold_the_same(sizes: list[int]) -> None:
    pieces = [bytes([65 + number % 26]) * size for number, size in enumerate(sizes)]
    written = list(frames(iter(pieces), UpTo(CHUNK)))
    body = b"".join(map(b"".join, written))
    found = []
    while True:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        assert rest[length : length + 2] == b"\r\n"
        if not length:
            break
        found.append(rest[:length])
        body = rest[length + 2 :]
    assert rest == b"\r\n", "nothing follows the empty one"
    assert b"".join(found) == b"".join(pieces)
    assert all(CHUNK <= len(some) < CHUNK + max(sizes) for some in found[:-1])
    assert max(map(len, written)) <= 3 + 2 * CHUNK // 20_000


def test_who_sends_together_shares_what_is_sent_in_one_turn() -> None:
    shares = Shares(1000, 200, 5.0, clock=lambda: 0.0)

    def largest(share: Share) -> int:
        return next(size for size in range(2000) if share.enough(size + 1))

    with shares.one() as first:
        assert largest(first) == 999
        with shares.one() as second, shares.one():
            assert largest(first) == largest(second) == 332
            with shares.one(), shares.one(), shares.one():
                assert largest(first) == 199
        assert largest(first) == 999


def test_what_takes_long_to_make_is_sent_before_it_is_much() -> None:
    now = 0.0

    def slow() -> Iterator[bytes]:
        nonlocal now
        for _ in range(10):
            now += 2.0
            yield b"x" * 10

    with Shares(1000, 200, 5.0, clock=lambda: now).one() as share:
        assert [b"".join(frame).count(b"x") for frame in frames(slow(), share)] == [20, 30, 30, 20]
