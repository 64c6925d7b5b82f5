import asyncio
import functools
import itertools
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from cache.turns import OfEachLoop, Turns
from gateway.apimachinery.errors import ApiError, bad_request, too_large_resource_version, too_old_resource_version
from gateway.apimachinery.options import parse_list_options
from gateway.apimachinery.protobuf import decode_object
from gateway.apimachinery.protobuf_wire import scan
from gateway.handlers import watch as watch_module
from gateway.handlers.read_source import ObjectsAdded, Outlet, WatchChange
from gateway.handlers.watch import MIN_TIMEOUT, watch_objects
from gateway.handlers.watch_stream import HttpStream
from gateway.request_keys import QUERY, SCOPE, Handler
from tests.support.gateway_chain import Pki, RunningChain, running_chain
from tests.support.objects import pod
from tests.support.read_source import FakeSource

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
PROTOBUF = "application/vnd.kubernetes.protobuf"
WATCH = "/api/v1/namespaces/default/pods?watch=1"
NOW = 1_700_000_060.0


def watching(source: FakeSource) -> Handler:
    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        options = parse_list_options(request[QUERY], watch=True)
        return await watch_objects(request, source, request[SCOPE].info.namespace, options, now=lambda: NOW)

    return serve


@asynccontextmanager
async def open_watch(
    pki: Pki, source: FakeSource, query: str = "", accept: str = ""
) -> AsyncIterator[tuple[RunningChain, aiohttp.ClientResponse]]:
    async with (
        running_chain(pki, watching(source)) as chain,
        chain.session("alice") as session,
        session.get(f"{WATCH}{query}", headers={"Accept": accept}) as response,
        asyncio.timeout(10),
    ):
        yield chain, response


async def next_event(response: aiohttp.ClientResponse) -> Any:
    return json.loads(await response.content.readline())


async def frame(response: aiohttp.ClientResponse) -> tuple[str, Any]:
    """Read one event of a protobuf watch."""
    length = int.from_bytes(await response.content.readexactly(4), "big")
    data = await response.content.readexactly(length)
    (_, start, stop), (_, raw_start, raw_stop) = scan(data, 0, len(data))
    ((_, obj_start, obj_stop),) = scan(data, raw_start, raw_stop)
    return data[start:stop].decode(), decode_object(data[obj_start:obj_stop])


def changes(source: FakeSource) -> list[WatchChange]:
    return [WatchChange("ADDED", "10", stored) for stored in source.objects]


async def test_the_head_comes_before_the_first_event(gateway_pki: Pki) -> None:
    async with open_watch(gateway_pki, FakeSource()) as (_, response):
        assert response.status == 200
        assert response.headers["Content-Type"] == "application/json"
        assert response.headers["Transfer-Encoding"] == "chunked"
        assert response.headers["Cache-Control"] == "no-cache, private"
        assert "Content-Encoding" not in response.headers


async def test_an_event_is_a_line(gateway_pki: Pki) -> None:
    source = FakeSource(pod("a"), pod("b"))
    async with open_watch(gateway_pki, source) as (_, response):
        source.subscription.send(*changes(source), WatchChange("DELETED", "11", source.objects[0]))
        line = await response.content.readline()
        assert line == b'{"type":"ADDED","object":' + source.objects[0] + b"}\n"
        assert (await next_event(response))["object"]["metadata"]["name"] == "b"
        assert (await next_event(response))["type"] == "DELETED"


async def test_a_table_has_its_columns_in_the_first_event(gateway_pki: Pki) -> None:
    source = FakeSource(pod("a", rv="10"), pod("b", rv="11"))
    async with open_watch(gateway_pki, source, accept=TABLE) as (_, response):
        source.subscription.send(*changes(source))
        first, second = (await next_event(response))["object"], (await next_event(response))["object"]
    assert (first["kind"], first["metadata"]["resourceVersion"]) == ("Table", "10")
    assert [column["name"] for column in first["columnDefinitions"]][:2] == ["Name", "Ready"]
    assert second["columnDefinitions"] is None
    assert second["rows"][0]["cells"][:5] == ["b", "0/1", "Running", "0", "60s"]
    assert second["rows"][0]["object"]["kind"] == "PartialObjectMetadata"


async def test_metadata_alone(gateway_pki: Pki) -> None:
    source = FakeSource(pod("a"))
    async with open_watch(gateway_pki, source, accept=f"application/json;{PARTIAL}") as (_, response):
        source.subscription.send(*changes(source), WatchChange("BOOKMARK", "12"))
        obj = (await next_event(response))["object"]
    assert set(obj) == {"kind", "apiVersion", "metadata"}
    assert (obj["kind"], obj["metadata"]["name"]) == ("PartialObjectMetadata", "a")


@pytest.mark.parametrize(("accept", "kind"), [(PROTOBUF, "Pod"), (f"{PROTOBUF};{PARTIAL}", "PartialObjectMetadata")])
async def test_protobuf_frames(gateway_pki: Pki, accept: str, kind: str) -> None:
    source = FakeSource(*(pod(f"p{number}") for number in range(40)))
    async with open_watch(gateway_pki, source, "&allowWatchBookmarks=1", accept) as (_, response):
        assert response.headers["Content-Type"] == f"{PROTOBUF};stream=watch"
        source.subscription.send(*changes(source), WatchChange("BOOKMARK", "12", initial_events_end=True))
        for number in range(40):
            event, obj = await frame(response)
            assert (event, obj["kind"], obj["metadata"]["name"]) == ("ADDED", kind, f"p{number}")
        event, obj = await frame(response)
        assert (event, obj["kind"]) == ("BOOKMARK", kind)
        assert obj["metadata"]["resourceVersion"] == "12"
        assert obj["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        source.subscription.send(WatchChange("ERROR", "", error=too_old_resource_version(1, 9)))
        event, obj = await frame(response)
        assert (event, obj["kind"], obj["code"]) == ("ERROR", "Status", 410)


async def test_custom_resources_are_watched_as_json_but_their_metadata_as_protobuf_too(gateway_pki: Pki) -> None:
    source = FakeSource(pod("a"), built_in=False)
    async with open_watch(gateway_pki, source, accept=PROTOBUF) as (_, response):
        assert response.status == 406
    async with open_watch(gateway_pki, source, accept=f"{PROTOBUF};{PARTIAL}") as (_, response):
        source.subscription.send(*changes(source))
        assert (await frame(response))[1]["kind"] == "PartialObjectMetadata"


@pytest.mark.parametrize(
    "accept", ["application/yaml", "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"]
)
async def test_what_is_no_stream_is_not_acceptable(gateway_pki: Pki, accept: str) -> None:
    async with open_watch(gateway_pki, FakeSource(), accept=accept) as (_, response):
        assert response.status == 406
        assert b"application/json;stream=watch" in await response.read()


async def test_a_bookmark_has_a_version_and_nothing_else(gateway_pki: Pki) -> None:
    source = FakeSource()
    async with open_watch(gateway_pki, source, "&allowWatchBookmarks=true") as (_, response):
        source.subscription.send(WatchChange("BOOKMARK", "12", initial_events_end=True), WatchChange("BOOKMARK", "13"))
        assert await next_event(response) == {
            "type": "BOOKMARK",
            "object": {
                "kind": "Pod",
                "apiVersion": "v1",
                "metadata": {"resourceVersion": "12", "annotations": {"k8s.io/initial-events-end": "true"}},
            },
        }
        assert (await next_event(response))["object"]["metadata"] == {"resourceVersion": "13"}


async def test_a_bookmark_as_a_table(gateway_pki: Pki) -> None:
    source = FakeSource(pod("a"))
    async with open_watch(gateway_pki, source, "&allowWatchBookmarks=true", TABLE) as (_, response):
        source.subscription.send(WatchChange("BOOKMARK", "12"), *changes(source))
        table = (await next_event(response))["object"]
        assert (table["metadata"], len(table["rows"][0]["cells"])) == ({"resourceVersion": "12"}, 9)
        assert (await next_event(response))["object"]["columnDefinitions"] is not None


async def test_nobody_gets_a_bookmark_he_did_not_ask_for(gateway_pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "BOOKMARK_PERIOD", 0.05)
    source = FakeSource(pod("a"))
    async with open_watch(gateway_pki, source, "&timeoutSeconds=1") as (_, response):
        source.subscription.send(WatchChange("BOOKMARK", "12"), *changes(source))
        assert (await next_event(response))["type"] == "ADDED"
        assert await response.read() == b""


async def test_bookmarks_come_from_time_to_time_and_before_the_end(
    gateway_pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "BOOKMARK_PERIOD", 60)
    monkeypatch.setattr(watch_module, "BOOKMARK_BEFORE_END", 0.5)
    async with open_watch(gateway_pki, FakeSource(), "&allowWatchBookmarks=1&timeoutSeconds=1") as (_, response):
        loop = asyncio.get_running_loop()
        started = loop.time()
        event = await next_event(response)
        said = loop.time() - started
        assert event["object"]["metadata"] == {"resourceVersion": "77"}
        assert await response.read() == b""
        ended = loop.time() - started
    assert 0.4 < said < 0.9 < ended


async def test_a_source_with_bookmarks_of_its_own_is_left_alone(
    gateway_pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "BOOKMARK_PERIOD", 0.05)
    source = FakeSource()
    source.subscription.bookmark = None
    async with open_watch(gateway_pki, source, "&allowWatchBookmarks=1&timeoutSeconds=1") as (_, response):
        assert await response.read() == b""


@pytest.mark.parametrize("seconds", [-3, 1])
async def test_the_end_is_when_it_was_asked_for(gateway_pki: Pki, seconds: int) -> None:
    loop = asyncio.get_running_loop()
    source = FakeSource()
    async with open_watch(gateway_pki, source, f"&timeoutSeconds={seconds}") as (chain, response):
        started = loop.time()
        assert await response.read() == b""
        took = loop.time() - started
        assert chain.audit.records[0].code == 200
    assert source.subscription.closed
    assert max(seconds, 0) - 0.1 < took < max(seconds, 0) + 0.9


async def test_without_a_wish_it_lives_half_an_hour_or_more(gateway_pki: Pki) -> None:
    source = FakeSource()
    async with open_watch(gateway_pki, source):
        assert MIN_TIMEOUT <= source.lifetime <= 2 * MIN_TIMEOUT
        assert MIN_TIMEOUT == 1800


async def test_a_source_that_ends_ends_the_watch(gateway_pki: Pki) -> None:
    source = FakeSource(pod("a"))
    async with open_watch(gateway_pki, source) as (_, response):
        source.subscription.send(*changes(source))
        source.subscription.close()
        assert (await response.read()).count(b"\n") == 1


async def test_an_error_is_the_last_event(gateway_pki: Pki) -> None:
    source = FakeSource(pod("a"))
    async with open_watch(gateway_pki, source, accept=TABLE) as (_, response):
        source.subscription.send(*changes(source), WatchChange("ERROR", "", error=too_old_resource_version(5, 9)))
        source.subscription.send(*changes(source))
        assert (await next_event(response))["type"] == "ADDED"
        assert await next_event(response) == {
            "type": "ERROR",
            "object": {
                "kind": "Status",
                "apiVersion": "v1",
                "metadata": {},
                "status": "Failure",
                "message": "too old resource version: 5 (9)",
                "reason": "Expired",
                "code": 410,
            },
        }
        assert await response.read() == b""


@pytest.mark.parametrize("error", [too_old_resource_version(5, 9), too_large_resource_version(9, 5)])
async def test_what_clients_expect_in_the_stream_is_told_there(gateway_pki: Pki, error: ApiError) -> None:
    source = FakeSource()
    source.error = error
    async with open_watch(gateway_pki, source) as (_, response):
        assert response.status == 200
        event = await next_event(response)
        assert (event["type"], event["object"]["code"]) == ("ERROR", error.code)
        assert await response.read() == b""


async def test_other_refusals_are_answers(gateway_pki: Pki) -> None:
    source = FakeSource()
    source.error = bad_request("unable to parse")
    async with open_watch(gateway_pki, source) as (_, response):
        assert response.status == 400


async def test_frames_are_shared_between_watchers(gateway_pki: Pki) -> None:
    made: list[object] = []

    def memo(form: object, make: Callable[[], bytes]) -> bytes:
        made.append(form)
        return make()

    source = FakeSource(pod("a"))
    async with open_watch(gateway_pki, source, accept=TABLE) as (_, response):
        source.subscription.send(*(WatchChange("ADDED", "10", source.objects[0], memo=memo) for _ in range(3)))
        for _ in range(3):
            await next_event(response)
    first, second, third = made
    assert first != second == third
    for accept in (TABLE, ""):
        other = FakeSource(pod("a"))
        async with open_watch(gateway_pki, other, accept=accept) as (_, response):
            other.subscription.send(WatchChange("ADDED", "10", other.objects[0], memo=memo))
            await next_event(response)
    assert made[3] == first, "another watch, of the same form"
    assert made[4] not in made[:4]


@pytest.mark.parametrize("accept", ["", TABLE, f"application/json;{PARTIAL}", PROTOBUF])
async def test_the_initial_state_may_come_as_objects(gateway_pki: Pki, accept: str) -> None:
    source = FakeSource(*(pod(f"p{number}", rv=str(number)) for number in range(1, 40)))
    told, taken = FakeSource(*map(json.loads, source.objects)), source
    head = b'{"kind":"Pod","apiVersion":"v1",'
    answers = []
    for each in (told, taken):
        async with open_watch(gateway_pki, each, "&timeoutSeconds=1", accept) as (_, response):
            objects = ObjectsAdded(each.objects, head, each.item_bytes, lambda stored: "1")
            batch = objects if each is taken else list(objects)
            each.subscription.queue.put_nowait(batch)  # type: ignore[arg-type]  # a list, or what stands for one
            answers.append(await response.read())
    assert len(answers[0]) > 1000
    if accept:
        assert answers[0] == answers[1]
    else:
        lines = [[json.loads(line) for line in answer.splitlines()] for answer in answers]
        assert lines[0] == lines[1]
        assert answers[1].startswith(b'{"type":"ADDED","object":{"kind":"Pod","apiVersion":"v1","metadata":')


def test_a_part_of_the_initial_state_is_a_sequence_of_changes() -> None:
    added = ObjectsAdded([b"a", b"b", b"c"], b"{", bytes.upper, bytes.hex)
    assert [(change.type, change.stored, change.resource_version) for change in added[1:]] == [
        ("ADDED", b"b", "62"),
        ("ADDED", b"c", "63"),
    ]
    assert list(added.items()) == [b"A", b"B", b"C"]


async def waiting(source: FakeSource) -> Outlet | None:
    """Wait until the handler has nothing left to send, and return what it lets the source write to."""
    while not source.subscription.queue.empty():
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    return source.subscription.outlet


async def test_a_source_may_write_to_the_client_itself(gateway_pki: Pki) -> None:
    source = FakeSource(pod("a"), pod("b"))
    async with open_watch(gateway_pki, source, "&timeoutSeconds=1") as (_, response):
        source.subscription.send(changes(source)[0])
        assert (await next_event(response))["object"]["metadata"]["name"] == "a"
        outlet = await waiting(source)
        assert outlet is not None
        data = outlet.encode([*changes(source), WatchChange("DELETED", "11", source.objects[0])])
        assert outlet.ready()
        outlet.write(data)
        outlet.write(data)
        source.subscription.send(changes(source)[1])
        lines = (await response.read()).splitlines()
    assert [json.loads(line)["type"] for line in lines] == ["ADDED", "ADDED", "DELETED"] * 2 + ["ADDED"]
    assert not outlet.ready(), "the answer has ended"


async def test_outlets_of_a_form_are_told_apart_from_others(gateway_pki: Pki) -> None:
    forms = []
    for accept in (TABLE, TABLE, "", "", f"application/json;{PARTIAL}", PROTOBUF):
        source = FakeSource(pod("a"))
        async with open_watch(gateway_pki, source, accept=accept) as (_, response):
            first = await waiting(source)
            assert (first is None) == (accept == TABLE), "the first event of a Table has its columns"
            source.subscription.send(*changes(source))
            await response.content.readany()
            outlet = await waiting(source)
            assert outlet is not None
            forms.append(outlet.form)
    assert forms[0] == forms[1]
    assert forms[2] == forms[3]
    assert len(set(forms)) == 4


async def test_a_client_that_does_not_read_is_not_ready(gateway_pki: Pki) -> None:
    source = FakeSource(pod("a"))
    async with open_watch(gateway_pki, source) as (_, response):
        outlet = await waiting(source)
        assert outlet is not None
        data = outlet.encode(changes(source) * 100)
        written = 0
        while outlet.ready():
            outlet.write(data)
            written += 100
            await asyncio.sleep(0)
        assert written // 100 * len(data) < 100_000_000, "sockets hold a few megabytes"
        for _ in range(written):
            assert (await next_event(response))["type"] == "ADDED"
        assert outlet.ready()
        response.close()
        while outlet.ready():
            await asyncio.sleep(0.01)


async def test_a_client_that_leaves_ends_the_subscription(gateway_pki: Pki) -> None:
    source = FakeSource()
    async with open_watch(gateway_pki, source) as (chain, response):
        response.close()
        while not source.subscription.closed:
            await asyncio.sleep(0.01)
        assert chain.lifecycle.long_running <= 1


async def test_a_large_batch_lets_others_in(gateway_pki: Pki) -> None:
    source = FakeSource(pod("a"))
    async with open_watch(gateway_pki, source) as (_, response):
        source.subscription.send(*(WatchChange("ADDED", "10", source.objects[0]) for _ in range(5000)))
        for _ in range(5000):
            assert await response.content.readline()


@pytest.mark.parametrize("accept", ["", PROTOBUF])
async def test_what_many_watches_begin_with_is_sent_in_turns(
    gateway_pki: Pki, monkeypatch: pytest.MonkeyPatch, accept: str
) -> None:
    # A clock by which every slice takes longer than a turn of the loop may: so each turn has one of them.
    turns = OfEachLoop(functools.partial(Turns, itertools.count().__next__))
    monkeypatch.setattr(watch_module, "_turns", turns)
    turn = 0
    sent: list[int] = []
    send = HttpStream.send

    async def noted(stream: HttpStream, frames: Sequence[bytes | memoryview]) -> None:
        sent.append(turn)
        await send(stream, frames)

    monkeypatch.setattr(HttpStream, "send", noted)
    source = FakeSource(*(pod(f"p{number}", rv=str(number)) for number in range(1, 4)))
    objects = ObjectsAdded(source.objects, b'{"kind":"Pod","apiVersion":"v1",', source.item_bytes, lambda stored: "1")
    watches = [FakeSource(*map(json.loads, source.objects)) for _ in range(10)]
    async with running_chain(gateway_pki, watching_each(watches)) as chain, chain.session("alice") as session:
        answers = [await session.get(WATCH, headers={"Accept": accept}) for _ in watches]
        for watch in watches:
            watch.subscription.queue.put_nowait(objects)  # type: ignore[arg-type]  # stands for a list
        async with asyncio.timeout(10):
            while len(sent) < len(watches):
                turn += 1
                await asyncio.sleep(0)
        for answer in answers:
            answer.close()
    assert len(set(sent)) == len(watches)


def watching_each(sources: Sequence[FakeSource]) -> Handler:
    """Watch another source for each request."""
    handlers = iter([watching(source) for source in sources])

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        return await next(handlers)(request)

    return serve
