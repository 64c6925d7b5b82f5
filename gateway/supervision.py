"""Open watches, logs and tunnels: ended when their caller's right or credential is gone, or when the gateway drains.

A request is authorised once, at its start; what runs for hours is looked at again here. The credential is judged every
second (a revoked certificate ends an exec at once), the right every thirty (the promise is sixty). The state is the set
of open requests; the supervision filter adds and removes, `run` ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gateway.apimachinery.errors import ApiError, internal_error

CREDENTIAL_PERIOD = 1.0
AUTHORIZATION_PERIOD = 30.0

PARTING_TIME = 5.0
"""Seconds for a client to take the end of its stream; one that does not read is cut off then."""

_JUDGED_AT_ONCE = 100
_ASKED_AT_ONCE = 8
_CLEAR_NO = frozenset({401, 403, 404, 410})

logger = logging.getLogger("gateway.supervision")


@dataclass(slots=True, eq=False)
class LongRunning:
    """One open long-running request.

    `judge_credential` and `judge_right` raise ApiError once the request may not go on, and so does `judge_view` once
    the members that its caller sees are not those it was opened with (403, 404 or 410). `end` is how its handler wants
    to be told (a watch sends an ERROR event); without it the handler's task is cancelled, which closes the connection.
    Requests of the same `credential` stand and fall together: a look at it is good for all of them. Empty is none.
    """

    task: asyncio.Task[object]
    judge_credential: Callable[[], None]
    judge_right: Callable[[], Awaitable[None]]
    end: Callable[[ApiError | None], None] | None = None
    judge_view: Callable[[], Awaitable[None]] | None = None
    credential: str = ""
    next_judgement: float = 0.0
    ended_at: float | None = None

    def finish(self, error: ApiError | None) -> None:
        """End the request, once. `error` is None when the gateway drains."""
        if self.ended_at is not None:
            return
        self.ended_at = asyncio.get_running_loop().time()
        if self.end is not None:
            self.end(error)
        else:
            self.task.cancel()


class Supervisor:
    """All open long-running requests.

    Args:
        credential_period: seconds between two looks at a credential.
        authorization_period: seconds between two questions about a right.
        parting_time: seconds to take the end of a stream.
    """

    def __init__(
        self,
        *,
        credential_period: float = CREDENTIAL_PERIOD,
        authorization_period: float = AUTHORIZATION_PERIOD,
        parting_time: float = PARTING_TIME,
    ) -> None:
        """Begin with none."""
        self._credential_period = credential_period
        self._authorization_period = authorization_period
        self._parting_time = parting_time
        self._open: set[LongRunning] = set()

    def __len__(self) -> int:
        return len(self._open)

    @contextmanager
    def supervising(self, request: LongRunning) -> Iterator[LongRunning]:
        """Look after a request while it is open."""
        request.next_judgement = asyncio.get_running_loop().time() + self._authorization_period
        self._open.add(request)
        try:
            yield request
        finally:
            self._open.discard(request)

    def judge_views(self) -> None:
        """Judge all requests that depend on what their caller sees within a second: there are other members now."""
        for request in self._open:
            if request.judge_view is not None:
                request.next_judgement = 0.0

    def drain(self) -> None:
        """End everything cleanly."""
        for request in list(self._open):
            request.finish(None)

    async def run(self) -> None:
        """Judge for ever. A store that is slow to say who may do what delays nothing else."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_credentials(), name="credentials of open requests")
            tasks.create_task(self._watch_rights(), name="rights of open requests")

    async def _watch_credentials(self) -> None:
        while True:
            await asyncio.sleep(self._credential_period)
            now = asyncio.get_running_loop().time()
            good: set[str] = set()
            for index, request in enumerate(list(self._open)):
                if index % _JUDGED_AT_ONCE == _JUDGED_AT_ONCE - 1:
                    await asyncio.sleep(0)
                if request.ended_at is None:
                    if request.credential not in good and _judge_credential(request) and request.credential:
                        good.add(request.credential)
                elif now - request.ended_at >= self._parting_time:
                    request.task.cancel()

    async def _watch_rights(self) -> None:
        limit = asyncio.Semaphore(_ASKED_AT_ONCE)
        while True:
            await asyncio.sleep(self._credential_period)
            now = asyncio.get_running_loop().time()
            due = [request for request in self._open if request.ended_at is None and now >= request.next_judgement]
            async with asyncio.TaskGroup() as tasks:
                for index, request in enumerate(due, start=1):
                    if index % _JUDGED_AT_ONCE == 0:
                        await asyncio.sleep(0)
                    request.next_judgement = now + self._authorization_period
                    tasks.create_task(_judge_right(request, limit), name="right of an open request")


def _judge_credential(request: LongRunning) -> bool:
    """Return whether the request goes on."""
    try:
        request.judge_credential()
    except ApiError as error:
        request.finish(error)
    except Exception:
        logger.exception("the credential of an open request could not be judged")
        request.finish(internal_error("the credential could not be judged again"))
    return request.ended_at is None


async def _judge_right(request: LongRunning, limit: asyncio.Semaphore) -> None:
    async with limit:
        try:
            await request.judge_right()
            if request.judge_view is not None:
                await request.judge_view()
        except ApiError as error:
            if error.code in _CLEAR_NO:
                request.finish(error)
            else:  # the store cannot be asked now: what was allowed goes on until the answer is a clear no
                logger.warning("an open request could not be judged again: %s", error.message)
        except Exception:
            logger.exception("the right to an open request could not be judged")
            request.finish(internal_error("the right could not be judged again"))
