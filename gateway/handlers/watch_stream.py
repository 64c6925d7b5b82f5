"""How the frames of a watch are carried: as chunks of an HTTP answer, or each as one message of a WebSocket.

Facts of the WebSocket form are those of k8s.io/apiserver `endpoints/handlers/watch.go` and golang.org/x/net/websocket:
JSON goes in text messages, protobuf in binary ones without a length before it; what the client sends is not looked at.
Unlike there a page of another origin is refused, which a browser would let in with the certificate of its user, and a
client without an origin, which is no browser, is not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from aiohttp import ClientConnectionResetError, WSCloseCode, web

from gateway.apimachinery.errors import bad_request
from gateway.handlers.negotiation import PROTOBUF, Representation
from gateway.handlers.response import answer_headers
from gateway.proxy.upgrade import refuse_foreign_origin, requested_protocol

WEBSOCKET = "websocket"

_BEARER_PROTOCOL = "base64url.bearer.authorization.k8s.io."
"""In front of a token that a browser cannot send otherwise; it is no protocol to be agreed on."""

_FAREWELL = 2.0
"""Seconds that a client has to answer the end of the conversation."""

_LONGEST_MESSAGE = 64 * 1024
"""Bytes of a message from the client; nothing is expected of it."""

_READY_BYTES = 64 * 1024
"""Bytes that may wait for a client before it is given more without waiting for it."""

_LENGTH = 4
"""Bytes of the length in front of a protobuf frame of an HTTP answer."""


class ImmediateStream(Protocol):
    """An open answer that takes bytes without waiting. What is joined for one such stream is good for all."""

    def join(self, frames: Sequence[bytes | memoryview]) -> bytes:
        """Return what carries frames, or pieces of them."""
        ...

    async def send(self, frames: Sequence[bytes | memoryview]) -> None:
        """Send frames, or pieces of them, and wait as `WatchStream.send` does."""
        ...

    def ready(self) -> bool:
        """Whether the client has taken most of what was written; never once the connection closes."""
        ...

    def write(self, data: bytes) -> None:
        """Send what `join` made."""
        ...


class WatchStream(Protocol):
    """An answer that takes frames."""

    async def open(self) -> web.StreamResponse:
        """Send the head, before any event."""
        ...

    async def send(self, frames: Sequence[bytes]) -> None:
        """Send frames, in order; waits while the client does not read. Raises ConnectionResetError when it has gone."""
        ...

    @property
    def immediate(self) -> ImmediateStream | None:
        """The same stream for who cannot wait; None where there is no such way."""
        ...

    async def end(self) -> None:
        """End the stream in good order."""
        ...

    async def abandon(self) -> None:
        """Let go of what the stream holds; after `end` too."""
        ...


class HttpStream:
    """Chunks of an HTTP answer; frames that are sent together are one write."""

    def __init__(self, request: web.BaseRequest, representation: Representation) -> None:
        """Prepare the answer to a request."""
        self._request = request
        self._response = web.StreamResponse(headers=answer_headers(request))
        self._response.headers["Content-Type"] = representation.stream_content_type
        self._response.enable_chunked_encoding()
        self._transport: asyncio.WriteTransport | None = None

    async def open(self) -> web.StreamResponse:
        """Send the head."""
        await self._response.prepare(self._request)
        self._transport = self._request.transport
        return self._response

    @property
    def immediate(self) -> HttpStream | None:
        """Once the head was sent, chunks may be written past the answer."""
        return None if self._transport is None else self

    def join(self, frames: Sequence[bytes | memoryview]) -> bytes:
        """Return one chunk, framed as aiohttp does it, which would copy it once more."""
        size = sum(map(len, frames))
        return b"".join((b"%x\r\n" % size, *frames, b"\r\n")) if size else b""

    def ready(self) -> bool:
        """Whether little is waiting for the client."""
        transport = self._transport
        return (
            transport is not None and not transport.is_closing() and transport.get_write_buffer_size() <= _READY_BYTES
        )

    def write(self, data: bytes) -> None:
        """Send a chunk."""
        assert self._transport is not None, "written to when ready only"  # noqa: S101  (a fault of ours)
        self._transport.write(data)

    async def send(self, frames: Sequence[bytes | memoryview]) -> None:
        """Send frames, or pieces of them, as one chunk."""
        if self._transport is None or self._transport.is_closing():
            raise ClientConnectionResetError("the client has gone")
        self.write(self.join(frames))
        await self._request.writer.drain()

    async def end(self) -> None:
        """End the chunks."""
        await self._response.write_eof()

    async def abandon(self) -> None:
        """Nothing is held."""


class WebSocketStream:
    """Messages of a WebSocket. A task of its own reads what the client sends, to hear that it leaves."""

    def __init__(self, request: web.BaseRequest, representation: Representation, left: Callable[[], None]) -> None:
        """Prepare the answer to an upgrade request; `left` is called when the client ends the conversation.

        Raises ApiError 400 for more than one protocol, 403 for a page of another origin.
        """
        refuse_foreign_origin(request)
        self._request = request
        self._left = left
        self._binary = representation.media_type == PROTOBUF
        self._socket = web.WebSocketResponse(
            protocols=_protocols(request), compress=False, max_msg_size=_LONGEST_MESSAGE, timeout=_FAREWELL
        )
        self._socket.headers.extend(answer_headers(request))
        self._listening: asyncio.Task[None] | None = None

    async def open(self) -> web.StreamResponse:
        """Agree to the upgrade. Raises ApiError 400 when the handshake is none."""
        try:
            await self._socket.prepare(self._request)
        except web.HTTPBadRequest as fault:
            raise bad_request(fault.text or "not a WebSocket handshake") from None
        loop = asyncio.get_running_loop()
        self._listening = loop.create_task(self._listen(), name="client of a WebSocket watch")
        return self._socket

    async def _listen(self) -> None:
        async for _ in self._socket:
            pass
        self._left()

    async def send(self, frames: Sequence[bytes]) -> None:
        """Send each frame as a message."""
        for frame in frames:
            if self._binary:
                await self._socket.send_bytes(frame[_LENGTH:])
            else:
                await self._socket.send_str(frame.decode())

    @property
    def immediate(self) -> None:
        """There is none: a message takes its turn."""

    async def end(self) -> None:
        """Say good-bye, and wait a little for the client's own."""
        await self._socket.close(code=WSCloseCode.OK)

    async def abandon(self) -> None:
        """Stop listening."""
        listening, self._listening = self._listening, None  # its end knows this stream, by the frames that it came from
        if listening is not None:
            listening.cancel()
            await asyncio.wait([listening])


def is_websocket(request: web.BaseRequest) -> bool:
    """Whether the client asks for a WebSocket."""
    return requested_protocol(request.headers) == WEBSOCKET


def _protocols(request: web.BaseRequest) -> tuple[str, ...]:
    """Return the protocol to agree on, where one is asked for.

    Raises ApiError 400 for several, as none of them is better, and for a token that has no protocol beside it: that
    would have to be agreed on.
    """
    asked = [name.strip() for name in request.headers.get("Sec-WebSocket-Protocol", "").split(",") if name.strip()]
    named = [name for name in asked if not name.startswith(_BEARER_PROTOCOL)]
    if len(named) > 1 or (asked and not named):
        raise bad_request("a watch by WebSocket takes one subprotocol, or none")
    return tuple(named)
