"""Finds out who asks. Credentials stay on the request; what leaves for other servers is stripped of them elsewhere."""

from __future__ import annotations

from collections.abc import Awaitable

from aiohttp import web

from gateway.authentication.authenticator import RequestAuthenticator
from gateway.request_keys import AUDIT, REQUESTOR, USER, Filter, Handler


def with_authentication(authenticator: RequestAuthenticator) -> Filter:
    """Leave the requestor on the request and in its audit record. Raises ApiError 401 through the chain."""

    def wrap(handler: Handler) -> Handler:
        def serve(request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
            request[REQUESTOR] = request[USER] = request[AUDIT].user = authenticator.authenticate(request)
            return handler(request)

        return serve

    return wrap
