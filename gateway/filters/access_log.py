"""One log line and one metrics sample a request.

Logs what was parsed, never raw bytes of the request: a path cannot forge a second line, nor a long one fill the disk.
"""

from __future__ import annotations

import logging
import time

from aiohttp import web

from gateway.handlers.response import answer_code
from gateway.metrics import Metrics
from gateway.request import RequestInfo
from gateway.request_keys import AUDIT_ID, REQUEST_INFO, USER, Filter, Handler

LOGGED_CHARACTERS = 512
"""Most characters of a path or user name in a line."""

logger = logging.getLogger("gateway.access")


def with_access_log(metrics: Metrics) -> Filter:
    """Observe every request; refusals pass through as exceptions, on their way to panic recovery."""

    def wrap(handler: Handler) -> Handler:
        async def serve(request: web.BaseRequest) -> web.StreamResponse:
            started = time.perf_counter()
            try:
                response = await handler(request)
            except BaseException as error:
                _observe(request, metrics, answer_code(request, error), time.perf_counter() - started)
                raise
            _observe(request, metrics, response.status, time.perf_counter() - started)
            return response

        return serve

    return wrap


def _observe(request: web.BaseRequest, metrics: Metrics, code: int, seconds: float) -> None:
    info: RequestInfo | None = request.get(REQUEST_INFO)
    if info is None:
        logger.info("audit_id=%s code=%d unparsable request", request[AUDIT_ID], code)
        return
    metrics.observe(info, code, seconds)
    user = request.get(USER)
    name = user.name[:LOGGED_CHARACTERS] if user else ""
    logger.info(
        "audit_id=%s verb=%s path=%r user=%r code=%d ms=%.1f",
        request[AUDIT_ID], info.verb[:LOGGED_CHARACTERS], info.path[:LOGGED_CHARACTERS], name, code, seconds * 1000,
    )  # fmt: skip
