"""A worker: the composition root of its process, and its life from the first word of the core to its last.

Start: hello -> certificates -> the state of the merged view -> listener. It ends when the core says so, in order; and
at once when the core is gone, for then it knows nothing any more. A signal is the core's to act on.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cache.cold_objects import MemoryLimit
from cache.continue_token import ContinueTokenCodec
from cache.followed import FollowedCacher
from cache.resource_kind import BUILT_IN_KINDS
from gateway.authentication.authenticator import RefuseBearerTokens, UnionAuthenticator
from gateway.authentication.x509 import CertificateAuthenticator
from gateway.chain import ChainParts, chain, handler_chain
from gateway.clusters.cache_snapshot import continue_token_key
from gateway.discovery.allow_list import AllowList
from gateway.discovery.merged_kinds import MERGED_RESOURCES
from gateway.discovery.surface import served_surface
from gateway.freed_memory import give_back_freed
from gateway.identity import Identity, open_identity
from gateway.interpreter import freeze_garbage, tune
from gateway.lifecycle import Lifecycle
from gateway.listener import Listener
from gateway.loop_watch import LoopWatch
from gateway.metrics import Metrics
from gateway.printers.printer import MERGED_PRINTERS
from gateway.supervision import Supervisor
from gateway.workers.forwarding import ForwardingConnection, handing_on
from gateway.workers.handover import hand_over
from gateway.workers.messages import Accepting, Measured, Settings
from gateway.workers.routing import MergedReads, Router
from gateway.workers.summed_metrics import measured
from gateway.workers.worker_end import RelayedAudit, WorkerEnd

_MEASURED_PERIOD = 1.0
_REFRESH_PERIOD = 10.0

_log = logging.getLogger("gateway.workers")


@dataclass(frozen=True, slots=True)
class Sockets:
    """What the core left to the worker."""

    channel: socket.socket
    """Over which they talk."""
    handover: socket.socket
    """Over which connections are handed to the core."""
    listening: Sequence[socket.socket]
    """Whose connections are the worker's."""


def followed_cachers(settings: Settings) -> Sequence[FollowedCacher]:
    """Return what is followed: the kinds that are always merged."""
    return [
        FollowedCacher(
            kind,
            now=time.time,
            slot=settings.slot,
            renderer=MERGED_PRINTERS[kind.stored.gvr.group_resource].render,
        )
        for kind in BUILT_IN_KINDS
    ]


async def run_worker(sockets: Sockets) -> None:
    """Be a worker until the core ends it, or ends."""
    tune()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, lambda: None)  # the core gets it as well, and tells what to do
    core = WorkerEnd(followed_cachers)
    await core.connect(sockets.channel)
    serving = loop.create_task(_serve(core, sockets), name="worker")
    gone = loop.create_task(core.wait_closed(), name="core")
    await asyncio.wait([serving, gone], return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        serving.result()
        gone.cancel()
        return
    os._exit(1)  # nothing that it could still say to its clients would be known to be true


async def _serve(core: WorkerEnd, sockets: Sockets) -> None:
    settings = await core.settings
    logging.getLogger().setLevel(settings.log_level)
    data_dir = Path(settings.data_dir)
    identity = await asyncio.to_thread(
        open_identity, data_dir, settings.host, settings.names, settings.client_authorities
    )
    tokens = ContinueTokenCodec(await asyncio.to_thread(continue_token_key, data_dir / "continue-token.key"))
    await core.open.wait()
    memory = MemoryLimit(settings.uncompressed)
    for cacher in core.cachers:
        cacher.limit(memory)
    parts = _chain_parts(core, settings, identity)
    metrics, lifecycle = parts.metrics, parts.lifecycle
    surface = served_surface((), AllowList(settings.allow, settings.deny), MERGED_RESOURCES)
    reads = MergedReads(core.cachers, surface, tokens, time.time)
    router = Router(
        reads if settings.answers_reads else None,
        chain(handler_chain(parts), reads.handle),
        handing_on(partial(hand_over, sockets.handover), lifecycle, time.time),
    )
    listener = Listener(router.handle, identity.context.context, connection=ForwardingConnection)
    async with asyncio.TaskGroup() as tasks:
        loops = [
            LoopWatch(metrics).run(),
            parts.supervisor.run(),
            freeze_garbage(),
            give_back_freed(),
            memory.keep(),
            _measure(core, metrics),
            _renew(identity),
        ]
        running = [tasks.create_task(loop) for loop in loops]
        await listener.start_on(sockets.listening)
        lifecycle.ready()
        core.send(Accepting())
        await core.draining.wait()
        lifecycle.drain()
        parts.supervisor.drain()
        await _drain(listener, sockets.listening, lifecycle, settings.shutdown_grace)
        core.send(Measured(measured(metrics.registry)))
        for task in running:
            task.cancel()


def _chain_parts(core: WorkerEnd, settings: Settings, identity: Identity) -> ChainParts:
    """What the filters need: rights and the audit log are the core's, all else is the worker's own."""
    return ChainParts(
        now=time.time,
        metrics=Metrics(),
        lifecycle=Lifecycle(),
        audit=RelayedAudit(core, settings.audit),
        authenticator=UnionAuthenticator((RefuseBearerTokens(), CertificateAuthenticator(identity.verifier))),
        authorizer=core,
        supervisor=Supervisor(),
    )


async def _drain(listener: Listener, listening: Sequence[socket.socket], lifecycle: Lifecycle, grace: float) -> None:
    """Let nobody in any more, and those who are in go on for `grace` seconds."""
    listener.stop_accepting()
    for sock in listening:
        sock.shutdown(socket.SHUT_RDWR)  # or clients would still be let in, to wait: the core has them open as well
    try:
        async with asyncio.timeout(grace):
            await lifecycle.idle()
    except TimeoutError:
        _log.warning("requests were still in flight at the end of the grace period: %r", lifecycle)
    await listener.close(1.0)


async def _measure(core: WorkerEnd, metrics: Metrics) -> None:
    while True:
        core.send(Measured(measured(metrics.registry)))
        await asyncio.sleep(_MEASURED_PERIOD)


async def _renew(identity: Identity) -> None:
    """Follow the serving certificate and the trusted authorities."""
    while True:
        await asyncio.sleep(_REFRESH_PERIOD)
        await identity.follow()
