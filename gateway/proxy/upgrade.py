"""Tunnels for exec, attach and port-forward: an upgraded connection to a member, relayed byte for byte.

SPDY/3.1 and WebSocket look the same from here: after the 101 nothing is parsed. Only a 101 that names the protocol the
client asked for opens the tunnel; every other answer is relayed as an answer (CVE-2018-1002105). A tunnel ends when
either side ends it, or when the handler's task is cancelled: that is how a revoked caller loses it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp import http, web
from aiohttp.base_protocol import BaseProtocol
from multidict import CIMultiDict

from gateway.apimachinery.errors import ApiError, bad_request
from gateway.clusters.sent_request import SentRequest
from gateway.clusters.upstream import Upstream
from gateway.clusters.upstream_error import UpstreamError
from gateway.proxy.forward import stream_answer
from gateway.proxy.rewrite import query_string, response_headers, upgrade_headers
from gateway.request import RequestInfo, upstream_path
from gateway.request_scope import RequestScope

BUFFER = 1 << 16
"""Bytes held for a side that reads slower than the other writes; beyond them, reading stops."""

_SWITCHING_PROTOCOLS = 101


def requested_protocol(headers: Mapping[str, str]) -> str:
    """Return the protocol an upgrade request asks for, in lower case; empty when it asks for none."""
    named = {
        token.strip().lower() for value in CIMultiDict(headers).getall("Connection", ()) for token in value.split(",")
    }
    return headers.get("Upgrade", "").strip().lower() if "upgrade" in named else ""


def refuse_foreign_origin(request: web.BaseRequest) -> None:
    """Let no page of another site open a conversation: browsers add their user's certificate to anything.

    Raises ApiError 403. A request without an origin comes from no page, and no client of Kubernetes sends one.
    """
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc.lower() != request.host.lower():
        raise ApiError(403, "Forbidden", f'a WebSocket from the origin "{origin}" is not allowed')


class _Inlet:
    """Takes the raw bytes that a connection receives from now on, in the place of aiohttp's parser.

    While it holds more than BUFFER, the connection is not read. (aiohttp's own flow control would go through the HTTP
    parser, which has no part in this any more.)
    """

    def __init__(self, protocol: BaseProtocol) -> None:
        self.ended = False
        self._protocol = protocol
        self._chunks: list[bytes] = []
        self._held = 0
        self._news = asyncio.Event()
        _keep_unread_bytes(protocol.transport)

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Receive bytes; never asks for the end of the connection."""
        self._chunks.append(data)
        self._held += len(data)
        self._news.set()
        if self._held > BUFFER and self._protocol.transport is not None:
            with suppress(RuntimeError):  # it is paused already, or closing
                self._protocol.transport.pause_reading()
        return False, b""

    def feed_eof(self) -> None:
        """The connection has ended."""
        self.ended = True
        self._news.set()

    async def receive(self) -> bytes:
        """Wait for bytes and return all there are; empty once the connection has ended and everything was taken."""
        while not self._chunks and not self.ended:
            self._news.clear()
            await self._news.wait()
        return self.take()

    def take(self) -> bytes:
        """Return all bytes held, and let the connection be read again."""
        data = b"".join(self._chunks)
        self._chunks.clear()
        paused, self._held = self._held > BUFFER, 0
        if paused and self._protocol.transport is not None:
            with suppress(RuntimeError):
                self._protocol.transport.resume_reading()
        return data


def _keep_unread_bytes(transport: asyncio.Transport | None) -> None:
    """Make a paused TLS connection leave what comes next, the end of the stream above all, in the kernel.

    By default up to 256 KiB are decrypted ahead, and when the end arrives meanwhile uvloop throws them away: the last
    bytes of a large copy to a slow client.
    """
    set_limits = getattr(transport, "set_read_buffer_limits", None)  # TLS transports have it, plain ones need none
    if set_limits is not None:
        set_limits(high=1, low=0)


Started = Callable[[], Awaitable[None]]


async def tunnel(
    request: web.BaseRequest,
    scope: RequestScope,
    upstream: Upstream,
    *,
    info: RequestInfo | None = None,
    headers: Mapping[str, str] | None = None,
    started: Started | None = None,
) -> web.StreamResponse:
    """Ask the upstream for the upgrade as the caller, and relay both directions until one side ends.

    Args:
        request: the client's upgrade request.
        scope: whose request it is.
        upstream: where to.
        info: what to ask for when that is not `scope.info`.
        headers: the gateway's own headers on the answer.
        started: awaited once the upstream has agreed, before the client is told; what it raises ends both.

    Raises:
        ApiError: before anything was answered: no protocol asked for, a page of another site, no upstream, or an answer
            that may not pass.
    """
    protocol = requested_protocol(request.headers)
    if not protocol:
        raise bad_request("Upgrade request required")
    refuse_foreign_origin(request)
    sent = SentRequest(
        request.method,
        upstream_path(info or scope.info),
        query_string(request.query.items()),
        upgrade_headers(request.headers),
        user=scope.user,
        audit_id=scope.audit_id,
    )
    answer = await upstream.open_tunnel(sent)
    try:
        if answer.status != _SWITCHING_PROTOCOLS:
            return await _relay_refusal(request, upstream, answer, headers)
        connection = answer.connection
        agreed = answer.headers.get("Upgrade", "").strip().lower()
        if connection is None or agreed != protocol:
            text = f"{upstream.title} switched to the protocol {agreed!r} where {protocol!r} was asked for"
            raise UpstreamError(502, "BadGateway", text, unanswered=False)
        if started is not None:
            await started()
        return await _splice(request, answer, connection.protocol, headers)
    finally:
        answer.close()


async def relay(
    request: web.BaseRequest, answer: aiohttp.ClientResponse, headers: Mapping[str, str] | None = None
) -> web.StreamResponse:
    """Take up an agreement to switch protocols (101), and relay both directions until one side ends."""
    connection = answer.connection
    if connection is None:
        raise ConnectionResetError("it agreed and hung up")
    return await _splice(request, answer, connection.protocol, headers)


async def _relay_refusal(
    request: web.BaseRequest, upstream: Upstream, answer: aiohttp.ClientResponse, headers: Mapping[str, str] | None
) -> web.StreamResponse:
    """Pass an error on with its body; a 2xx is no agreement to upgrade and must not look like one."""
    if answer.status < 400:
        text = f"{upstream.title} answered an upgrade request with {answer.status}"
        raise UpstreamError(502, "BadGateway", text, unanswered=False)
    # What the client may already have sent for the tunnel must not be read as a request: its connection ends here.
    return await stream_answer(request, upstream, answer, headers, last=True)


async def _splice(
    request: web.BaseRequest,
    answer: aiohttp.ClientResponse,
    upstream_protocol: Any,  # aiohttp's ResponseHandler, which it does not export
    headers: Mapping[str, str] | None,
) -> web.StreamResponse:
    """Tell the client of the agreement, then copy in both directions until one side ends."""
    from_client = _Inlet(request.protocol)
    from_upstream = _Inlet(upstream_protocol)
    # Taken over before the 101 is sent: no byte that follows it may meet an HTTP parser.
    request.protocol.set_parser(from_client)  # type: ignore[arg-type]  # annotated for aiohttp's own reader only
    upstream_protocol.set_parser(from_upstream, None)
    if request.transport is None:
        from_client.feed_eof()
    if not upstream_protocol.is_connected():
        from_upstream.feed_eof()  # it agreed and hung up: the parser set just now will not hear of that any more
    response = _switching_response(answer, headers)
    await response.prepare(request)
    await response.write(b"")
    writer = http.StreamWriter(upstream_protocol, asyncio.get_running_loop())
    try:
        await _until_one_ends(_copy(from_client, writer.write), _copy(from_upstream, response.write))
    finally:
        _flush(from_client, upstream_protocol.transport)
    return response


def _switching_response(answer: aiohttp.ClientResponse, headers: Mapping[str, str] | None) -> web.StreamResponse:
    response = web.StreamResponse(status=_SWITCHING_PROTOCOLS, headers=headers)
    response.headers.extend(response_headers(answer.headers))
    response.headers["Connection"] = "Upgrade"
    response.headers["Upgrade"] = answer.headers["Upgrade"]
    response.force_close()
    return response


async def _copy(source: _Inlet, write: Callable[[bytes], Awaitable[None]]) -> bool:
    """Pass bytes on, waiting while the sink is full. True once the source has ended and all of it was passed on.

    False when the sink is gone. Then what that same peer had sent before is still under way in the other direction.
    """
    try:
        while chunk := await source.receive():
            await write(chunk)
    except (aiohttp.ClientError, OSError):
        return False
    return True


async def _until_one_ends(*directions: Coroutine[Any, Any, bool]) -> None:
    """Await both directions until one of them has delivered all that it will ever get."""
    async with asyncio.TaskGroup() as group:
        pending = {group.create_task(direction) for direction in directions}
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            if any(task.result() for task in done):
                for task in pending:
                    task.cancel()
                return


def _flush(inlet: _Inlet, transport: asyncio.Transport | None) -> None:
    """Hand over what a client sent right before it went; the transport still sends it while it closes.

    Needed because the server cancels the handler of a client that is gone. A tunnel cut for any other reason is cut.
    """
    if inlet.ended and transport is not None and not transport.is_closing() and (rest := inlet.take()):
        transport.write(rest)
