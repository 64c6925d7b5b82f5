"""One HTTP/1.1 request and its answer on aiohttp's connections, without what its client session does besides.

A session serves cookies, redirects, traces, middlewares and bodies of any kind; nothing of that is asked of an API
server, and it is more than half of what a forwarded request costs. Connections, TLS and the parser are aiohttp's own;
the parts of it that are relied on are tested in tests/gateway/clusters/test_exchange.py.
"""

from __future__ import annotations

import asyncio
import re
from weakref import WeakSet

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import HttpProcessingError, RawResponseMessage
from multidict import CIMultiDict
from yarl import URL

from gateway.clusters.answer import PlainAnswer
from gateway.clusters.endpoint import Endpoint
from gateway.clusters.resting_connections import RestingConnections

READ_BUFFER = 1 << 18
HEADER_LIMIT = 1 << 16
HEADERS_LIMIT = 4096 + 256
"""Most header fields of an answer: kube-apiserver gives up to 4096 characters of warnings, each in one of its own."""

KEEPALIVE = 60.0
"""Seconds; kube-apiserver closes idle connections after 90: we let go first, so that no request meets it."""

WIDE = 1 << 18
"""Bytes of an answer that widens the buffers of its connection, to as much as a megabyte; and wide they stay."""

WIDE_KEEPALIVE = 3.0
"""Seconds; less than from one probe of a member to the next, or every member would keep such a connection for ever."""

_BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
"""What is sent once more when the connection it was sent on turns out to be closed (RFC 9110, 9.2.2)."""

_REQUEST_LINE = re.compile(r"[!-~]+ /[!\"$-~]* HTTP/1\.1")


class Exchange:
    """Sends requests to one API server that is reached without a proxy, on the connections of a connector.

    Args:
        endpoint: where it is.
        connector: makes the connections; whoever made it closes it, after `close`.
        connect_timeout: seconds for TCP and TLS together.
        keepalive: seconds for which a connection is kept for the next request.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        connector: aiohttp.TCPConnector,
        *,
        connect_timeout: float,
        keepalive: float = KEEPALIVE,
    ) -> None:
        url = URL(endpoint.url, encoded=True)
        self._connector = connector
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout)
        # Never sent: the connector takes from it where to connect.
        self._asking = aiohttp.ClientRequest(
            "GET",
            url,
            loop=asyncio.get_running_loop(),
            server_hostname=endpoint.tls_server_name or None,
        )
        self._open: set[PlainAnswer] = set()
        self._resting = RestingConnections(keepalive)
        self._resting_wide = RestingConnections(min(keepalive, WIDE_KEEPALIVE))
        self._wide: WeakSet[ResponseHandler] = WeakSet()
        self._host = self._asking.headers["Host"]
        self._prefix = url.raw_path.rstrip("/")

    async def send(
        self,
        method: str,
        target: str,
        headers: CIMultiDict[str],
        body: bytes | None,
        *,
        timeout: float,
        lasting: bool = False,
    ) -> PlainAnswer:
        """Send a request and return its answer once that has begun.

        Args:
            method: the HTTP method.
            target: path and query, percent-encoded.
            headers: become the exchange's: those that frame the message are replaced.
            body: the bytes to send.
            timeout: seconds until the answer begins.
            lasting: the answer goes on for long, so it is not sent on a wide connection.

        Raises:
            aiohttp.ClientError: there is no connection, or it broke.
            TimeoutError: no answer has begun in time.
            ValueError: what cannot stand in a request.
        """
        message = self._message(method, target, headers, body)
        deadline = asyncio.get_running_loop().time() + timeout
        try:
            return await self._attempt(method, message, deadline, lasting=lasting)
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
            if method not in _IDEMPOTENT:
                raise
        return await self._attempt(method, message, deadline, lasting=lasting)

    def close(self) -> None:
        """Break off what is still read, for closing the connections alone tells nobody; and close those that rest."""
        for answer in list(self._open):
            answer.close()
        self._resting.close()
        self._resting_wide.close()

    def _message(self, method: str, target: str, headers: CIMultiDict[str], body: bytes | None) -> bytes:
        headers["Host"] = self._host
        headers.popall("Transfer-Encoding", None)
        headers.popall("Content-Length", None)
        if body or method not in _BODILESS:
            headers["Content-Length"] = str(len(body or b""))
        first = f"{method} {self._prefix}{target} HTTP/1.1"
        lines = [first, *(f"{name}: {value}" for name, value in headers.items()), "\r\n"]
        head = "\r\n".join(lines)
        ends = len(lines)  # a line for each, and the empty one
        if not _REQUEST_LINE.fullmatch(first) or head.count("\r") != ends or head.count("\n") != ends or "\0" in head:
            raise ValueError("a request line or header that would be read as something else")
        return head.encode() + (body or b"")

    async def _attempt(self, method: str, message: bytes, deadline: float, *, lasting: bool) -> PlainAnswer:
        if self._connector.closed:
            raise aiohttp.ClientConnectionError("the connections were closed")
        rested = self._resting.take() or (None if lasting else self._resting_wide.take())
        connection = rested or await self._connect(deadline)
        timer: asyncio.TimerHandle | None = None
        try:
            protocol = connection.protocol
            if protocol is None or protocol.transport is None or protocol.transport.is_closing():
                raise aiohttp.ClientConnectionResetError("the connection was closed")
            protocol.set_response_params(
                skip_payload=method == "HEAD",
                read_until_eof=True,
                auto_decompress=False,
                read_bufsize=READ_BUFFER,
                max_line_size=HEADER_LIMIT,
                max_field_size=HEADER_LIMIT,
                max_headers=HEADERS_LIMIT,
            )
            protocol.transport.write(message)
            timer = asyncio.get_running_loop().call_at(deadline, protocol.set_exception, TimeoutError())
            head, content = await _final_head(protocol)
            return PlainAnswer(head, content, connection, self._open, self._rest)
        except BaseException:
            connection.close()
            raise
        finally:
            if timer is not None:
                timer.cancel()

    async def _connect(self, deadline: float) -> aiohttp.connector.Connection:
        """Make a connection. Its own timeout is told apart from that of the request."""
        async with asyncio.timeout_at(deadline):
            try:
                return await self._connector.connect(self._asking, [], self._timeout)
            except TimeoutError as error:
                raise aiohttp.ConnectionTimeoutError(str(error)) from error

    def _rest(self, connection: aiohttp.connector.Connection, received: int) -> None:
        """Keep a connection on which so many bytes of an answer were received."""
        if self._connector.closed:
            connection.close()
            return
        protocol = connection.protocol
        if protocol is not None and received >= WIDE:
            self._wide.add(protocol)
        (self._resting_wide if protocol in self._wide else self._resting).put(connection)


async def _final_head(protocol: ResponseHandler) -> tuple[RawResponseMessage, aiohttp.StreamReader]:
    """Wait for the head that is no interim answer (1xx)."""
    while True:
        try:
            head, content = await protocol.read()
        except HttpProcessingError as error:
            raise aiohttp.ClientPayloadError("the answer is no HTTP") from error
        if head.code >= 200 or head.code == 101:
            return head, content
