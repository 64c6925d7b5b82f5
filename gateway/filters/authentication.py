"""Finds out who asks, and takes the credentials off: no handler behind it can pass them on by accident."""

from __future__ import annotations

from aiohttp import web

from gateway.apimachinery.errors import unauthorized
from gateway.authentication.authenticator import Authenticator
from gateway.request_keys import AUDIT, REQUESTOR, USER, Filter, Handler


def with_authentication(authenticator: Authenticator) -> Filter:
    """Leave the requestor on the request and in its audit record. Raises ApiError 401 through the chain."""

    def wrap(handler: Handler) -> Handler:
        async def serve(request: web.BaseRequest) -> web.StreamResponse:
            user = authenticator.authenticate(request)
            if user is None:
                raise unauthorized()
            request[REQUESTOR] = request[USER] = request[AUDIT].user = user
            return await handler(request)

        return serve

    return wrap
