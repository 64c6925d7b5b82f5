"""The core's end of the channel to one worker: tells it the merged view step by step, and answers what it asks.

An answer is sent behind every step that was known when it was given. A worker that does not follow is waited for, as
long as the history has what it needs; then it has to begin anew, as a watcher would.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from cache.cacher import Cacher
from cache.replication import HistoryLost, LogReader
from gateway.apimachinery.errors import ApiError, internal_error
from gateway.audit.record import AuditRecord
from gateway.authorization.authorizer import Authorizer
from gateway.workers.channel import Channel
from gateway.workers.messages import (
    Accepting,
    Answer,
    Ask,
    Began,
    Drain,
    Hello,
    Log,
    Measured,
    MeasuredFamily,
    Open,
    Record,
    Settings,
    State,
    ToCore,
    Told,
)

_STEPS = 128
"""Steps in a frame: a few milliseconds of work for the one who applies them."""
_CONDITION_PERIOD = 0.05
"""Seconds between two looks at how current the members are; that one joined or left is told at once."""
_SILENCE = 15.0
"""Seconds. A worker that says nothing twice so long, not even what it measured, answers nobody else either."""
_LOOK = 0.5
"""Seconds after which it is looked at anyway: time makes members stale, and nobody tells."""

_log = logging.getLogger("gateway.workers")
_decoder: msgspec.msgpack.Decoder[Sequence[ToCore]] = msgspec.msgpack.Decoder(list[ToCore])


@dataclass(frozen=True, slots=True)
class CoreParts:
    """What of the core its workers depend on."""

    cachers: Sequence[Cacher]
    """What is told, in the order that both sides know."""
    authorizer: Authorizer
    complete: Callable[[AuditRecord], Awaitable[None]]
    """Writes into the audit log."""
    opened: asyncio.Event
    """Set once the core serves and knows its members; before that workers are told nothing."""


class CoreEnd:
    """One worker, as the core sees it.

    Mutable state: `_readers`, how far it was told each kind; `_answers`, what waits to be sent behind the log.
    """

    def __init__(self, parts: CoreParts, measured: Callable[[Sequence[MeasuredFamily]], None]) -> None:
        """`measured` is given the worker's metrics from time to time."""
        self.accepting = asyncio.Event()
        """Whether the worker takes connections."""
        self._parts = parts
        self._measured = measured
        self._channel: Channel[ToCore] = Channel(self._received, _decoder, self._resume)
        self._room = asyncio.Event()
        self._readers: list[LogReader] = []
        self._answers: list[Answer] = []
        self._asked: set[asyncio.Task[None]] = set()
        self._scheduled = False
        self._looked = 0.0
        self._look_again: asyncio.TimerHandle | None = None
        self._heard = True
        self._loop = asyncio.get_running_loop()

    async def run(self, sock: socket.socket, settings: Settings) -> None:
        """Serve the worker at the other end until it is gone, or cancelled."""
        await self._channel.open(sock)
        try:
            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(self._tell(settings), name="state for a worker")]
                running += [tasks.create_task(self._follow(cacher), name="log") for cacher in self._parts.cachers]
                running += [tasks.create_task(self._watch_life(), name="life of a worker")]
                await self._channel.closed
                for task in running:
                    task.cancel()
        finally:
            self._channel.close()
            if self._look_again is not None:
                self._look_again.cancel()
            for task in self._asked:
                task.cancel()

    def drain(self) -> None:
        """Have the worker end in order."""
        self._channel.send([Drain()])

    # The log

    async def _tell(self, settings: Settings) -> None:
        await self._parts.opened.wait()
        self._channel.send([Hello(settings)])
        for number, cacher in enumerate(self._parts.cachers if settings.answers_reads else ()):
            reader = LogReader(cacher)
            start = 0
            while steps := reader.state(start, _STEPS):
                self._channel.send([State(number, steps)])
                start += len(steps)
                await asyncio.sleep(0)
                await self._writable()
            self._channel.send([Began(number, reader.revision)])
            self._readers.append(reader)
        self._looked = -_CONDITION_PERIOD
        self._channel.send([*self._conditions(), Open()])
        self._flush_soon()

    async def _writable(self) -> None:
        if self._channel.full:
            self._room.clear()
            await self._room.wait()

    async def _follow(self, cacher: Cacher) -> None:
        while True:
            await cacher.wait(_LOOK)
            self._flush_soon()

    def _resume(self) -> None:
        self._room.set()
        self._flush_soon()

    def _flush_soon(self) -> None:
        """Once for everything that happens in this turn of the loop."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        if self._channel.full:
            return  # until `_resume`
        try:
            frame: list[Any] = list(self._news())
        except HistoryLost:
            _log.warning("a worker lags too far behind; it begins anew")
            self._channel.close()
            return
        if all(reader.at_end for reader in self._readers):
            frame += self._conditions()
            frame += self._answers
            self._answers.clear()
        else:
            self._flush_soon()
        if frame:
            self._channel.send(frame)

    def _news(self) -> Iterator[Log]:
        for number, reader in enumerate(self._readers):
            before = reader.revision
            steps = reader.steps(_STEPS)
            if steps or reader.revision != before:
                yield Log(number, steps, reader.revision)

    def _conditions(self) -> Iterator[Told]:
        now = self._loop.time()
        rest = self._looked + _CONDITION_PERIOD - now
        if rest > 0 and not any(reader.joined_or_left for reader in self._readers):
            if self._look_again is None:
                self._look_again = self._loop.call_later(rest, self._flush)
            return
        if self._look_again is not None:
            self._look_again.cancel()
            self._look_again = None
        self._looked = now
        for number, reader in enumerate(self._readers):
            if condition := reader.condition():
                yield Told(number, condition)

    # What it asks

    async def _watch_life(self) -> None:
        silent = 0
        while silent < 2:
            self._heard = False
            await asyncio.sleep(_SILENCE)
            silent = silent + 1 if self.accepting.is_set() and not self._heard else 0
        _log.error("a worker says nothing any more; another one takes its place")
        self._channel.close()

    def _received(self, messages: Sequence[ToCore]) -> None:
        self._heard = True
        for message in messages:
            match message:
                case Accepting():
                    self.accepting.set()
                case Measured():
                    self._measured(message.families)
                case Ask() | Record():
                    task = self._loop.create_task(self._answer(message), name="question of a worker")
                    self._asked.add(task)
                    task.add_done_callback(self._asked.discard)

    async def _answer(self, question: Ask | Record) -> None:
        answer = Answer(question.number)
        try:
            if isinstance(question, Ask):
                answer = Answer(question.number, await self._parts.authorizer.authorize(question.attributes))
            else:
                await self._parts.complete(question.record)
        except ApiError as error:
            answer = Answer(question.number, status=error.status)
        except Exception:
            _log.exception("a question of a worker could not be answered")
            answer = Answer(question.number, status=internal_error("the request could not be judged").status)
        self._answers.append(answer)
        self._flush_soon()
