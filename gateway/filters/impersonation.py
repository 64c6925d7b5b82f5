"""Lets a caller act as somebody else, when he may: `kubectl --as`.

Recorded as the caller, acting as the other. The headers themselves are never passed on; what goes upstream is made anew
from the effective user.
"""

from __future__ import annotations

from collections.abc import Awaitable

from aiohttp import web

from gateway.authentication.impersonation import Impersonation, banned, needed_rights, requested_identity
from gateway.authorization.authorizer import Authorizer, denial
from gateway.request_keys import AUDIT, REQUESTOR, USER, Filter, Handler


def with_impersonation(authorizer: Authorizer) -> Filter:
    """Replace the effective user after every part of the wanted identity was allowed."""

    def wrap(handler: Handler) -> Handler:
        def serve(request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
            impersonation = requested_identity(request.headers.items())
            return handler(request) if impersonation is None else serve_as(request, impersonation)

        async def serve_as(request: web.BaseRequest, impersonation: Impersonation) -> web.StreamResponse:
            if refusal := banned(impersonation.identity):
                raise refusal
            for attributes in needed_rights(request[REQUESTOR], impersonation):
                decision = await authorizer.authorize(attributes)
                if not decision.allowed:
                    raise denial(attributes, decision.reason)
            request[USER] = request[AUDIT].impersonated = impersonation.identity
            return await handler(request)

        return serve

    return wrap
