"""The HTTPS listener: sockets, TLS, limits of the HTTP layer, and timeouts against slow clients.

Below the handler chain; it knows connections, never requests. Facts of aiohttp it relies on are tested in
tests/gateway/test_listener.py. The C parser is required: the pure Python one had request smuggling bugs of its own.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import ssl
from functools import partial
from http import HTTPStatus
from typing import Any

from aiohttp import EMPTY_PAYLOAD, http_parser, web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from gateway.request_keys import Handler

HEAD_TIMEOUT = 32.0
"""Seconds a new connection has to send its first complete request head (kube-apiserver's ReadHeaderTimeout)."""

HANDSHAKE_TIMEOUT = 10.0
"""Seconds for the TLS handshake."""

IDLE_TIMEOUT = 90.0
"""Seconds an idle keep-alive connection stays open (kube-apiserver's IdleTimeout); also those for later heads."""

PEER_TIMEOUT = 120.0
"""Seconds after which the kernel gives up a peer that takes no data: dead ones, and watchers that never read."""

MAX_HEAD = 1024 * 1024
"""Most bytes of a request line with all header fields: long `command=` lists and selectors are ordinary."""

MAX_HEADERS = 1024
MAX_CONNECTIONS = 20_000

_LINGERING_TIME = 2.0
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

_TOO_MANY_HEADERS = "Too many headers received"
"""aiohttp has no type of its own for this error."""

_HOST = re.compile(r"[A-Za-z0-9!$%&'()*+,\-.:;=\[\]_~]*")
"""What may stand in a Host header (golang.org/x/net/http/httpguts ValidHostHeader)."""

logger = logging.getLogger("gateway.listener")


class _Refused(Exception):
    """A request head that aiohttp would serve."""


def _refusal(head: http_parser.RawRequestMessage) -> HTTPStatus | None:
    """Return the answer to a head that aiohttp would serve and Go's net/http does not, None for all others.

    Transfer-Encoding in HTTP/1.0 is ignored by Go and others and obeyed by aiohttp: readers differ about where such a
    request ends, so it is refused.
    """
    headers = head.headers
    encodings = headers.getall("Transfer-Encoding", [])
    if head.version.major != 1:
        return HTTPStatus.HTTP_VERSION_NOT_SUPPORTED
    if not _HOST.fullmatch(headers.get("Host", "")) or (encodings and head.version.minor == 0):
        return HTTPStatus.BAD_REQUEST
    if encodings and [encoding.lower() for encoding in encodings] != ["chunked"]:
        return HTTPStatus.NOT_IMPLEMENTED
    if headers.get("Expect", "").lower() not in {"", "100-continue"}:
        return HTTPStatus.EXPECTATION_FAILED
    return None


class ClientConnection(RequestHandler):
    """One client connection. Closes itself when no complete request head arrives in time, or one that is too large."""

    __slots__ = ("_head_bytes", "_head_timeout", "_head_timer")

    def __init__(self, server: web.Server, *, head_timeout: float, **settings: Any) -> None:
        """Take aiohttp's settings as they are."""
        super().__init__(server, **settings)
        self._head_timeout = head_timeout
        self._head_timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0

    @property
    def idle(self) -> bool:
        """Whether no request is being served or waits to be."""
        return not self._request_in_progress and not self._messages

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the clock for the first request head."""
        super().connection_made(transport)
        sock = transport.get_extra_info("socket")
        if sock is not None and hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux has it
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(PEER_TIMEOUT * 1000))
        self._head_timer = asyncio.get_running_loop().call_later(self._head_timeout, self.force_close)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop the clock with the connection."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count the bytes of a head that is not complete yet; aiohttp limits single fields only.

        It does not tell a handler that reads a body that the rest of it is malformed either: that is done here.
        """
        known = len(self._messages)
        super().data_received(data)
        self._break_off_body()
        self._refuse(known)
        if not self.idle:
            self._stop_timer()
            self._head_bytes = 0
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD and self.transport is not None:
            logger.info("a request head above %d bytes was refused", MAX_HEAD)
            self.transport.write(_TOO_LARGE)
            self.force_close()

    def _break_off_body(self) -> None:
        if self._current_request is None or self._current_request.content.is_eof():
            return
        if self._messages and isinstance(self._messages[-1][0], _ErrInfo):
            self._current_request.content.set_exception(web.RequestPayloadError("malformed body"))
            self._current_request.content.feed_eof()

    def _refuse(self, known: int) -> None:
        """Let those of the heads that just came which must not be served be answered as errors are, and then close."""
        for index in range(known, len(self._messages)):
            head = self._messages[index][0]
            if not isinstance(head, _ErrInfo) and (status := _refusal(head)):
                self._messages[index] = (_ErrInfo(status.value, _Refused(status.phrase), status.phrase), EMPTY_PAYLOAD)

    def _stop_timer(self) -> None:
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
            raise ConnectionResetError("an answer was already begun")
        if isinstance(exc, LineTooLong) or message == _TOO_MANY_HEADERS:
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE.value
        text = f"{status} {HTTPStatus(status).phrase}"
        response = web.Response(status=status, text=text, headers={"Server": "fleetgate"})
        response.force_close()
        return response


class Listener:
    """Accepts connections on one address and hands their requests to a handler.

    Args:
        handler: answers requests; the whole handler chain.
        context: the TLS context; None serves plain HTTP (tests only).
        head_timeout: seconds a new connection has for its first request head.
        max_connections: connections above this number are closed at once.
    """

    def __init__(
        self,
        handler: Handler,
        context: ssl.SSLContext | None,
        *,
        head_timeout: float = HEAD_TIMEOUT,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        """Prepare; nothing listens before `start`. Raises RuntimeError when aiohttp lacks its C parser."""
        if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
            raise RuntimeError(
                "aiohttp runs without its C parser; install its wheel (AIOHTTP_NO_EXTENSIONS must be unset)"
            )
        self._handler = handler
        self._context = context
        self._head_timeout = head_timeout
        self._max_connections = max_connections
        self._http: web.Server | None = None
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port (useful when 0 was asked for). Raises OSError when the address is taken."""
        http = self._http = web.Server(self._handler, handler_cancellation=True)
        tls: dict[str, Any] = (
            {"ssl": self._context, "ssl_handshake_timeout": HANDSHAKE_TIMEOUT} if self._context else {}
        )
        self._server = await asyncio.get_running_loop().create_server(
            partial(self._connection, http), host, port, backlog=1024, reuse_address=True, **tls
        )
        return int(self._server.sockets[0].getsockname()[1])

    def _connection(self, http: web.Server) -> asyncio.Protocol:
        if len(http.connections) >= self._max_connections:
            return _Refuse()
        return ClientConnection(
            http,
            head_timeout=self._head_timeout,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=IDLE_TIMEOUT,
            tcp_keepalive=True,
            access_log=None,
            max_line_size=MAX_HEAD,
            max_field_size=MAX_HEAD,
            max_headers=MAX_HEADERS,
            lingering_time=_LINGERING_TIME,
            auto_decompress=False,
        )

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._http.connections) if self._http else 0

    def stop_accepting(self) -> None:
        """Close the listening socket and every idle connection; requests in flight go on, bodies and all."""
        if self._server is not None:
            self._server.close()
        if self._http is not None:
            for connection in self._http.connections:
                if isinstance(connection, ClientConnection) and connection.idle:
                    connection.force_close()

    async def close(self, grace: float) -> None:
        """Wait at most `grace` seconds for requests in flight, then close every connection."""
        self.stop_accepting()
        if self._http is not None:
            await self._http.shutdown(grace)


class _Refuse(asyncio.Protocol):
    """Closes a connection above the limit at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
