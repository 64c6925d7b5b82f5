"""The HTTPS listener: sockets, TLS, limits of the HTTP layer, and timeouts against slow clients.

Below the handler chain; it knows connections, never requests. Facts of aiohttp it relies on are tested in
tests/gateway/test_listener.py. The C parser is required: the pure Python one had request smuggling bugs of its own.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from typing import Any

from aiohttp import http_parser, web
from aiohttp.web_protocol import RequestHandler

from gateway.request_keys import Handler

HEADER_TIMEOUT = 32.0
"""Seconds a new connection has to send its first complete request head (kube-apiserver's ReadHeaderTimeout)."""

HANDSHAKE_TIMEOUT = 10.0
"""Seconds for the TLS handshake."""

IDLE_TIMEOUT = 90.0
"""Seconds an idle keep-alive connection stays open (kube-apiserver's IdleTimeout)."""

MAX_LINE = MAX_FIELD = 1024 * 1024
"""Longest request line and header field in bytes: long `command=` lists and selectors are ordinary."""

MAX_HEADERS = 1024
MAX_CONNECTIONS = 20_000

logger = logging.getLogger("gateway.listener")


class ClientConnection(RequestHandler):
    """One client connection. Closes itself when no complete request head arrives in time."""

    __slots__ = ("_head_timer",)

    def __init__(self, server: web.Server, **settings: Any) -> None:
        """Take aiohttp's settings as they are."""
        super().__init__(server, **settings)
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the clock for the first request head."""
        super().connection_made(transport)
        self._head_timer = asyncio.get_running_loop().call_later(HEADER_TIMEOUT, self.force_close)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop the clock with the connection."""
        self.head_received()
        super().connection_lost(exc)

    def head_received(self) -> None:
        """Stop the clock: a complete request head has arrived."""
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP: one quiet log line, and none of the request's bytes sent back."""
        logger.info("malformed request from %s: %s", request.remote, type(exc).__name__)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was already begun")
        text = "500 Internal Server Error" if status == 500 else "400 Bad Request"
        response = web.Response(status=status, text=text)
        response.force_close()
        return response


class Listener:
    """Accepts connections on one address and hands their requests to a handler.

    Args:
        handler: answers requests; the whole handler chain.
        context: the TLS context; None serves plain HTTP (tests only).
    """

    def __init__(self, handler: Handler, context: ssl.SSLContext | None) -> None:
        """Prepare; nothing listens before `start`."""
        if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
            raise RuntimeError(
                "aiohttp runs without its C parser; install its wheel (AIOHTTP_NO_EXTENSIONS must be unset)"
            )
        self._handler = handler
        self._context = context
        self._http: web.Server | None = None
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port (useful when 0 was asked for). Raises OSError when the address is taken."""
        loop = asyncio.get_running_loop()
        self._http = web.Server(self._serve, handler_cancellation=True)
        tls: dict[str, Any] = (
            {"ssl": self._context, "ssl_handshake_timeout": HANDSHAKE_TIMEOUT} if self._context else {}
        )
        self._server = await loop.create_server(self._connection, host, port, backlog=1024, reuse_address=True, **tls)
        return int(self._server.sockets[0].getsockname()[1])

    def _connection(self) -> asyncio.Protocol:
        assert self._http is not None
        if len(self._http.connections) >= MAX_CONNECTIONS:
            return _Refuse()
        return ClientConnection(
            self._http,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=IDLE_TIMEOUT,
            tcp_keepalive=True,
            access_log=None,
            max_line_size=MAX_LINE,
            max_field_size=MAX_FIELD,
            max_headers=MAX_HEADERS,
            lingering_time=2.0,
            auto_decompress=False,
        )

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        if isinstance(connection, ClientConnection):
            connection.head_received()
        return await self._handler(request)

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._http.connections) if self._http else 0

    def stop_accepting(self) -> None:
        """Close the listening socket and every idle connection; requests in flight go on."""
        if self._server is not None:
            self._server.close()
        if self._http is not None:
            self._http.pre_shutdown()

    async def close(self, grace: float) -> None:
        """Wait at most `grace` seconds for requests in flight, then close every connection."""
        self.stop_accepting()
        if self._http is not None:
            await self._http.shutdown(grace)


class _Refuse(asyncio.Protocol):
    """Closes a connection above the limit at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def set_user_timeout(sock: socket.socket, seconds: float) -> None:
    """Let the kernel notice a dead peer within `seconds` even while data waits to be acknowledged."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))
