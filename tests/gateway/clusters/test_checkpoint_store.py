"""What replicas tell each other through ConfigMaps: who is believed, and what happens when they cannot be kept."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from cache.checkpoints import Checkpoint, MemberPosition, Published
from cache.multi_cluster_cache import CacheSettings, MultiClusterCache
from cache.observed_object import ObservedObject
from cache.resource_version import SLOTS, TICKS
from gateway.apimachinery import errors
from gateway.apimachinery.schema import GroupResource, GroupVersionResource
from gateway.clusters import checkpoint_map
from gateway.clusters.checkpoint_map import CONTESTED, decode, encode, holder_name
from gateway.clusters.checkpoint_store import CheckpointStore
from gateway.clusters.credentials import Credentials, StaticCredentials
from gateway.clusters.endpoint import Endpoint
from gateway.clusters.upstream import Upstream
from tests.support.http_server import serve
from tests.support.objects import pod

PODS = GroupVersionResource("", "v1", "pods")
KIND = "/v1/pods"
MAPS = "/api/v1/namespaces/fleet/configmaps"
START = 1_700_000_000.0


class FakeStore:
    """ConfigMaps of one namespace, with versions, and the namespace itself."""

    def __init__(self) -> None:
        self.namespace = False
        self.maps: dict[str, dict[str, Any]] = {}
        self.revision = 0
        self.refused: set[str] = set()
        self.requests: list[str] = []

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(request.method)
        body = await request.json() if request.can_read_body else {}
        try:
            if request.method in self.refused:
                raise errors.forbidden(GroupResource("", "configmaps"), "", "not allowed")
            return web.json_response(self._answer(request.method, request.path, body))
        except errors.ApiError as error:
            return web.json_response(error.status, status=error.code)

    def _answer(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if path == "/api/v1/namespaces":
            self.namespace = True
            return body
        name = path.removeprefix(MAPS).strip("/")
        if method == "GET" and not name:
            return {"items": list(self.maps.values())}
        if method == "POST":
            if not self.namespace:
                raise errors.not_found(GroupResource("", "namespaces"), "fleet")
            return self._put(body["metadata"]["name"], body)
        if name not in self.maps:
            raise errors.not_found(GroupResource("", "configmaps"), name)
        if method == "PUT":
            assert body["metadata"]["resourceVersion"] == self.maps[name]["metadata"]["resourceVersion"]
            return self._put(name, body)
        if method == "PATCH":
            known = self.maps[name]
            annotations = {**known["metadata"]["annotations"], **body["metadata"]["annotations"]}
            return self._put(name, {**known, "metadata": {**known["metadata"], "annotations": annotations}})
        return self.maps[name]

    def _put(self, name: str, obj: dict[str, Any]) -> dict[str, Any]:
        self.revision += 1
        self.maps[name] = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.revision)}}
        return self.maps[name]


class Site:
    """A federation store and the gateways at it. Mutable state: the time."""

    def __init__(self, url: str, store: FakeStore) -> None:
        self.store = store
        self.time = START
        self.upstream = Upstream("federation", Endpoint(url), StaticCredentials(Credentials()), now=self.now)

    def now(self) -> float:
        return self.time

    def replica(self, slot: int, holder: str = "") -> tuple[MultiClusterCache, CheckpointStore]:
        cache = MultiClusterCache(
            now=self.now, jitter=lambda: 0.5, token_key=b"k" * 16, settings=CacheSettings(replica=slot)
        )
        return cache, CheckpointStore(
            self.upstream, "fleet", slot, cache, holder=holder or f"holder-{slot}", now=self.now
        )


@asynccontextmanager
async def site() -> AsyncIterator[Site]:
    store = FakeStore()
    async with serve(store) as url:
        place = Site(url, store)
        yield place
        await place.upstream.close()


def observe(cache: MultiClusterCache, name: str, rv: int) -> None:
    cacher = cache.cachers()[PODS]
    feed = cacher.feed("m1")
    feed.begin_list()
    cacher.cache.observe("m1", ObservedObject(json.dumps(pod(name, resource_version=str(rv))).encode()))
    feed.end_list(str(rv))


async def test_one_replica_reads_what_another_wrote():
    async with site() as at:
        (cache, first), (_, second) = at.replica(0), at.replica(1)
        observe(cache, "web", 7)
        assert await first.exchange()
        assert at.store.namespace, "the namespace was missing"
        assert await second.exchange()
        said = second.known(0, KIND)
        assert said is not None
        assert said.checkpoints[-1].members == {"m1": MemberPosition("", 7, 7, int(START), int(START))}
        assert first.known(1, KIND) is None, "it has not read since"
        assert await first.ask()
        assert first.known(1, KIND) is not None
        assert first.known(0, KIND) is None, "of itself it knows better"


async def test_nothing_is_written_while_nothing_changes_but_a_sign_of_life():
    async with site() as at:
        cache, store = at.replica(0)
        await store.exchange()
        written = at.store.revision
        at.time += 5
        await store.exchange()
        assert at.store.revision == written
        at.time += 5.1
        await store.exchange()
        assert at.store.revision == written + 1
        observe(cache, "web", 7)
        await store.exchange()
        assert at.store.revision == written + 2


async def test_a_run_goes_on_saying_what_the_run_before_said():
    async with site() as at:
        cache, store = at.replica(0, holder="same")
        observe(cache, "web", 7)
        await store.exchange()
        before = cache.cachers()[PODS].cache.revision
        at.time += 60
        _, store = at.replica(0, holder="same")
        await store.begin()
        _, other = at.replica(1)
        await other.exchange()
        said = other.known(0, KIND)
        assert said is not None
        seen = said.before(before)
        assert seen is not None
        assert seen.members is not None
        assert "m1" in seen.members
        seen = said.before(int(at.time * TICKS) * SLOTS)
        assert seen is not None
        assert seen.members == {}, "what is told in this run begins with nothing"


async def test_a_run_that_cannot_say_so_issues_versions_that_the_run_before_is_not_asked_about():
    async with site() as at:
        cache, store = at.replica(0)
        observe(cache, "web", 7)
        await store.exchange()
        _, other = at.replica(1)
        await other.exchange()
        at.store.refused = {"GET"}
        cache, store = at.replica(0)
        await store.begin()
        said = other.known(0, KIND)
        assert said is not None
        assert said.before(cache.cachers()[PODS].cache.revision) is None
        assert said.before(said.checkpoints[-1].rv) is not None


async def test_of_two_replicas_with_one_number_the_later_one_stands_back_and_nobody_believes_either(caplog):
    async with site() as at:
        (_, first), (cache, second), (_, other) = at.replica(0, "one"), at.replica(0, "two"), at.replica(1)
        await first.exchange()
        await second.exchange()
        assert not second.contested, "the other one may have ended"
        at.time += 11
        await first.exchange()
        with caplog.at_level(logging.ERROR):
            await second.exchange()
            at.time += 1
            await second.exchange()
        assert second.contested
        assert not second.active
        assert len([record for record in caplog.records if "replica 0, too" in record.message]) == 1
        assert cache.cachers()[PODS].cache.resumption.contested
        await other.exchange()
        assert other.known(0, KIND) is None
        at.time += 11
        await first.exchange()
        assert CONTESTED in at.store.maps["fleetgate-checkpoints-0"]["metadata"]["annotations"]
        await other.exchange()
        assert other.known(0, KIND) is None
        await second.exchange()
        at.time += 16
        await second.exchange()
        assert not second.contested, "the other one has ended"
        at.time += 300
        await second.exchange()
        await other.exchange()
        assert other.known(0, KIND) is not None


async def test_a_replica_that_ends_leaves_its_number_to_the_next_at_once():
    async with site() as at:
        _, first = at.replica(0, "one")
        running = asyncio.get_running_loop().create_task(first.run())
        while not at.store.maps:
            await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        _, second = at.replica(0, "two")
        assert await second.exchange()
        assert not second.contested


async def test_what_is_not_permitted_is_complained_of_once(caplog):
    async with site() as at:
        at.store.refused = {"POST"}
        cache, store = at.replica(0)
        with caplog.at_level(logging.WARNING):
            for _ in range(3):
                assert not await store.exchange()
        assert not store.active
        assert len([record for record in caplog.records if "have to list anew" in record.message]) == 1
        at.store.refused = set()
        assert await store.exchange()
        assert store.active
        assert cache.cachers()[PODS].replicas is not None


async def test_many_who_ask_at_once_are_answered_by_few_reads():
    async with site() as at:
        _, store = at.replica(0)
        assert all(await asyncio.gather(*(store.ask() for _ in range(100))))
        assert len(at.store.requests) <= 2


def checkpoints(count: int, members: int) -> list[Checkpoint]:
    return [
        Checkpoint(rv, {f"member-{n}": MemberPosition(f"{n:08x}", rv * 7919 * n, n * rv, rv) for n in range(members)})
        for rv in range(1, count + 1)
    ]


def test_a_long_log_loses_its_oldest_checkpoints(monkeypatch):
    said = {KIND: Published(99, checkpoints(40, 200)), "/v1/events": Published(98, checkpoints(40, 200))}
    whole = decode({"binaryData": {"checkpoints": encode(said)}})
    assert {kind: list(published.checkpoints) for kind, published in whole.items()} == {
        kind: list(published.checkpoints) for kind, published in said.items()
    }
    monkeypatch.setattr(checkpoint_map, "_LIMIT", len(encode(said)) // 3)
    content = encode(said)
    assert len(content) <= checkpoint_map._LIMIT
    kept = decode({"binaryData": {"checkpoints": content}})[KIND].checkpoints
    assert 0 < len(kept) < 40
    assert kept[-1].rv == 40


@pytest.mark.parametrize(
    "item",
    [{}, {"binaryData": None}, {"binaryData": {"checkpoints": "%%%"}}, {"binaryData": {"checkpoints": "aGVsbG8="}}],
)
def test_what_is_no_checkpoints_says_nothing(item):
    assert decode(item) == {}


def test_a_replica_keeps_its_name(tmp_path):
    name = holder_name(tmp_path / "replica-name")
    assert name
    assert holder_name(tmp_path / "replica-name") == name
