"""Large answers: joined from stored pieces, chunk by chunk, and never held whole.

Between chunks the event loop has a turn, so that a large list never delays a small request; lists that are sent at the
same time share what is sent in one turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Protocol

from aiohttp import ClientConnectionResetError, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_writer import StreamWriter
from isal import isal_zlib

from gateway.handlers.response import GZIP_THRESHOLD, GZIP_WINDOW_BITS, accepts_gzip, answer_headers

CHUNK = 64 * 1024
"""Fewest bytes per write of a list: smaller costs more calls."""
_LARGE = 16 * 1024
"""Pieces of so many bytes are written as they are."""
_ALL_CHUNKS = 256 * 1024
"""Bytes of all lists that are sent in one turn of the event loop, while they are few: 0.2 ms."""
_TURN = 0.002
"""Seconds after which an answer whose entries have to be made first is sent as far as it is."""

_GZIP_CHUNK = 512 * 1024
_LAST_FRAME = b"0\r\n\r\n"


class Share(Protocol):
    """How much is put together before it is sent."""

    def begin(self) -> None:
        """The next is begun."""
        ...

    def enough(self, length: int) -> bool:
        """Whether so many bytes are to be sent now."""
        ...


def chunks(pieces: Iterable[bytes], share: Share) -> Iterator[tuple[list[bytes], bool]]:
    """Gather pieces until they are enough, joining small ones, and say of each lot whether it is the last."""
    large: list[bytes] = []
    small: list[bytes] = []
    length = 0
    share.begin()
    for piece in pieces:
        if length and share.enough(length):
            yield _with_joined(large, small), False
            large, small = [], []
            length = 0
            share.begin()
        length += len(piece)
        small.append(piece)
        if len(piece) >= _LARGE:
            large, small = _with_joined(large, small), []
    yield _with_joined(large, small), True


def _with_joined(large: list[bytes], small: list[bytes]) -> list[bytes]:
    """A large piece is sent as it is, if it does not follow small ones."""
    return [*large, b"".join(small)] if small else large


def frames(pieces: Iterable[bytes], share: Share) -> Iterator[list[bytes]]:
    """Put pieces into frames of the chunked encoding (RFC 9112, 7.1): what is to be written together.

    The empty frame that ends the body comes with the last.
    """
    for some, last in chunks(pieces, share):
        size = sum(map(len, some))
        end = b"\r\n" + _LAST_FRAME if last else b"\r\n"
        yield [b"%x\r\n" % size, *some, end] if size else [_LAST_FRAME]


class Shares:
    """What the answers that are being sent may each do in one turn of the event loop."""

    def __init__(self, total: int, least: int, time: float, clock: Callable[[], float] = monotonic) -> None:
        """They send `total` bytes together, but each `least`; what takes more than `time` to gather is sent earlier."""
        self.total, self.least, self.time = total, least, time
        self.clock = clock
        self.answers = 0

    @contextmanager
    def one(self) -> Iterator[Share]:
        """Send an answer."""
        self.answers += 1
        try:
            yield _PartOf(self)
        finally:
            self.answers -= 1


class _PartOf:
    """The share of one answer."""

    def __init__(self, shares: Shares) -> None:
        self._shares = shares
        self._begun = 0.0

    def begin(self) -> None:
        self._begun = self._shares.clock()

    def enough(self, length: int) -> bool:
        shares = self._shares
        if length >= max(shares.total // shares.answers, shares.least):
            return True
        return shares.clock() - self._begun >= shares.time


class _UpTo:
    """So many bytes, however long they take."""

    def __init__(self, size: int) -> None:
        self._size = size

    def begin(self) -> None:
        """Begin anew."""

    def enough(self, length: int) -> bool:
        return length >= self._size


_shares = Shares(_ALL_CHUNKS, CHUNK, _TURN)


class _Stream(web.StreamResponse):
    """An answer whose head is sent with the beginning of its body, as aiohttp does it for bodies of known length."""

    _send_headers_immediately = False


async def stream_body(
    request: web.BaseRequest, pieces: Iterable[bytes], content_type: str, *, size: int
) -> web.StreamResponse:
    """Send a large answer piece by piece without ever holding it whole.

    Args:
        request: the request that is answered.
        pieces: the body; consumed once, never retained.
        content_type: its media type.
        size: about how many bytes it will be; decides about compression.
    """
    response = _Stream(headers=answer_headers(request))
    response.headers["Content-Type"] = content_type
    compressed = size > GZIP_THRESHOLD and accepts_gzip(request)
    if compressed:
        response.headers["Content-Encoding"] = "gzip"
        response.headers["Vary"] = "Accept-Encoding"
    response.enable_chunked_encoding()
    await response.prepare(request)
    if compressed:
        await _write_compressed(response, pieces)
    else:
        await _write_frames(response, request.writer, pieces)
    await response.write_eof()
    return response


async def _write_frames(response: web.StreamResponse, writer: AbstractStreamWriter, pieces: Iterable[bytes]) -> None:
    """Put the chunks into their frames ourselves: aiohttp would copy each of them once more to do so."""
    assert isinstance(writer, StreamWriter), "what aiohttp answers requests with"  # noqa: S101  (for the type)
    writer.chunked = False
    with _shares.one() as share:
        for number, frame in enumerate(frames(pieces, share)):
            if not number:
                await response.write(b"".join(frame))  # together with the head of the answer
            elif writer.transport is None or writer.transport.is_closing():
                raise ClientConnectionResetError("the client has gone")
            else:
                writer.transport.writelines(frame)
                await writer.drain()
            await asyncio.sleep(0)  # nothing else yields while the kernel takes the data


async def _write_compressed(response: web.StreamResponse, pieces: Iterable[bytes]) -> None:
    """Compress in a thread (isal releases the GIL), so that the second core carries the cost."""
    loop = asyncio.get_running_loop()
    compressor = isal_zlib.compressobj(1, wbits=GZIP_WINDOW_BITS)
    for chunk, _ in chunks(pieces, _UpTo(_GZIP_CHUNK)):
        if data := await loop.run_in_executor(None, compressor.compress, b"".join(chunk)):
            await response.write(data)
    await response.write(compressor.flush())
