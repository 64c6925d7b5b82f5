"""Gives every request its own audit id, before anything can fail.

An inbound Audit-ID is never adopted (kube-apiserver does, unchecked): it is the caller's text, kept by the audit filter
as an annotation only. The same id travels to the store and to members.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

from aiohttp import web

from gateway.request_keys import AUDIT_ID, RECEIVED_AT, WARNINGS, Filter, Handler


def with_audit_id(now: Callable[[], float]) -> Filter:
    """Name the request and note when it came. `now` gives seconds since the epoch."""

    def wrap(handler: Handler) -> Handler:
        async def serve(request: web.BaseRequest) -> web.StreamResponse:
            request[AUDIT_ID] = str(uuid.uuid4())
            request[RECEIVED_AT] = now()
            request[WARNINGS] = []
            return await handler(request)

        return serve

    return wrap
