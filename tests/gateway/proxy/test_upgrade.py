import asyncio
import contextlib
import hashlib
import os
import random
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from multidict import CIMultiDict

from gateway.apimachinery.errors import service_unavailable
from gateway.clusters.credentials import Credentials
from gateway.clusters.upstream import Upstream
from gateway.proxy import upgrade
from gateway.proxy.upgrade import requested_protocol, tunnel
from gateway.request_scope import RequestScope
from tests.gateway.proxy.gateway_under_test import make_upstream, passing
from tests.support.http_server import Raw, read_head, serve, serve_raw
from tests.support.tls import Authority

PATH = "/api/v1/namespaces/a/pods/web/exec?command=sh&command=-c&stdin=1"
SPDY = (
    f"POST {PATH} HTTP/1.1\r\nHost: gateway\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nContent-Length: 0\r\n"
    "X-Stream-Protocol-Version: v5.channel.k8s.io\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n"
    "Authorization: Bearer the-callers\r\nImpersonate-User: root\r\n\r\n"
).encode()
AGREED = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
    b"X-Stream-Protocol-Version: v5.channel.k8s.io\r\n\r\n"
)
LIMIT = 5.0


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(params=["plain", "tls"])
def server_context(request: pytest.FixtureRequest, authority: Authority) -> ssl.SSLContext | None:
    return authority.server_context if request.param == "tls" else None


class Client:
    """A client that speaks raw bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> bytes:
        async with asyncio.timeout(LIMIT):
            return await read_head(self.reader)

    async def open(self) -> None:
        """Ask for a tunnel and get it."""
        await self.send(SPDY)
        head = await self.head()
        assert head.startswith(b"HTTP/1.1 101 "), head

    async def rest(self) -> bytes:
        async with asyncio.timeout(LIMIT):
            return await self.reader.read()


async def plain_tunnel(request: web.BaseRequest, scope: RequestScope, upstream: Upstream) -> web.StreamResponse:
    return await tunnel(request, scope, upstream)


@asynccontextmanager
async def client_of(
    member: Raw, authority: Authority, context: ssl.SSLContext | None = None, pass_on: object = plain_tunnel
) -> AsyncIterator[Client]:
    """A raw client of a gateway in front of a raw member; both connections use TLS or neither does."""
    async with serve_raw(member, context) as member_url:
        upstream = make_upstream(member_url, Credentials(authority.bundle, token="gateway"))
        async with serve(passing(upstream, pass_on), context) as url:  # type: ignore[arg-type]  # any handler
            trust = ssl.create_default_context(cadata=authority.bundle.decode()) if context else None
            port = int(url.rpartition(":")[2])
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust)
            try:
                yield Client(reader, writer)
            finally:
                writer.close()
                await upstream.close()


def answering(answer: bytes) -> Raw:
    async def member(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(answer)
        await writer.drain()
        await reader.read()

    return member


async def test_the_request_that_arrives_is_the_callers_and_the_offer_is_whole(authority: Authority) -> None:
    heads: list[bytes] = []

    async def member(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await read_head(reader))
        writer.write(AGREED)
        await writer.drain()

    async with client_of(member, authority) as client:
        await client.send(SPDY)
        agreed = await client.head()
        await client.rest()
    lines = heads[0].decode().split("\r\n")
    assert lines[0] == f"POST {PATH} HTTP/1.1"
    assert [line for line in lines if line.startswith("X-Stream")] == [
        "X-Stream-Protocol-Version: v5.channel.k8s.io",
        "X-Stream-Protocol-Version: v4.channel.k8s.io",
    ]
    assert "Upgrade: SPDY/3.1" in lines
    assert "Connection: Upgrade" in lines
    assert [line for line in lines if line.startswith(("Impersonate", "Authorization"))] == [
        "Impersonate-User: alice",
        "Impersonate-Group: dev",
        "Authorization: Bearer gateway",
    ]
    assert agreed.startswith(b"HTTP/1.1 101 ")
    assert b"\r\nUpgrade: SPDY/3.1\r\n" in agreed
    assert b"\r\nX-Stream-Protocol-Version: v5.channel.k8s.io\r\n" in agreed
    assert b"Transfer-Encoding" not in agreed
    assert b"Content-Length" not in agreed


async def test_bytes_pass_both_ways_unchanged(authority: Authority, server_context: ssl.SSLContext | None) -> None:
    async def member(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(AGREED)
        while data := await reader.read(65536):
            writer.write(data.swapcase())
            await writer.drain()

    async with client_of(member, authority, server_context) as client:
        await client.open()
        for message in (b"GET / HTTP/1.1\r\n\r\n", b"\x00\xff" * 100, b"\x16\x03\x01"):
            await client.send(message)
            async with asyncio.timeout(LIMIT):
                assert await client.reader.readexactly(len(message)) == message.swapcase()


async def test_bytes_sent_right_behind_the_agreement_arrive(
    authority: Authority, server_context: ssl.SSLContext | None
) -> None:
    async with client_of(answering(AGREED + b"early bytes"), authority, server_context) as client:
        await client.open()
        async with asyncio.timeout(LIMIT):
            assert await client.reader.readexactly(11) == b"early bytes"


async def test_all_bytes_of_a_member_that_ends_at_once_arrive(
    authority: Authority, server_context: ssl.SSLContext | None
) -> None:
    last = random.Random(1).randbytes(3_000_000)

    async def member(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(AGREED + last)
        await writer.drain()

    async with client_of(member, authority, server_context) as client:
        await client.open()
        received = await client.rest()
    assert hashlib.sha256(received).digest() == hashlib.sha256(last).digest()


class Connection(BaseProtocol):
    """A connection whose bytes nobody takes for now."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.inlet = upgrade._Inlet(self)

    def data_received(self, data: bytes) -> None:
        self.inlet.feed_data(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self.inlet.feed_eof()


async def test_bytes_not_taken_yet_survive_the_end_of_their_connection(
    authority: Authority, server_context: ssl.SSLContext | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upgrade, "BUFFER", 1000)
    last = random.Random(2).randbytes(150_000)

    async def member(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for start in range(0, len(last), 20_000):
            writer.write(last[start : start + 20_000])
            await asyncio.sleep(0.002)
        # As Go ends a TLS connection: the end of TCP follows at once, nobody's answer is waited for.
        with socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno())) as raw:
            raw.shutdown(socket.SHUT_WR)
        await asyncio.sleep(LIMIT)

    async with serve_raw(member, server_context) as url:
        loop = asyncio.get_running_loop()
        trust = ssl.create_default_context(cadata=authority.bundle.decode()) if server_context else None
        port = int(url.rpartition(":")[2])
        _, connection = await loop.create_connection(lambda: Connection(loop), "127.0.0.1", port, ssl=trust)
        await asyncio.sleep(0.3)  # by now it has said all and has gone
        received = b""
        async with asyncio.timeout(LIMIT):
            while data := await connection.inlet.receive():
                received += data
    assert received == last


async def test_a_direction_whose_sink_is_gone_leaves_the_other_its_last_bytes() -> None:
    delivered = []

    async def to_a_member_that_hung_up() -> bool:
        return False

    async def from_it() -> bool:
        await asyncio.sleep(0)
        delivered.append("its last bytes")
        return True

    await upgrade._until_one_ends(to_a_member_that_hung_up(), from_it())
    assert delivered


async def test_a_direction_that_has_delivered_everything_ends_the_other() -> None:
    async def ended() -> bool:
        return True

    async def waiting() -> bool:
        await asyncio.Event().wait()
        return True

    async with asyncio.timeout(LIMIT):
        await upgrade._until_one_ends(waiting(), ended())


async def test_all_bytes_of_a_client_that_goes_arrive_and_the_member_learns_of_it(
    authority: Authority, server_context: ssl.SSLContext | None
) -> None:
    received, ended = bytearray(), asyncio.Event()

    async def member(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(AGREED)
        await asyncio.sleep(0.2)  # reads only after the client has gone
        while data := await reader.read(65536):
            received.extend(data)
        ended.set()

    async with client_of(member, authority, server_context) as client:
        await client.open()
        await client.send(b"y" * 100_000 + b"end")
        client.writer.close()
        async with asyncio.timeout(LIMIT):
            await ended.wait()
    assert bytes(received) == b"y" * 100_000 + b"end"


async def test_a_side_that_does_not_read_stops_the_other(authority: Authority) -> None:
    sent = 0

    async def member(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await read_head(reader)
        writer.write(AGREED)
        for _ in range(1000):
            writer.write(b"z" * 65536)
            await writer.drain()
            sent += 65536

    async with client_of(member, authority) as client:
        await client.open()
        seen = -1
        while sent != seen:
            seen = sent
            await asyncio.sleep(0.2)
        assert sent < 1000 * 65536
        received = 0
        while data := await client.reader.read(1 << 20):
            received += len(data)
    assert received == 1000 * 65536


async def test_a_member_that_does_not_read_stops_the_client(
    authority: Authority, server_context: ssl.SSLContext | None
) -> None:
    async def member(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(AGREED)
        await asyncio.Event().wait()

    async with client_of(member, authority, server_context) as client:
        await client.open()
        sent, seen = 0, -1
        while sent != seen:  # until nothing more is taken from us
            seen = sent
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.3):
                    while sent < 100_000_000:
                        await client.send(b"w" * 100_000)
                        sent += 100_000
        assert sent < 100_000_000
        client.writer.transport.abort()


async def test_everything_a_slow_member_takes_arrives(
    authority: Authority, server_context: ssl.SSLContext | None
) -> None:
    total, digest = 3_000_000, hashlib.sha256()

    async def member(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(AGREED)
        left = total
        while left:
            data = await reader.read(50_000)
            left -= len(data)
            digest.update(data)
            await asyncio.sleep(0.002)
        writer.write(b"done")

    async with client_of(member, authority, server_context) as client:
        await client.open()
        sent = random.Random(3).randbytes(total)
        await client.send(sent)
        assert await client.rest() == b"done"
    assert digest.digest() == hashlib.sha256(sent).digest()


async def test_what_a_member_sends_while_the_start_is_recorded_arrives(authority: Authority) -> None:
    async def slowly() -> None:
        await asyncio.sleep(0.3)

    async def pass_on(request: web.BaseRequest, scope: RequestScope, upstream: Upstream) -> web.StreamResponse:
        return await tunnel(request, scope, upstream, started=slowly)

    async def member(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(AGREED + b"v" * 2_000_000)
        await writer.drain()

    async with client_of(member, authority, pass_on=pass_on) as client:
        await client.open()
        assert await client.rest() == b"v" * 2_000_000


async def test_a_websocket_passes_with_its_handshake(authority: Authority) -> None:
    async def member(request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=("v5.channel.k8s.io",), autoping=True)
        await socket.prepare(request)
        async for message in socket:
            await socket.send_bytes(bytes(reversed(message.data)))
        return socket

    async with serve(member) as member_url:
        upstream = make_upstream(member_url)
        async with serve(passing(upstream, plain_tunnel)) as url, aiohttp.ClientSession(url) as session:
            socket = await session.ws_connect(PATH, protocols=("v5.channel.k8s.io",))
            assert socket.protocol == "v5.channel.k8s.io"
            await socket.send_bytes(b"\x00abc")
            assert await socket.receive_bytes(timeout=LIMIT) == b"cba\x00"
            await socket.ping()
            await socket.send_bytes(b"x" * 300_000)
            assert len(await socket.receive_bytes(timeout=LIMIT)) == 300_000
            await socket.close()
            assert socket.close_code == 1000
        await upstream.close()


@pytest.mark.parametrize(("origin", "code"), [("https://evil.example", 403), ("null", 403), ("https://gateway", 101)])
async def test_pages_of_other_sites_open_no_tunnel(authority: Authority, origin: str, code: int) -> None:
    """A browser would send its user's certificate along."""
    asked: list[bytes] = []

    async def member(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await read_head(reader))
        writer.write(AGREED)
        await writer.drain()

    async with client_of(member, authority) as client:
        await client.send(SPDY.replace(b"Host: gateway\r\n", b"Host: gateway\r\nOrigin: %s\r\n" % origin.encode()))
        assert (await client.head()).startswith(b"HTTP/1.1 %d " % code)
    assert bool(asked) == (code == 101)


@pytest.mark.parametrize("code", [400, 403, 404, 500])
async def test_a_refusal_passes_with_its_body_and_ends_the_connection(authority: Authority, code: int) -> None:
    body = b'{"kind":"Status","message":"no"}'
    answer = b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (code, len(body))
    async with client_of(answering(answer + body), authority) as client:
        await client.send(SPDY)
        head = await client.head()
        assert head.startswith(b"HTTP/1.1 %d " % code)
        assert await client.rest() == body


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"answered an upgrade request with 200"),
        (b"HTTP/1.1 302 Found\r\nLocation: https://elsewhere\r\nContent-Length: 0\r\n\r\n", b"not permitted"),
        (AGREED.replace(b"SPDY/3.1", b"websocket"), b"switched to the protocol 'websocket'"),
        (AGREED.replace(b"Upgrade: SPDY/3.1\r\n", b""), b"switched to the protocol ''"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", b"switched to the protocol ''"),
        (b"nonsense\r\n\r\n", b"cannot be reached"),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\nraw bytes all the same", b"cannot be reached"),
    ],
)
async def test_no_tunnel_opens_without_the_agreement_asked_for(
    authority: Authority, answer: bytes, words: bytes
) -> None:
    reached: list[bytes] = []

    async def member(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(answer)
        await writer.drain()
        reached.append(await reader.read())

    async with client_of(member, authority) as client:
        await client.send(SPDY)
        head = await client.head()
        assert head.startswith((b"HTTP/1.1 502 ", b"HTTP/1.1 503 "))
        assert b"Location" not in head
        async with asyncio.timeout(LIMIT):
            body = await client.reader.read(4096)
        assert words in body
        for _ in range(50):
            if reached:
                break
            await asyncio.sleep(0.02)
    assert reached == [b""], "the member's connection is closed and gets nothing more"


async def test_a_request_without_an_upgrade_is_400(authority: Authority) -> None:
    async with client_of(answering(AGREED), authority) as client:
        await client.send(b"GET /api/v1/namespaces/a/pods/web/exec HTTP/1.1\r\nHost: g\r\n\r\n")
        assert (await client.head()).startswith(b"HTTP/1.1 400 ")


async def test_nothing_is_answered_when_the_start_cannot_be_recorded(authority: Authority) -> None:
    async def refuse() -> None:
        raise service_unavailable("the audit log cannot be written")

    async def pass_on(request: web.BaseRequest, scope: RequestScope, upstream: Upstream) -> web.StreamResponse:
        return await tunnel(request, scope, upstream, started=refuse)

    async with client_of(answering(AGREED), authority, pass_on=pass_on) as client:
        await client.send(SPDY)
        assert (await client.head()).startswith(b"HTTP/1.1 503 ")


async def test_cancelling_the_handler_cuts_the_tunnel(authority: Authority) -> None:
    tasks: list[asyncio.Task[object]] = []
    ended = asyncio.Event()

    async def member(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(AGREED)
        await reader.read()
        ended.set()

    async def pass_on(request: web.BaseRequest, scope: RequestScope, upstream: Upstream) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        return await tunnel(request, scope, upstream)

    async with client_of(member, authority, pass_on=pass_on) as client:
        await client.open()
        tasks[0].cancel()
        assert await client.rest() == b""
        async with asyncio.timeout(LIMIT):
            await ended.wait()


async def test_each_tunnel_has_a_connection_of_its_own(authority: Authority) -> None:
    connections = 0

    async def member(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await read_head(reader)
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    async with serve_raw(member) as member_url:
        upstream = make_upstream(member_url)
        async with serve(passing(upstream, plain_tunnel)) as url, aiohttp.ClientSession(url) as session:
            for _ in range(3):
                answer = await session.post(PATH, headers={"Connection": "Upgrade", "Upgrade": "SPDY/3.1"})
                assert answer.status == 403
                answer.close()
        await upstream.close()
    assert connections == 3


@pytest.mark.parametrize(
    ("headers", "protocol"),
    [
        ({"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}, "spdy/3.1"),
        ({"connection": "keep-alive, upgrade", "upgrade": "WebSocket"}, "websocket"),
        ({"Upgrade": "websocket"}, ""),
        ({"Connection": "Upgrade"}, ""),
        ({}, ""),
    ],
)
def test_an_upgrade_is_asked_for_by_both_headers(headers: dict[str, str], protocol: str) -> None:
    assert requested_protocol(CIMultiDict(headers)) == protocol
