"""Hands long-running requests to the supervisor, which ends them when they may not go on."""

from __future__ import annotations

import asyncio

from aiohttp import web

from gateway.apimachinery.errors import unauthorized
from gateway.authentication.authenticator import RequestAuthenticator
from gateway.authorization.authorizer import Authorizer, denial
from gateway.filters.authorization import required_attributes
from gateway.metrics import Metrics
from gateway.request_keys import LONG_RUNNING, REQUEST_INFO, REQUESTOR, USER, Filter, Handler
from gateway.supervision import LongRunning, Supervisor


def with_supervision(
    supervisor: Supervisor, authenticator: RequestAuthenticator, authorizer: Authorizer, metrics: Metrics
) -> Filter:
    """Supervise watches, logs and tunnels; all other requests pass."""

    def supervised(request: web.BaseRequest, task: asyncio.Task[object]) -> LongRunning:
        def judge_credential() -> None:
            if authenticator.authenticate(request).name != request[REQUESTOR].name:
                raise unauthorized()

        async def judge_right() -> None:
            attributes = required_attributes(request[USER], request[REQUEST_INFO], request.method)
            decision = await authorizer.authorize(attributes)
            if not decision.allowed:
                raise denial(attributes, decision.reason)

        # Who was let in by a certificate is the same for as long as that is good, whatever else a request carries.
        return LongRunning(task, judge_credential, judge_right, credential=request[REQUESTOR].credential_fingerprint)

    def wrap(handler: Handler) -> Handler:
        async def serve(request: web.BaseRequest) -> web.StreamResponse:
            info = request[REQUEST_INFO]
            task = asyncio.current_task() if info.is_long_running else None
            if task is None:
                return await handler(request)
            long_running = request[LONG_RUNNING] = supervised(request, task)
            with supervisor.supervising(long_running), metrics.long_running(info):
                try:
                    return await handler(request)
                except asyncio.CancelledError:
                    if long_running.ended_at is None:
                        raise
                    task.uncancel()
                    raise ConnectionResetError("ended by supervision") from None
                finally:
                    # They know each other; the collector does not look at what is as old as a watch.
                    del request[LONG_RUNNING]

        return serve

    return wrap
