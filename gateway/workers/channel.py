"""Frames of messages over a stream socket: a length, then that many bytes of MessagePack.

Both ends are ours and the socket is inherited, never found by a name: what arrives is believed.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar, cast

import msgspec

_LENGTH = 4
_BUFFER = 1 << 20
"""Bytes that wait for a slow reader before its writer is told to wait."""

_Received = TypeVar("_Received")
_encoder = msgspec.msgpack.Encoder()


class Channel(asyncio.Protocol, Generic[_Received]):
    """One end. Mutable state: bytes of a frame that is not complete, and whether the other end can follow.

    Args:
        received: called with the messages of each frame.
        decoder: reads a frame.
        writable: called when more may be sent after `full`.
    """

    def __init__(
        self,
        received: Callable[[Sequence[_Received]], None],
        decoder: msgspec.msgpack.Decoder[Sequence[_Received]],
        writable: Callable[[], None] = lambda: None,
    ) -> None:
        """Begin unconnected."""
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done once nothing will come any more."""
        self.full = False
        self._received = received
        self._decoder = decoder
        self._writable = writable
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    async def open(self, sock: socket.socket) -> None:
        """Speak over a connected socket, which belongs to the channel from then on."""
        await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=sock)

    def send(self, messages: Sequence[Any]) -> None:
        """Send a frame; into the void once the channel is closed."""
        if self._transport is not None and not self._transport.is_closing():
            frame = _encoder.encode(messages)
            self._transport.write(len(frame).to_bytes(_LENGTH, "big") + frame)

    def close(self) -> None:
        """End it, without sending what waits."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # a stream socket has no other; uvloop's is no subclass
        self._transport.set_write_buffer_limits(_BUFFER)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the other end is gone."""
        if not self.closed.done():
            self.closed.set_result(None)

    def pause_writing(self) -> None:
        """The other end does not follow."""
        self.full = True

    def resume_writing(self) -> None:
        """It does again."""
        self.full = False
        self._writable()

    def data_received(self, data: bytes) -> None:
        """Take in bytes, and hand over every frame that is complete."""
        self._buffer += data
        start = 0
        while len(self._buffer) - start >= _LENGTH:
            body = start + _LENGTH
            end = body + int.from_bytes(self._buffer[start:body], "big")
            if len(self._buffer) < end:
                break
            frame = bytes(memoryview(self._buffer)[body:end])
            start = end
            self._received(self._decoder.decode(frame))
        if start:
            del self._buffer[:start]
