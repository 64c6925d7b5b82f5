"""Reads a request's body, never more of it than the limit."""

from __future__ import annotations

from aiohttp import web

from gateway.apimachinery.errors import BODY_LIMIT, bad_request, request_entity_too_large


async def read_body(request: web.BaseRequest, limit: int = BODY_LIMIT) -> bytes:
    """Return the whole body. Raises ApiError 413 above `limit` bytes, before or while reading.

    How long a slow client may take is the deadline filter's matter.
    """
    if request.content_length is not None and request.content_length > limit:
        raise request_entity_too_large(limit)
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise bad_request("a Content-Encoding of the request body is not supported")
    parts: list[bytes] = []
    length = 0
    async for part in request.content.iter_any():
        length += len(part)
        if length > limit:
            raise request_entity_too_large(limit)
        parts.append(part)
    return b"".join(parts)
