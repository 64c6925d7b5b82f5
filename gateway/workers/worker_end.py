"""A worker's end of the channel to the core: applies what it is told, and asks what only the core can say.

It stands for the authorizer and the audit log of the handler chain. Every request is authorised by the core after it
came in, and the core's answer comes behind all that was known there: so what is read afterwards is never older than
what anybody, on whichever process, was told before.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from cache.followed import FollowedCacher
from gateway.apimachinery.errors import ApiError, service_unavailable
from gateway.audit.config import AuditConfig
from gateway.audit.policy import Level, audit_level
from gateway.audit.record import AuditRecord
from gateway.authorization.authorizer import Attributes, Decision
from gateway.workers.channel import Channel
from gateway.workers.messages import (
    Answer,
    Ask,
    Began,
    Drain,
    Hello,
    Log,
    Open,
    Record,
    Settings,
    State,
    Told,
    ToWorker,
)

_decoder: msgspec.msgpack.Decoder[Sequence[ToWorker]] = msgspec.msgpack.Decoder(list[ToWorker])


class WorkerEnd:
    """The core, as a worker sees it. Mutable state: the questions that are not answered yet."""

    def __init__(self, cachers: Callable[[Settings], Sequence[FollowedCacher]]) -> None:
        """`cachers` makes what follows the core's, in the order that both sides know."""
        loop = asyncio.get_running_loop()
        self.settings: asyncio.Future[Settings] = loop.create_future()
        self.open = asyncio.Event()
        """Set once everything to begin with was told."""
        self.draining = asyncio.Event()
        """Set when the worker is to end in order."""
        self.cachers: Sequence[FollowedCacher] = ()
        self._make = cachers
        self._channel: Channel[ToWorker] = Channel(self._received, _decoder)
        self._questions: dict[int, asyncio.Future[Answer]] = {}
        self._asked = 0

    async def connect(self, sock: socket.socket) -> None:
        """Begin to listen."""
        await self._channel.open(sock)

    async def wait_closed(self) -> None:
        """Return once the core is gone."""
        await asyncio.shield(self._channel.closed)

    def send(self, message: Any) -> None:
        """Tell the core something."""
        self._channel.send([message])

    # What it asks

    async def authorize(self, attributes: Attributes) -> Decision:
        """Return the core's decision. Raises ApiError where it cannot decide."""
        decision = (await self._ask(lambda number: Ask(number, attributes))).decision
        return decision or Decision()

    async def record(self, record: AuditRecord) -> None:
        """Have a record written into the audit log."""
        await self._ask(lambda number: Record(number, record))

    async def _ask(self, question: Callable[[int], Any]) -> Answer:
        if self._channel.closed.done():
            raise service_unavailable("the gateway is restarting", retry_after_seconds=1)
        self._asked += 1
        number = self._asked
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._questions[number] = future
        self.send(question(number))
        try:
            answer: Answer = await future
        finally:
            self._questions.pop(number, None)
        if answer.status is not None:
            raise ApiError.from_status(answer.status)
        return answer

    # What it is told

    def _received(self, messages: Sequence[ToWorker]) -> None:
        for message in messages:
            self._take(message)

    def _take(self, message: ToWorker) -> None:
        match message:
            case Hello():
                self.cachers = self._make(message.settings)
                self.settings.set_result(message.settings)
            case State():
                self.cachers[message.kind].place(message.steps)
            case Began():
                self.cachers[message.kind].followed.begin(message.revision)
            case Log():
                self.cachers[message.kind].follow(message.steps, message.revision)
            case Told():
                self.cachers[message.kind].report(message.condition)
            case Answer():
                future = self._questions.get(message.number)
                if future is not None and not future.done():
                    future.set_result(message)
            case Open():
                self.open.set()
            case Drain():
                self.draining.set()


class RelayedAudit:
    """The audit log of a worker's requests: the core's."""

    def __init__(self, core: WorkerEnd, config: AuditConfig) -> None:
        """Keep to the same policy as the core, which is not asked for what it would leave out."""
        self._core = core
        self._config = config

    async def complete(self, record: AuditRecord) -> None:
        """Record an answered request if the policy wants it, on disk before returning. Never raises."""
        stranger = record.user is None or record.user.anonymous
        if audit_level(record.info, record.code, self._config, stranger=stranger) is Level.NONE:
            return
        try:
            await self._core.record(record)
        except ApiError:
            return  # the core is gone, and with it this worker
