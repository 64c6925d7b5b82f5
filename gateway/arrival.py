"""A client's connection from when it is accepted until its TLS handshake is done: handshakes take turns on the loop.

A handshake takes 1 to 2 ms of computing, in two steps: when the client has said hello, and when it has shown its
certificate. Whatever was received is ready at once for hundreds of clients, and event loops serve all that is ready in
one turn: each step waits here until few others were done in that turn. A client that sends nothing is waited for by
nobody but itself.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import cast

from cache.turns import FewInATurn

TIMEOUT = 10.0
"""Seconds for the TLS handshake."""

AT_ONCE = 2
"""Steps in one turn of the loop; the requests that came with them add to it."""

logger = logging.getLogger("gateway.listener")


class Arrival(asyncio.Protocol):
    """Stands between the socket and its TLS until the handshake is done, and is then left out.

    Mutable state: `_tls`, what TLS is spoken by, None until it has begun; `_received`, what waits for its step.
    """

    def __init__(
        self, context: ssl.SSLContext, steps: FewInATurn, client: asyncio.Protocol, arriving: set[Arrival]
    ) -> None:
        """Make `client` the protocol of what is decrypted; be in `arriving` until that is so, or never will be."""
        self._context = context
        self._steps = steps
        self._client = client
        self._arriving = arriving
        self._transport: asyncio.Transport | None = None
        self._tls: asyncio.BufferedProtocol | None = None
        self._task: asyncio.Task[None] | None = None
        self._received: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin TLS, for which there is nothing to compute yet."""
        self._transport = cast("asyncio.Transport", transport)  # stream sockets have no other; uvloop's is no subclass
        self._arriving.add(self)
        self._task = asyncio.get_running_loop().create_task(self._arrive(self._transport), name="TLS handshake")
        self._task.add_done_callback(lambda _: self._arriving.discard(self))

    async def _arrive(self, transport: asyncio.Transport) -> None:
        loop = asyncio.get_running_loop()
        try:
            loop.call_soon(self._step_between)  # before TLS is told of the connection: start_tls has that called soon
            made = await loop.start_tls(
                transport, self._client, self._context, server_side=True, ssl_handshake_timeout=TIMEOUT
            )
        except OSError as error:  # no TLS, a certificate that is none of ours, gone, or too slow
            logger.debug("a TLS handshake failed: %s", error)
            transport.abort()
            return
        # Without an error it is also awakened when the connection was given up: then nothing has been agreed on.
        if made is not None and made.get_extra_info("ssl_object") is not None:
            self._leave(transport, made)

    def _step_between(self) -> None:
        """What TLS is to receive comes here first."""
        if self._transport is not None and not self._transport.is_closing():
            self._tls = cast("asyncio.BufferedProtocol", self._transport.get_protocol())
            self._transport.set_protocol(self)
            asyncio.get_running_loop().call_soon(self._begun)

    def _begun(self) -> None:
        """TLS knows of the connection, and can take what came before."""
        if self._received:
            self._steps.do(self._hand_on)

    def _leave(self, transport: asyncio.Transport, made: asyncio.Transport) -> None:
        assert self._tls is not None, "a handshake is done"  # noqa: S101  (for the type)
        self._client.connection_made(made)
        transport.set_protocol(self._tls)
        self._hand_on()

    def data_received(self, data: bytes) -> None:
        """Keep what came for when it is its turn; no more comes until then."""
        assert self._transport is not None, "it was made"  # noqa: S101  (for the type)
        self._received.append(data)
        if self._tls is not None and not self._steps.do(self._hand_on):
            self._transport.pause_reading()

    def _hand_on(self) -> None:
        """Give TLS what came, which computes what it is good for."""
        if self._tls is None or self._transport is None or not self._received:
            return
        received, self._received = memoryview(b"".join(self._received)), []
        self._transport.resume_reading()  # before TLS has a look at it: that may want no more yet
        while received and not self._transport.is_closing():
            buffer = memoryview(self._tls.get_buffer(len(received)))
            count = min(len(buffer), len(received))
            buffer[:count] = received[:count]
            self._tls.buffer_updated(count)
            received = received[count:]

    def eof_received(self) -> bool | None:
        """Tell TLS, which ends with that."""
        return self._tls.eof_received() if self._tls is not None else None

    def pause_writing(self) -> None:
        """Tell TLS."""
        if self._tls is not None:
            self._tls.pause_writing()

    def resume_writing(self) -> None:
        """Tell TLS."""
        if self._tls is not None:
            self._tls.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell TLS, and whoever waits for its end."""
        self._received.clear()
        if self._tls is not None:
            self._tls.connection_lost(exc)
        elif self._task is not None:
            self._task.cancel()

    def abort(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()
