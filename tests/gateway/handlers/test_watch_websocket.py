"""A watch by WebSocket: each event a message, and all that ends a watch ends it."""

import asyncio
import gc
import json
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import WSCloseCode, WSMsgType

from gateway.apimachinery.errors import too_old_resource_version
from gateway.handlers import watch
from gateway.handlers.read_source import WatchChange
from gateway.handlers.watch_stream import WebSocketStream
from tests.e2e.read_matrix import protobuf_event
from tests.gateway.handlers.test_watch import PROTOBUF, WATCH, changes, watching
from tests.support.gateway_chain import DENY, Pki, RunningChain, running_chain
from tests.support.objects import pod
from tests.support.read_source import FakeSource

BEARER = "base64url.bearer.authorization.k8s.io.c2VjcmV0"


@asynccontextmanager
async def conversation(
    pki: Pki, source: FakeSource, query: str = "", **options: Any
) -> AsyncIterator[tuple[RunningChain, aiohttp.ClientWebSocketResponse]]:
    async with (
        running_chain(pki, watching(source)) as chain,
        chain.session("alice") as session,
        session.ws_connect(f"{WATCH}{query}", **options) as socket,
        asyncio.timeout(10),
    ):
        yield chain, socket


async def refusal(pki: Pki, source: FakeSource, **headers: str) -> tuple[int, str]:
    """What a handshake that fails is answered with: code and message."""
    handshake = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    async with running_chain(pki, watching(source)) as chain:
        answer = await chain.ask(
            "GET", WATCH, headers={**handshake, "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", **headers}
        )
    return answer.status, answer.json()["message"]


async def test_an_event_is_a_text_message(gateway_pki: Pki) -> None:
    source = FakeSource(pod("a"), pod("b"))
    async with conversation(gateway_pki, source) as (_, socket):
        source.subscription.send(*changes(source))
        events = [json.loads(await socket.receive_str()) for _ in range(2)]
    assert [(event["type"], event["object"]["metadata"]["name"]) for event in events] == [
        ("ADDED", "a"),
        ("ADDED", "b"),
    ]


async def test_protobuf_is_a_binary_message_without_a_length(gateway_pki: Pki) -> None:
    source = FakeSource(pod("a"))
    async with conversation(gateway_pki, source, headers={"Accept": PROTOBUF}) as (_, socket):
        source.subscription.send(*changes(source))
        event = protobuf_event(await socket.receive_bytes())
    assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "a")


async def test_it_says_good_bye_at_the_end(gateway_pki: Pki) -> None:
    source = FakeSource()
    async with conversation(gateway_pki, source) as (_, socket):
        source.subscription.close()
        message = await socket.receive()
    assert (message.type, message.data) == (WSMsgType.CLOSE, WSCloseCode.OK)


async def test_an_error_is_the_last_message(gateway_pki: Pki) -> None:
    source = FakeSource()
    source.error = too_old_resource_version(1, 2)
    async with conversation(gateway_pki, source) as (_, socket):
        event = json.loads(await socket.receive_str())
        assert (event["type"], event["object"]["code"]) == ("ERROR", 410)
        assert (await socket.receive()).type == WSMsgType.CLOSE


async def test_what_the_client_says_is_not_looked_at(gateway_pki: Pki) -> None:
    source = FakeSource(pod("a"))
    async with conversation(gateway_pki, source) as (_, socket):
        for _ in range(100):
            await socket.send_str("x" * 1000)
        source.subscription.send(*changes(source))
        assert json.loads(await socket.receive_str())["type"] == "ADDED"


async def test_a_client_that_floods_is_cut_off(gateway_pki: Pki) -> None:
    source = FakeSource()
    async with conversation(gateway_pki, source, max_msg_size=0) as (_, socket):
        await socket.send_str("x" * 100_000)
        message = await socket.receive()
        assert (message.type, message.data) == (WSMsgType.CLOSE, WSCloseCode.MESSAGE_TOO_BIG)
        await until_closed(source)


def transport_of(socket: aiohttp.ClientWebSocketResponse) -> asyncio.Transport:
    connection = socket._response.connection
    assert connection is not None
    assert connection.transport is not None
    return connection.transport


async def until_closed(source: FakeSource) -> None:
    while not source.subscription.closed:
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("politely", [True, False])
async def test_a_client_that_leaves_ends_the_subscription(gateway_pki: Pki, politely: bool) -> None:
    source = FakeSource()
    async with conversation(gateway_pki, source) as (_, socket):
        if politely:
            await socket.close()
        else:
            transport_of(socket).abort()
        await until_closed(source)


@pytest.fixture
def without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("without_collector")
async def test_nothing_is_left_of_it(gateway_pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    """The collector practically never looks at what is as old as a watch."""
    streams: list[weakref.ref[WebSocketStream]] = []

    class Remembered(WebSocketStream):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            streams.append(weakref.ref(self))

    monkeypatch.setattr(watch, "WebSocketStream", Remembered)
    source = FakeSource()
    async with conversation(gateway_pki, source) as (_, socket):
        transport_of(socket).abort()
        await until_closed(source)
        while any(stream() is not None for stream in streams):
            await asyncio.sleep(0.01)
    assert len(streams) == 1


async def test_the_right_to_watch_is_asked_for(gateway_pki: Pki) -> None:
    source = FakeSource()
    async with conversation(gateway_pki, source) as (chain, _):
        assert {(asked.verb, asked.resource) for asked in chain.authorizer.asked} == {("watch", "pods")}


async def test_a_lost_right_ends_it_with_an_error(gateway_pki: Pki) -> None:
    source = FakeSource()
    async with conversation(gateway_pki, source) as (chain, socket):
        chain.authorizer.decide = lambda _: DENY
        event = json.loads(await socket.receive_str())
        assert (event["type"], event["object"]["code"]) == ("ERROR", 403)
        assert (await socket.receive()).type == WSMsgType.CLOSE


async def test_a_revoked_certificate_ends_it(gateway_pki: Pki) -> None:
    source = FakeSource()
    async with conversation(gateway_pki, source) as (_, socket):
        gateway_pki.revoke("alice")
        event = json.loads(await socket.receive_str())
        assert (event["type"], event["object"]["code"]) == ("ERROR", 401)


async def test_a_drain_ends_it_without_an_error(gateway_pki: Pki) -> None:
    source = FakeSource()
    async with conversation(gateway_pki, source) as (chain, socket):
        chain.supervisor.drain()
        assert (await socket.receive()).type == WSMsgType.CLOSE


async def test_a_client_that_takes_nothing_is_cut_off_after_a_lost_right(gateway_pki: Pki) -> None:
    source = FakeSource(pod("a", annotations={"big": "x" * 100_000}))
    async with conversation(gateway_pki, source) as (chain, socket):
        transport_of(socket).pause_reading()
        for _ in range(400):
            source.subscription.send(*changes(source))
        chain.authorizer.decide = lambda _: DENY
        await until_closed(source)
        while len(chain.supervisor):
            await asyncio.sleep(0.01)
        transport_of(socket).abort()


@pytest.mark.parametrize(("asked", "agreed"), [((), None), (("x",), "x"), ((BEARER, "x"), "x")])
async def test_one_subprotocol_is_agreed_on_and_never_a_token(
    gateway_pki: Pki, asked: tuple[str, ...], agreed: str | None
) -> None:
    async with conversation(gateway_pki, FakeSource(), protocols=asked) as (_, socket):
        assert socket.protocol == agreed


@pytest.mark.parametrize("asked", ["x, y", BEARER, f"{BEARER}, x, y"])
async def test_other_subprotocols_are_refused(gateway_pki: Pki, asked: str) -> None:
    source = FakeSource()
    code, message = await refusal(gateway_pki, source, **{"Sec-WebSocket-Protocol": asked})
    assert (code, message) == (400, "a watch by WebSocket takes one subprotocol, or none")
    assert source.subscription.closed


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "", "https://127.0.0.1:1"])
async def test_pages_of_other_origins_are_refused(gateway_pki: Pki, origin: str) -> None:
    source = FakeSource()
    code, _ = await refusal(gateway_pki, source, Origin=origin)
    assert code == 403
    assert source.subscription.closed


async def test_the_gateways_own_origin_is_let_in(gateway_pki: Pki) -> None:
    source = FakeSource()
    async with (
        running_chain(gateway_pki, watching(source)) as chain,
        chain.session("alice") as session,
        session.ws_connect(WATCH, origin=chain.url) as socket,
    ):
        assert not socket.closed


@pytest.mark.parametrize("wrong", [{"Sec-WebSocket-Version": "1"}, {"Sec-WebSocket-Key": "short"}])
async def test_what_is_no_handshake_is_a_bad_request(gateway_pki: Pki, wrong: dict[str, str]) -> None:
    source = FakeSource()
    code, _ = await refusal(gateway_pki, source, **wrong)
    assert code == 400
    assert source.subscription.closed


async def test_an_unknown_form_is_refused_before_the_upgrade(gateway_pki: Pki) -> None:
    code, _ = await refusal(gateway_pki, FakeSource(), Accept="image/png")
    assert code == 406


async def test_events_are_in_their_order(gateway_pki: Pki) -> None:
    source = FakeSource(*(pod(f"pod-{number}") for number in range(1000)))
    async with conversation(gateway_pki, source) as (_, socket):
        source.subscription.send(*(WatchChange("ADDED", "1", stored) for stored in source.objects))
        names = [json.loads(await socket.receive_str())["object"]["metadata"]["name"] for _ in source.objects]
    assert names == [f"pod-{number}" for number in range(1000)]
