"""The typed keys under which filters leave facts on a request for the filters and handlers after them.

Written by the filter named beside each key and by nobody else; read through these keys only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import web

from gateway.audit.record import AuditRecord
from gateway.request import RequestInfo, UserInfo
from gateway.request_scope import RequestScope
from gateway.supervision import LongRunning

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
"""What answers a request; raises ApiError or PathNotFound for a refusal."""

Filter = Callable[[Handler], Handler]
"""One step of the handler chain: wraps the handler behind it."""

AUDIT_ID: Final = web.RequestKey("audit_id", str)
"""The audit id: filters/audit_id."""

REQUEST_INFO: Final = web.RequestKey("request_info", RequestInfo)
"""What is asked for: filters/request_info."""

QUERY: Final[web.RequestKey[Mapping[str, str]]] = web.RequestKey("query", dict[str, str])
"""The decoded query, one value a name (the first, as Go's url.Values.Get): filters/request_info."""

RECEIVED_AT: Final = web.RequestKey("received_at", float)
"""Seconds since the epoch at which the request's headers were complete: filters/audit_id."""

DEADLINE: Final = web.RequestKey("deadline", float)
"""Event-loop time at which the request times out; absent for long-running requests: filters/deadline."""

REQUESTOR: Final = web.RequestKey("requestor", UserInfo)
"""Who authenticated: filters/authentication."""

USER: Final = web.RequestKey("user", UserInfo)
"""Whom the request acts as: filters/authentication, replaced by filters/impersonation."""

AUDIT: Final = web.RequestKey("audit", AuditRecord)
"""What the audit log will say: filters/audit, filled by the steps after it."""

WARNINGS: Final = web.RequestKey("warnings", list[str])
"""Texts that become Warning headers, in order: any handler through RequestScope.warn."""

SCOPE: Final = web.RequestKey("scope", RequestScope)
"""The request as the handlers' lower halves see it: filters/authorization, the last filter."""

LONG_RUNNING: Final = web.RequestKey("long_running", LongRunning)
"""The supervised form of a watch, log or tunnel: filters/supervision."""


def judge_again(request: web.BaseRequest, judge: Callable[[], Awaitable[None]]) -> None:
    """Have it judged from time to time, as long as a watch, log or tunnel is open, what its caller sees.

    `judge` raises ApiError (403, 404 or 410) once that is not what the request was answered with.
    """
    if supervised := request.get(LONG_RUNNING):
        supervised.judge_view = judge
