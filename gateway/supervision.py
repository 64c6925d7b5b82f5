"""Open watches, logs and tunnels: ended when their caller's right or credential is gone, or when the gateway drains.

A request is authorised once, at its start; what runs for hours is looked at again here. The credential is judged every
second (a revoked certificate ends an exec at once), the right every thirty (the promise is sixty). The state is the set of
open requests; the supervision filter adds and removes, `run` ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gateway.apimachinery.errors import ApiError

CREDENTIAL_PERIOD = 1.0
AUTHORIZATION_PERIOD = 30.0

logger = logging.getLogger("gateway.supervision")


@dataclass(slots=True, eq=False)
class LongRunning:
    """One open long-running request.

    `judge_credential` and `judge_right` raise ApiError once the request may not go on. `end` is how its handler wants to
    be told (a watch sends an ERROR event); without it the handler's task is cancelled, which closes the connection.
    """

    task: asyncio.Task[object]
    judge_credential: Callable[[], None]
    judge_right: Callable[[], Awaitable[None]]
    next_judgement: float
    end: Callable[[ApiError | None], None] | None = None
    ended: bool = False

    def finish(self, error: ApiError | None) -> None:
        """End the request, once. `error` is None when the gateway drains."""
        if self.ended:
            return
        self.ended = True
        if self.end is not None:
            self.end(error)
        else:
            self.task.cancel()


class Supervisor:
    """All open long-running requests."""

    def __init__(self) -> None:
        """Begin with none."""
        self._open: set[LongRunning] = set()

    def __len__(self) -> int:
        return len(self._open)

    @contextmanager
    def supervising(self, request: LongRunning) -> Iterator[LongRunning]:
        """Look after a request while it is open."""
        self._open.add(request)
        try:
            yield request
        finally:
            self._open.discard(request)

    def drain(self) -> None:
        """End everything cleanly."""
        for request in list(self._open):
            request.finish(None)

    async def run(self) -> None:
        """Judge for ever."""
        while True:
            await asyncio.sleep(CREDENTIAL_PERIOD)
            for request in list(self._open):
                await self._judge(request)

    async def _judge(self, request: LongRunning) -> None:
        now = asyncio.get_running_loop().time()
        try:
            request.judge_credential()
            if now >= request.next_judgement:
                request.next_judgement = now + AUTHORIZATION_PERIOD
                await request.judge_right()
        except ApiError as error:
            if error.code in {401, 403}:
                request.finish(error)
            else:  # the store cannot be asked now: what was allowed goes on until the answer is a clear no
                logger.warning("an open request could not be judged again: %s", error.message)
