"""Ends requests that take too long: 60 s, or less when the client asks for less (dialect 1, rows 8 and 9).

Never touches long-running requests: watch, proxy, exec, attach, port-forward and log.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from gateway.apimachinery.duration import parse_duration
from gateway.apimachinery.errors import bad_request, gateway_timeout
from gateway.handlers.response import answer_begun
from gateway.request_keys import DEADLINE, QUERY, REQUEST_INFO, Filter, Handler

REQUEST_TIMEOUT = 60.0
"""kube-apiserver's --request-timeout, in seconds."""


def request_timeout(asked: str | None, limit: float = REQUEST_TIMEOUT) -> float:
    """Return the seconds a request may take: the `timeout` query (a Go duration), never more than `limit`.

    Raises ApiError 400 when the duration cannot be parsed.
    """
    if not asked:
        return limit
    try:
        seconds = parse_duration(asked)
    except ValueError as error:
        raise bad_request(f"invalid timeout specified in the request URL - {error}") from None
    return seconds if 0 < seconds < limit else limit


def with_deadline(limit: float = REQUEST_TIMEOUT) -> Filter:
    """Answer 504 at the deadline when nothing was written yet; abort the connection otherwise.

    `limit` is in seconds, counted from here.
    """

    def wrap(handler: Handler) -> Handler:
        async def serve(request: web.BaseRequest) -> web.StreamResponse:
            if request[REQUEST_INFO].is_long_running:
                return await handler(request)
            seconds = request_timeout(request[QUERY].get("timeout"), limit)
            deadline = asyncio.get_running_loop().time() + seconds
            request[DEADLINE] = deadline
            timer = asyncio.timeout_at(deadline)
            try:
                async with timer:
                    return await handler(request)
            except TimeoutError:
                if not timer.expired():
                    raise
                if answer_begun(request):
                    raise ConnectionResetError("deadline reached in the middle of an answer") from None
                raise gateway_timeout("request did not complete within the allotted timeout") from None

        return serve

    return wrap
