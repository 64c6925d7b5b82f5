"""Listing and watching one resource of a member over HTTP, with the gateway's own reading right.

Implements the cache's port (cache/lister_watcher.py): bytes in, bytes out. Nothing is parsed here, and retrying is the
cache's business; foreign errors become the port's.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from urllib.parse import urlencode

import aiohttp
import msgspec

from cache.encoded_object import DECODE_ERRORS
from cache.lister_watcher import Expired, ListWatchError, NotServed, TooLarge, Unavailable
from cache.turns import Turns
from gateway.apimachinery.errors import ApiError, PathNotFound
from gateway.apimachinery.integers import parse_integer
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupVersionResource
from gateway.clusters.answer import Answer
from gateway.clusters.upstream import ANSWER_LIMIT, Upstream
from gateway.clusters.upstream_error import AnswerTooLarge

PAGE_TIMEOUT = 60.0
"""Seconds for one page of a list; kube-apiserver gives up on its own after as much."""

_ACCEPT = {"Accept": "application/json"}
_CORE_KINDS = "/api/v1"
PAGE_LIMIT = 16 * 1024 * 1024
"""Bytes of one page: decoding it keeps everybody else waiting. Where it is not enough fewer objects are asked for."""

_PIECE = 1 << 16
"""Most bytes of a watch that are taken at once: of many members whose watches are far ahead, as many in one turn."""
_ERROR_BODY_LIMIT = 1 << 16
_TOLD = 256
"""Characters of what a member says of a refusal that are passed on, to logs and to whoever asks how it is."""
_LONGEST_PAUSE = 300
"""Seconds; a member that asks for more is asked again all the same."""


class HttpListerWatcher:
    """One resource of one API server, all namespaces."""

    def __init__(self, upstream: Upstream, resource: GroupVersionResource, turns: Turns | None = None) -> None:
        """Pages are read in `turns`, shared with those who read other members: what all send at once would add up."""
        self._upstream = upstream
        self._turns = turns or Turns()
        self._resource = resource
        self._path = f"{resource.group_version.path}/{resource.resource}"

    async def list(self, *, limit: int, continue_token: str) -> bytes:
        """Return one page as the member wrote it. Raises ListWatchError."""
        query = {"limit": str(limit)} if limit else {}
        if continue_token:
            query["continue"] = continue_token
        try:
            response = await self._upstream.get(
                self._path, query=urlencode(query), headers=_ACCEPT, timeout=PAGE_TIMEOUT
            )
            async with response:
                at_most = PAGE_LIMIT if limit else ANSWER_LIMIT
                body = await self._upstream.read_body(response, at_most=at_most, turns=self._turns)
            absent = response.status == 404 and await self._is_absent(body)
        except AnswerTooLarge as error:
            raise TooLarge(error.message) from error
        except ApiError as error:
            raise Unavailable(error.message) from error
        if response.status != 200:
            raise _refusal(response, body, absent=absent)
        return body

    async def _is_absent(self, body: bytes) -> bool:
        """Whether a 404 says that the member has no such resource, which makes its objects go.

        A proxy before a member that is down may answer 404 as well. Every kube-apiserver has the core kinds, and only
        one that has those is believed. Raises ApiError when that cannot be found out.
        """
        if not self._resource.group:
            return False
        if _status(body).get("kind") == "Status":
            return True
        try:
            return (await self._upstream.get_json(_CORE_KINDS)).get("kind") == "APIResourceList"
        except PathNotFound:
            return False

    async def watch(self, *, resource_version: str, timeout_seconds: int) -> AsyncGenerator[bytes, None]:
        """Yield `b""` once the watch has begun, then its body as it arrives, cut anywhere. Raises ListWatchError."""
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(timeout_seconds),
        }
        try:
            response = await self._upstream.get(self._path, query=urlencode(query), headers=_ACCEPT, timeout=None)
        except ApiError as error:
            raise Unavailable(error.message) from error
        try:
            if response.status != 200:
                # That there is nothing at all is for a list to say.
                raise _refusal(response, await response.content.read(_ERROR_BODY_LIMIT), absent=False)
            yield b""
            while chunk := await response.content.read(_PIECE):
                yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(self._upstream.failure(error, unanswered=False).message) from error
        finally:
            # A watch that is left early still has bytes under way: its connection cannot be used again.
            response.close()


def _status(body: bytes) -> JsonObject:
    try:
        status = msgspec.json.decode(body)
    except DECODE_ERRORS:
        return {}
    return status if isinstance(status, dict) else {}


def _told(body: bytes) -> str:
    """What the body of a refusal says, in one line: it may be a page for people, or pretend to be lines of ours."""
    message = _status(body).get("message")
    text = message if isinstance(message, str) else body[: 4 * _TOLD].decode("utf-8", "replace")
    return " ".join(text.split())[:_TOLD]


def _refusal(response: Answer, body: bytes, *, absent: bool) -> ListWatchError:
    message = f"{response.status} {_told(body)}"
    if response.status == 410:
        return Expired(message)
    if absent:
        return NotServed(message)
    retry_after = response.headers.get("Retry-After", "")
    is_number = retry_after.isascii() and retry_after.isdigit()
    return Unavailable(message, float(min(parse_integer(retry_after), _LONGEST_PAUSE)) if is_number else 0.0)
