"""watch: one stream out, in order, until the client leaves, the time is over, or the right to see it is gone.

Reads through the ReadSource port. Frames of one batch are joined to one write. It holds no queue of its own: a client
that does not read makes `write` wait, its subscription falls behind, and the source ends it.
"""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import Callable, Hashable, Sequence

import msgspec
from aiohttp import web

from cache.turns import OfEachLoop, Turns
from gateway.apimachinery.codec import encode_json
from gateway.apimachinery.errors import ApiError, not_acceptable
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.options import ListOptions
from gateway.apimachinery.protobuf import encode, encode_watch_event
from gateway.apimachinery.schema import GroupVersionKind
from gateway.handlers.negotiation import JSON, PROTOBUF, STREAM_TYPES, YAML, Representation, Shape
from gateway.handlers.read import include_object, object_json, read_representation
from gateway.handlers.read_source import ObjectsAdded, ReadSource, Subscription, WatchChange
from gateway.handlers.watch_stream import HttpStream, ImmediateStream, WatchStream, WebSocketStream, is_websocket
from gateway.request_keys import LONG_RUNNING

MIN_TIMEOUT = 1800.0
"""Seconds; a watch without timeoutSeconds lives between this and twice this (kube-apiserver's
--min-request-timeout)."""

BOOKMARK_PERIOD = 60.0
BOOKMARK_BEFORE_END = 2.0
INITIAL_EVENTS_END = "k8s.io/initial-events-end"

_WRITE_BYTES = 128 * 1024
_TURN = {JSON: 512, PROTOBUF: 4}
"""Frames between two turns of the event loop; protobuf has to look into every object."""


class _Frames:
    """Turns changes into frames of one representation; remembers that a Table's columns are sent only once."""

    def __init__(self, source: ReadSource, representation: Representation, include: str) -> None:
        self._source = source
        self._representation = representation
        self._include = include
        self._columns_sent = False
        self._first_form = _form(source.gvk, representation, include, True)
        self._form = _form(source.gvk, representation, include, False)

    @property
    def shared_form(self) -> Hashable | None:
        """What frames are equal under from now on, None before a Table's columns were sent."""
        return self._form if self._columns_sent or self._representation.shape is not Shape.TABLE else None

    @property
    def turn(self) -> int:
        return _TURN[self._representation.media_type]

    def frame(self, change: WatchChange, now: float) -> bytes:
        if change.error is not None:
            return self._wrap("ERROR", encode_json(change.error.status))
        if change.stored is None:
            return self._wrap(change.type, encode_json(self._bookmark(change)))
        with_columns = not self._columns_sent
        self._columns_sent = self._representation.shape is Shape.TABLE

        if change.memo is None:
            return self._event(change, now, with_columns)
        form = self._first_form if with_columns else self._form
        return change.memo(form, lambda: self._event(change, now, with_columns))

    @property
    def plain(self) -> bool:
        """Whether objects are sent as JSON and whole, so that their bytes need not be looked at."""
        return self._representation.media_type == JSON and self._representation.shape is Shape.OBJECT

    def _event(self, change: WatchChange, now: float, with_columns: bool) -> bytes:
        body = object_json(
            self._source, change.stored, self._representation, self._include, now, with_columns=with_columns
        )
        return self._wrap(change.type, body)

    def _bookmark(self, change: WatchChange) -> JsonObject:
        metadata: JsonObject = {"resourceVersion": change.resource_version}
        if change.initial_events_end:
            metadata["annotations"] = {INITIAL_EVENTS_END: "true"}
        if self._representation.shape is Shape.OBJECT:
            gvk = self._source.gvk
            return {"kind": gvk.kind, "apiVersion": gvk.api_version, "metadata": metadata}
        api_version = f"meta.k8s.io/{self._representation.shape_version}"
        partial: JsonObject = {"kind": "PartialObjectMetadata", "apiVersion": api_version, "metadata": metadata}
        if self._representation.shape is Shape.METADATA:
            return partial
        return {
            "kind": "Table",
            "apiVersion": api_version,
            "metadata": {"resourceVersion": change.resource_version},
            "columnDefinitions": None,
            "rows": [{"cells": [None] * len(self._source.columns), "object": partial}],
        }

    def _wrap(self, event_type: str, body: bytes) -> bytes:
        if self._representation.media_type == PROTOBUF:
            return encode_watch_event(event_type, encode(msgspec.json.decode(body)))
        return b'{"type":"%s","object":%s}\n' % (event_type.encode(), body.rstrip(b"\n"))


class _Form:
    """What frames are equal under; told apart by identity, as that is asked for every watcher and event."""


@functools.lru_cache(maxsize=1024)
def _form(_gvk: GroupVersionKind, _representation: Representation, _include: str, _with_columns: bool) -> _Form:
    """Return the same form for the same arguments. One that was forgotten is made anew: its frames are, too."""
    return _Form()


class _Outlet:
    """Takes what the source tells many watchers at once."""

    __slots__ = ("_frames", "_now", "_stream", "form", "ready", "write")

    def __init__(self, stream: ImmediateStream, form: Hashable, frames: _Frames, now: Callable[[], float]) -> None:
        self._stream = stream
        self._frames = frames
        self._now = now
        self.form = form
        self.ready = stream.ready
        self.write = stream.write

    def encode(self, changes: Sequence[WatchChange]) -> bytes:
        now = self._now()
        return self._stream.join([self._frames.frame(change, now) for change in changes])


def _outlet(stream: WatchStream, frames: _Frames, now: Callable[[], float]) -> _Outlet | None:
    immediate, form = stream.immediate, frames.shared_form
    return None if immediate is None or form is None else _Outlet(immediate, form, frames, now)


class _Clock:
    """When the next thing is due: a bookmark, or the end."""

    def __init__(self, started: float, lifetime: float, *, bookmarks: bool) -> None:
        self.end = started + lifetime
        self.bookmarks = bookmarks
        self._last_call = bookmarks
        self._next_bookmark = started + BOOKMARK_PERIOD

    def wake_at(self) -> float:
        return min(self.end, self._bookmark_due()) if self.bookmarks else self.end

    def _bookmark_due(self) -> float:
        last_call = self.end - BOOKMARK_BEFORE_END
        return min(self._next_bookmark, last_call) if self._last_call else self._next_bookmark

    def bookmark_due(self, now: float) -> bool:
        """Say whether a bookmark is due, and schedule the next one."""
        if not self.bookmarks or now < self._bookmark_due():
            return False
        self._last_call = self._last_call and now < self.end - BOOKMARK_BEFORE_END
        self._next_bookmark = now + BOOKMARK_PERIOD
        return True


class _Ending:
    """How supervision ends a watch: with an ERROR event, or cleanly."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self.error: ApiError | None = None

    def finish(self, error: ApiError | None) -> None:
        self.error = error
        self._subscription.close()


def _watch_representation(request: web.BaseRequest, source: ReadSource) -> Representation:
    representation = read_representation(request, source, collection=True)
    if representation.media_type == YAML or representation.shape is Shape.METADATA_LIST:
        raise not_acceptable(STREAM_TYPES)
    return representation


def _stream(request: web.BaseRequest, representation: Representation, left: Callable[[], None]) -> WatchStream:
    if is_websocket(request):
        return WebSocketStream(request, representation, left)
    return HttpStream(request, representation)


async def watch_objects(
    request: web.BaseRequest, source: ReadSource, namespace: str, options: ListOptions, *, now: Callable[[], float]
) -> web.StreamResponse:
    """Answer a watch. Raises ApiError only before the stream begins; later errors are ERROR events."""
    representation = _watch_representation(request, source)
    frames = _Frames(source, representation, include_object(request, representation))
    lifetime = float(options.timeout_seconds or 0) or MIN_TIMEOUT * (1 + random.random())  # noqa: S311  (jitter)
    try:
        subscription = await source.watch(namespace, options, lifetime)
    except ApiError as error:
        if error.code not in {410, 504}:
            raise
        return await _only(error, _stream(request, representation, lambda: None), frames, now)
    try:
        stream = _stream(request, representation, subscription.close)
        ending = _Ending(subscription)
        if supervised := request.get(LONG_RUNNING):
            supervised.end = ending.finish
        clock = _Clock(asyncio.get_running_loop().time(), lifetime, bookmarks=options.allow_watch_bookmarks)
        try:
            response = await stream.open()
            await _pump(stream, subscription, frames, clock, now)
            if ending.error is not None:
                await stream.send([frames.frame(_failure(ending.error), now())])
            await stream.end()
        finally:
            await stream.abandon()
    finally:
        subscription.close()
    return response


async def _only(error: ApiError, stream: WatchStream, frames: _Frames, now: Callable[[], float]) -> web.StreamResponse:
    """Send a stream that holds nothing but an error."""
    try:
        response = await stream.open()
        await stream.send([frames.frame(_failure(error), now())])
        await stream.end()
    finally:
        await stream.abandon()
    return response


def _failure(error: ApiError) -> WatchChange:
    return WatchChange("ERROR", "", error=error)


async def _pump(
    stream: WatchStream,
    subscription: Subscription,
    frames: _Frames,
    clock: _Clock,
    now: Callable[[], float],
) -> None:
    """Send until the time is over, the source has no more, or an error was sent."""
    loop = asyncio.get_running_loop()
    while loop.time() < clock.end:
        batch = await _next_batch(subscription, clock.wake_at(), _outlet(stream, frames, now))
        if batch is not None:
            if not batch:
                return
            await _send(stream, batch, frames, clock, now())
            if batch[-1].error is not None:
                return
        if clock.bookmark_due(loop.time()) and (version := subscription.bookmark_version()) is not None:
            await stream.send([frames.frame(WatchChange("BOOKMARK", version), now())])


async def _next_batch(subscription: Subscription, until: float, outlet: _Outlet | None) -> Sequence[WatchChange] | None:
    """Return the next events, or None when nothing happened until the given event-loop time."""
    try:
        async with asyncio.timeout_at(until):
            return await subscription.next_batch(outlet)
    except TimeoutError:
        return None


async def _send(stream: WatchStream, batch: Sequence[WatchChange], frames: _Frames, clock: _Clock, now: float) -> None:
    """Write a batch, joined up to a limit of bytes per write; a long one takes turns with those of all watches."""
    turns = _turns()
    if isinstance(batch, ObjectsAdded) and frames.plain and (immediate := stream.immediate):
        await turns.take()
        await immediate.send(_added(batch))
        return
    pending: list[bytes] = []
    size = 0
    if len(batch) > 1:
        await turns.take()
    for index, change in enumerate(batch, start=1):
        if change.type == "BOOKMARK" and not clock.bookmarks:
            continue
        pending.append(frames.frame(change, now))
        size += len(pending[-1])
        if size >= _WRITE_BYTES or (pending and index % frames.turn == 0):
            await stream.send(pending)
            await turns.take()
            pending.clear()
            size = 0
    if pending:
        await stream.send(pending)


_turns = OfEachLoop(Turns)
"""What all watches of the running event loop share: hundreds of clients that begin at once are served in turns."""


def _added(batch: ObjectsAdded) -> list[bytes | memoryview]:
    """Return the pieces of ADDED frames; the objects are copied once, when the pieces are joined."""
    head = b'{"type":"ADDED","object":' + batch.head
    pieces: list[bytes | memoryview] = []
    for item in batch.items():
        pieces += (head, memoryview(item)[1:], b"}\n")
    return pieces
