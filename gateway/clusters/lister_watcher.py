"""Listing and watching one resource of a member over HTTP, with the gateway's own reading right.

Implements the cache's port (cache/lister_watcher.py): bytes in, bytes out. Nothing is parsed here, and retrying is the
cache's business; foreign errors become the port's.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from urllib.parse import urlencode

import aiohttp
import msgspec

from cache.lister_watcher import Expired, ListWatchError, NotServed, Unavailable
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.integers import parse_integer
from gateway.apimachinery.schema import GroupVersionResource
from gateway.clusters.upstream import Upstream

PAGE_TIMEOUT = 60.0
"""Seconds for one page of a list; kube-apiserver gives up on its own after as much."""

_ACCEPT = {"Accept": "application/json"}
_ERROR_BODY_LIMIT = 1 << 16
_LONGEST_PAUSE = 300
"""Seconds; a member that asks for more is asked again all the same."""


class HttpListerWatcher:
    """One resource of one API server, all namespaces."""

    def __init__(self, upstream: Upstream, resource: GroupVersionResource) -> None:
        self._upstream = upstream
        self._path = f"{resource.group_version.path}/{resource.resource}"

    async def list(self, *, limit: int, continue_token: str) -> bytes:
        """Return one page as the member wrote it. Raises ListWatchError."""
        query = {"limit": str(limit)} if limit else {}
        if continue_token:
            query["continue"] = continue_token
        try:
            response = await self._upstream.request(
                "GET", self._path, query=urlencode(query), headers=_ACCEPT, timeout=PAGE_TIMEOUT
            )
            async with response:
                body = await self._upstream.read_body(response)
        except ApiError as error:
            raise Unavailable(error.message) from error
        if response.status != 200:
            raise _refusal(response, body)
        return body

    async def watch(self, *, resource_version: str, timeout_seconds: int) -> AsyncGenerator[bytes, None]:
        """Yield `b""` once the watch has begun, then its body as it arrives, cut anywhere. Raises ListWatchError."""
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(timeout_seconds),
        }
        try:
            response = await self._upstream.request(
                "GET", self._path, query=urlencode(query), headers=_ACCEPT, timeout=None
            )
        except ApiError as error:
            raise Unavailable(error.message) from error
        try:
            if response.status != 200:
                raise _refusal(response, await response.content.read(_ERROR_BODY_LIMIT))
            yield b""
            async for chunk in response.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(self._upstream.failure(error, unanswered=False).message) from error
        finally:
            # A watch that is left early still has bytes under way: its connection cannot be used again.
            response.close()


def _refusal(response: aiohttp.ClientResponse, body: bytes) -> ListWatchError:
    try:
        status = msgspec.json.decode(body)
        text = str(status["message"])
    except (msgspec.DecodeError, KeyError, TypeError):
        text = body[:256].decode("utf-8", "replace").strip()
    message = f"{response.status} {text}"
    if response.status == 410:
        return Expired(message)
    if response.status == 404:
        return NotServed(message)
    retry_after = response.headers.get("Retry-After", "")
    is_number = retry_after.isascii() and retry_after.isdigit()
    return Unavailable(message, float(min(parse_integer(retry_after), _LONGEST_PAUSE)) if is_number else 0.0)
