import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from cache.lister_watcher import Expired, ListWatchError, NotServed, Unavailable
from gateway.apimachinery.schema import GroupVersionResource
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


REFUSALS: list[tuple[int, type[ListWatchError]]] = [
    (410, Expired),
    (404, NotServed),
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
