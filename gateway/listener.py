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
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any

from aiohttp import EMPTY_PAYLOAD, http_parser, web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from cache.turns import FewInATurn
from gateway.arrival import AT_ONCE, Arrival
from gateway.request_keys import Handler

HEAD_TIMEOUT = 32.0
"""Seconds a new connection has to send its first complete request head (kube-apiserver's ReadHeaderTimeout)."""

IDLE_TIMEOUT = 90.0
"""Seconds an idle keep-alive connection stays open (kube-apiserver's IdleTimeout); also those for later heads."""

PEER_TIMEOUT = 120.0
"""Seconds after which the kernel gives up a peer that takes no data: dead ones, and watchers that never read."""

MAX_HEAD = 1024 * 1024
"""Most bytes of a request line with all header fields: long `command=` lists and selectors are ordinary."""

MAX_HEADERS = 1024
MAX_CONNECTIONS = 20_000

REQUESTS_AT_ONCE = 8
"""Requests that begin in one turn of the event loop: a GET takes 0.3 ms, and a thousand clients may ask at once."""

PARTINGS_AT_ONCE = 16
"""Connections whose end is dealt with in one turn: a thousand watchers may leave at once, and each ends a request."""

_BACKLOG = 1024
_UNLIMITED = 365 * 86_400.0  # seconds
_LINGERING_TIME = 2.0
_PARTING_TIME = 0.5
"""Seconds in which what a refused client still sends is read: closing before would take the answer back (net/http's
rstAvoidanceDelay)."""
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

    __slots__ = ("_head_bytes", "_head_timeout", "_head_timer", "_partings", "_refused")

    def __init__(self, server: web.Server, *, head_timeout: float, partings: FewInATurn, **settings: Any) -> None:
        """Take aiohttp's settings as they are; those that share `partings` take turns to end."""
        super().__init__(server, **settings)
        self._partings = partings
        self._head_timeout = head_timeout
        self._head_timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._refused = False  # answered, and soon to be closed: what comes is not looked at

    @property
    def idle(self) -> bool:
        """Whether no request is being served or waits to be."""
        return not self._request_in_progress and not self._messages

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the clock for the first request head."""
        super().connection_made(transport)
        sock = transport.get_extra_info("socket")
        by_tcp = sock is not None and sock.family != socket.AF_UNIX
        if by_tcp and hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux has it
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(PEER_TIMEOUT * 1000))
        self._head_timer = asyncio.get_running_loop().call_later(self._head_timeout, self.force_close)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop the clock with the connection; what goes on for it ends when it is its turn."""
        self._stop_timer()
        self._partings.do(partial(super().connection_lost, exc))

    def data_received(self, data: bytes) -> None:
        """Count the bytes of a head that is not complete yet; aiohttp limits single fields only.

        It does not tell a handler that reads a body that the rest of it is malformed either: that is done here.
        """
        if self._refused:
            return
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
            self._refused = True
            self._stop_timer()
            self._head_timer = asyncio.get_running_loop().call_later(_PARTING_TIME, self.force_close)

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


@dataclass(frozen=True, slots=True)
class Client:
    """Whose connection another process of the gateway hands on, which ended its TLS."""

    certificate: bytes | None
    """What was presented, DER; nothing is known of it yet."""
    address: tuple[str, int]


class AdoptedConnection(ClientConnection):
    """A connection of a client that another process of the gateway took in. It lives as long as that one lets it."""

    __slots__ = ("client",)

    def __init__(self, server: web.Server, *, client: Client, **settings: Any) -> None:
        """Speak with `client`."""
        super().__init__(server, **settings)
        self.client = client

    @property
    def peername(self) -> tuple[str, int]:
        """Where the client is, not the process in between."""
        return self.client.address


def shared_sockets(host: str, port: int, count: int) -> list[list[socket.socket]]:
    """Bind `count` sets of sockets to one address; the kernel spreads connections evenly over those that listen.

    Raises OSError when the address is taken, also by another gateway that would share it.
    """
    _require_free(host, port)
    sets: list[list[socket.socket]] = []
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    for family, kind, protocol, _, address in dict.fromkeys(found):
        bound = address
        for number in range(count):
            made = socket.socket(family, kind, protocol)
            if len(sets) <= number:
                sets.append([])
            sets[number].append(made)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.bind(bound)
            bound = made.getsockname()  # where any free port was asked for, the others take the same one
            made.setblocking(False)
    for made in (made for each in sets for made in each):
        made.listen(_BACKLOG)  # only now, so that no connection comes in that nobody accepts
    return sets


def _require_free(host: str, port: int) -> None:
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind(address)
            probe.listen()


class Listener:
    """Accepts connections on one address and hands their requests to a handler.

    Args:
        handler: answers requests; the whole handler chain.
        context: the TLS context; None serves plain HTTP (tests only).
        head_timeout: seconds a new connection has for its first request head.
        max_connections: connections above this number are closed at once.
        connection: what speaks with a client.
    """

    def __init__(
        self,
        handler: Handler,
        context: ssl.SSLContext | None,
        *,
        head_timeout: float = HEAD_TIMEOUT,
        max_connections: int = MAX_CONNECTIONS,
        connection: type[ClientConnection] = ClientConnection,
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
        self._connection_type = connection
        self._http: web.Server | None = None
        self._servers: list[asyncio.Server] = []
        self._handshakes = FewInATurn(AT_ONCE)
        self._requests = FewInATurn(REQUESTS_AT_ONCE)
        self._partings = FewInATurn(PARTINGS_AT_ONCE)
        self.arriving: set[Arrival] = set()
        """Connections whose handshake is not done."""

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port (useful when 0 was asked for). Raises OSError when the address is taken."""
        server = await asyncio.get_running_loop().create_server(
            partial(self._connection, self._serving()), host, port, backlog=_BACKLOG, reuse_address=True
        )
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def start_on(self, sockets: Sequence[socket.socket]) -> Sequence[asyncio.Server]:
        """Listen on sockets that are bound. They stay their owner's: they outlive what is returned."""
        loop = asyncio.get_running_loop()
        factory = partial(self._connection, self._serving())
        started = [await loop.create_server(factory, sock=sock.dup(), backlog=_BACKLOG) for sock in sockets]
        self._servers += started
        return started

    def leave(self, servers: Sequence[asyncio.Server]) -> None:
        """Accept nothing more on those sockets: somebody else does."""
        for server in servers:
            server.close()
            self._servers.remove(server)

    async def adopt(self, sock: socket.socket, client: Client) -> None:
        """Serve a connection that another process took in, without TLS."""
        make = partial(self._made, AdoptedConnection, self._serving(), client=client, keepalive_timeout=_UNLIMITED)
        await asyncio.get_running_loop().connect_accepted_socket(make, sock)

    def _serving(self) -> web.Server:
        if self._http is None:
            self._http = web.Server(self._begin, handler_cancellation=True)
        return self._http

    async def _begin(self, request: web.BaseRequest) -> web.StreamResponse:
        await self._requests.take()
        return await self._handler(request)

    def _connection(self, http: web.Server) -> asyncio.Protocol:
        if len(http.connections) + len(self.arriving) >= self._max_connections:
            return _Refuse()
        client = self._made(self._connection_type, http, keepalive_timeout=IDLE_TIMEOUT)
        return client if self._context is None else Arrival(self._context, self._handshakes, client, self.arriving)

    def _made(self, kind: type[ClientConnection], http: web.Server, **settings: Any) -> ClientConnection:
        return kind(
            http,
            head_timeout=self._head_timeout,
            partings=self._partings,
            loop=asyncio.get_running_loop(),
            tcp_keepalive=True,
            access_log=None,
            max_line_size=MAX_HEAD,
            max_field_size=MAX_HEAD,
            max_headers=MAX_HEADERS,
            lingering_time=_LINGERING_TIME,
            auto_decompress=False,
            **settings,
        )

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._http.connections) if self._http else 0

    def stop_accepting(self) -> None:
        """Close the listening socket and every idle connection; requests in flight go on, bodies and all."""
        for server in self._servers:
            server.close()
        if self._http is not None:
            for connection in self._http.connections:
                if isinstance(connection, ClientConnection) and connection.idle:
                    connection.force_close()

    async def close(self, grace: float) -> None:
        """Wait at most `grace` seconds for requests in flight, then close every connection."""
        self.stop_accepting()
        for arrival in list(self.arriving):
            arrival.abort()
        if self._http is not None:
            await self._http.shutdown(grace)


class _Refuse(asyncio.Protocol):
    """Closes a connection above the limit at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
