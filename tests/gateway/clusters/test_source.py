import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from gateway.apimachinery.errors import ApiError
from gateway.clusters.cluster import SecretReference
from gateway.clusters.credentials import Credentials, StaticCredentials
from gateway.clusters.endpoint import Endpoint
from gateway.clusters.source import ClustersNotServed, RemoteClusterSource, SourceLost
from gateway.clusters.upstream import Upstream
from tests.support.http_server import Handler, serve

CLUSTERS = "/apis/cluster.karmada.io/v1alpha1/clusters"


@asynccontextmanager
async def of(store: Handler) -> AsyncIterator[RemoteClusterSource]:
    async with serve(store) as url:
        upstream = Upstream("store", Endpoint(url), StaticCredentials(Credentials(token="t")), now=lambda: 0.0)
        yield RemoteClusterSource(upstream)
        await upstream.close()


def answering(document: Any, status: int = 200) -> Handler:
    async def store(_: web.BaseRequest) -> web.StreamResponse:
        return web.json_response(document, status=status)

    return store


def refusing(code: int) -> Handler:
    return answering({"kind": "Status", "code": code, "message": "no"}, code)


async def not_found(_: web.BaseRequest) -> web.StreamResponse:
    return web.Response(status=404, text="404 page not found")


async def test_a_list_with_the_version_to_watch_from() -> None:
    async with of(answering({"metadata": {"resourceVersion": "7"}, "items": [{"a": 1}]})) as source:
        assert await source.list_clusters() == ([{"a": 1}], "7")


@pytest.mark.parametrize("store", [not_found, refusing(404)])
async def test_a_store_without_the_kind(store: Handler) -> None:
    async with of(store) as source:
        with pytest.raises(ClustersNotServed):
            await source.list_clusters()


async def test_the_name_of_a_secret_leads_to_no_other_path() -> None:
    asked: list[str] = []

    async def store(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.raw_path)
        return web.json_response({})

    async with of(store) as source:
        await source.read_secret(SecretReference("a?b", "../c"))
    assert asked == ["/api/v1/namespaces/a%3Fb/secrets/..%2Fc"]


async def test_a_store_that_refuses() -> None:
    async with of(refusing(403)) as source:
        with pytest.raises(ApiError):
            await source.list_clusters()


def streaming(*events: Any) -> Handler:
    async def store(request: web.BaseRequest) -> web.StreamResponse:
        assert request.query["resourceVersion"] == "7"
        response = web.StreamResponse()
        await response.prepare(request)
        for event in events:
            line = event if isinstance(event, bytes) else json.dumps(event).encode() + b"\n"
            for start in range(0, len(line), 10):
                await response.write(line[start : start + 10])
        return response

    return store


async def test_events_however_they_are_cut() -> None:
    events = [{"type": "ADDED", "object": {"metadata": {"name": "m" * 50}}}, {"type": "DELETED", "object": {}}]
    async with of(streaming(*events)) as source:
        seen = [event async for event in source.watch_clusters("7")]
    assert seen == [(event["type"], event["object"]) for event in events]


@pytest.mark.parametrize(
    "event", [{"type": "ERROR", "object": {"code": 410, "message": "too old"}}, b"nonsense\n", b"{}\n", b"[]\n"]
)
async def test_what_is_no_event_loses_the_watch(event: Any) -> None:
    async with of(streaming(event)) as source:
        with pytest.raises(SourceLost):
            await anext(source.watch_clusters("7"))


async def test_a_refused_watch_is_lost() -> None:
    async with of(refusing(410)) as source:
        with pytest.raises(SourceLost):
            await anext(source.watch_clusters("7"))


async def test_secrets() -> None:
    async def store(request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({"path": request.path})

    async with of(store) as source:
        assert await source.read_secret(SecretReference("a", "b")) == {"path": "/api/v1/namespaces/a/secrets/b"}
    async with of(refusing(404)) as source:
        assert await source.read_secret(SecretReference("a", "b")) is None
    async with of(refusing(403)) as source:
        with pytest.raises(ApiError):
            await source.read_secret(SecretReference("a", "b"))


@pytest.mark.parametrize(
    ("store", "ours"),
    [
        (answering({"metadata": {"labels": {"app.kubernetes.io/managed-by": "fleetgate"}}}), True),
        (answering({"metadata": {}}), False),
        (refusing(404), False),
        (not_found, False),
    ],
)
async def test_the_status_is_ours_where_the_definition_is(store: Handler, ours: bool) -> None:
    async with of(store) as source:
        assert await source.owns_status() is ours


async def test_the_status_is_written_to_the_subresource() -> None:
    seen: list[Any] = []

    async def store(request: web.BaseRequest) -> web.StreamResponse:
        seen.append((request.method, request.path, await request.json()))
        return web.json_response({})

    async with of(store) as source:
        await source.write_status({"metadata": {"name": "m1"}})
    assert seen == [("PUT", f"{CLUSTERS}/m1/status", {"metadata": {"name": "m1"}})]
