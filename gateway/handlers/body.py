"""Reads a request's body, never more of it than the limit and never for longer than the limit.

A long one is decoded in a thread of its own: see `decode_apart`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from aiohttp import web

from gateway.apimachinery.errors import BODY_LIMIT, bad_request, gateway_timeout, request_entity_too_large

_T = TypeVar("_T")

BODY_TIMEOUT = 60.0
"""Seconds a body may take. Most requests have a deadline anyway; this one holds for those that may run long, too."""

DECODED_AT_ONCE = 16 * 1024
"""Most bytes of a body that is decoded where it was read: most are shorter, and a thread costs more than they do."""

_decoding = ThreadPoolExecutor(max_workers=1, thread_name_prefix="decode")
"""One thread: more of them would not be faster, only keep the event loop waiting longer for its turn."""

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


async def read_body(request: web.BaseRequest, limit: int = BODY_LIMIT, *, timeout: float = BODY_TIMEOUT) -> bytes:
    """Return the whole body.

    Raises ApiError 413 above `limit` bytes, before or while reading, 400 for an encoded or malformed body, and 504 for
    one that does not arrive.
    """
    if request.content_length is not None and request.content_length > limit:
        raise request_entity_too_large(limit)
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise bad_request("a Content-Encoding of the request body is not supported")
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(_CONTINUE)
        request.writer.output_size = 0  # the answer itself has not begun
    try:
        if request.content.is_eof():  # it has come with the head, as short ones do
            return _within(limit, request.content.read_nowait())
        async with asyncio.timeout(timeout):
            return await _read(request, limit)
    except web.RequestPayloadError:
        raise bad_request("the request body is malformed") from None
    except TimeoutError:
        raise gateway_timeout("the request body did not arrive within the allotted timeout") from None


async def decode_apart(decode: Callable[[bytes], _T], body: bytes) -> _T:
    """Return `decode(body)`, worked out in a thread when the body is long, so that others are served meanwhile."""
    if len(body) <= DECODED_AT_ONCE:
        return decode(body)
    return await asyncio.get_running_loop().run_in_executor(_decoding, decode, body)


def _within(limit: int, body: bytes) -> bytes:
    if len(body) > limit:
        raise request_entity_too_large(limit)
    return body


async def _read(request: web.BaseRequest, limit: int) -> bytes:
    parts: list[bytes] = []
    length = 0
    async for part in request.content.iter_any():
        length += len(part)
        if length > limit:
            raise request_entity_too_large(limit)
        parts.append(part)
    return b"".join(parts)
