"""Streams an upstream's answer through to the client, byte for byte: reads and watches of the store, logs, one member.

Compressed bodies stay compressed. A short answer that has a deadline goes out in one piece, headers and all; of every
other one each chunk is passed on as it arrives. When the client goes away the handler's task is cancelled (the server
runs with handler_cancellation), and that ends the upstream's side too.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from gateway.clusters.answer import Answer, beginning
from gateway.clusters.sent_request import SentRequest
from gateway.clusters.upstream import Upstream
from gateway.proxy.rewrite import query_string, request_headers, response_headers
from gateway.request import RequestInfo, upstream_path
from gateway.request_scope import RequestScope

AT_ONCE = 64 * 1024
"""Most bytes of an answer that are waited for before the first is sent: most answers are shorter, and each write of
their parts would be a TLS record, a system call, and one more turn of the client's."""

_BODILESS = frozenset({204, 304})
_log = logging.getLogger(__name__)


async def forward(
    request: web.BaseRequest,
    scope: RequestScope,
    upstream: Upstream,
    *,
    info: RequestInfo | None = None,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> web.StreamResponse:
    """Send the request on as its caller and stream the answer back.

    Args:
        request: the client's; its method, query and headers are sent on.
        scope: whose request it is, and until when it must be answered; what has no deadline may run for hours.
        upstream: where to.
        info: what to ask for when that is not `scope.info`: a Pod under its own name, a path inside a cluster proxy.
        body: the request's body, read already; None for none.
        headers: the gateway's own headers on the answer (audit id, warnings); the upstream's win, but for Warning.

    Raises:
        UpstreamError: before the answer has started; afterwards a broken upstream breaks the client's connection, so
            that half an answer is never taken for a whole one.
    """
    sent = SentRequest(
        request.method,
        upstream_path(info or scope.info),
        query_string(request.query.items()),
        request_headers(request.headers),
        body,
        scope.user,
        scope.audit_id,
    )
    answer = await upstream.send(sent, timeout=_time_left(scope))
    try:
        return await stream_answer(request, upstream, answer, headers, gathered=scope.deadline is not None)
    finally:
        answer.close()  # one that was read to its end gave its connection back already


async def stream_answer(
    request: web.BaseRequest,
    upstream: Upstream,
    answer: Answer,
    headers: Mapping[str, str] | None = None,
    *,
    gathered: bool = False,
    last: bool = False,
) -> web.StreamResponse:
    """Write an upstream's answer to the client: status, headers, then each chunk as it arrives.

    `gathered` waits for up to AT_ONCE bytes before anything is sent: for what ends soon, never for a watch. `last`
    closes the client's connection afterwards.

    Raises UpstreamError when the upstream breaks off what is gathered: nothing was sent then.
    """
    begun, whole = b"", False
    if gathered and request.method != "HEAD" and answer.status not in _BODILESS:
        try:
            begun, whole = await beginning(answer, AT_ONCE)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise upstream.failure(error, unanswered=True) from error
    response = _answer_as(answer, headers, begun if whole else None)
    if last:
        response.force_close()
    if whole:
        return response
    await response.prepare(request)  # sends the headers: a watch may stay silent for minutes
    try:
        if begun:
            await response.write(begun)
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
    except (aiohttp.ClientPayloadError, aiohttp.ServerTimeoutError, TimeoutError) as error:
        _log.info("%s broke off an answer: %r", upstream.title, error)
        abort(request)
        return response
    await response.write_eof()
    return response


def _answer_as(answer: Answer, ours: Mapping[str, str] | None, body: bytes | None) -> web.Response | web.StreamResponse:
    """Return the answer's status and headers for the client, with its body where that is known already."""
    passed_on = response_headers(answer.headers)
    headers = CIMultiDict(ours or {})
    for name in passed_on:
        if name != "Warning":
            headers.popall(name, None)
    headers.extend(passed_on)
    if body is not None:
        return web.Response(status=answer.status, reason=answer.reason, headers=headers, body=body)
    response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
    if answer.content_length is not None:
        response.content_length = answer.content_length
    return response


def _time_left(scope: RequestScope) -> float | None:
    if scope.deadline is None:
        return None
    return max(0.001, scope.deadline - asyncio.get_running_loop().time())


def abort(request: web.BaseRequest) -> None:
    """Cut the client's connection, the only way left to say that an answer is incomplete."""
    if request.transport is not None:
        request.transport.abort()
