"""`fleetgate demo`: starts the simulated members and the gateway, joins them, propagates Deployments, ends all of it.

The gateway is the one that `fleetgate serve` runs, in this process; the members are child processes. The demo speaks to
both by their APIs and joins the members with the code of `fleetgate join`, so what it shows is what a user gets.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from certs import commands as certificates
from certs import kubeconfig
from certs.keystore import PRIVATE_DIRECTORY, write_atomically
from certs.profiles import Subject
from gateway import server
from gateway.apimachinery import meta
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject
from gateway.clusters import join as joining
from gateway.clusters.join import NewMember
from gateway.clusters.kubeconfig import KubeconfigCredentials, read_kubeconfig
from gateway.clusters.status import timestamp
from gateway.clusters.upstream import Upstream
from gateway.config import CacheConfig, GatewayConfig, parse_listen
from gateway.identity import ADMIN_KUBECONFIG
from gateway.server import Ready
from gateway.simulation.instructions import Access, Member, instructions
from gateway.simulation.manifests import hello_deployment, simulation_rights
from gateway.simulation.member.server import CACHED, GATEWAY_KUBECONFIG
from gateway.simulation.member_process import DemoError, MemberProcess
from gateway.simulation.propagation.propagator import Propagator

SIMULATION = Subject("fleetgate-simulation")
"""Whom the propagation of Deployments logs in as; simulation_rights says what it may."""

DEFAULT_MEMBERS = 2
MOST_MEMBERS = 9

_SIMULATION_KUBECONFIG = "simulation.kubeconfig"
_RENEWAL_SECONDS = 1800.0
_JOIN_SECONDS = 30.0
_AVAILABLE_PERIOD = 0.2
_AVAILABLE_ATTEMPTS = 50


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """What `fleetgate demo` was asked for; `members` is None for as many as there were, or DEFAULT_MEMBERS."""

    data_dir: Path
    listen: str
    members: int | None


def member_count(wanted: int | None, existing: int) -> int:
    """Return how many members to start. Raises DemoError for fewer than there are, or more than there can be."""
    if wanted is None:
        return existing or DEFAULT_MEMBERS
    if not 1 <= wanted <= MOST_MEMBERS:
        raise DemoError(f"--members is from 1 to {MOST_MEMBERS}, not {wanted}")
    if wanted < existing:
        raise DemoError(
            f"there are {existing} members already, whose data is kept; for {wanted} of them choose another --data-dir"
        )
    return wanted


def check_free(listen: str) -> None:
    """Find out before anything is started whether the gateway can listen there. Raises DemoError, ConfigError."""
    host, port = parse_listen(listen)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            problem = f"{listen} is in use (by a demo that runs already?)"
        else:
            problem = f"cannot listen on {listen}: {os.strerror(error.errno) if error.errno else error}"
        raise DemoError(f"{problem}; choose another address, for example: --listen 127.0.0.1:7443") from None


async def run_demo(settings: DemoSettings, say: Callable[[str], None], stop: asyncio.Event) -> None:
    """Run the demo until `stop` is set.

    Raises DemoError, or those of server.START_FAILURES, possibly inside an exception group, when it cannot start.
    """
    check_free(settings.listen)
    await _Demo(settings, say).run(stop)


class _Demo:
    """One run."""

    def __init__(self, settings: DemoSettings, say: Callable[[str], None]) -> None:
        self._data_dir = settings.data_dir
        self._listen = settings.listen
        self._say = say
        folder = settings.data_dir / "members"
        existing = len(list(folder.glob("member[1-9]")))
        self._hello_created = folder / "hello-created"
        self._greets = not self._hello_created.exists()
        numbers = range(1, member_count(settings.members, existing) + 1)
        self._members = [MemberProcess(f"member{number}", number, folder) for number in numbers]
        self._serving = asyncio.Event()
        self._ready = Ready("", settings.data_dir / ADMIN_KUBECONFIG)

    async def run(self, stop: asyncio.Event) -> None:
        """Start everything, wait, and end everything in the reverse order."""
        self._say(f"fleetgate demo: {len(self._members)} simulated member clusters and a gateway in front of them")
        stop_gateway = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as tasks:
                working = tasks.create_task(self._work(tasks, stop_gateway))
                await stop.wait()
                self._say("\nending: first the gateway, then the members")
                working.cancel()
                stop_gateway.set()
        finally:
            await asyncio.gather(*(member.stop() for member in self._members))
        self._say(f"ended; everything is kept in {self._data_dir}")

    async def _work(self, tasks: asyncio.TaskGroup, stop_gateway: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as starting:
            for member in self._members:
                starting.create_task(self._start(member))
        tasks.create_task(self._serve(stop_gateway))
        await self._serving.wait()
        self._say(f"  gateway: serves at {self._ready.url}")
        async with _upstream("gateway", self._ready.kubeconfig) as gateway:
            for member in self._members:
                await self._join(gateway, member)
            await _create(gateway, *simulation_rights(SIMULATION.user))
            if self._greets:
                await _create(gateway, hello_deployment())
                self._hello_created.touch()
            self._write_credentials()
            await self._propagate(gateway)

    async def _start(self, member: MemberProcess) -> None:
        await member.start()
        self._say(f"  {member.name}: a simulated cluster at {member.url} (process {member.pid})")

    async def _serve(self, stop: asyncio.Event) -> None:
        config = GatewayConfig(cache=CacheConfig(resources=tuple(map(str, CACHED))))
        settings = server.Settings(config, self._data_dir, self._listen, None)
        await server.serve(settings, stop, self._announce)

    def _announce(self, ready: Ready) -> None:
        self._ready = ready
        self._serving.set()

    async def _join(self, gateway: Upstream, member: MemberProcess) -> None:
        """Join a member as `fleetgate join` does; one that was joined before gets its address and credentials anew."""
        config = read_kubeconfig(member.data_dir / GATEWAY_KUBECONFIG)
        new = NewMember(member.name, config.endpoint(), config.credentials())
        await joining.join(gateway, new, written_at=timestamp(time.time()))
        state = await joining.wait_for_member(gateway, member.name, _JOIN_SECONDS, time.monotonic)
        if state is None or not (state.get("ready") and state.get("synced")):
            message = (state or {}).get("message") or "its objects were not read in time"
            raise DemoError(f"{member.name} was joined, but the gateway does not reach it: {message}")
        self._say(f"  {member.name}: joined")

    async def _propagate(self, gateway: Upstream) -> None:
        """Propagate Deployments for ever, and do what goes on beside it."""
        async with AsyncExitStack() as stack:
            federation = await stack.enter_async_context(
                _upstream("federation", self._data_dir / _SIMULATION_KUBECONFIG)
            )
            members = [
                await stack.enter_async_context(_upstream(member.name, member.data_dir / ADMIN_KUBECONFIG))
                for member in self._members
            ]
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(Propagator(federation, members, time.time).run())
                tasks.create_task(self._keep_credentials())
                for member in self._members:
                    tasks.create_task(self._tell_end(member))
                if self._greets:
                    await _wait_available(gateway, hello_deployment())
                    self._say("  Deployment hello: divided over the members, so that there is something to see")
                self._tell_what_to_type()

    async def _tell_end(self, member: MemberProcess) -> None:
        """Say that a member has ended, and how to bring it back."""
        code = await member.wait()
        self._say(
            f"{member.name} has ended (exit code {code}): its Pods are still listed, with a warning. "
            f"To start it again, in another terminal:\n  {member.command_line}"
        )

    def _tell_what_to_type(self) -> None:
        running = [Member(member.name, member.pid) for member in self._members]
        access = Access(self._ready.url, self._ready.kubeconfig, *self._curl_files())
        has_kubectl = shutil.which("kubectl") is not None
        for line in instructions(access, running, self._data_dir, kubectl=has_kubectl):
            self._say(line)

    def _curl_files(self) -> tuple[Path, Path, Path]:
        folder = self._data_dir / "curl"
        return folder / "ca.crt", folder / "client.crt", folder / "client.key"

    def _write_credentials(self) -> None:
        """Write the simulation's kubeconfig when it is due, and the administrator's as files for curl."""
        path = self._data_dir / _SIMULATION_KUBECONFIG
        certificates.refresh_kubeconfig(self._data_dir, path, SIMULATION, server=self._ready.url, now=time.time)
        admin = kubeconfig.read(self._ready.kubeconfig)
        (self._data_dir / "curl").mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
        contents = (admin.ca_bundle, admin.certificate, admin.key)
        for file, content in zip(self._curl_files(), contents, strict=True):
            write_atomically(file, content)

    async def _keep_credentials(self) -> None:
        """Follow the renewals of the certificates, for ever."""
        while True:
            await asyncio.sleep(_RENEWAL_SECONDS)
            await asyncio.to_thread(self._write_credentials)


async def _create(gateway: Upstream, *objects: tuple[str, JsonObject]) -> None:
    """Create objects, each given with the path of its collection; those that exist stay as they are."""
    for collection, obj in objects:
        try:
            await gateway.send_json("POST", collection, obj)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise


async def _wait_available(gateway: Upstream, created: tuple[str, JsonObject]) -> None:
    """Wait until a Deployment has all its replicas, but not for ever."""
    collection, obj = created
    for _ in range(_AVAILABLE_ATTEMPTS):
        found = await gateway.get_json(f"{collection}/{meta.name(obj)}")
        if meta.field(found, "status", "availableReplicas") == obj["spec"]["replicas"]:
            return
        await asyncio.sleep(_AVAILABLE_PERIOD)


@asynccontextmanager
async def _upstream(name: str, path: Path) -> AsyncIterator[Upstream]:
    """Reach an API server as the user of a kubeconfig."""
    endpoint = read_kubeconfig(path).endpoint()
    upstream = Upstream(name, endpoint, KubeconfigCredentials(path), now=time.time, title=name)
    try:
        yield upstream
    finally:
        await upstream.close()
