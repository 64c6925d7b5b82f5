import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from gateway.clusters.credentials import Credentials, StaticCredentials
from gateway.clusters.endpoint import Endpoint
from gateway.clusters.upstream import Upstream
from gateway.discovery import remote
from gateway.discovery.documents import AggregatedVersion, DiscoveryDocuments
from gateway.discovery.remote import LOOK_SPACING, RemoteDiscovery
from gateway.discovery.surface import ApiGroup, ApiSurface, ApiVersion
from tests.gateway.discovery.builders import APPS, CORE, SHOP, TOYS
from tests.support.clock import FakeClock
from tests.support.http_server import serve

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"
VERSION = {"major": "1", "minor": "36", "gitVersion": "v1.36.3"}


class Store:
    """An API server's discovery: what it serves, how it says it, and what it was asked."""

    def __init__(self, *groups: ApiGroup, aggregated: AggregatedVersion | None = "v2") -> None:
        self.groups = list(groups)
        self.aggregated = aggregated
        self.broken: set[str] = set()
        self.asked: list[tuple[str, str]] = []
        self.gate: asyncio.Event | None = None

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        known = request.headers.get("If-None-Match", "")
        self.asked.append((request.path, known))
        if self.gate is not None:
            await self.gate.wait()
        if request.path in self.broken or "*" in self.broken:
            return web.Response(status=503, text="out of order")
        if request.path == "/version":
            return web.json_response(VERSION)
        documents = DiscoveryDocuments(ApiSurface(self.groups))
        if request.path in {"/api", "/apis"} and self.aggregated:
            wanted = AGGREGATED.format(self.aggregated)
            assert wanted in request.headers["Accept"]
            document = documents.aggregated(self.aggregated, core=request.path == "/api")
            if known == document.etag:
                return web.Response(status=304)
            return web.Response(body=document.body, headers={"ETag": document.etag, "Content-Type": wanted})
        return web.json_response(self._legacy(documents, request.path))

    @staticmethod
    def _legacy(documents: DiscoveryDocuments, path: str) -> Any:
        if path == "/api":
            return documents.api_versions("store")
        if path == "/apis":
            return documents.group_list().obj
        by_path = {home.path: home for home in documents.surface.group_versions()}
        document = documents.resource_list(by_path[path])
        assert document is not None
        return document.obj

    def paths(self) -> list[str]:
        asked, self.asked = [path for path, _ in self.asked], []
        return asked


@asynccontextmanager
async def following(store: Store, clock: Callable[[], float] = lambda: 1000.0) -> AsyncIterator[RemoteDiscovery]:
    async with serve(store.answer) as url:
        credentials = StaticCredentials(Credentials(token="t"))
        upstream = Upstream("store", Endpoint(url), credentials, now=lambda: 0.0, title="the federation store")
        yield RemoteDiscovery(upstream, now=clock)
        await upstream.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(1000.0)


@pytest.mark.parametrize("form", ["v2", "v2beta1", None])
async def test_every_form_of_discovery_is_understood(form: AggregatedVersion | None) -> None:
    async with following(Store(CORE, APPS, SHOP, aggregated=form)) as discovery:
        before = discovery.synced
        assert discovery.groups() == []
        await discovery.refresh()
        assert (before, discovery.synced) == (False, True)
        assert discovery.groups() == [CORE, APPS, SHOP]


async def test_what_did_not_change_is_neither_sent_nor_counted(clock: FakeClock) -> None:
    store = Store(CORE, APPS)
    async with following(store, clock) as discovery:
        await discovery.refresh()
        generation = discovery.generation
        clock.advance(10)
        await discovery.refresh()
        assert [bool(known) for _, known in store.asked] == [False, False, True, True]
        assert discovery.generation == generation
        assert discovery.groups() == [CORE, APPS]


async def test_a_new_resource_is_found_and_a_removed_one_forgotten(clock: FakeClock) -> None:
    store = Store(CORE, APPS)
    async with following(store, clock) as discovery:
        await discovery.refresh()
        generation = discovery.generation
        store.groups.append(SHOP)
        clock.advance(1)
        await discovery.refresh()
        assert discovery.groups() == [CORE, APPS, SHOP]
        assert discovery.generation > generation
        store.groups.remove(APPS)
        clock.advance(1)
        await discovery.refresh()
        assert discovery.groups() == [CORE, SHOP]


async def test_a_look_that_is_young_enough_is_not_repeated(clock: FakeClock) -> None:
    store = Store(CORE)
    async with following(store, clock) as discovery:
        await discovery.refresh()
        store.paths()
        clock.advance(0.5)
        await discovery.refresh(max_age=1.0)
        assert store.paths() == []
        await discovery.refresh(max_age=0.2)
        assert store.paths() == ["/api", "/apis"]


async def test_requests_share_a_look_that_began_after_they_asked(clock: FakeClock) -> None:
    store = Store(CORE)
    async with following(store, clock) as discovery:
        await discovery.refresh()
        clock.advance(1)
        store.paths()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(50):
                tasks.create_task(discovery.refresh())
        assert store.paths() == ["/api", "/apis"]


async def test_a_look_that_began_before_is_not_enough(clock: FakeClock) -> None:
    """A definition made while a look is under way may be missing from what that look finds."""
    store = Store(CORE, APPS)
    async with following(store, clock) as discovery:
        await discovery.refresh()
        clock.advance(1)
        store.paths()
        store.gate = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(discovery.refresh())
            while not store.asked:
                await asyncio.sleep(0)
            clock.advance(LOOK_SPACING)
            tasks.create_task(discovery.refresh())
            await asyncio.sleep(0)
            store.gate.set()
        assert store.paths() == ["/api", "/apis"] * 2


async def test_a_look_cut_short_counts_for_nobody(clock: FakeClock) -> None:
    store = Store(CORE)
    store.gate = asyncio.Event()
    async with following(store, clock) as discovery:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(discovery.refresh(), 0.05)
        store.gate.set()
        await discovery.refresh(max_age=60)
        assert discovery.synced


async def test_an_outage_keeps_all_that_is_known_and_makes_nobody_wait(clock: FakeClock) -> None:
    store = Store(CORE, APPS)
    async with following(store, clock) as discovery:
        await discovery.refresh()
        store.broken.add("*")
        clock.advance(1)
        await discovery.refresh()
        assert discovery.groups() == [CORE, APPS]
        store.paths()
        clock.advance(60)
        await discovery.refresh()
        assert store.paths() == []


async def test_run_notices_when_the_store_is_back(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(remote, "RETRY_INTERVAL", 0.001)
    store = Store(CORE, APPS)
    store.broken.add("*")
    async with following(store, clock) as discovery:
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(discovery.run())
            while len(store.asked) < 3:
                await asyncio.sleep(0.001)
            before = (discovery.synced, discovery.version)
            store.broken.clear()
            while discovery.version is None:
                await asyncio.sleep(0.001)
            running.cancel()
        assert before == (False, None)
        assert discovery.groups() == [CORE, APPS]
        assert discovery.version == VERSION
    assert [record.levelname for record in caplog.records if record.name == "gateway.discovery.remote"] == ["WARNING"]


async def test_a_legacy_group_that_cannot_be_read_is_stale_and_alone(clock: FakeClock) -> None:
    store = Store(CORE, SHOP, aggregated=None)
    async with following(store, clock) as discovery:
        await discovery.refresh()
        store.broken.add("/apis/shop.example.com/v1")
        clock.advance(1)
        await discovery.refresh()
        assert discovery.groups() == [CORE, ApiGroup(SHOP.name, (ApiVersion("v1", (TOYS,), stale=True),))]
        store.broken.clear()
        clock.advance(1)
        await discovery.refresh()
        assert discovery.groups() == [CORE, SHOP]


async def test_an_answer_that_is_no_discovery_changes_nothing(clock: FakeClock) -> None:
    async def nonsense(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="[]")

    async with serve(nonsense) as url:
        upstream = Upstream("store", Endpoint(url), StaticCredentials(Credentials(token="t")), now=lambda: 0.0)
        discovery = RemoteDiscovery(upstream, now=clock)
        await discovery.refresh()
        assert not discovery.synced
        assert discovery.groups() == []
        await upstream.close()
