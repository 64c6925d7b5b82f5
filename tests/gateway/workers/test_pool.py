"""Workers that come and go, and who accepts in their place."""

import asyncio
import logging
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.audit.config import AuditConfig
from gateway.audit.record import AuditRecord
from gateway.authorization.authorizer import Attributes, Decision
from gateway.listener import Listener, shared_sockets
from gateway.workers import pool
from gateway.workers.core_end import CoreParts
from gateway.workers.messages import Settings
from gateway.workers.pool import WorkerPool
from gateway.workers.summed_metrics import SummedMetrics
from tests.support.gateway_chain import ALLOW

SETTINGS = Settings("/nowhere", "h", ("n",), (), ("*",), (), AuditConfig(), 0, False, 1 << 30, 1.0, logging.WARNING)


class Core:
    async def authorize(self, _attributes: Attributes) -> Decision:
        return ALLOW

    async def complete(self, _record: AuditRecord) -> None:
        pass


async def answer(_request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(text="the core")


class OneWorker:
    """A pool with one worker, whose program is anything at all."""

    def __init__(self) -> None:
        core, opened = Core(), asyncio.Event()
        self.listener = Listener(answer, None)
        (sockets,) = shared_sockets("127.0.0.1", 0, 1)
        self.port = sockets[0].getsockname()[1]
        parts = CoreParts((), core, core.complete, opened)
        self.pool = WorkerPool(SETTINGS, parts, SummedMetrics(), self.listener, [sockets])

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.get_running_loop().create_task(self.pool.run())
        try:
            async with asyncio.timeout(20):
                yield task
        finally:
            task.cancel()
            await asyncio.wait([task])
            await self.listener.close(0.1)

    async def ask(self) -> str:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{self.port}/") as response:
            return await response.text()


class Programs:
    """Stands for the start of workers' programs: each is a `sleep`, and known here."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.started: asyncio.Queue[Process] = asyncio.Queue()
        self.may_start = asyncio.Event()
        self.may_start.set()
        self.asked = asyncio.Event()
        self._start = asyncio.create_subprocess_exec
        monkeypatch.setattr(asyncio, "create_subprocess_exec", self._sleep)

    async def _sleep(self, *_command: str, **settings: Any) -> Process:
        self.asked.set()
        await self.may_start.wait()
        process = await self._start("sleep", "60", **settings)
        self.started.put_nowait(process)
        return process


@pytest.fixture
async def programs(monkeypatch: pytest.MonkeyPatch) -> Programs:
    return Programs(monkeypatch)


async def accept(workers: WorkerPool) -> None:
    """Have the one worker seem to take connections."""
    running: Sequence[pool._Running] = list(workers._running.values())
    running[0].core.accepting.set()
    await workers.wait_up(10)


async def test_the_core_accepts_until_a_worker_does(programs: Programs) -> None:
    one = OneWorker()
    async with one.running():
        await programs.started.get()
        assert await one.ask() == "the core"
        assert one.pool.problem() == "worker 1"


async def test_the_core_accepts_at_once_for_a_worker_that_ended(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_RESTART_PAUSE", 3600.0)
    one = OneWorker()
    async with one.running():
        process = await programs.started.get()
        await accept(one.pool)
        process.kill()
        assert await one.ask() == "the core"


async def test_another_worker_takes_the_place_of_one_that_ended(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_RESTART_PAUSE", 0.01)
    one = OneWorker()
    async with one.running():
        for come_up in (True, False, True):
            process = await programs.started.get()
            if come_up:
                await accept(one.pool)
            process.kill()
        await programs.started.get()
        assert await one.ask() == "the core"


async def test_a_pool_that_is_to_end_ends_what_was_being_started(programs: Programs) -> None:
    programs.may_start.clear()
    one = OneWorker()
    async with one.running() as task:
        await programs.asked.wait()
        one.pool.drain()
        programs.may_start.set()
        await task
    assert programs.started.get_nowait().returncode is not None


async def test_a_worker_that_cannot_be_started_is_tried_again(
    programs: Programs, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pool, "_RESTART_PAUSE", 0.01)
    start, refusals = asyncio.create_subprocess_exec, iter(range(3))

    async def refuse_at_first(*command: str, **settings: Any) -> Process:
        if next(refusals, None) is not None:
            raise OSError(24, "Too many open files")
        return await start(*command, **settings)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", refuse_at_first)
    one = OneWorker()
    async with one.running():
        await programs.started.get()
        assert await one.ask() == "the core"
    assert caplog.text.count("Too many open files") == 3
