"""What a worker does not answer itself: handed on to the core as it came, and the core's answer as that came.

Nothing is decided here, and nothing added. The core judges the client's certificate, which stands beside the connection
it is given for each client (`handover`), so there is no header by which anybody could be somebody else.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_proto import ResponseHandler
from multidict import CIMultiDict
from yarl import URL

from gateway.apimachinery.errors import bad_request, service_unavailable
from gateway.authentication.x509 import peer_certificate
from gateway.chain import chain
from gateway.filters.audit_id import with_audit_id
from gateway.filters.panic_recovery import with_panic_recovery
from gateway.handlers.response import CLIENT_LEFT
from gateway.lifecycle import Lifecycle
from gateway.listener import MAX_HEAD, MAX_HEADERS, ClientConnection
from gateway.proxy.forward import AT_ONCE, abort
from gateway.proxy.upgrade import relay, requested_protocol
from gateway.request_keys import Handler
from gateway.workers.messages import Peer

HandOver = Callable[[Peer], Awaitable[socket.socket]]
"""Opens a connection to the core that speaks for a client."""

_BETWEEN_NEIGHBOURS = frozenset({"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding"})
_SWITCHING_PROTOCOLS = 101
_BODILESS = frozenset({204, 304})
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_READ_BUFFER = 1 << 18
_NEVER = 365 * 86_400.0  # seconds: the core ends no idle connection of a client that is still there, nor do we


class _NoCore(aiohttp.ClientConnectionError):
    """Nothing was asked."""


class _CoreConnector(aiohttp.BaseConnector):
    """Connections to the core that speak for one client."""

    def __init__(self, hand_over: HandOver, peer: Peer) -> None:
        super().__init__(limit=0, keepalive_timeout=_NEVER)
        self._hand_over = hand_over
        self._peer = peer

    async def _create_connection(self, req: Any, traces: Any, timeout: Any) -> ResponseHandler:  # as the base has it
        loop = asyncio.get_running_loop()
        try:
            sock = await self._hand_over(self._peer)
            _, protocol = await loop.create_unix_connection(lambda: ResponseHandler(loop), sock=sock)
        except OSError as error:
            raise _NoCore("the core is gone") from error
        return protocol

    def cut(self) -> None:
        """End all of them at once; what they are in the middle of is broken off."""
        self._close()


class ForwardingConnection(ClientConnection):
    """A client's connection, and what speaks to the core on its behalf once that was needed."""

    __slots__ = ("core",)

    def __init__(self, server: web.Server, **settings: Any) -> None:
        """Begin without."""
        super().__init__(server, **settings)
        self.core: aiohttp.ClientSession | None = None

    def connection_lost(self, exc: BaseException | None) -> None:
        """Have the core notice that the client is gone."""
        super().connection_lost(exc)
        if self.core is not None and isinstance(self.core.connector, _CoreConnector):
            self.core.connector.cut()
            self.core.detach()


class _Body(aiohttp.AsyncIterablePayload):
    """A body as it comes. The head does not wait for it, as aiohttp's would: the core may refuse it, or its delay."""

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        writer.send_headers()
        await super().write_with_length(writer, content_length)


def _session(request: web.BaseRequest, hand_over: HandOver) -> aiohttp.ClientSession:
    protocol = request.protocol
    assert isinstance(protocol, ForwardingConnection), "what a worker listens with"  # noqa: S101  (a fault of ours)
    if protocol.core is None:
        address: Any = protocol.peername
        host, port = (str(address[0]), int(address[1])) if isinstance(address, tuple) else ("", 0)
        protocol.core = aiohttp.ClientSession(
            connector=_CoreConnector(hand_over, Peer(peer_certificate(request), host, port)),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
            read_bufsize=_READ_BUFFER,
            max_line_size=MAX_HEAD,
            max_field_size=MAX_HEAD,
            max_headers=MAX_HEADERS,
        )
        protocol.core._retry_connection = False  # no setting of it: aiohttp would repeat a PUT or DELETE
    return protocol.core


def handing_on(hand_over: HandOver, lifecycle: Lifecycle, now: Callable[[], float]) -> Handler:
    """Return what hands requests on; those that cannot be are answered with a Status. Each is in flight meanwhile."""

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        with lifecycle.serving(long_running=False):
            return await _forward(request, hand_over)

    return chain((with_audit_id(now), with_panic_recovery()), serve)


async def _forward(request: web.BaseRequest, hand_over: HandOver) -> web.StreamResponse:
    """Have the core answer a request. Raises ApiError when it cannot be asked, or not so."""
    headers = _request_headers(request)
    session = _session(request, hand_over)
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(_CONTINUE)
        request.writer.output_size = 0  # the answer itself has not begun
    body = _Body(request.content.iter_any()) if request.body_exists else None
    try:
        answer = await session.request(
            request.method, _target(request), headers=headers, data=body, allow_redirects=False
        )
    except _NoCore as error:
        raise service_unavailable("the gateway is restarting", retry_after_seconds=1) from error
    except aiohttp.ClientError:
        if request.content.exception() is not None:
            raise bad_request("the request body is malformed") from None
        abort(request)
        raise ConnectionResetError("the core broke off, and may have done what it was asked for") from None
    try:
        if answer.status == _SWITCHING_PROTOCOLS:
            return await relay(request, answer, _passed_on(answer))
        return await _stream(request, answer)
    finally:
        answer.close()  # one that was read to its end gave its connection back already


def _target(request: web.BaseRequest) -> URL:
    path, _, query = request.raw_path.partition("?")
    return URL.build(scheme="http", host="core", path=path, query_string=query, encoded=True)


def _request_headers(request: web.BaseRequest) -> CIMultiDict[str]:
    protocol = requested_protocol(request.headers)
    headers: CIMultiDict[str] = CIMultiDict()
    spelled: dict[str, str] = {}  # aiohttp keeps the last one only of names that are spelled differently
    for name, value in request.headers.items():
        lowered = name.lower()
        if lowered not in _BETWEEN_NEIGHBOURS and lowered != "expect" and (protocol or lowered != "upgrade"):
            headers.add(spelled.setdefault(lowered, name), value)
    if protocol:
        headers["Connection"] = "Upgrade"
    headers.setdefault("Host", "")
    try:
        "".join(headers.values()).encode()
    except UnicodeEncodeError:
        raise bad_request("a header of the request is not valid UTF-8") from None
    return headers


def _passed_on(answer: aiohttp.ClientResponse) -> CIMultiDict[str]:
    left_out = _BETWEEN_NEIGHBOURS | {"content-length", "upgrade"}
    return CIMultiDict((name, value) for name, value in answer.headers.items() if name.lower() not in left_out)


async def _stream(request: web.BaseRequest, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    """Pass an answer on: one that is there in full in one piece, of every other one each chunk as it comes."""
    length = answer.content_length
    headers = _passed_on(answer)
    closing = answer.headers.get("Connection", "").lower() == "close"
    if length is not None and length <= AT_ONCE and request.method != "HEAD" and answer.status not in _BODILESS:
        try:
            body = await answer.read()
        except aiohttp.ClientError:
            abort(request)
            raise ConnectionResetError("the core broke off its answer") from None
        whole = web.Response(status=answer.status, reason=answer.reason, headers=headers, body=body)
        if closing:
            whole.force_close()
        return whole
    response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
    if length is not None:
        response.content_length = length
    if closing:
        response.force_close()
    await response.prepare(request)
    try:
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
    except CLIENT_LEFT:
        raise
    except (aiohttp.ClientError, OSError):
        abort(request)
        return response
    await response.write_eof()
    return response
