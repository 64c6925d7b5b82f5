"""One log line and one metrics sample a request.

Logs what was parsed, never raw bytes of the request: a path cannot forge a second line.
"""

from __future__ import annotations

import logging
import time

from aiohttp import web

from gateway.apimachinery.errors import ApiError, PathNotFound
from gateway.metrics import Metrics
from gateway.request import RequestInfo
from gateway.request_keys import AUDIT_ID, REQUEST_INFO, USER, Filter, Handler

logger = logging.getLogger("gateway.access")


def with_access_log(metrics: Metrics) -> Filter:
    """Observe every request; refusals pass through as exceptions, on their way to panic recovery."""

    def wrap(handler: Handler) -> Handler:
        async def serve(request: web.BaseRequest) -> web.StreamResponse:
            started = time.perf_counter()
            status = 499  # the client left before an answer
            try:
                response = await handler(request)
                status = response.status
                return response
            except ApiError as error:
                status = error.code
                raise
            except PathNotFound:
                status = 404
                raise
            except ConnectionError:
                raise
            except Exception:
                status = 500
                raise
            finally:
                _observe(request, metrics, status, time.perf_counter() - started)

        return serve

    return wrap


def _observe(request: web.BaseRequest, metrics: Metrics, status: int, seconds: float) -> None:
    info: RequestInfo | None = request.get(REQUEST_INFO)
    if info is None:
        logger.info("audit_id=%s code=%d unparsable request", request.get(AUDIT_ID), status)
        return
    metrics.observe(info, status, seconds)
    if logger.isEnabledFor(logging.INFO):
        user = request.get(USER)
        logger.info(
            "audit_id=%s verb=%s path=%r user=%r code=%d ms=%.1f",
            request[AUDIT_ID], info.verb, info.path, user.name if user else "", status, seconds * 1000,
        )  # fmt: skip
