import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from cache.lister_watcher import Expired, ListWatchError, NotServed, TooLarge, Unavailable
from cache.turns import Turns
from gateway.apimachinery.schema import GroupVersionResource
from gateway.clusters import lister_watcher
from gateway.clusters.credentials import Credentials, StaticCredentials
from gateway.clusters.endpoint import Endpoint
from gateway.clusters.lister_watcher import HttpListerWatcher
from gateway.clusters.upstream import Upstream
from tests.support.http_server import Handler, Raw, read_head, serve, serve_raw

PODS = GroupVersionResource("", "v1", "pods")
EVENTS = GroupVersionResource("events.k8s.io", "v1", "events")


@asynccontextmanager
async def of(member: Handler, resource: GroupVersionResource = PODS) -> AsyncIterator[HttpListerWatcher]:
    async with serve(member) as url:
        upstream = Upstream("m1", Endpoint(url), StaticCredentials(Credentials(token="t")), now=lambda: 0.0)
        yield HttpListerWatcher(upstream, resource)
        await upstream.close()


@asynccontextmanager
async def of_raw(member: Raw) -> AsyncIterator[HttpListerWatcher]:
    async with serve_raw(member) as url:
        upstream = Upstream("m1", Endpoint(url), StaticCredentials(Credentials(token="t")), now=lambda: 0.0)
        yield HttpListerWatcher(upstream, PODS)
        await upstream.close()


async def test_a_page_is_the_members_bytes() -> None:
    async def member(request: web.BaseRequest) -> web.StreamResponse:
        assert request.raw_path == "/apis/events.k8s.io/v1/events?limit=500&continue=a%2Fb%3D"
        assert request.headers["Accept"] == "application/json"
        assert "Accept-Encoding" not in request.headers
        assert "Impersonate-User" not in request.headers
        return web.Response(body=b'{ "items": [] }')

    async with of(member, EVENTS) as source:
        assert await source.list(limit=500, continue_token="a/b=") == b'{ "items": [] }'


async def test_without_a_limit_everything_is_asked_for() -> None:
    async def member(request: web.BaseRequest) -> web.StreamResponse:
        assert request.raw_path == "/api/v1/pods"
        return web.Response(body=b"{}")

    async with of(member) as source:
        assert await source.list(limit=0, continue_token="") == b"{}"


WIDGETS = GroupVersionResource("shop.example.com", "v1", "widgets")
REFUSALS: list[tuple[int, type[ListWatchError]]] = [
    (410, Expired),
    (404, Unavailable),
    (403, Unavailable),
    (429, Unavailable),
    (500, Unavailable),
    (302, Unavailable),
]


def refusing(code: int) -> Handler:
    async def member(_: web.BaseRequest) -> web.StreamResponse:
        body = {"kind": "Status", "code": code, "message": "too old"}
        return web.json_response(body, status=code, headers={"Retry-After": "7"})

    return member


@pytest.mark.parametrize(("code", "kind"), REFUSALS)
async def test_refusals_of_a_list(code: int, kind: type[ListWatchError]) -> None:
    async with of(refusing(code)) as source:
        with pytest.raises(kind) as refusal:
            await source.list(limit=1, continue_token="")
    assert type(refusal.value) is kind
    if isinstance(refusal.value, Unavailable) and code != 302:
        assert refusal.value.retry_after == 7.0
        assert str(refusal.value) == f"{code} too old"


@pytest.mark.parametrize(
    ("asked", "kept"), [("0", 0.0), ("20", 20.0), ("9" * 5000, 300.0), ("\u00b2", 0.0), ("soon", 0.0), ("-1", 0.0)]
)
async def test_the_pause_that_a_member_asks_for_has_a_limit(asked: str, kept: float) -> None:
    head = b"HTTP/1.1 429 Too Many\r\nContent-Length: 0\r\nRetry-After: " + asked.encode("latin-1")

    async def member(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(head + b"\r\n\r\n")

    async with of_raw(member) as source:
        with pytest.raises(Unavailable) as refusal:
            await source.list(limit=1, continue_token="")
    assert refusal.value.retry_after == kept


@pytest.mark.parametrize(("code", "kind"), REFUSALS)
async def test_refusals_of_a_watch(code: int, kind: type[ListWatchError]) -> None:
    async with of(refusing(code)) as source:
        with pytest.raises(kind):
            await anext(source.watch(resource_version="5", timeout_seconds=300))


async def test_a_watch_says_that_it_began_and_gives_bytes_as_they_come() -> None:
    go_on = asyncio.Event()

    async def member(request: web.BaseRequest) -> web.StreamResponse:
        assert dict(request.query) == {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": "5",
            "timeoutSeconds": "300",
        }
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"")
        await go_on.wait()
        await response.write(b'{"type"')
        go_on.clear()
        await go_on.wait()
        await response.write(b':"ADDED"}\n')
        return response

    async with of(member) as source:
        watch = source.watch(resource_version="5", timeout_seconds=300)
        assert await anext(watch) == b""
        go_on.set()
        assert await anext(watch) == b'{"type"'
        go_on.set()
        assert await anext(watch) == b':"ADDED"}\n'
        with pytest.raises(StopAsyncIteration):
            await anext(watch)


async def test_a_watch_that_breaks_off_is_no_orderly_end() -> None:
    async def member(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf")

    async with of_raw(member) as source:
        watch = source.watch(resource_version="5", timeout_seconds=300)
        chunks = [await anext(watch), await anext(watch)]
        assert chunks == [b"", b"half"]
        with pytest.raises(Unavailable):
            await anext(watch)


async def test_leaving_a_watch_ends_the_members_side() -> None:
    ended = asyncio.Event()

    async def member(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await reader.read()
        ended.set()

    async with of_raw(member) as source:
        watch = source.watch(resource_version="5", timeout_seconds=300)
        await anext(watch)
        await watch.aclose()
        async with asyncio.timeout(5):
            await ended.wait()


async def test_no_connection_is_unavailable() -> None:
    upstream = Upstream("m1", Endpoint("http://127.0.0.1:1"), StaticCredentials(Credentials()), now=lambda: 0.0)
    source = HttpListerWatcher(upstream, PODS)
    with pytest.raises(Unavailable, match="connection refused"):
        await source.list(limit=1, continue_token="")
    with pytest.raises(Unavailable, match="connection refused"):
        await anext(source.watch(resource_version="1", timeout_seconds=1))
    await upstream.close()


def not_found(body: str, core_kinds: str | None) -> Handler:
    """Answers 404, but tells the kinds of the core group where there are any."""

    async def member(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/api/v1" and core_kinds is not None:
            return web.Response(text=core_kinds, content_type="application/json")
        return web.Response(status=404, text=body)

    return member


STATUS = '{"kind":"Status","apiVersion":"v1","status":"Failure","code":404,"message":"could not find"}'
NO_PAGE = "404 page not found\n"
KINDS = '{"kind":"APIResourceList","groupVersion":"v1","resources":[]}'
NOT_FOUND: list[tuple[GroupVersionResource, str, str | None, type[ListWatchError]]] = [
    (WIDGETS, STATUS, None, NotServed),
    (WIDGETS, NO_PAGE, KINDS, NotServed),
    (WIDGETS, NO_PAGE, None, Unavailable),
    (WIDGETS, NO_PAGE, "{}", Unavailable),
    (WIDGETS, "<html>no such site</html>", None, Unavailable),
    (WIDGETS, "[" * 100_000, None, Unavailable),
    (PODS, STATUS, KINDS, Unavailable),
    (PODS, NO_PAGE, KINDS, Unavailable),
]


@pytest.mark.parametrize(("resource", "body", "core_kinds", "kind"), NOT_FOUND)
async def test_only_an_api_server_is_believed_that_it_has_no_such_resource(
    resource: GroupVersionResource, body: str, core_kinds: str | None, kind: type[ListWatchError]
) -> None:
    async with of(not_found(body, core_kinds), resource) as source:
        with pytest.raises(ListWatchError) as refusal:
            await source.list(limit=1, continue_token="")
    assert type(refusal.value) is kind


async def test_a_watch_that_finds_nothing_does_not_say_that_there_is_nothing() -> None:
    async with of(not_found(STATUS, KINDS), WIDGETS) as source:
        with pytest.raises(Unavailable):
            await anext(source.watch(resource_version="5", timeout_seconds=300))


@pytest.mark.parametrize(
    "told", ["a\n[i]cluster/m2 ok\n", "<html>\n" + "x" * 100_000, '{"message":"a\\nb"}', '{"message":{}}']
)
async def test_what_a_refusal_says_is_one_short_line(told: str) -> None:
    async def member(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=503, text=told)

    async with of(member) as source:
        with pytest.raises(Unavailable) as refusal:
            await source.list(limit=1, continue_token="")
    assert len(str(refusal.value)) < 300
    assert "\n" not in str(refusal.value)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize("head", [b"Content-Length: 999999999999", b"Transfer-Encoding: chunked", b"Connection: close"])
async def test_a_page_without_end_is_not_read_to_its_end(head: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lister_watcher, "PAGE_LIMIT", 1 << 20)
    ended = asyncio.Event()
    sent = 0

    async def member(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await read_head(reader)
        writer.write(HEAD + head + b"\r\n\r\n")
        piece = b"x" * 65536
        try:
            while True:
                writer.write(b"10000\r\n" + piece + b"\r\n" if b"chunked" in head else piece)
                await writer.drain()
                sent += len(piece)
        except ConnectionError:
            ended.set()

    async with of_raw(member) as source:
        with pytest.raises(TooLarge, match="answered with more than 1 MiB"):
            await source.list(limit=1, continue_token="")
        async with asyncio.timeout(10):
            await ended.wait()
    assert sent < 64 << 20


MAD_ANSWERS = {
    "not HTTP": b"\x16\x03\x01\x02\x00\x01" * 100 + b"\r\n\r\n",
    "an endless header": HEAD + b"X-Endless: " + b"x" * (1 << 20) + b"\r\n\r\n{}",
    "endless headers": HEAD + b"X-Another: x\r\n" * 100_000 + b"\r\n{}",
    "half a body": HEAD + b"Content-Length: 100\r\n\r\n{",
    "half a chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nff\r\n{",
    "a bad chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a redirect": b"HTTP/1.1 307 Away\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "nothing": b"",
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "a part": b"HTTP/1.1 206 Partial\r\nContent-Length: 2\r\n\r\n{}",
    "another protocol": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
}


@pytest.mark.parametrize("answer", MAD_ANSWERS.values(), ids=MAD_ANSWERS)
async def test_mad_answers_are_failures_of_the_member(answer: bytes) -> None:
    async def member(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(answer)
        await writer.drain()

    async with of_raw(member) as source, asyncio.timeout(20):
        with pytest.raises(Unavailable):
            await source.list(limit=1, continue_token="")
        with pytest.raises(Unavailable):
            async for _ in source.watch(resource_version="1", timeout_seconds=1):
                pass


async def test_a_member_of_http_1_0() -> None:
    async def member(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(b'HTTP/1.0 200 OK\r\n\r\n{"items":')
        await writer.drain()
        writer.write(b"[]}")

    async with of_raw(member) as source:
        assert await source.list(limit=1, continue_token="") == b'{"items":[]}'
        watch = source.watch(resource_version="1", timeout_seconds=1)
        assert b"".join([chunk async for chunk in watch]) == b'{"items":[]}'


@pytest.mark.parametrize("token", ["a b&limit=0#x", "\r\nX: y", "\0", "x" * 100_000])
async def test_any_token_of_a_member_can_be_sent_back(token: str) -> None:
    asked: list[str] = []

    async def member(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.query["continue"])
        return web.Response(body=b"{}")

    async with of(member) as source:
        try:
            await source.list(limit=1, continue_token=token)
        except Unavailable:
            assert not asked
        else:
            assert asked == [token]


async def test_pages_of_many_members_are_received_in_turns() -> None:
    """Of twenty members that send at once, each has little more than the buffers of its connection received."""
    size = 8 * 1024 * 1024
    held = asyncio.Event()

    class Held(Turns):
        async def take(self) -> None:
            await held.wait()

    sent = 0

    async def member(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // 65536):
            writer.write(b"x" * 65536)
            await writer.drain()
            sent += 65536

    async with serve_raw(member) as url:
        upstream = Upstream("m1", Endpoint(url), StaticCredentials(Credentials(token="t")), now=lambda: 0.0)
        source = HttpListerWatcher(upstream, PODS, Held())
        page = asyncio.get_running_loop().create_task(source.list(limit=500, continue_token=""))
        before = -1
        while sent != before:
            before = sent
            await asyncio.sleep(0.2)
        assert 0 < sent < size, "what is not taken is not sent"
        held.set()
        assert len(await page) == size
        await upstream.close()


async def test_a_watch_far_ahead_is_taken_in_pieces() -> None:
    async def member(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\n" + b"x" * 400_000)
        await writer.drain()

    async with of_raw(member) as source:
        watch = source.watch(resource_version="5", timeout_seconds=300)
        assert await anext(watch) == b""
        sizes = []
        async for chunk in watch:
            sizes.append(len(chunk))
            await asyncio.sleep(0.05)  # the rest arrives meanwhile
    assert sum(sizes) == 400_000
    assert max(sizes) <= 65_536
