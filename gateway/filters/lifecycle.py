"""Refuses new work while the gateway is starting or leaving.

Health, readiness and metrics stay open in every state, so that a load balancer can see why.
"""

from __future__ import annotations

from aiohttp import web

from gateway.apimachinery.errors import service_unavailable
from gateway.authentication.authenticator import is_open
from gateway.handlers.response import plain_text_response
from gateway.lifecycle import Lifecycle, Stage
from gateway.request import RequestInfo
from gateway.request_keys import REQUEST_INFO, Filter, Handler

SHUTTING_DOWN_TEXT = "The apiserver is shutting down, please try again later.\n"


def _always_open(info: RequestInfo) -> bool:
    return is_open(info) or (info.path == "/metrics" and not info.cluster)


def with_lifecycle(lifecycle: Lifecycle) -> Filter:
    """Answer 503 before the gateway is ready and 429 with `Connection: close` once it drains."""

    def wrap(handler: Handler) -> Handler:
        async def serve(request: web.BaseRequest) -> web.StreamResponse:
            info = request[REQUEST_INFO]
            if lifecycle.stage is not Stage.READY and not _always_open(info):
                if lifecycle.stage is Stage.STARTING:
                    raise service_unavailable("the gateway is starting", retry_after_seconds=5)
                response = plain_text_response(request, 429, SHUTTING_DOWN_TEXT)
                response.headers["Retry-After"] = "5"
                response.force_close()
                return response
            long_running = info.is_long_running
            lifecycle.begin(long_running=long_running)
            try:
                return await handler(request)
            finally:
                lifecycle.end(long_running=long_running)

        return serve

    return wrap
