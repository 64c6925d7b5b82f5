"""The HTTP layer as strangers meet it, slow, oversize, malformed, silent: facts of aiohttp that we rely on."""

import asyncio
import logging
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from aiohttp import web

from gateway import listener as listener_module
from gateway.authentication.x509 import peer_certificate
from gateway.listener import MAX_HEAD, Client, Listener, shared_sockets
from tests.support.gateway_chain import Pki

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


async def hello(request: web.BaseRequest) -> web.StreamResponse:
    body = await request.content.read()
    return web.Response(text=f"{request.method} {len(request.raw_path)} {len(body)}")


@asynccontextmanager
async def listening(
    handler: Handler = hello, context: ssl.SSLContext | None = None, **options: float
) -> AsyncIterator[tuple[Listener, int]]:
    listener = Listener(handler, context, **options)  # type: ignore[arg-type]  # head_timeout and max_connections
    port = await listener.start("127.0.0.1", 0)
    try:
        yield listener, port
    finally:
        await listener.close(0.1)


async def connect(port: int, tls: ssl.SSLContext | None = None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port, ssl=tls)


async def exchange(port: int, data: bytes) -> bytes:
    """Send bytes and return everything that comes back until the other side closes."""
    reader, writer = await connect(port)
    writer.write(data)
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    return answer


def get(path: str = "/", *headers: str) -> bytes:
    return "\r\n".join((f"GET {path} HTTP/1.1", "Host: x", *headers, "", "")).encode()


async def test_serves_over_tls_with_http_1_only(gateway_pki: Pki) -> None:
    client = gateway_pki.client()
    client.set_alpn_protocols(["h2", "http/1.1"])
    async with listening(context=gateway_pki.identity.context.context) as (_, port):
        reader, writer = await connect(port, client)
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
        writer.write(get("/", "Connection: close"))
        assert (await reader.read()).endswith(b"GET 1 0")
        writer.close()


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\nA: "])
async def test_a_head_that_does_not_arrive_ends_the_connection(sent: bytes) -> None:
    async with listening(head_timeout=0.2) as (listener, port):
        assert await exchange(port, sent) == b""
        assert listener.connections == 0


async def test_a_trickle_is_no_head_either() -> None:
    async with listening(head_timeout=0.3) as (_, port):
        reader, writer = await connect(port)
        for byte in get("/" + "x" * 1000):
            if reader.at_eof() or reader.exception():
                break
            writer.write(bytes((byte,)))
            await asyncio.sleep(0.02)
        else:
            pytest.fail("all of a head was taken that came byte by byte")
        # A byte on its way when the other side closed makes a reset of the end.
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()


async def test_a_head_that_arrived_stops_the_clock() -> None:
    async def slow(request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(0.4)
        return await hello(request)

    async with listening(slow, head_timeout=0.2) as (_, port):
        assert (await exchange(port, get("/", "Connection: close"))).endswith(b"GET 1 0")


async def test_other_clients_are_served_meanwhile() -> None:
    async with listening(head_timeout=5) as (listener, port):
        silent = [await connect(port) for _ in range(200)]
        assert (await exchange(port, get("/", "Connection: close"))).startswith(b"HTTP/1.1 200")
        assert listener.connections >= 200
        for _, writer in silent:
            writer.close()


async def test_connections_above_the_limit_are_closed() -> None:
    async with listening(max_connections=2) as (_, port):
        kept = [await connect(port) for _ in range(2)]
        await asyncio.sleep(0.05)
        assert await exchange(port, b"") == b""
        for _, writer in kept:
            writer.close()
        await asyncio.sleep(0.05)
        assert (await exchange(port, get("/", "Connection: close"))).startswith(b"HTTP/1.1 200")


async def test_long_requests_are_ordinary() -> None:
    async with listening() as (_, port):
        selector = "x" * 9000
        token = "t" * 8191
        groups = [f"Impersonate-Group: g{number}" for number in range(200)]
        data = get(f"/?labelSelector={selector}&continue={'c' * 65536}", f"A: {token}", *groups, "Connection: close")
        assert (await exchange(port, data)).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"x" * (MAX_HEAD + 1),
        b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * (MAX_HEAD + 1),
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"A%d: %s\r\n" % (n, b"x" * 4000) for n in range(300)),
    ],
    ids=["line", "field", "fields"],
)
async def test_a_head_above_the_limit_is_refused(head: bytes) -> None:
    async with listening() as (_, port):
        reader, writer = await connect(port)
        writer.write(head)
        async with asyncio.timeout(5):
            answer = await reader.read()
        writer.close()
    assert answer.split(b"\r\n")[0][8:] == b" 431 Request Header Fields Too Large"
    assert b"xxxx" not in answer


async def test_who_goes_on_sending_a_head_that_is_too_large_still_gets_the_answer() -> None:
    async with listening() as (_, port):
        reader, writer = await connect(port)
        field = b"A: " + b"x" * 4000 + b"\r\n"
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n" + field * (MAX_HEAD // len(field) + 1))
        for _ in range(5):
            await writer.drain()
            await asyncio.sleep(0.05)  # the answer is under way by now; closing with unread bytes would take it back
            writer.write(field * 10)
        async with asyncio.timeout(5):
            answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 431 ")


async def test_more_headers_than_anybody_needs_are_refused() -> None:
    async with listening() as (_, port):
        answer = await exchange(port, get("/", *(f"A{number}: b" for number in range(1100))))
    assert answer.endswith(b"431 Request Header Fields Too Large")


async def test_bodies_are_not_counted_as_heads() -> None:
    async with listening() as (_, port):
        body = b"x" * (3 * MAX_HEAD)
        data = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        answer = await exchange(port, data + body)
    assert answer.endswith(b"POST 1 %d" % len(body))


MALFORMED = {
    "no http": b"\x16\x03\x01 this is no HTTP\r\n\r\n",
    "both lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX",
    "two lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhellox",
    "folded": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    "bare newline": b"GET / HTTP/1.1\nHost: x\n\n",
    "space before colon": b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    "strange encoding": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "signed length": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello",
    "two hosts": b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "nul": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "strange host": b"GET / HTTP/1.1\r\nHost: a b/c\r\n\r\n",
    "same length twice": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
    "list of lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2, 2\r\n\r\nhi",
    "negative length": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -2\r\n\r\nhi",
    "length in hexadecimal": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x2\r\n\r\nhi",
    "endless length": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\nhi",
    "two content types": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: a/b\r\nContent-Type: c/d\r\n\r\n",
    "encoding twice": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    "chunked not last": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunked in HTTP/1.0": b"POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "folded first": b"GET / HTTP/1.1\r\n Host: x\r\n\r\n",
    "carriage return in a value": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n",
    "no name": b"GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n",
    "no colon": b"GET / HTTP/1.1\r\nHost: x\r\nfoo\r\n\r\n",
    "space in the path": b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
    "bytes in the path": b"GET /a\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    "method nobody knows": b"FOO / HTTP/1.1\r\nHost: x\r\n\r\n",
    "HTTP/3.0": b"GET / HTTP/3.0\r\nHost: x\r\n\r\n",
    "HTTP/1.10": b"GET / HTTP/1.10\r\nHost: x\r\n\r\n",
    "preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
async def test_what_could_smuggle_is_refused(data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with listening() as (_, port):
        answer = await exchange(port, data)
    assert answer.split(b"\r\n")[0].endswith(b"400 Bad Request")
    assert answer.count(b"HTTP/1.") == 1
    assert answer.endswith(b"400 Bad Request")
    assert b"aiohttp" not in answer
    assert "Traceback" not in caplog.text
    (line,) = [record.getMessage() for record in caplog.records if record.name == "gateway.listener"]
    assert line.startswith("malformed request from 127.0.0.1: ")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /", b"505 HTTP Version Not Supported"),
        (b"GET / HTTP/0.9\r\nHost: x", b"505 HTTP Version Not Supported"),
        (b"GET / HTTP/2.0\r\nHost: x", b"505 HTTP Version Not Supported"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked", b"501 Not Implemented"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: the-best", b"417 Expectation Failed"),
    ],
)
async def test_what_go_does_not_serve_is_not_served(head: bytes, status: bytes) -> None:
    seen: list[str] = []

    async def note(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request.raw_path)
        return await hello(request)

    async with listening(note) as (_, port):
        answer = await exchange(port, get("/first") + head + b"\r\n\r\n")
        assert seen == ["/first"]
        assert answer.endswith(status)
        answer = await exchange(port, head + b"\r\n\r\n" + get("/behind"))
    assert seen == ["/first"]
    assert answer.count(b"HTTP/1.") == 1


async def test_a_refused_request_does_not_spoil_the_one_before_it() -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def slow(request: web.BaseRequest) -> web.StreamResponse:
        entered.set()
        await go_on.wait()
        return await hello(request)

    async with listening(slow) as (_, port):
        reader, writer = await connect(port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
        await entered.wait()
        writer.write(get("/", "Expect: the-best"))
        await writer.drain()
        await asyncio.sleep(0.05)
        go_on.set()
        async with asyncio.timeout(5):
            answer = await reader.read()
        writer.close()
    assert b"POST 1 5" in answer
    assert answer.endswith(b"417 Expectation Failed")


BAD_CHUNKS = [
    b"2\nhi\n0\n\n",
    b"-2\r\nhi\r\n0\r\n\r\n",
    b"0x2\r\nhi\r\n0\r\n\r\n",
    b"ffffffffffffffffff\r\nhi\r\n0\r\n\r\n",
    b"2\r\nhix\r\n0\r\n\r\n",
    b"2\r\nhi\r\n0\r\nContent-Length: 5\r\nImpersonate-User: root\r\n\r\n",
]


@pytest.mark.parametrize("body", BAD_CHUNKS)
async def test_a_body_that_two_readers_end_differently_ends_the_connection(body: bytes) -> None:
    async with listening() as (_, port):
        head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        answer = await exchange(port, head + body + get("/behind", "Connection: close"))
    assert b" 200 " not in answer
    assert b"GET" not in answer


async def test_an_extension_of_a_chunk_is_skipped() -> None:
    async with listening() as (_, port):
        head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert (await exchange(port, head + b"2;a=b\r\nhi\r\n0\r\n\r\n")).endswith(b"POST 1 2")


async def test_a_chunked_body_with_a_bad_chunk_is_no_second_request() -> None:
    seen: list[str] = []

    async def note(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request.raw_path)
        return await hello(request)

    data = b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n"
    async with listening(note) as (_, port):
        await exchange(port, data)
    assert "/b" not in seen


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with listening() as (_, port):
        data = b"".join(get("/" + "x" * number) for number in range(200)) + get("/", "Connection: close")
        answer = await exchange(port, data)
    lengths = [int(part.split()[1]) for part in answer.split(b"GET ")[1:] for part in [b"GET " + part]]
    assert lengths == [*range(1, 201), 1]


async def test_a_client_that_leaves_cancels_its_request() -> None:
    entered, cancelled = asyncio.Event(), asyncio.Event()

    async def hang(_request: web.BaseRequest) -> web.StreamResponse:
        entered.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        raise AssertionError

    async with listening(hang) as (_, port):
        _, writer = await connect(port)
        writer.write(get())
        await entered.wait()
        writer.close()
        async with asyncio.timeout(5):
            await cancelled.wait()


async def test_leaving_takes_no_new_connections_and_closes_the_idle_ones() -> None:
    entered = asyncio.Event()

    async def upload(request: web.BaseRequest) -> web.StreamResponse:
        entered.set()
        return await hello(request)

    async with listening(upload) as (listener, port):
        idle = await connect(port)
        busy_reader, busy = await connect(port)
        busy.write(b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 10\r\n\r\nhello")
        await entered.wait()
        listener.stop_accepting()
        async with asyncio.timeout(5):
            assert await idle[0].read() == b""
            with pytest.raises(OSError):
                await connect(port)
            busy.write(b"world")  # a request in flight still gets the rest of its body
            assert (await busy_reader.read()).endswith(b"POST 1 10")
        busy.close()
        idle[1].close()


async def test_the_end_does_not_wait_for_ever() -> None:
    async def hang(_request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(60)
        raise AssertionError

    listener = Listener(hang, None)
    port = await listener.start("127.0.0.1", 0)
    reader, writer = await connect(port)
    writer.write(get())
    await asyncio.sleep(0.05)
    async with asyncio.timeout(5):
        await listener.close(0.1)
        assert await reader.read() == b""
    writer.close()


async def test_a_taken_address_is_told() -> None:
    async with listening() as (_, port):
        with pytest.raises(OSError):
            await Listener(hello, None).start("127.0.0.1", port)


async def test_the_kernel_gives_up_dead_peers() -> None:
    import socket

    async with listening() as (listener, port):
        _, writer = await connect(port)
        await asyncio.sleep(0.05)
        (connection,) = listener._http.connections  # type: ignore[union-attr]  # started
        sock = connection.transport.get_extra_info("socket")  # type: ignore[union-attr]  # connected
        seconds = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) / 1000
        assert seconds == listener_module.PEER_TIMEOUT
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        writer.close()


def test_the_pure_python_parser_is_refused() -> None:
    code = "from gateway.listener import Listener; Listener(None, None)"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"AIOHTTP_NO_EXTENSIONS": "1"}, capture_output=True, text=True, check=False
    )
    assert "RuntimeError: aiohttp runs without its C parser" in done.stderr


async def test_sockets_of_several_processes_share_a_port_that_is_their_own() -> None:
    first, second = shared_sockets("127.0.0.1", 0, 2)
    port = first[0].getsockname()[1]
    assert [sock.getsockname()[1] for sock in (*first, *second)] == [port, port]
    with pytest.raises(OSError, match="in use"):
        shared_sockets("127.0.0.1", port, 2)
    one, other = Listener(hello, None), Listener(hello, None)
    await one.start_on(first)
    in_its_place = await one.start_on(second)
    try:
        for _ in range(20):
            assert b"200 OK" in await exchange(port, get("/", "Connection: close"))
        await other.start_on(second)
        one.leave(in_its_place)
        for _ in range(20):
            assert b"200 OK" in await exchange(port, get("/", "Connection: close"))
    finally:
        await one.close(0.1)
        await other.close(0.1)
        for sock in (*first, *second):
            sock.close()


async def test_a_connection_that_another_process_took_in(gateway_pki: Pki) -> None:
    async def who(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text=f"{request.remote} {peer_certificate(request)!r}")

    ours, theirs = socket.socketpair()
    for sock in (ours, theirs):
        sock.setblocking(False)
    listener = Listener(who, None)
    await listener.adopt(theirs, Client(b"DER", ("192.0.2.1", 5)))
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    writer.write(get("/", "Connection: close"))
    assert b"192.0.2.1 b'DER'" in await reader.read()
    writer.close()
    await listener.close(0.1)
