"""Gives every request its own audit id, before anything can fail.

An inbound Audit-ID is never adopted (kube-apiserver does, unchecked): it is the caller's text, kept by the audit filter
as an annotation only. The same id travels to the store and to members.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator

from aiohttp import web

from gateway.request_keys import AUDIT_ID, RECEIVED_AT, WARNINGS, Filter, Handler

_DRAWN = 256
"""So many ids are made of what the kernel is asked for at a time."""
_VARIANTS = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))


def _audit_ids() -> Iterator[str]:
    while True:
        drawn = os.urandom(_DRAWN * 16).hex()
        for at in range(0, len(drawn), 32):
            digits = drawn[at : at + 32]
            yield f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{_VARIANTS[digits[16]]}{digits[17:20]}-{digits[20:]}"


_ids = _audit_ids()


def new_audit_id() -> str:
    """Return a random UUID (version 4) as text, without the object that uuid.uuid4 would make of it first."""
    return next(_ids)


def with_audit_id(now: Callable[[], float]) -> Filter:
    """Name the request and note when it came. `now` gives seconds since the epoch."""

    def wrap(handler: Handler) -> Handler:
        def serve(request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
            request[AUDIT_ID] = new_audit_id()
            request[RECEIVED_AT] = now()
            request[WARNINGS] = []
            return handler(request)

        return serve

    return wrap
