"""The whole handler chain of the gateway behind its real listener, over TLS on loopback, with a test's own handler."""

import asyncio
import json
import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import aiohttp
from yarl import URL

from certs import commands
from certs.profiles import Subject
from gateway.audit.log import AuditLog
from gateway.audit.record import AuditRecord
from gateway.authentication.authenticator import RefuseBearerTokens, UnionAuthenticator
from gateway.authentication.x509 import CertificateAuthenticator
from gateway.authorization.authorizer import Attributes, Decision, Outcome
from gateway.chain import ChainParts, chain, handler_chain
from gateway.identity import Identity, open_identity
from gateway.lifecycle import Lifecycle
from gateway.listener import Listener
from gateway.metrics import Metrics
from gateway.request_keys import Handler
from gateway.supervision import Supervisor

ALLOW = Decision(Outcome.ALLOW, "because")
DENY = Decision(Outcome.DENY, "not today")


class FakeAuthorizer:
    """Decides by a function of the attributes, and remembers what it was asked."""

    def __init__(self, decide: Callable[[Attributes], Decision] = lambda _: ALLOW) -> None:
        self.decide = decide
        self.asked: list[Attributes] = []

    async def authorize(self, attributes: Attributes) -> Decision:
        self.asked.append(attributes)
        return self.decide(attributes)


class RecordingAudit:
    """Keeps the records of answered requests."""

    def __init__(self) -> None:
        self.records: list[AuditRecord] = []

    async def complete(self, record: AuditRecord) -> None:
        self.records.append(record)


@dataclass
class Pki:
    """A gateway's certificates, and the clients' it issued."""

    identity: Identity
    serials: dict[str, str] = field(default_factory=dict)

    def client(self, user: str = "", *groups: str) -> ssl.SSLContext:
        """A TLS context of a client, with a certificate of its own if it has a name."""
        context = ssl.create_default_context(cafile=str(self.identity.data_dir / "pki" / "ca.crt"))
        if user:
            issued = commands.issue(
                self.identity.data_dir, Subject(user, groups), timedelta(hours=1), server="", now=time.time
            )
            self.serials[user] = issued.record.serial
            with tempfile.NamedTemporaryFile() as file:
                file.write(issued.credentials.certificate + issued.credentials.key)
                file.flush()
                context.load_cert_chain(file.name)
        return context

    def revoke(self, user: str) -> None:
        commands.revoke_certificate(self.identity.data_dir, self.serials[user], reason="keyCompromise", now=time.time)


def open_pki(folder: Path) -> Pki:
    return Pki(open_identity(folder, "127.0.0.1", (), ()))


@dataclass
class RunningChain:
    """A running gateway that is nothing but its chain."""

    pki: Pki
    port: int
    listener: Listener
    authorizer: FakeAuthorizer
    audit: RecordingAudit
    lifecycle: Lifecycle
    supervisor: Supervisor
    metrics: Metrics

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def session(self, user: str = "", *groups: str) -> AsyncIterator[aiohttp.ClientSession]:
        """A client of the chain; nobody without a user."""
        connector = aiohttp.TCPConnector(ssl=self.pki.client(user, *groups))
        headers = {"Accept-Encoding": "identity"}
        async with aiohttp.ClientSession(
            self.url, connector=connector, auto_decompress=False, headers=headers
        ) as session:
            yield session

    async def ask(self, method: str, path: str, *, user: str = "alice", **options: Any) -> "Answer":
        """Send one request as somebody and return the whole answer; the path goes out as it is written."""
        async with (
            self.session(user, *options.pop("groups", ())) as session,
            session.request(method, URL(f"{self.url}{path}", encoded=True), **options) as response,
        ):
            return Answer(response, await response.read())

    async def raw(self, data: bytes, *, user: str = "") -> bytes:
        """Send bytes on a connection of their own and return all that comes back."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=self.pki.client(user))
        try:
            writer.write(data)
            await writer.drain()
            async with asyncio.timeout(10):
                return await reader.read()
        finally:
            writer.close()


class Answer:
    """A response with its body."""

    def __init__(self, response: aiohttp.ClientResponse, body: bytes) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = body

    def json(self) -> Any:
        return json.loads(self.body)


@asynccontextmanager
async def running_chain(
    pki: Pki,
    handler: Handler,
    *,
    decide: Callable[[Attributes], Decision] = lambda _: ALLOW,
    supervisor: Supervisor | None = None,
    ready: bool = True,
) -> AsyncIterator[RunningChain]:
    """Serve `handler` at the end of the chain."""
    authorizer, audit, lifecycle, metrics = FakeAuthorizer(decide), RecordingAudit(), Lifecycle(), Metrics()
    supervisor = supervisor or Supervisor(credential_period=0.05, authorization_period=0.1, parting_time=0.3)
    parts = ChainParts(
        now=time.time,
        metrics=metrics,
        lifecycle=lifecycle,
        audit=cast("AuditLog", audit),
        authenticator=UnionAuthenticator((RefuseBearerTokens(), CertificateAuthenticator(pki.identity.verifier))),
        authorizer=authorizer,
        supervisor=supervisor,
    )
    listener = Listener(chain(handler_chain(parts), handler), pki.identity.context.context)
    port = await listener.start("127.0.0.1", 0)
    if ready:
        lifecycle.ready()
    running = asyncio.get_running_loop().create_task(supervisor.run())
    try:
        yield RunningChain(pki, port, listener, authorizer, audit, lifecycle, supervisor, metrics)
    finally:
        running.cancel()
        await listener.close(0.2)
