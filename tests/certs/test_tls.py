"""The whole way over real TLS on loopback: serving context, handshake, verification on every request, revocation.

Stands beside the module tests because no module alone promises it: what counts is that an open connection, a resumed
session and a new one are all judged by the same present facts.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from certs import commands
from certs.authority import Authority, key_to_pem
from certs.keystore import PkiDirectory, write_atomically
from certs.profiles import Subject
from certs.revocation import RevocationList
from certs.serving import ServingContext
from certs.trust import TrustStore
from certs.verification import CertificateIdentity, ClientCertificateVerifier
from tests.certs.conftest import Clock
from tests.certs.forge import (
    CLIENT_AUTH,
    MOMENT,
    SERVER_AUTH,
    ForgedAuthority,
    leaf,
    name,
    pem,
)
from tests.certs.forge import authority as forge_authority

_NO_CHECK_TIME = ssl.VerifyFlags(0x200000)  # the certificates here live in the time of the injected clock


class Gateway:
    """Answers each line with whom the connection's certificate names, or why nobody."""

    def __init__(self, pki: PkiDirectory, authority: Authority, clock: Clock) -> None:
        self.trust = TrustStore(pki)
        self.serving = ServingContext(pki, authority, self.trust, ("localhost",), now=clock)
        self._verifier = ClientCertificateVerifier(self.trust.current, RevocationList(pki), now=clock)
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("ssl_object")
        while await reader.readline():
            writer.write(self._answer(connection.getpeercert(binary_form=True)).encode() + b"\n")
        writer.close()

    def _answer(self, der: bytes | None) -> str:
        if der is None:
            return "nobody"
        found = self._verifier.verify(der)
        return found.user if isinstance(found, CertificateIdentity) else found.reason


@asynccontextmanager
async def running(gateway: Gateway) -> AsyncIterator[None]:
    server = await asyncio.start_server(gateway.serve, "127.0.0.1", 0, ssl=gateway.serving.context)
    gateway.port = server.sockets[0].getsockname()[1]
    try:
        yield
    finally:
        server.close()
        await server.wait_closed()


@dataclass
class Connection:
    """A client's connection, driven from threads so that the gateway can answer meanwhile."""

    socket: ssl.SSLSocket

    @classmethod
    async def open(cls, gateway: Gateway, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> Connection:
        def connect() -> ssl.SSLSocket:
            plain = socket.create_connection(("127.0.0.1", gateway.port), timeout=30)
            return context.wrap_socket(plain, server_hostname="localhost", session=session)

        return cls(await asyncio.to_thread(connect))

    async def ask(self) -> str:
        def exchange() -> str:
            self.socket.sendall(b"who am I\n")
            return self.socket.recv(1000).decode().strip()

        return await asyncio.to_thread(exchange)

    def close(self) -> None:
        self.socket.close()


@pytest.fixture
def gateway(authority: Authority, pki: PkiDirectory, clock: Clock) -> Gateway:
    return Gateway(pki, authority, clock)


class Client:
    """Makes client TLS contexts that believe the gateway's authority."""

    def __init__(self, tmp_path: Path, ca: bytes) -> None:
        self._directory = tmp_path
        self._ca = ca

    def context(
        self,
        chain: bytes = b"",
        *,
        minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
        maximum: ssl.TLSVersion | None = None,
    ) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self._ca.decode())
        # As strict as the default of Python 3.13, whatever runs this.
        context.verify_flags |= _NO_CHECK_TIME | ssl.VERIFY_X509_STRICT
        context.minimum_version = minimum
        context.maximum_version = maximum or ssl.TLSVersion.TLSv1_3
        if chain:
            path = self._directory / "client.pem"
            write_atomically(path, chain)
            context.load_cert_chain(path)
        return context


@pytest.fixture
def client(authority: Authority, tmp_path: Path) -> Client:
    return Client(tmp_path, authority.pem)


@dataclass
class Alice:
    chain: bytes
    serial: str


@pytest.fixture
def alice(authority: Authority, data_dir: Path, clock: Clock) -> Alice:
    issued = commands.issue(data_dir, Subject("alice"), timedelta(hours=1), server="", now=clock)
    return Alice(issued.credentials.key + issued.credentials.certificate, issued.record.serial)


def forged(issuer: ForgedAuthority, user: str, **how: object) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    return key_to_pem(key) + pem(leaf(issuer, name(user), key=key, **how))  # type: ignore[arg-type]  # leaf's own options


def own_key(authority: Authority, pki: PkiDirectory) -> ForgedAuthority:
    """The gateway's authority in the hands of somebody who does not keep its rules."""
    key = load_pem_private_key(pki.ca_key.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return ForgedAuthority(authority.certificate, key)


async def test_a_revoked_certificate_is_refused_by_the_next_request_of_an_open_connection(
    gateway: Gateway, client: Client, alice: Alice, data_dir: Path, clock: Clock
) -> None:
    async with running(gateway):
        connection = await Connection.open(gateway, client.context(alice.chain))
        assert [await connection.ask(), await connection.ask()] == ["alice", "alice"]
        commands.revoke_certificate(data_dir, alice.serial, reason="", now=clock)
        assert await connection.ask() == "Revoked"
        fresh = await Connection.open(gateway, client.context(alice.chain))
        assert await fresh.ask() == "Revoked"
        connection.close()
        fresh.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_resumed_session_knows_who_it_is_and_does_not_outlive_a_revocation(
    gateway: Gateway, client: Client, alice: Alice, data_dir: Path, clock: Clock, version: ssl.TLSVersion
) -> None:
    context = client.context(alice.chain, minimum=version, maximum=version)
    async with running(gateway):
        first = await Connection.open(gateway, context)
        assert await first.ask() == "alice"
        session = first.socket.session
        first.close()

        resumed = await Connection.open(gateway, context, session)
        assert resumed.socket.session_reused
        assert await resumed.ask() == "alice"
        session = resumed.socket.session
        resumed.close()

        commands.revoke_certificate(data_dir, alice.serial, reason="", now=clock)
        again = await Connection.open(gateway, context, session)
        assert again.socket.session_reused
        assert await again.ask() == "Revoked"
        again.close()


async def test_one_session_ticket_is_made_for_each_connection(gateway: Gateway, client: Client, alice: Alice) -> None:
    context = client.context(alice.chain, minimum=ssl.TLSVersion.TLSv1_3)
    messages: list[str] = []

    def note(*said: object) -> None:
        messages.append(getattr(said[4], "name", ""))

    # The hook of the ssl module for tests of itself: what came, message by message.
    context._msg_callback = note  # type: ignore[attr-defined]  # undocumented, so that typeshed leaves it out
    async with running(gateway):
        connection = await Connection.open(gateway, context)
        assert await connection.ask() == "alice"
        connection.close()
    assert messages.count("NEWSESSION_TICKET") == 1


async def test_time_ends_an_open_connection_and_answers_a_new_one(
    gateway: Gateway, client: Client, alice: Alice, clock: Clock
) -> None:
    async with running(gateway):
        connection = await Connection.open(gateway, client.context(alice.chain))
        assert await connection.ask() == "alice"
        clock.time += 3601
        assert await connection.ask() == "Expired"
        fresh = await Connection.open(gateway, client.context(alice.chain))
        assert await fresh.ask() == "Expired"
        connection.close()
        fresh.close()


async def test_a_damaged_revocation_list_refuses_everybody(
    gateway: Gateway, client: Client, alice: Alice, pki: PkiDirectory
) -> None:
    async with running(gateway):
        connection = await Connection.open(gateway, client.context(alice.chain))
        assert await connection.ask() == "alice"
        write_atomically(pki.revoked, b"{")
        assert await connection.ask() == "RevocationUnknown"
        connection.close()


async def test_a_client_without_a_certificate_may_come_in(gateway: Gateway, client: Client) -> None:
    async with running(gateway):
        connection = await Connection.open(gateway, client.context())
        assert await connection.ask() == "nobody"
        connection.close()


@pytest.mark.parametrize("case", ["wrong authority", "for servers only"])
async def test_a_handshake_with_a_foreign_certificate_fails(
    gateway: Gateway, client: Client, authority: Authority, pki: PkiDirectory, case: str
) -> None:
    issuer = forge_authority() if case == "wrong authority" else own_key(authority, pki)
    usages = CLIENT_AUTH if case == "wrong authority" else SERVER_AUTH
    context = client.context(forged(issuer, "alice", usages=usages), maximum=ssl.TLSVersion.TLSv1_2)
    async with running(gateway):
        with pytest.raises(ssl.SSLError):
            await Connection.open(gateway, context)


@pytest.mark.parametrize(
    ("user", "usages", "not_after", "answer"),
    [
        ("alice", (), MOMENT + timedelta(hours=1), "NotForClients"),
        ("system:admin", CLIENT_AUTH, MOMENT + timedelta(hours=1), "SubjectRefused"),
        ("alice", CLIENT_AUTH, MOMENT - timedelta(seconds=1), "Expired"),
        ("alice", CLIENT_AUTH, MOMENT + timedelta(hours=1), "alice"),
    ],
)
async def test_what_a_handshake_lets_through_is_judged_afterwards(
    gateway: Gateway,
    client: Client,
    authority: Authority,
    pki: PkiDirectory,
    user: str,
    usages: tuple[x509.ObjectIdentifier, ...],
    not_after: object,
    answer: str,
) -> None:
    chain = forged(own_key(authority, pki), user, usages=usages, not_after=not_after)
    async with running(gateway):
        connection = await Connection.open(gateway, client.context(chain))
        assert await connection.ask() == answer
        connection.close()


async def test_an_authority_joins_and_leaves_without_a_restart(
    gateway: Gateway, client: Client, pki: PkiDirectory
) -> None:
    old = forge_authority("old")
    context = client.context(forged(old, "alice"), maximum=ssl.TLSVersion.TLSv1_2)
    async with running(gateway):
        write_atomically(pki.trusted, pem(old.certificate))
        gateway.serving.refresh()
        connection = await Connection.open(gateway, context)
        assert await connection.ask() == "alice"

        pki.trusted.unlink()
        assert await connection.ask() == "UnknownIssuer"
        connection.close()
        gateway.serving.refresh()
        with pytest.raises(ssl.SSLError):
            await Connection.open(gateway, context)


async def test_authorities_without_key_identifiers_and_key_usage_are_trusted_for_clients(
    gateway: Gateway, client: Client, pki: PkiDirectory
) -> None:
    old = forge_authority("old")
    kinds = {type(extension.value) for extension in old.certificate.extensions}
    assert not kinds & {x509.SubjectKeyIdentifier, x509.KeyUsage}, "what strict verification asks for"
    write_atomically(pki.trusted, pem(old.certificate))
    gateway.serving.refresh()
    async with running(gateway):
        connection = await Connection.open(gateway, client.context(forged(old, "alice")))
        assert await connection.ask() == "alice"
        connection.close()


async def test_a_renewed_serving_certificate_is_presented_while_old_connections_go_on(
    gateway: Gateway, client: Client, clock: Clock
) -> None:
    async with running(gateway):
        old = await Connection.open(gateway, client.context())
        first = old.socket.getpeercert(binary_form=True)
        clock.time += timedelta(days=61).total_seconds()
        assert gateway.serving.refresh()
        new = await Connection.open(gateway, client.context())
        assert new.socket.getpeercert(binary_form=True) != first
        assert [await old.ask(), await new.ask()] == ["nobody", "nobody"]
        old.close()
        new.close()


async def test_http_1_1_is_negotiated_even_when_more_is_offered(gateway: Gateway, client: Client) -> None:
    context = client.context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    async with running(gateway):
        connection = await Connection.open(gateway, context)
        assert connection.socket.selected_alpn_protocol() == "http/1.1"
        connection.close()


async def test_a_client_that_knows_only_tls_1_1_is_refused(gateway: Gateway, client: Client) -> None:
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context = client.context(minimum=ssl.TLSVersion.TLSv1_1, maximum=ssl.TLSVersion.TLSv1_1)
    context.set_ciphers("ALL:@SECLEVEL=0")
    async with running(gateway):
        with pytest.raises(ssl.SSLError):
            await Connection.open(gateway, context)


@pytest.mark.parametrize("first", ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"])
async def test_the_client_chooses_the_cipher(gateway: Gateway, client: Client, first: str) -> None:
    context = client.context(maximum=ssl.TLSVersion.TLSv1_2)  # the order of later versions cannot be set in Python
    context.set_ciphers(f"{first}:ECDHE+AESGCM")
    async with running(gateway):
        connection = await Connection.open(gateway, context)
        chosen = connection.socket.cipher()
        assert chosen is not None
        assert chosen[0] == first
        connection.close()
