import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from msgspec.structs import replace

from gateway.clusters.upstream import Upstream
from gateway.proxy.forward import AT_ONCE, forward
from gateway.request_scope import RequestScope
from tests.gateway.proxy.gateway_under_test import Pass, make_upstream, passing
from tests.support.http_server import Handler, Raw, read_head, serve, serve_raw


@asynccontextmanager
async def between(member_url: str, pass_on: Pass = forward) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of a gateway in front of that member; URLs are relative."""
    upstream = make_upstream(member_url)
    async with serve(passing(upstream, pass_on)) as url, aiohttp.ClientSession(url, auto_decompress=False) as client:
        yield client
    await upstream.close()


@asynccontextmanager
async def in_front_of(member: Handler, pass_on: Pass = forward) -> AsyncIterator[aiohttp.ClientSession]:
    async with serve(member) as url, between(url, pass_on) as client:
        yield client


@asynccontextmanager
async def in_front_of_raw(member: Raw) -> AsyncIterator[aiohttp.ClientSession]:
    async with serve_raw(member) as url, between(url) as client:
        yield client


async def test_the_answer_arrives_as_it_is() -> None:
    body = gzip.compress(b"x" * 300_000)

    async def member(request: web.BaseRequest) -> web.StreamResponse:
        assert request.raw_path == "/api/v1/namespaces/a/pods?limit=500&labelSelector=a%3Db"
        assert request.headers["Accept"] == "application/json;as=Table"
        assert request.headers["Accept-Encoding"] == "gzip"
        assert request.headers["Impersonate-User"] == "alice"
        assert request.headers["Audit-ID"] == "audit-1"
        headers = {"Content-Encoding": "gzip", "Content-Type": "application/json", "Audit-Id": "other", "X-Pf": "1"}
        return web.Response(status=203, body=body, headers=headers)

    headers = {"Accept": "application/json;as=Table", "Accept-Encoding": "gzip", "Impersonate-User": "root"}
    async with in_front_of(member) as client:
        answer = await client.get("/api/v1/namespaces/a/pods?limit=500&labelSelector=a%3Db", headers=headers)
        assert await answer.read() == body
    assert answer.status == 203
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Content-Length"] == str(len(body))
    assert answer.headers["X-Pf"] == "1"
    assert "Audit-Id" not in answer.headers


async def test_our_own_headers_go_along_and_warnings_add_up() -> None:
    async def member(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(headers={"Warning": '299 - "theirs"', "Cache-Control": "public"})

    async def pass_on(request: web.BaseRequest, scope: RequestScope, upstream: object) -> web.StreamResponse:
        ours = {"Warning": '299 - "ours"', "Cache-Control": "no-cache", "Audit-Id": "audit-1"}
        return await forward(request, scope, upstream, headers=ours)  # type: ignore[arg-type]  # what forward uses

    async with in_front_of(member, pass_on) as client:
        answer = await client.get("/x")
    assert answer.headers.getall("Warning") == ['299 - "ours"', '299 - "theirs"']
    assert answer.headers.getall("Cache-Control") == ["public"]
    assert answer.headers["Audit-Id"] == "audit-1"


async def test_a_watch_begins_before_its_first_event_and_flushes_each() -> None:
    go_on = asyncio.Event()

    async def member(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        await response.write(b"")
        await go_on.wait()
        go_on.clear()
        await response.write(b"first\n")
        await go_on.wait()
        await response.write(b"second\n")
        return response

    async with in_front_of(member) as client:
        answer = await client.get("/api/v1/pods?watch=1")
        assert answer.status == 200
        go_on.set()
        assert await answer.content.readany() == b"first\n"
        go_on.set()
        assert await answer.content.readany() == b"second\n"
        assert await answer.content.readany() == b""


async def test_a_client_that_goes_away_ends_the_members_side() -> None:
    ended = asyncio.Event()

    async def member(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"")
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return response

    async with in_front_of(member) as client:
        answer = await client.get("/api/v1/pods?watch=1")
        answer.close()
        async with asyncio.timeout(5):
            await ended.wait()


async def test_a_slow_client_slows_the_member_down() -> None:
    written = 0

    async def member(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal written
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(2000):
            await response.write(b"x" * 65536)
            written += 65536
        return response

    async with in_front_of(member) as client:
        answer = await client.get("/api/v1/pods")
        seen = -1
        while written != seen:  # until the member makes no progress any more
            seen = written
            await asyncio.sleep(0.2)
        assert written < 2000 * 65536
        assert len(await answer.read()) == 2000 * 65536


def truncating(head: bytes) -> Raw:
    async def member(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(head + b"half")

    return member


@pytest.mark.parametrize("framing", [b"Content-Length: 100\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n64\r\n"])
async def test_half_an_answer_is_never_taken_for_a_whole_one(framing: bytes) -> None:
    async with in_front_of_raw(truncating(b"HTTP/1.1 200 OK\r\n" + framing)) as client:

        async def whole_answer() -> bytes:
            return await (await client.get("/api/v1/pods")).read()

        with pytest.raises(aiohttp.ClientError):
            await whole_answer()


async def with_deadline(request: web.BaseRequest, scope: RequestScope, upstream: Upstream) -> web.StreamResponse:
    """Pass on what has to be answered soon, as all but watches and streams have."""
    return await forward(request, replace(scope, deadline=asyncio.get_running_loop().time() + 30), upstream)


def in_parts(*parts: bytes) -> Handler:
    async def member(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json", "X-Pf": "1"}, status=203)
        await response.prepare(request)
        for part in parts:
            await response.write(part)
        return response

    return member


@pytest.mark.parametrize("parts", [(), (b"one",), (b"a" * 100, b"b" * 100), (b"x" * AT_ONCE,)])
async def test_a_short_answer_with_a_deadline_is_sent_in_one_piece(parts: tuple[bytes, ...]) -> None:
    body = b"".join(parts)
    async with in_front_of(in_parts(*parts), with_deadline) as client:
        for _ in range(2):
            answer = await client.get("/api/v1/namespaces/a/pods/x")
            assert await answer.read() == body
            assert (answer.status, answer.headers["X-Pf"]) == (203, "1")
            assert answer.headers["Content-Length"] == str(len(body))
            assert "Transfer-Encoding" not in answer.headers


async def test_a_long_answer_with_a_deadline_begins_before_it_ends() -> None:
    go_on = asyncio.Event()

    async def member(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x" * (AT_ONCE + 1))
        await go_on.wait()
        await response.write(b"end")
        return response

    async with in_front_of(member, with_deadline) as client, asyncio.timeout(10):
        answer = await client.get("/api/v1/pods")
        assert await answer.content.readexactly(AT_ONCE + 1) == b"x" * (AT_ONCE + 1)
        go_on.set()
        assert await answer.read() == b"end"


@pytest.mark.parametrize("method", ["HEAD", "GET"])
async def test_answers_without_a_body_that_have_a_deadline(method: str) -> None:
    async def member(request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "HEAD":
            return web.Response(headers={"Content-Length": "42"})
        return web.Response(status=304, headers={"ETag": '"e"'})

    async with in_front_of(member, with_deadline) as client:
        answer = await client.request(method, "/openapi/v2")
        assert await answer.read() == b""
        again = await client.request(method, "/openapi/v2")  # the connection is still in order
        assert again.status == answer.status
    if method == "HEAD":
        assert answer.headers["Content-Length"] == "42"
    else:
        assert (answer.status, answer.headers["ETag"]) == (304, '"e"')


@pytest.mark.parametrize("framing", [b"Content-Length: 100\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n64\r\n"])
async def test_a_member_that_breaks_off_before_anything_was_sent_is_unavailable(framing: bytes) -> None:
    member = serve_raw(truncating(b"HTTP/1.1 200 OK\r\n" + framing))
    async with member as url, between(url, with_deadline) as client:
        answer = await client.get("/api/v1/pods")
        status = await answer.json()
    assert (answer.status, status["reason"]) == (503, "ServiceUnavailable")
    assert status["message"].startswith('member cluster "m1" cannot be reached')


async def test_a_member_that_breaks_off_a_long_answer_breaks_the_clients_connection() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * (2 * AT_ONCE)
    async with serve_raw(truncating(head)) as url, between(url, with_deadline) as client:
        answer = await client.get("/api/v1/pods")
        assert answer.status == 200
        with pytest.raises(aiohttp.ClientError):
            await answer.read()


async def test_a_redirect_becomes_502() -> None:
    async def member(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "https://elsewhere"})

    async with in_front_of(member) as client:
        answer = await client.get("/x", allow_redirects=False)
        status = await answer.json()
    assert answer.status == 502
    assert "Location" not in answer.headers
    assert status["message"] == 'member cluster "m1" tried to redirect the request (302), which is not permitted'


async def test_an_error_status_passes_with_its_body() -> None:
    async def member(_: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({"kind": "Status", "code": 429}, status=429, headers={"Retry-After": "7"})

    async with in_front_of(member) as client:
        answer = await client.get("/x")
        assert await answer.json() == {"kind": "Status", "code": 429}
    assert answer.headers["Retry-After"] == "7"


async def test_a_body_is_sent_on() -> None:
    async def member(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=request.method.encode() + await request.read())

    async def pass_on(request: web.BaseRequest, scope: RequestScope, upstream: object) -> web.StreamResponse:
        return await forward(request, scope, upstream, body=await request.read())  # type: ignore[arg-type]  # what forward uses

    async with in_front_of(member, pass_on) as client:
        answer = await client.post("/x", data=b"\x00bytes")
        assert await answer.read() == b"POST\x00bytes"


async def test_the_deadline_of_the_request_is_kept() -> None:
    async def member(_: web.BaseRequest) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    async def pass_on(request: web.BaseRequest, scope: RequestScope, upstream: object) -> web.StreamResponse:
        soon = asyncio.get_running_loop().time() + 0.2
        return await forward(request, replace(scope, deadline=soon), upstream)  # type: ignore[arg-type]  # what forward uses

    async with in_front_of(member, pass_on) as client:
        answer = await client.get("/x")
    assert answer.status == 504


@pytest.mark.parametrize("method", ["HEAD", "GET"])
async def test_answers_without_a_body(method: str) -> None:
    async def member(request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "HEAD":
            return web.Response(headers={"Content-Length": "42"})
        return web.Response(status=304, headers={"ETag": '"e"'})

    async with in_front_of(member) as client:
        answer = await client.request(method, "/openapi/v2")
        assert await answer.read() == b""
        again = await client.request(method, "/openapi/v2")  # the connection is still in order
        assert again.status == answer.status
    assert answer.headers.get("ETag", '"e"') == '"e"'


async def test_connections_to_the_member_are_used_again() -> None:
    peers: set[int] = set()

    async def member(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        peers.add(request.transport.get_extra_info("peername")[1])
        return web.Response(body=b"x" * 200_000)

    async with in_front_of(member) as client:
        for _ in range(5):
            await (await client.get("/x")).read()
    assert len(peers) == 1
