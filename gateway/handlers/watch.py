"""watch: one stream out, in order, until the client leaves, the time is over, or the right to see it is gone.

Reads through the ReadSource port. Frames of one batch are joined to one write. It holds no queue of its own: a client that
does not read makes `write` wait, its subscription falls behind, and the source ends it (dialect 3.3).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

import msgspec
from aiohttp import web

from gateway.apimachinery.codec import encode_json
from gateway.apimachinery.errors import ApiError, expired
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.options import ListOptions
from gateway.apimachinery.protobuf import encode_watch_event
from gateway.handlers.negotiation import JSON, PROTOBUF, Representation, Shape
from gateway.handlers.read import include_object, object_json
from gateway.handlers.read_source import ReadSource, Subscription, WatchChange
from gateway.handlers.response import answer_headers, request_representation
from gateway.request_keys import LONG_RUNNING

MIN_TIMEOUT = 1800.0
"""Seconds; a watch without timeoutSeconds lives between this and twice this (kube-apiserver's --min-request-timeout)."""

BOOKMARK_PERIOD = 60.0
BOOKMARK_BEFORE_END = 2.0
INITIAL_EVENTS_END = "k8s.io/initial-events-end"

_STREAM_TYPES = (JSON, PROTOBUF)
_WRITE_LIMIT = 128 * 1024


class _Frames:
    """Turns changes into frames of one representation; remembers that a Table's columns are sent only once."""

    def __init__(self, source: ReadSource, representation: Representation, include: str) -> None:
        self._source = source
        self._representation = representation
        self._include = include
        self._columns_sent = False

    def frame(self, change: WatchChange, now: float) -> bytes:
        if change.stored is None:
            return self._wrap(change.type, self._bookmark(change))
        with_columns = not self._columns_sent
        self._columns_sent = self._representation.shape is Shape.TABLE

        def encode() -> bytes:
            body = object_json(
                self._source, change.stored, self._representation, self._include, now, with_columns=with_columns
            )
            return self._wrap(change.type, body)

        if change.memo is None:
            return encode()
        return change.memo((self._source.gvk, self._representation, self._include, with_columns), encode)

    def _bookmark(self, change: WatchChange) -> bytes:
        metadata: JsonObject = {"resourceVersion": change.resource_version}
        if change.initial_events_end:
            metadata["annotations"] = {INITIAL_EVENTS_END: "true"}
        version = self._representation.shape_version
        if self._representation.metadata_only:
            return encode_json(
                {"kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{version}", "metadata": metadata}
            )
        obj: JsonObject = {"kind": self._source.gvk.kind, "apiVersion": self._source.gvk.api_version}
        obj["metadata"] = {**metadata, "creationTimestamp": None} if self._source.built_in else metadata
        if self._representation.shape is not Shape.TABLE:
            return encode_json(obj)
        partial = {"kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{version}", "metadata": metadata}
        row = {"cells": [None] * len(self._source.columns), "object": partial}
        table: JsonObject = {"kind": "Table", "apiVersion": f"meta.k8s.io/{version}"}
        table["metadata"] = {"resourceVersion": change.resource_version}
        table["columnDefinitions"] = None
        table["rows"] = [row]
        return encode_json(table)

    def error(self, error: ApiError) -> bytes:
        return self._wrap("ERROR", encode_json(error.status))

    def _wrap(self, event_type: str, body: bytes) -> bytes:
        if self._representation.media_type == PROTOBUF:
            return encode_watch_event(event_type, msgspec.json.decode(body))
        return b'{"type":"%s","object":%s}\n' % (event_type.encode(), body.rstrip(b"\n"))


class _Clock:
    """When the next thing is due: a bookmark, or the end."""

    def __init__(self, started: float, lifetime: float, *, bookmarks: bool) -> None:
        self.end = started + lifetime
        self.bookmarks = bookmarks
        self._last_call = bookmarks
        self.next_bookmark = started + BOOKMARK_PERIOD

    def wake_at(self) -> float:
        return min(self.end, self._bookmark_due()) if self.bookmarks else self.end

    def _bookmark_due(self) -> float:
        last_call = self.end - BOOKMARK_BEFORE_END
        return min(self.next_bookmark, last_call) if self._last_call else self.next_bookmark

    def bookmark_due(self, now: float) -> bool:
        """Say whether a bookmark is due, and schedule the next one."""
        if not self.bookmarks or now < self._bookmark_due():
            return False
        self._last_call = self._last_call and now < self.end - BOOKMARK_BEFORE_END
        self.next_bookmark = now + BOOKMARK_PERIOD
        return True


class _Ending:
    """How supervision ends a watch: with an ERROR event, or cleanly."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self.error: ApiError | None = None

    def finish(self, error: ApiError | None) -> None:
        self.error = error
        self._subscription.close()


async def watch_objects(
    request: web.BaseRequest, source: ReadSource, namespace: str, options: ListOptions, *, now: Callable[[], float]
) -> web.StreamResponse:
    """Answer a watch. Raises ApiError only before the stream begins; later errors are ERROR events."""
    representation = request_representation(request, offered=_STREAM_TYPES if source.built_in else (JSON,))
    include = include_object(request.rel_url.query.get("includeObject"))
    frames = _Frames(source, representation, include)
    lifetime = float(options.timeout_seconds or 0) or MIN_TIMEOUT * (1 + random.random())  # noqa: S311  (jitter)
    refusal: ApiError | None = None
    subscription: Subscription | None = None
    try:
        subscription = await source.watch(namespace, options, lifetime)
    except ApiError as error:
        if error.code not in {410, 504}:
            raise
        refusal = error
    response = web.StreamResponse(headers=answer_headers(request))
    response.headers["Content-Type"] = representation.stream_content_type
    response.enable_chunked_encoding()
    try:
        await response.prepare(request)
        if subscription is None:
            await response.write(frames.error(refusal or expired("the watch could not be opened")))
        else:
            ending = _Ending(subscription)
            if supervised := request.get(LONG_RUNNING):
                supervised.end = ending.finish
            clock = _Clock(asyncio.get_running_loop().time(), lifetime, bookmarks=options.allow_watch_bookmarks)
            await _pump(response, subscription, frames, clock, now)
            if ending.error is not None:
                await response.write(frames.error(ending.error))
        await response.write_eof()
    finally:
        if subscription is not None:
            subscription.close()
    return response


async def _pump(
    response: web.StreamResponse,
    subscription: Subscription,
    frames: _Frames,
    clock: _Clock,
    now: Callable[[], float],
) -> None:
    loop = asyncio.get_running_loop()
    while loop.time() < clock.end:
        batch = await _next_batch(subscription, clock.wake_at())
        if batch is not None and not batch:
            return
        if await _send(response, batch or (), frames, clock, now()):
            return
        if clock.bookmark_due(loop.time()):
            version = subscription.bookmark_version()
            if version is not None:
                await response.write(frames.frame(WatchChange("BOOKMARK", version), now()))


async def _next_batch(subscription: Subscription, until: float) -> Sequence[WatchChange] | None:
    """Return the next events, or None when nothing happened until the given event-loop time."""
    try:
        async with asyncio.timeout_at(until):
            return await subscription.next_batch()
    except TimeoutError:
        return None


async def _send(
    response: web.StreamResponse, batch: Sequence[WatchChange], frames: _Frames, clock: _Clock, now: float
) -> bool:
    """Write a batch, joined up to a limit of bytes per write. Returns whether the watch ended with an error."""
    pending: list[bytes] = []
    size = 0
    for change in batch:
        if change.type == "BOOKMARK" and not clock.bookmarks:
            continue
        frame = frames.frame(change, now) if change.error is None else frames.error(change.error)
        pending.append(frame)
        size += len(frame)
        if size >= _WRITE_LIMIT:
            await response.write(b"".join(pending))
            await asyncio.sleep(0)
            pending.clear()
            size = 0
    if pending:
        await response.write(b"".join(pending))
    return bool(batch) and batch[-1].error is not None
