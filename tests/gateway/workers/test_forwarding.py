"""Requests that a worker hands on to the core, as clients and the core see them."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from yarl import URL

from gateway.authentication.x509 import peer_certificate
from gateway.lifecycle import Lifecycle
from gateway.listener import Client, Listener
from gateway.request_keys import Handler
from gateway.workers.forwarding import ForwardingConnection, handing_on
from gateway.workers.handover import Handovers, hand_over, socket_pair
from gateway.workers.messages import Peer
from tests.support.gateway_chain import Pki

LIMIT = 10.0


class Processes:
    """A worker that answers nothing itself, and a core."""

    def __init__(self, pki: Pki, handler: Handler) -> None:
        self.pki = pki
        self.core = Listener(handler, None)
        self.port = 0
        self.handed = 0
        self.lifecycle = Lifecycle()
        self.channel, self._theirs = socket_pair()
        forward = handing_on(partial(hand_over, self.channel), self.lifecycle, lambda: 0.0)
        self.worker = Listener(forward, pki.identity.context.context, connection=ForwardingConnection)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Processes"]:
        async with asyncio.TaskGroup() as tasks:

            def adopt(connection: socket.socket, peer: Peer) -> None:
                self.handed += 1
                tasks.create_task(self.core.adopt(connection, Client(peer.certificate, (peer.address, peer.port))))

            handovers = Handovers(self._theirs, adopt)
            self.port = await self.worker.start("127.0.0.1", 0)
            try:
                yield self
            finally:
                await self.worker.close(0.1)
                await self.core.close(0.1)
                handovers.close()
                self.channel.close()

    @asynccontextmanager
    async def session(self, user: str = "alice") -> AsyncIterator[aiohttp.ClientSession]:
        connector = aiohttp.TCPConnector(ssl=self.pki.client(user), limit=1)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
            yield session

    def url(self, path: str) -> URL:
        return URL(f"https://127.0.0.1:{self.port}{path}", encoded=True)

    async def raw(self, user: str = "alice") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=self.pki.client(user))


@asynccontextmanager
async def processes(pki: Pki, handler: Handler) -> AsyncIterator[Processes]:
    async with asyncio.timeout(LIMIT), Processes(pki, handler).running() as running:
        yield running


def name_of(request: web.BaseRequest) -> str:
    certificate = peer_certificate(request)
    return x509.load_der_x509_certificate(certificate).subject.rfc4514_string() if certificate else "nobody"


async def describe(request: web.BaseRequest) -> web.StreamResponse:
    """Tell all that the core sees."""
    body = await request.content.read()
    facts = {
        "method": request.method,
        "target": request.raw_path,
        "headers": [[name, value] for name, value in request.headers.items()],
        "body": body.decode(),
        "user": name_of(request),
        "remote": request.remote,
    }
    answer = web.json_response(facts, status=418)
    answer.headers.add("Warning", '299 - "one"')
    answer.headers.add("Warning", '299 - "two"')
    answer.headers["Audit-Id"] = "7"
    return answer


@pytest.mark.parametrize("target", ["/api/v1/namespaces?limit=1&x=%20a+b&&c", "//a/./b/../%2F#d?e", "/clusters/m1/api"])
async def test_a_request_arrives_as_it_was_sent(gateway_pki: Pki, target: str) -> None:
    async with processes(gateway_pki, describe) as both:
        reader, writer = await both.raw()
        fields = ("Host: g:1", "X-A: 1", "x-a: 2", "Content-Length: 4", "Connection: close")
        writer.write("\r\n".join((f"PATCH {target} HTTP/1.1", *fields, "", "body")).encode())
        answer = (await reader.read()).decode()
        writer.close()
    assert answer.startswith("HTTP/1.1 418 I'm a Teapot\r\n")
    assert f'"target": "{target}"' in answer
    assert '"headers": [["Host", "g:1"], ["X-A", "1"], ["X-A", "2"], ["Content-Length", "4"]]' in answer
    assert '"method": "PATCH"' in answer
    assert '"body": "body"' in answer
    assert '"remote": "127.0.0.1"' in answer


async def test_an_answer_arrives_as_it_was_given(gateway_pki: Pki) -> None:
    async with processes(gateway_pki, describe) as both, both.session() as session:
        for _ in range(3):
            async with session.get(both.url("/")) as answer:
                assert answer.status == 418
                assert answer.headers.getall("Warning") == ['299 - "one"', '299 - "two"']
                assert answer.headers["Audit-Id"] == "7"
                assert len(answer.headers.getall("Date")) == len(answer.headers.getall("Server")) == 1
        assert both.handed == 1, "one connection to the core for each of a client"


async def test_the_core_sees_the_certificate_of_the_client_and_believes_no_header(gateway_pki: Pki) -> None:
    claims = {"X-Remote-User": "root", "X-Forwarded-For": "10.0.0.1", "X-Client-Certificate": "root"}
    async with processes(gateway_pki, describe) as both:
        for user, seen in (("alice", "CN=alice"), ("bob", "CN=bob"), ("", "nobody")):
            async with both.session(user) as session, session.get(both.url("/"), headers=claims) as answer:
                facts = await answer.json()
            assert (facts["user"], facts["remote"]) == (seen, "127.0.0.1")


async def test_a_body_without_a_length_and_one_that_is_waited_for(gateway_pki: Pki) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"a" * 100_000, b"b"):
            yield piece

    async with processes(gateway_pki, describe) as both, both.session() as session:
        async with session.post(both.url("/"), data=pieces()) as answer:
            assert (await answer.json())["body"] == "a" * 100_000 + "b"
        async with session.post(both.url("/"), data=b"late", expect100=True) as answer:
            assert (await answer.json())["body"] == "late"


@pytest.mark.parametrize("size", [0, 10, 70_000, 3_000_000])
async def test_bodies_of_all_sizes(gateway_pki: Pki, size: int) -> None:
    async def answer_so_much(request: web.BaseRequest) -> web.StreamResponse:
        if request.raw_path == "/whole":
            return web.Response(body=b"x" * size)
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x" * size)
        return response

    async with processes(gateway_pki, answer_so_much) as both, both.session() as session:
        for path in ("/whole", "/streamed"):
            async with session.get(both.url(path)) as answer:
                assert len(await answer.read()) == size
        async with session.head(both.url("/whole")) as answer:
            assert answer.headers.get("Content-Length", "0") == str(size)


async def test_a_body_that_the_core_does_not_want(gateway_pki: Pki) -> None:
    async def refuse(_request: web.BaseRequest) -> web.StreamResponse:
        response = web.Response(status=413, text="too large")
        response.force_close()
        return response

    body = b"x" * 10_000_000
    async with (
        processes(gateway_pki, refuse) as both,
        both.session() as session,
        session.post(both.url("/"), data=body) as answer,
    ):
        assert (answer.status, await answer.text()) == (413, "too large")


async def test_each_piece_of_a_stream_is_passed_on_at_once_and_a_client_that_leaves_is_missed(gateway_pki: Pki) -> None:
    left = asyncio.Event()

    async def watch(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            await response.write(b"first\n")
            await asyncio.Event().wait()
        finally:
            left.set()
        return response

    async with processes(gateway_pki, watch) as both:
        async with both.session() as session:
            answer = await session.get(both.url("/"))
            assert await answer.content.readline() == b"first\n"
            answer.close()
        await left.wait()


async def test_half_an_answer_is_never_taken_for_a_whole_one(gateway_pki: Pki) -> None:
    async def break_off(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.abort()
        return response

    async with processes(gateway_pki, break_off) as both, both.session() as session:
        with pytest.raises(aiohttp.ClientError):
            async with session.get(both.url("/")) as answer:
                await answer.read()


@pytest.mark.parametrize("method", ["DELETE", "POST", "PUT"])
async def test_what_the_core_may_have_done_is_not_asked_for_again(gateway_pki: Pki, method: str) -> None:
    asked = []

    async def do_and_break_off(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.method)
        if request.method == method:
            assert request.transport is not None
            request.transport.abort()
        return web.Response()

    async with processes(gateway_pki, do_and_break_off) as both:
        reader, writer = await both.raw()
        for sent in ("PATCH", method):
            writer.write(f"{sent} / HTTP/1.1\r\nHost: g\r\nContent-Length: 1\r\n\r\nx".encode())
            if sent == "PATCH":
                await reader.readuntil(b"\r\n\r\n")
        assert await reader.read() == b"", "nothing is said about what is not known"
        writer.close()
    assert asked == ["PATCH", method]


async def test_a_core_that_closes_has_the_client_close_too(gateway_pki: Pki) -> None:
    async def last(_request: web.BaseRequest) -> web.StreamResponse:
        response = web.Response(text="bye")
        response.force_close()
        return response

    async with processes(gateway_pki, last) as both, both.session() as session, session.get(both.url("/")) as answer:
        assert answer.headers["Connection"] == "close"


async def test_an_upgraded_connection_is_relayed(gateway_pki: Pki) -> None:
    async def echo(request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=("v5.channel.k8s.io",))
        await socket.prepare(request)
        async for message in socket:
            await socket.send_bytes(message.data)
        return socket

    async with processes(gateway_pki, echo) as both, both.session() as session:
        protocols = ("v5.channel.k8s.io",)
        async with session.ws_connect(both.url("/exec?command=a"), protocols=protocols) as client:
            assert client.protocol == "v5.channel.k8s.io"
            for size in (1, 100_000):
                await client.send_bytes(b"x" * size)
                assert len(await client.receive_bytes()) == size


async def test_without_a_core_it_is_said_so(gateway_pki: Pki) -> None:
    both = Processes(gateway_pki, describe)
    both._theirs.close()
    both.port = await both.worker.start("127.0.0.1", 0)
    async with both.session() as session, session.get(both.url("/")) as answer:
        status = await answer.json()
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert (status["kind"], status["message"]) == ("Status", "the gateway is restarting")
    await both.worker.close(0.1)
    both.channel.close()


async def test_a_header_that_cannot_be_handed_on_is_refused(gateway_pki: Pki) -> None:
    async with processes(gateway_pki, describe) as both:
        reader, writer = await both.raw()
        writer.write(b"GET / HTTP/1.1\r\nHost: g\r\nX-A: \xff\r\nConnection: close\r\n\r\n")
        answer = (await reader.read()).decode()
        writer.close()
    assert answer.startswith("HTTP/1.1 400 ")
    assert '"reason":"BadRequest"' in answer.replace(" ", "")


async def test_a_connection_that_arrives_as_words_only_costs_nobody_else(gateway_pki: Pki) -> None:
    """So it is when the core has no number left for another open file."""
    async with processes(gateway_pki, describe) as both, both.session() as session:
        both.channel.send(b"who it is")
        async with session.get(both.url("/")) as answer:
            assert answer.status == 418


async def test_the_core_is_asked_before_the_body_has_come(gateway_pki: Pki) -> None:
    async def refuse(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=403)

    async with processes(gateway_pki, refuse) as both:
        for length in ("Content-Length: 4", "Transfer-Encoding: chunked"):
            reader, writer = await both.raw()
            writer.write(f"POST / HTTP/1.1\r\nHost: g\r\n{length}\r\n\r\n".encode())
            assert await reader.readline() == b"HTTP/1.1 403 Forbidden\r\n"
            writer.close()


async def test_what_is_handed_on_is_in_flight_until_it_is_answered(gateway_pki: Pki) -> None:
    go_on = asyncio.Event()
    asked = asyncio.Event()

    async def slowly(_request: web.BaseRequest) -> web.StreamResponse:
        asked.set()
        await go_on.wait()
        return web.Response()

    async with processes(gateway_pki, slowly) as both, both.session() as session, asyncio.TaskGroup() as tasks:
        answer = tasks.create_task(session.get(both.url("/")))
        await asked.wait()
        assert both.lifecycle.in_flight == 1
        go_on.set()
        assert (await answer).status == 200
        await both.lifecycle.idle()


async def test_tls_is_ended_by_the_worker(gateway_pki: Pki) -> None:
    async with processes(gateway_pki, describe) as both:
        reader, writer = await both.raw()
        tls = writer.get_extra_info("ssl_object")
        assert isinstance(tls, ssl.SSLObject)
        writer.close()
        assert await reader.read() == b""
        assert both.handed == 0, "the core is spared clients that ask nothing"
