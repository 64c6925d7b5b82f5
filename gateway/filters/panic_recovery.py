"""Turns every refusal into the Status a client understands and every bug into a plain 500; nothing leaves without one.

The only place where ApiError and PathNotFound become answers. It never shows a traceback to a client, and never begins
a second answer behind a part of a first one: then the connection is broken off, so that the client notices.
"""

from __future__ import annotations

import logging

from aiohttp import web

from gateway.apimachinery.errors import ApiError, PathNotFound
from gateway.handlers.response import (
    CLIENT_LEFT,
    answer_begun,
    path_not_found_response,
    plain_text_response,
    status_response,
)
from gateway.request_keys import AUDIT_ID, Filter, Handler

PANIC_TEXT = "This request caused apiserver to panic. Look in the logs for details.\n"

logger = logging.getLogger("gateway")


def with_panic_recovery() -> Filter:
    """Answer for whatever the rest of the chain raises."""

    def wrap(handler: Handler) -> Handler:
        async def serve(request: web.BaseRequest) -> web.StreamResponse:
            try:
                return await handler(request)
            except CLIENT_LEFT:
                raise  # there is nobody to answer
            except (ApiError, PathNotFound) as error:
                if answer_begun(request):
                    logger.error("request %s broke off: %r", request[AUDIT_ID], error)
                    raise ConnectionResetError("the answer had begun") from None
                return (
                    path_not_found_response(request)
                    if isinstance(error, PathNotFound)
                    else status_response(request, error)
                )
            except Exception:
                logger.exception("request %s failed unexpectedly", request[AUDIT_ID])
                if answer_begun(request):
                    raise ConnectionResetError("the answer had begun") from None
                return plain_text_response(request, 500, PANIC_TEXT)

        return serve

    return wrap
