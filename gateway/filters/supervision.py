"""Hands long-running requests to the supervisor, which ends them when they may not go on."""

from __future__ import annotations

import asyncio

from aiohttp import web

from gateway.apimachinery.errors import unauthorized
from gateway.authentication.authenticator import Authenticator
from gateway.authorization.authorizer import Authorizer, denial
from gateway.filters.authorization import required_attributes
from gateway.request_keys import LONG_RUNNING, REQUEST_INFO, REQUESTOR, USER, Filter, Handler
from gateway.supervision import AUTHORIZATION_PERIOD, LongRunning, Supervisor


def with_supervision(supervisor: Supervisor, authenticator: Authenticator, authorizer: Authorizer) -> Filter:
    """Supervise watches, logs and tunnels; all other requests pass."""

    def wrap(handler: Handler) -> Handler:
        async def serve(request: web.BaseRequest) -> web.StreamResponse:
            task = asyncio.current_task()
            if task is None or not request[REQUEST_INFO].is_long_running:
                return await handler(request)

            def judge_credential() -> None:
                user = authenticator.authenticate(request)
                if user is None or user.name != request[REQUESTOR].name:
                    raise unauthorized()

            async def judge_right() -> None:
                attributes = required_attributes(request[USER], request[REQUEST_INFO], request.method)
                decision = await authorizer.authorize(attributes)
                if not decision.allowed:
                    raise denial(attributes, decision.reason)

            first = asyncio.get_running_loop().time() + AUTHORIZATION_PERIOD
            supervised = LongRunning(task, judge_credential, judge_right, first)
            request[LONG_RUNNING] = supervised
            with supervisor.supervising(supervised):
                try:
                    return await handler(request)
                except asyncio.CancelledError:
                    if not supervised.ended:
                        raise
                    raise ConnectionResetError("ended by supervision") from None

        return serve

    return wrap
