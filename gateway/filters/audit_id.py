"""Gives every request its own audit id, before anything can fail.

An inbound Audit-ID is never adopted (kube-apiserver does, unchecked): it is the caller's text, kept by the audit filter
as an annotation only. The same id travels to the store and to members.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from aiohttp import web

from gateway.request_keys import AUDIT_ID, RECEIVED_AT, WARNINGS, Filter, Handler

_DRAWN = 4096
_drawn = bytearray()


def _random_bytes(count: int) -> bytes:
    """Return random bytes of the kernel, asking it for many at a time."""
    if len(_drawn) < count:
        _drawn.extend(os.urandom(_DRAWN))
    taken = bytes(_drawn[-count:])
    del _drawn[-count:]
    return taken


def new_audit_id() -> str:
    """Return a random UUID (version 4) as text, without the object that uuid.uuid4 would make of it first."""
    digits = _random_bytes(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def with_audit_id(now: Callable[[], float]) -> Filter:
    """Name the request and note when it came. `now` gives seconds since the epoch."""

    def wrap(handler: Handler) -> Handler:
        async def serve(request: web.BaseRequest) -> web.StreamResponse:
            request[AUDIT_ID] = new_audit_id()
            request[RECEIVED_AT] = now()
            request[WARNINGS] = []
            return await handler(request)

        return serve

    return wrap
