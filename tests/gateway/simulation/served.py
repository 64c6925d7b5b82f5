"""Simulated members, and a gateway, that serve in this process, over TLS as in the demo."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from certs import kubeconfig
from gateway import server
from gateway.clusters.credentials import Credentials, client_context
from gateway.clusters.kubeconfig import KubeconfigCredentials, read_kubeconfig
from gateway.clusters.upstream import Upstream
from gateway.config import GatewayConfig
from gateway.simulation.member.server import GATEWAY_KUBECONFIG, MemberSettings, serve_member

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
PODS = "/api/v1/namespaces/default/pods"


@dataclass(frozen=True)
class ServedMember:
    """A running member: its administrator's way in, and that of a gateway."""

    url: str
    data_dir: Path
    admin: Upstream
    gateway: Upstream

    def tls(self) -> ssl.SSLContext:
        """The administrator's TLS settings, for clients other than Upstream."""
        held = kubeconfig.read(self.data_dir / "admin.kubeconfig")
        return client_context(self.admin.endpoint, Credentials(held.ca_bundle, held.certificate, held.key))


@asynccontextmanager
async def served_member(data_dir: Path, *, number: int = 1, port: int = 0) -> AsyncIterator[ServedMember]:
    """Serve a member, named for its number, while the block runs."""
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    settings = MemberSettings(f"member{number}", number, data_dir, port)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve_member(settings, stop, ready.set_result))
        url = await ready
        admin = upstream(settings.name, data_dir / "admin.kubeconfig")
        gateway = upstream(settings.name, data_dir / GATEWAY_KUBECONFIG)
        try:
            yield ServedMember(url, data_dir, admin, gateway)
        finally:
            await admin.close()
            await gateway.close()
            stop.set()


@asynccontextmanager
async def served_gateway(data_dir: Path) -> AsyncIterator[Upstream]:
    """Serve a gateway over an embedded store while the block runs; yields its administrator's way in."""
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    settings = server.Settings(GatewayConfig(), data_dir, "127.0.0.1:0", None)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve(settings, stop, ready.set_result))
        admin = upstream("gateway", (await ready).kubeconfig)
        try:
            yield admin
        finally:
            await admin.close()
            stop.set()


def upstream(name: str, path: Path) -> Upstream:
    """The way to an API server as the user of a kubeconfig."""
    return Upstream(name, read_kubeconfig(path).endpoint(), KubeconfigCredentials(path), now=time.time)


async def until(look: Callable[[], Coroutine[Any, Any, bool]]) -> None:
    """Wait until what `look` asks for is so; fails after some seconds."""
    for _ in range(300):
        if await look():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it never happened")
