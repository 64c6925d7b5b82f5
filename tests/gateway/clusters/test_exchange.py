"""What Exchange relies on in aiohttp, and what it promises, against raw sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from multidict import CIMultiDict

from gateway.clusters import exchange as exchange_module
from gateway.clusters.answer import PlainAnswer
from gateway.clusters.endpoint import Endpoint
from gateway.clusters.exchange import Exchange
from tests.support.http_server import read_head, serve_raw

SHORT = b"HTTP/1.1 200 OK\r\nContent-Type: Application/JSON; x=y\r\nContent-Length: 2\r\n\r\n{}"


class Server:
    """Answers each request head with the next of its answers; None closes the connection instead."""

    def __init__(self, *answers: bytes | None) -> None:
        self.answers = list(answers)
        self.heads: list[str] = []
        self.by_connection: list[int] = []
        self.closed = asyncio.Event()

    @property
    def connections(self) -> int:
        return len(self.by_connection)

    async def script(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(self.by_connection)
        self.by_connection.append(0)
        try:
            while self.answers:
                self.heads.append((await read_head(reader)).decode())
                self.by_connection[number] += 1
                if (answer := self.answers.pop(0)) is None:
                    return
                writer.write(answer)
            await reader.read()
        except asyncio.IncompleteReadError:
            pass  # closed between two requests
        finally:
            self.closed.set()


@asynccontextmanager
async def exchanging(server: Server, prefix: str = "", keepalive: float = 60) -> AsyncIterator[Exchange]:
    async with serve_raw(server.script) as url, asyncio.timeout(20):
        connector = aiohttp.TCPConnector(limit=0)
        try:
            exchange = Exchange(Endpoint(url + prefix), connector, connect_timeout=5, keepalive=keepalive)
            yield exchange
            exchange.close()
        finally:
            await connector.close()


async def ask(exchange: Exchange, method: str = "GET", target: str = "/x", body: bytes | None = None) -> PlainAnswer:
    return await exchange.send(method, target, CIMultiDict(), body, timeout=10)


async def test_a_connection_is_used_again_once_its_answer_was_read() -> None:
    server = Server(SHORT, SHORT, SHORT)
    async with exchanging(server, "/prefix") as exchange:
        for _ in range(3):
            answer = await ask(exchange, target="/x?a=%2F")
            assert (answer.status, answer.reason, answer.content_type, answer.content_length) == (
                200, "OK", "application/json", 2,
            )  # fmt: skip
            assert await answer.content.read() == b"{}"
            answer.close()
    assert server.connections == 1
    assert {head.partition("\r\n")[0] for head in server.heads} == {"GET /prefix/x?a=%2F HTTP/1.1"}


async def test_the_connection_that_was_used_last_is_used_next() -> None:
    server = Server(SHORT, SHORT, SHORT, SHORT, SHORT)
    async with exchanging(server) as exchange:
        for answer in await asyncio.gather(ask(exchange), ask(exchange)):
            await answer.content.read()
        assert server.connections == 2
        for _ in range(3):
            await (await ask(exchange)).content.read()
    assert sorted(server.by_connection) == [1, 4]


async def test_a_connection_that_has_rested_for_long_is_closed() -> None:
    server = Server(SHORT, SHORT)
    async with exchanging(server, keepalive=0.01) as exchange:
        await (await ask(exchange)).content.read()
        await server.closed.wait()
        await (await ask(exchange)).content.read()
    assert server.connections == 2


async def test_what_comes_without_a_request_is_no_answer_to_the_next_one() -> None:
    server = Server(SHORT + SHORT.replace(b"{}", b"[]"), SHORT)
    async with exchanging(server) as exchange:
        await (await ask(exchange)).content.read()
        assert await (await ask(exchange)).content.read() == b"{}"
    assert server.connections == 2


async def test_a_connection_whose_answer_was_not_read_is_closed() -> None:
    server = Server(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nbegun", SHORT)
    async with exchanging(server) as exchange:
        async with await ask(exchange) as answer:
            assert await answer.content.read(5) == b"begun"
        with pytest.raises(aiohttp.ClientError):
            await answer.content.read()
        async with await ask(exchange) as answer:
            assert await answer.content.read() == b"{}"
    assert server.connections == 2


@pytest.mark.parametrize(
    ("framed", "body"),
    [
        (b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", b"abcde"),
        (b"Content-Length: 0\r\n\r\n", b""),
    ],
)
async def test_bodies_end_as_they_say(framed: bytes, body: bytes) -> None:
    server = Server(b"HTTP/1.1 200 OK\r\n" + framed, SHORT)
    async with exchanging(server) as exchange:
        assert await (await ask(exchange)).content.read() == body
        assert await (await ask(exchange)).content.read() == b"{}"
    assert server.connections == 1


def sending(answer: bytes) -> Server:
    """A server that sends some bytes to the first request, and ends the connection."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(answer)

    server = Server()
    server.script = script  # type: ignore[method-assign]  # (another script than its own)
    return server


async def test_a_body_without_a_length_ends_with_its_connection() -> None:
    async with exchanging(sending(b"HTTP/1.1 200 OK\r\n\r\nall of it")) as exchange:
        assert await (await ask(exchange)).content.read() == b"all of it"


async def test_a_body_that_breaks_off_is_an_error() -> None:
    async with exchanging(sending(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nbegun")) as exchange:
        answer = await ask(exchange)
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.content.read()


@pytest.mark.parametrize("code", [204, 304])
async def test_answers_without_a_body_give_their_connection_back(code: int) -> None:
    server = Server(f"HTTP/1.1 {code} X\r\nETag: e\r\n\r\n".encode(), SHORT)
    async with exchanging(server) as exchange:
        async with await ask(exchange) as answer:
            assert (answer.status, answer.headers["etag"], await answer.content.read()) == (code, "e", b"")
        async with await ask(exchange) as answer:
            assert await answer.content.read() == b"{}"
    assert server.connections == 1


async def test_the_answer_to_head_has_no_body() -> None:
    server = Server(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", SHORT)
    async with exchanging(server) as exchange:
        async with await ask(exchange, "HEAD") as answer:
            assert (answer.content_length, await answer.content.read()) == (99, b"")
        async with await ask(exchange) as answer:
            assert await answer.content.read() == b"{}"
    assert server.connections == 1


async def test_interim_answers_are_passed_over() -> None:
    server = Server(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + SHORT)
    async with exchanging(server) as exchange, await ask(exchange) as answer:
        assert (answer.status, await answer.content.read()) == (200, b"{}")


async def test_what_is_no_http_is_an_error() -> None:
    server = Server(b"SSH-2.0-OpenSSH\r\n\r\n")
    async with exchanging(server) as exchange:
        with pytest.raises(aiohttp.ClientError):
            await ask(exchange)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_a_connection_that_was_closed_meanwhile_is_replaced(method: str) -> None:
    server = Server(SHORT, None, SHORT)
    async with exchanging(server) as exchange:
        for _ in range(2):
            assert await (await ask(exchange, method)).content.read() == b"{}"
    assert server.connections == 2


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_what_may_not_be_done_twice_is_not_sent_again(method: str) -> None:
    server = Server(SHORT, None, SHORT)
    async with exchanging(server) as exchange:
        await (await ask(exchange, method)).content.read()
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await ask(exchange, method)
    assert len(server.heads) == 2


@pytest.mark.parametrize(
    ("method", "target", "header", "value"),
    [
        ("GET", "/x y", "A", "b"),
        ("GET", "/x\r\nA: b", "A", "b"),
        ("GET", "/x#y", "A", "b"),
        ("GET", "/\u00e4", "A", "b"),
        ("GET", "x", "A", "b"),
        ("GET /", "/x", "A", "b"),
        ("GET", "/x", "A", "b\r\nEvil: c"),
        ("GET", "/x", "A", "b\nEvil: c"),
        ("GET", "/x", "A", "b\rEvil: c"),
        ("GET", "/x", "A\r\nEvil", "b"),
        ("GET", "/x", "A", "b\0"),
    ],
)
async def test_what_would_be_read_as_something_else_is_not_sent(
    method: str, target: str, header: str, value: str
) -> None:
    server = Server(SHORT)
    async with exchanging(server) as exchange:
        with pytest.raises(ValueError, match="read as something else"):
            await exchange.send(method, target, CIMultiDict({header: value}), None, timeout=10)
    assert server.heads == []


async def test_headers_that_frame_the_message_are_its_own() -> None:
    server = Server(SHORT, SHORT)
    forged = {"Content-Length": "1", "content-length": "7", "Transfer-Encoding": "chunked", "Host": "elsewhere"}
    async with exchanging(server) as exchange:
        for method, body in (("POST", b""), ("GET", None)):
            await (await exchange.send(method, "/x", CIMultiDict(forged), body, timeout=10)).content.read()
    post, get = (head.lower() for head in server.heads)
    assert post.count("content-length") == 1
    assert "content-length: 0\r\n" in post
    assert "content-length" not in get
    for head in (post, get):
        assert "transfer-encoding" not in head
        assert "elsewhere" not in head
        assert head.count("host: 127.0.0.1:") == 1


async def test_an_answer_that_does_not_begin_in_time() -> None:
    server = Server(b"HTTP/1.1 200")
    async with exchanging(server) as exchange:
        with pytest.raises(TimeoutError):
            await exchange.send("GET", "/x", CIMultiDict(), None, timeout=0.05)


async def test_an_answer_that_does_not_end_in_time() -> None:
    server = Server(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nbegun", SHORT)
    async with exchanging(server) as exchange:
        answer = await ask(exchange)
        answer.end_at(asyncio.get_running_loop().time() + 0.05)
        with pytest.raises(TimeoutError):
            await answer.content.read()
        assert await (await ask(exchange)).content.read() == b"{}"
    assert server.connections == 2


async def test_closing_the_connections_ends_what_is_read() -> None:
    server = Server(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
    async with serve_raw(server.script) as url, asyncio.timeout(20):
        connector = aiohttp.TCPConnector(limit=0)
        exchange = Exchange(Endpoint(url), connector, connect_timeout=5)
        answer = await ask(exchange)
        reading = asyncio.get_running_loop().create_task(answer.content.read())
        await asyncio.sleep(0)
        exchange.close()
        await connector.close()
        with pytest.raises(aiohttp.ClientError):
            await reading
        with pytest.raises(aiohttp.ClientConnectionError):
            await ask(exchange)


async def test_nothing_is_read_ahead_without_bound() -> None:
    sent = 0
    blocked = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(bytes(1 << 20))
            try:
                async with asyncio.timeout(1):
                    await writer.drain()
            except TimeoutError:
                blocked.set()
                return
            sent += 1 << 20
            assert sent < 1 << 30, "a client that reads nothing was sent a GiB"

    server = Server()
    server.script = script  # type: ignore[method-assign]  # (another script than its own)
    async with exchanging(server) as exchange:
        answer = await ask(exchange)
        await blocked.wait()
        answer.close()
    assert sent < 64 << 20


LONG = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (exchange_module.WIDE, b" " * exchange_module.WIDE)


async def test_what_lasts_is_not_sent_where_a_large_answer_was_received() -> None:
    server = Server(SHORT, LONG, SHORT, SHORT)
    async with exchanging(server) as exchange:
        for lasting in (False, False, True, False):
            answer = await exchange.send("GET", "/x", CIMultiDict(), None, timeout=10, lasting=lasting)
            await answer.content.read()
    # The last has the narrow connection again that the third made.
    assert server.by_connection == [2, 2]


async def test_pages_are_read_on_one_connection() -> None:
    server = Server(LONG, LONG, SHORT)
    async with exchanging(server) as exchange:
        for _ in range(3):
            await (await ask(exchange)).content.read()
    assert server.by_connection == [3]


async def test_a_connection_that_carried_a_large_answer_is_soon_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_module, "WIDE_KEEPALIVE", 0.01)
    server = Server(LONG, SHORT)
    async with exchanging(server) as exchange:
        await (await ask(exchange)).content.read()
        await server.closed.wait()
        await (await ask(exchange)).content.read()
    assert server.by_connection == [1, 1]
