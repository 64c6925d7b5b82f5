"""TLS clients that come together, on both event loops; what is done in one turn of the loop is counted, not timed."""

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import uvloop
from aiohttp import web

from gateway import arrival
from gateway.arrival import AT_ONCE
from gateway.listener import MAX_CONNECTIONS, Listener
from tests.support.gateway_chain import Pki

GET = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Callable[[Awaitable[None]], None]:
    """Run on each kind of loop, within half a minute."""

    async def limited(main: Awaitable[None]) -> None:
        async with asyncio.timeout(30):
            await main

    def run_on(main: Awaitable[None]) -> None:
        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            runner.run(limited(main))

    return run_on


async def hello(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(text="hello " + ("" if request.transport is None else "you"))


@asynccontextmanager
async def listening(
    context: ssl.SSLContext, max_connections: int = MAX_CONNECTIONS
) -> AsyncIterator[tuple[Listener, int]]:
    listener = Listener(hello, context, max_connections=max_connections)
    port = await listener.start("127.0.0.1", 0)
    try:
        yield listener, port
    finally:
        await listener.close(0.1)


async def ask(port: int, tls: ssl.SSLContext) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    writer.write(GET)
    answer = await reader.read()
    writer.close()
    return answer


async def plain(port: int, data: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    return reader, writer


async def gone(listener: Listener) -> None:
    while listener.arriving:
        await asyncio.sleep(0.01)


class Client:
    """TLS of a client whose bytes the test carries."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.received, self.to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.received, self.to_send, server_hostname="127.0.0.1")

    def hello(self) -> bytes:
        with pytest.raises(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self.to_send.read()

    async def answered(self, reader: asyncio.StreamReader) -> None:
        """Take what the server says until nothing is left to be agreed on; what is to be said then is in `to_send`."""
        while True:
            self.received.write(await reader.read(65536))
            try:
                return self.tls.do_handshake()
            except ssl.SSLWantReadError:
                continue

    async def answer(self, reader: asyncio.StreamReader) -> bytes:
        while True:
            self.received.write(await reader.read(65536))
            try:
                return self.tls.read(65536)
            except ssl.SSLWantReadError:
                continue


class CountedSteps:
    """Counts what a context's handshakes compute from what they received, in each turn of the loop."""

    def __init__(self, context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
        self.of_turn: Counter[int] = Counter()
        self._turn = 0

        counted = self

        class Counted(ssl.SSLObject):
            begun = False

            def do_handshake(self) -> None:
                if self.begun:
                    counted.of_turn[counted._turn] += 1
                self.begun = True
                super().do_handshake()

        monkeypatch.setattr(context, "sslobject_class", Counted)

    async def number_turns(self) -> None:
        while True:
            self._turn += 1
            await asyncio.sleep(0)


def test_handshakes_of_many_that_come_together_are_computed_few_in_a_turn(
    gateway_pki: Pki, run: Callable[[Awaitable[None]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 30
    context = gateway_pki.identity.context.context
    mine = gateway_pki.client("alice")

    async def main() -> None:
        numbering = asyncio.get_running_loop().create_task(counted.number_turns())
        async with listening(context) as (listener, port):
            opened = [await plain(port) for _ in range(count)]
            clients = [Client(mine) for _ in range(count)]
            for client, (_, writer) in zip(clients, opened, strict=True):
                writer.write(client.hello())
            for client, (reader, _) in zip(clients, opened, strict=True):
                await client.answered(reader)
            assert await ask(port, mine), "who comes meanwhile is served as well"
            for client, (_, writer) in zip(clients, opened, strict=True):
                client.tls.write(GET)
                writer.write(client.to_send.read())
            for client, (reader, writer) in zip(clients, opened, strict=True):
                assert b"hello you" in await client.answer(reader)
                writer.close()
            assert not listener.arriving
        numbering.cancel()

    counted = CountedSteps(context, monkeypatch)
    run(main())
    assert counted.of_turn.total() == 2 * (count + 1), "the hello, and what proves who it is, of each"
    assert max(counted.of_turn.values()) == AT_ONCE


def test_clients_that_go_silent_keep_nobody_waiting(
    gateway_pki: Pki, run: Callable[[Awaitable[None]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrival, "TIMEOUT", 1.0)

    async def main() -> None:
        async with listening(gateway_pki.identity.context.context) as (listener, port):
            mine = gateway_pki.client("alice")
            silent = [await plain(port) for _ in range(20)]
            stuck = [await plain(port, Client(mine).hello()) for _ in range(20)]
            half = [await plain(port, Client(mine).hello()[:100]) for _ in range(20)]
            assert b"hello you" in await ask(port, mine)
            await gone(listener)
            for reader, writer in (*silent, *stuck, *half):
                await reader.read()  # to its end
                writer.close()

    run(main())


@pytest.mark.parametrize(
    "sent", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b"\x00" * 300_000]
)
def test_what_is_no_tls_is_closed(
    gateway_pki: Pki, run: Callable[[Awaitable[None]], None], sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with listening(gateway_pki.identity.context.context) as (listener, port):
            reader, writer = await plain(port, sent)
            try:
                assert b"HTTP" not in await reader.read()
            except ConnectionResetError:
                pass
            writer.close()
            await gone(listener)
            assert b"hello you" in await ask(port, gateway_pki.client("alice"))

    run(main())
    assert not [record for record in caplog.records if record.levelname in {"WARNING", "ERROR"}]


def test_clients_that_leave_before_their_turn_are_forgotten(
    gateway_pki: Pki, run: Callable[[Awaitable[None]], None], caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with listening(gateway_pki.identity.context.context) as (listener, port):
            mine = gateway_pki.client("alice")
            for reset in (True, False):
                for data in (b"", Client(mine).hello()[:9], Client(mine).hello()):
                    for _ in range(10):
                        sock = socket.create_connection(("127.0.0.1", port))
                        sock.sendall(data)
                        if reset:
                            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                        sock.close()
            assert b"hello you" in await ask(port, mine)
            await gone(listener)

    run(main())
    assert not [record for record in caplog.records if record.levelname in {"WARNING", "ERROR"}]


def test_a_handshake_that_comes_byte_by_byte_with_its_request_in_the_same_bytes(
    gateway_pki: Pki, run: Callable[[Awaitable[None]], None]
) -> None:
    async def main() -> None:
        async with listening(gateway_pki.identity.context.context) as (_, port):
            client = Client(gateway_pki.client("alice"))
            reader, writer = await plain(port)
            writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in client.hello():
                writer.write(bytes((byte,)))
                await asyncio.sleep(0)
            await client.answered(reader)
            client.tls.write(GET)
            writer.write(client.to_send.read())
            assert b"hello you" in await client.answer(reader)
            writer.close()

    run(main())


def test_arriving_connections_count_against_the_limit_and_end_with_the_listener(
    gateway_pki: Pki, run: Callable[[Awaitable[None]], None]
) -> None:
    async def main() -> None:
        async with listening(gateway_pki.identity.context.context, max_connections=2) as (listener, port):
            kept = [await plain(port) for _ in range(2)]
            while len(listener.arriving) < 2:
                await asyncio.sleep(0)
            reader, writer = await plain(port)
            assert await reader.read() == b""
            writer.close()
        for reader, writer in kept:
            assert await reader.read() == b""
            writer.close()

    run(main())
