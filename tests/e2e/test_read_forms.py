"""What merged reads send in each media type, object by object, and by WebSocket, beside a real kube-apiserver."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType

from tests.e2e.gateway import Gateway
from tests.e2e.read_matrix import PROTOBUF, Json, Question, Server, decoded, described, protobuf_event
from tests.e2e.read_pair import Pair
from tests.e2e.read_questions import COLLECTIONS, JSON, PARTIAL, PARTIAL_LIST, PODS, TABLE

CACHED_FROM = "resource.karmada.io/cached-from-cluster"
WATCH = "watch=1&timeoutSeconds=1"


def _same_in_both(value: Any) -> Any:
    """A document without what is the gateway's own: versions, the cluster's annotation; managedFields are left out."""
    if isinstance(value, list):
        return [_same_in_both(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _same_in_both(item) for key, item in value.items()}
    for own in ("resourceVersion", "managedFields", "continue", CACHED_FROM):
        kept.pop(own, None)
    if kept.get("annotations") == {}:
        del kept["annotations"]
    return kept


async def _whole(server: Server, question: Question) -> Any:
    async with server.session.get(server.target(question), headers={"Accept": question.accept}) as response:
        documents = decoded(await response.read(), response.headers["Content-Type"])
        return response.status, response.headers["Content-Type"], _same_in_both(documents)


def _by_name(said: Any) -> Any:
    status, content_type, documents = said
    return status, content_type, sorted(documents, key=lambda one: json.dumps(one, sort_keys=True))


@pytest.mark.parametrize("path", COLLECTIONS.values())
@pytest.mark.parametrize("media_type", [JSON, PROTOBUF])
async def test_objects_are_sent_as_they_are_there(pair: Pair, path: str, media_type: str) -> None:
    partial, partial_list = (form.replace(JSON, media_type) for form in (PARTIAL, PARTIAL_LIST))
    async with pair.servers() as servers:
        for question in (
            Question(path, (), media_type),
            Question(path, (), partial_list),
            Question(f"{path}/thing-1", (), media_type),
            Question(f"{path}/thing-1", (), partial),
            Question(path, (("watch", "1"), ("timeoutSeconds", "1")), media_type),
            Question(path, (("watch", "1"), ("timeoutSeconds", "1")), partial),
            Question(path, (("watch", "1"), ("timeoutSeconds", "1"), ("resourceVersion", "{old}")), media_type),
        ):
            ours, theirs = [_by_name(await _whole(server, question)) for server in servers]
            assert theirs[2], question
            assert ours == theirs, question


async def touch_later(pair: Pair) -> None:
    """Change something when the watches are open: kube-apiserver tells no version that was there before."""
    await asyncio.sleep(3)
    await asyncio.to_thread(pair.touch)


async def test_a_bookmark_has_the_same_form(pair: Pair) -> None:
    """A change in another namespace moves the version on; before a watch ends that is told.

    Of Pods only: kube-apiserver has no cache of Events, and without one it sends none.
    """
    query = (("watch", "1"), ("timeoutSeconds", "10"), ("resourceVersion", "{now}"), ("allowWatchBookmarks", "true"))
    forms = (JSON, PROTOBUF, TABLE, PARTIAL, PARTIAL.replace(JSON, PROTOBUF))
    asked = [Question(PODS, (*query, ("fieldSelector", "metadata.name=none")), form) for form in forms]
    async with pair.servers() as servers:
        watches = [server.ask(question) for question in asked for server in servers]
        *told, _ = await asyncio.gather(*watches, touch_later(pair))
    for question, ours, theirs in zip(asked, told[::2], told[1::2], strict=True):
        assert theirs["body"], f"the real one sends a bookmark: {question}"
        assert ours["body"][-1] == theirs["body"][-1]
        assert {event["event"] for said in (ours, theirs) for event in said["body"]} == {"BOOKMARK"}


async def converse(
    server: Server, path: str, headers: Mapping[str, str], protocols: tuple[str, ...] = ()
) -> tuple[str | None, list[Any]]:
    """Watch by WebSocket to the end: the protocol agreed on, and the messages."""
    said: list[Any] = []
    sent = {"Origin": server.url, **headers}
    async with server.session.ws_connect(f"{server.url}{path}", headers=sent, protocols=protocols) as socket:
        while True:
            message = await socket.receive(timeout=20)
            if message.type is WSMsgType.TEXT:
                said.append(("text", message.data.endswith("\n"), described(json.loads(message.data))))
            elif message.type is WSMsgType.BINARY:
                said.append(("binary", described(protobuf_event(message.data))))
            else:
                said.append((message.type.name, message.data))
                return socket.protocol, sorted(said[:-1], key=str) + said[-1:]


@pytest.mark.parametrize("path", COLLECTIONS.values())
@pytest.mark.parametrize("accept", [JSON, PROTOBUF, TABLE, PARTIAL.replace(JSON, PROTOBUF)])
@pytest.mark.parametrize(
    "query",
    [
        {},
        {"resourceVersion": "{old}"},
        {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"},
    ],
    ids=["initial", "changes", "watch-list"],
)
async def test_a_websocket_has_the_same_messages(pair: Pair, path: str, accept: str, query: dict[str, str]) -> None:
    question = Question(path, (("watch", "1"), ("timeoutSeconds", "1"), *query.items()), accept)
    async with pair.servers() as servers:
        targets = [server.target(question).removeprefix(server.url) for server in servers]
        ours, theirs = await asyncio.gather(
            *(converse(server, target, {"Accept": accept}) for server, target in zip(servers, targets, strict=True))
        )
    assert len(theirs[1]) > 1
    assert ours == theirs


async def test_a_websocket_agrees_on_a_subprotocol_and_takes_the_old_paths(pair: Pair) -> None:
    old_path = PODS.replace("/v1/", "/v1/watch/") + "/thing-1?timeoutSeconds=1"
    async with pair.servers() as servers:
        for path, protocols in ((f"{PODS}?{WATCH}", ("any",)), (old_path, ())):
            ours, theirs = [await converse(server, path, {}, protocols) for server in servers]
            assert ours == theirs


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("watch=1&fieldSelector=a=b", {}),
        ("watch=1", {"Accept": "application/yaml"}),
        ("watch=1", {"Origin": "null"}),
        ("watch=1", {"Sec-WebSocket-Protocol": "a, b"}),
        ("watch=1", {"Sec-WebSocket-Version": "1"}),
    ],
)
async def test_a_websocket_is_refused_with_the_same_code(pair: Pair, query: str, headers: dict[str, str]) -> None:
    handshake = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    handshake["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ=="
    async with pair.servers() as servers:
        codes = []
        for server in servers:
            sent = {**handshake, "Origin": server.url, **headers}
            async with server.session.get(f"{server.url}{PODS}?{query}", headers=sent) as response:
                codes.append(response.status)
    assert codes[0] == codes[1] >= 400


async def test_a_websocket_goes_through_to_the_store_and_to_one_member(gateway: Gateway, pair: Pair) -> None:
    """Tunnelled: what the kube-apiserver behind it says."""
    plane = gateway.fleet.federation
    ours = Server.of("remote", gateway.admin, pair.folder)
    theirs = Server.of("store", plane.kubeconfig, pair.folder)
    beside = Server.of("beside", pair.member, pair.folder)
    async with ours.session, theirs.session, beside.session:
        for prefix, path, real in (
            ("", f"/api/v1/namespaces?{WATCH}", theirs),
            ("/clusters/member1", f"{PODS}?{WATCH}", beside),
        ):
            said = [await converse(ours, f"{prefix}{path}", {}), await converse(real, path, {})]
            assert len(said[1][1]) > 1
            assert said[0] == said[1]


async def test_a_websocket_of_the_embedded_store_tells_of_changes(pair: Pair) -> None:
    path = "/api/v1/namespaces/default/configmaps"
    async with pair.servers() as (ours, _):
        url = f"{ours.url}{path}?watch=1&timeoutSeconds=30"
        async with ours.session.ws_connect(url) as socket:
            body: Json = {"metadata": {"name": "told-by-websocket"}}
            async with ours.session.post(f"{ours.url}{path}", json=body) as created:
                assert created.status == 201
            async with ours.session.delete(f"{ours.url}{path}/told-by-websocket") as deleted:
                assert deleted.status == 200
            told: list[tuple[str, str]] = []
            while ("DELETED", "told-by-websocket") not in told:
                message = await socket.receive(timeout=20)
                assert message.type is WSMsgType.TEXT, message
                event = json.loads(message.data)
                told.append((event["type"], event["object"]["metadata"]["name"]))
    assert ("ADDED", "told-by-websocket") in told


async def test_nobody_without_the_right_watches_by_websocket(gateway: Gateway, pair: Pair) -> None:
    stranger = Server.of("stranger", gateway.issue("websocket-stranger"), pair.folder)
    async with stranger.session:
        for path in (f"{PODS}?watch=1", "/api/v1/namespaces?watch=1"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await stranger.session.ws_connect(stranger.url + path)
            assert refused.value.status == 403
