"""The workers of a core: started, fed, started again when they die, and ended with it.

Each has listening sockets of its own on the one port, which belong to the core. As long as a worker does not accept,
the core does so in its place: no connection is refused, and none waits for a worker that is not there.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.authorization.cluster_visibility import ALL
from gateway.config import GatewayConfig
from gateway.listener import Client, Listener
from gateway.metrics import Sample
from gateway.workers.core_end import CoreEnd, CoreParts
from gateway.workers.handover import Handovers, socket_pair
from gateway.workers.messages import Peer, Settings
from gateway.workers.summed_metrics import SummedMetrics

_RESTART_PAUSE = 1.0
"""Seconds between the end of a worker and the next one in its place."""
LAST_WORD = 3.0
"""Seconds beyond its grace period that a worker gets to end."""

_log = logging.getLogger("gateway.workers")


@dataclass(slots=True, eq=False)
class _Running:
    process: Process
    core: CoreEnd
    handovers: Handovers


class WorkerPool:
    """All workers. Mutable state: which run, which have come up once, and whether they are to end."""

    def __init__(
        self,
        settings: Settings,
        parts: CoreParts,
        metrics: SummedMetrics,
        listener: Listener,
        sockets: Sequence[Sequence[socket.socket]],
    ) -> None:
        """Have a worker for each set of sockets; `listener` is the core's own."""
        self._settings = settings
        self._parts = parts
        self._metrics = metrics
        self._listener = listener
        self._sockets = sockets
        self._running: dict[int, _Running] = {}
        self._awaited = set(range(len(sockets)))
        self._all_up = asyncio.Event()
        self._draining = asyncio.Event()
        self._adopting: set[asyncio.Task[None]] = set()

    def problem(self) -> str:
        """Return which workers have not come up yet, empty once all have; for readiness."""
        return f"worker {', '.join(str(1 + number) for number in sorted(self._awaited))}" if self._awaited else ""

    def samples(self) -> Sequence[Sample]:
        """Return how many workers take connections."""
        count = sum(running.core.accepting.is_set() for running in self._running.values())
        return [Sample("fleetgate_workers", "Worker processes that take connections.", float(count))]

    async def wait_up(self, seconds: float) -> None:
        """Wait until every worker has come up once, or so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._all_up.wait()

    async def run(self) -> None:
        """Keep all of them running until they are drained, or until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for number in range(len(self._sockets)):
                    tasks.create_task(self._keep(number), name=f"worker {1 + number}")
        finally:
            for each in self._sockets:
                for sock in each:
                    sock.close()

    def drain(self) -> None:
        """Have all of them end in order; `run` returns when they have."""
        self._draining.set()
        for running in self._running.values():
            if running.core.accepting.is_set():
                running.core.drain()
            else:
                running.process.kill()  # it serves nobody

    async def _keep(self, number: int) -> None:
        in_its_place: Sequence[asyncio.Server] = ()
        pause = 0.0
        while not self._draining.is_set():
            try:
                in_its_place = in_its_place or await self._listener.start_on(self._sockets[number])
                if pause and await self._drained_within(pause):
                    return
                pause = _RESTART_PAUSE
                if await self._run(number, in_its_place):
                    in_its_place = ()
                if not self._draining.is_set():
                    what = "did not come up" if in_its_place else "ended; another one takes its place"
                    _log.warning("worker %d %s", 1 + number, what)
            except OSError as error:
                _log.error("worker %d cannot be started: %s", 1 + number, error)
                await self._drained_within(_RESTART_PAUSE)
                pause = 0.0

    async def _drained_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._draining.wait()
        return self._draining.is_set()

    async def _run(self, number: int, in_its_place: Sequence[asyncio.Server]) -> bool:
        """One worker from its start to its end. Whether it ever took connections. Raises OSError."""
        channel, their_channel = socket.socketpair()
        handover, their_handover = socket_pair()
        inherited = [their_channel, their_handover, *self._sockets[number]]
        files = [sock.fileno() for sock in inherited]
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "gateway.workers", *map(str, files), pass_fds=files, stdin=DEVNULL,
                start_new_session=True,
            )  # fmt: skip  # of a session of its own: Ctrl-C is the core's to act on
        except BaseException:
            channel.close()
            handover.close()
            raise
        finally:
            their_channel.close()
            their_handover.close()
        core = CoreEnd(self._parts, lambda families: self._metrics.report(number, families))
        running = self._running[number] = _Running(process, core, Handovers(handover, self._adopt))
        channel.setblocking(False)
        if self._draining.is_set():
            process.kill()  # it was being started as `drain` went through all
        create_task = asyncio.get_running_loop().create_task
        tasks = [
            create_task(core.run(channel, self._settings), name=f"core of worker {1 + number}"),
            create_task(process.wait(), name=f"process of worker {1 + number}"),
        ]
        up = create_task(self._leave_to(number, core, in_its_place), name=f"worker {1 + number} comes up")
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*tasks, up):
                task.cancel()
            await asyncio.gather(*tasks, up, return_exceptions=True)
            await self._end(number, running)
        return core.accepting.is_set()

    async def _leave_to(self, number: int, core: CoreEnd, in_its_place: Sequence[asyncio.Server]) -> None:
        await core.accepting.wait()
        self._listener.leave(in_its_place)
        self._awaited.discard(number)
        if not self._awaited:
            self._all_up.set()

    async def _end(self, number: int, running: _Running) -> None:
        del self._running[number]
        self._metrics.end(number)
        running.handovers.close()
        with contextlib.suppress(ProcessLookupError):
            running.process.kill()
        await running.process.wait()

    def _adopt(self, connection: socket.socket, peer: Peer) -> None:
        client = Client(peer.certificate, (peer.address, peer.port))
        task = asyncio.get_running_loop().create_task(self._listener.adopt(connection, client), name="adopted")
        self._adopting.add(task)
        task.add_done_callback(self._adopting.discard)


def worker_settings(config: GatewayConfig, data_dir: Path, host: str) -> Settings:
    """Return what workers have to know of a configuration."""
    return Settings(
        data_dir=str(data_dir),
        host=host,
        names=config.serving.names,
        client_authorities=config.authentication.client_certificate_authorities,
        allow=config.resources.allow,
        deny=config.resources.deny,
        audit=config.audit,
        slot=config.cache.replica,
        answers_reads=config.members.visibility == ALL,
        uncompressed=config.cache.uncompressed_megabytes << 20,
        shutdown_grace=config.serving.shutdown_grace,
        log_level=logging.getLogger().level,
    )
