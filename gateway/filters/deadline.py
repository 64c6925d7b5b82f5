"""Ends requests that take too long: 60 s, or less when the client asks for less.

Never touches long-running requests: watch, proxy, exec, attach, port-forward and log.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from aiohttp import web

from gateway.apimachinery.duration import parse_duration
from gateway.apimachinery.errors import bad_request, gateway_timeout
from gateway.handlers.response import answer_begun
from gateway.request_keys import DEADLINE, QUERY, REQUEST_INFO, Filter, Handler

REQUEST_TIMEOUT = 60.0
"""kube-apiserver's --request-timeout, in seconds."""


def request_timeout(asked: str | None, limit: float = REQUEST_TIMEOUT) -> float:
    """Return the seconds a request may take: the `timeout` query (a Go duration), never more than `limit`.

    Raises ApiError 400 when the duration cannot be parsed.
    """
    if not asked:
        return limit
    try:
        seconds = parse_duration(asked)
    except ValueError as error:
        raise bad_request(f"invalid timeout specified in the request URL - {error}") from None
    return seconds if 0 < seconds < limit else limit


class Deadline:
    """Cancels a task at an event-loop time, unless it is left before: asyncio.timeout_at without a timer of its own.

    A synchronous context manager. Raises TimeoutError where the cancellation it asked for arrives.
    """

    __slots__ = ("_cancelling", "_deadlines", "_task", "expired", "when")

    def __init__(self, deadlines: Deadlines, task: asyncio.Task[object], when: float) -> None:
        """Watch over `task` once entered."""
        self._deadlines = deadlines
        self._task = task
        self._cancelling = task.cancelling()
        self.when = when
        self.expired = False

    def expire(self) -> None:
        """The time has come."""
        self.expired = True
        self._task.cancel()

    def __enter__(self) -> Self:
        """Begin to watch."""
        self._deadlines.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it. Somebody else's cancellation stays what it is."""
        self._deadlines.remove(self)
        if self.expired and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error


class Deadlines:
    """The deadlines of all requests under way, watched over by one timer: a timer for each costs more than many a GET.

    Mutable state: those that are waited for, the next one first. All are as far away when they are added, so that they
    come in the order in which they were added; whichever is nearer needs a `Deadlines` of its own.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._waiting: dict[Deadline, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop of all of them. Until Python 3.12 it is a call to the kernel to ask which one runs."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return self._loop

    def add(self, deadline: Deadline) -> None:
        """Wait for one."""
        self._waiting[deadline] = None
        if self._timer is None:
            self._wait_for(deadline)

    def remove(self, deadline: Deadline) -> None:
        """Wait for it no longer. The timer finds out when it fires."""
        self._waiting.pop(deadline, None)

    def close(self) -> None:
        """Wait for nothing more."""
        if self._timer is not None:
            self._timer.cancel()

    def _wait_for(self, deadline: Deadline) -> None:
        self._timer = self.loop.call_at(deadline.when, self._expire)

    def _expire(self) -> None:
        self._timer = None
        now = self.loop.time()
        while self._waiting:
            first = next(iter(self._waiting))
            if first.when > now:
                self._wait_for(first)
                return
            del self._waiting[first]
            first.expire()


def with_deadline(limit: float = REQUEST_TIMEOUT) -> Filter:
    """Answer 504 at the deadline when nothing was written yet; abort the connection otherwise.

    `limit` is in seconds, counted from here.
    """
    shared = Deadlines()

    def wrap(handler: Handler) -> Handler:
        async def serve(request: web.BaseRequest) -> web.StreamResponse:
            if request[REQUEST_INFO].is_long_running:
                return await handler(request)
            seconds = request_timeout(request[QUERY].get("timeout"), limit)
            deadlines = shared if seconds == limit else Deadlines()
            deadline = request[DEADLINE] = shared.loop.time() + seconds
            task = asyncio.current_task(shared.loop)
            assert task is not None, "requests are served by tasks"  # noqa: S101  (for the type)
            watched = Deadline(deadlines, task, deadline)
            try:
                with watched:
                    return await handler(request)
            except TimeoutError:
                if not watched.expired:
                    raise
                if answer_begun(request):
                    raise ConnectionResetError("deadline reached in the middle of an answer") from None
                raise gateway_timeout("request did not complete within the allotted timeout") from None
            finally:
                if deadlines is not shared:
                    deadlines.close()

        return serve

    return wrap
