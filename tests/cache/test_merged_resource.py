"""The read API over a cache that a test fills by hand."""

import asyncio
import json
from itertools import count

import pytest

from cache.cacher import Cacher, CacherSettings
from cache.continue_token import ContinueTokenCodec
from cache.history import HistoryLimits
from cache.merged_resource import MergedResource
from cache.observed_object import ObservedObject
from cache.resource_kind import EVENTS, PODS
from cache.turns import Turns
from cache.watch_event import DELETED
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.options import ListOptions, parse_list_options
from tests.cache.test_cached_object import encoded
from tests.cache.test_selection import selection
from tests.support import virtual_time
from tests.support.objects import event, pod


class Desk:
    """A merged resource and the member feeds behind it."""

    def __init__(self, kind=PODS, *, events=1_000) -> None:
        settings = CacherSettings(history=HistoryLimits(events=events))
        self.cacher = Cacher(kind, now=virtual_time.now, settings=settings)
        codec = ContinueTokenCodec(b"0123456789abcdef")
        self.resources = [MergedResource(self.cacher, served, codec) for served in kind.versions]
        self.pods = self.resources[0]

    def put(self, name="web", cluster="m1", **facts):
        facts.setdefault("uid", f"{cluster}-{name}")
        feed = self.cacher.feed(cluster)
        feed.synced = True
        observed = ObservedObject(encoded(pod(name, **facts)))
        obj = self.cacher.cache.observe(cluster, observed)
        self.cacher.changed()
        return obj

    async def list(self, namespace="", *, visible=None, binding="", **query):
        options = parse_list_options(query, watch=False)
        kwargs = {"visible": visible} if visible else {}
        return await self.pods.list(namespace, options, binding=binding, **kwargs)

    async def names(self, namespace="", **query):
        return [obj.name for obj in (await self.list(namespace, **query)).items]

    async def watch(self, namespace="", *, timeout=100.0, **query):
        return await self.pods.watch(namespace, parse_list_options(query, watch=True), timeout=timeout)


@pytest.fixture
def desk():
    return Desk()


async def refusal(awaitable):
    with pytest.raises(ApiError) as caught:
        await awaitable
    return caught.value


async def test_get(desk):
    obj = desk.put()
    assert await desk.pods.get("default", "web") is obj
    assert await desk.pods.get("default", "web", resource_version=str(obj.rv)) is obj
    error = await refusal(desk.pods.get("default", "nothing"))
    assert (error.code, error.message) == (404, 'pods "nothing" not found')
    error = await refusal(desk.pods.get("default", "web", resource_version="x"))
    assert error.code == 400


async def test_get_of_a_future_version_waits_a_little(desk):
    obj = desk.put()
    loop = asyncio.get_running_loop()
    loop.call_later(1, lambda: desk.put("other"))
    assert await desk.pods.get("default", "web", resource_version=str(obj.rv + 1)) is obj
    assert loop.time() == 1
    error = await refusal(desk.pods.get("default", "web", resource_version=str(obj.rv + 10**9)))
    assert loop.time() == 4
    assert (error.code, error.headers["Retry-After"]) == (504, "1")


async def test_get_waits_for_a_joining_member_before_it_says_not_found(desk):
    desk.cacher.feed("m1")
    loop = asyncio.get_running_loop()
    loop.call_later(1, desk.put)
    assert (await desk.pods.get("default", "web")).name == "web"
    assert loop.time() == 1


async def test_get_of_a_name_in_several_members(desk):
    desk.put(cluster="m1", created=10)
    desk.put(cluster="m2", created=20)
    assert (await desk.pods.get("default", "web")).cluster == "m1"
    assert (await desk.pods.get("default", "web.m2")).cluster == "m2"
    assert (await desk.pods.get("default", "web.m1")).cluster == "m1"
    assert [obj.name for obj in desk.pods.owners("default", "web")] == ["web", "web.m2"]
    asked = await desk.pods.get("default", "web.m1")
    assert json.loads(asked.metadata)["name"] == asked.name == "web.m1", "clients go on with the name in the answer"
    assert asked.rv == (await desk.pods.get("default", "web")).rv

    def only_second(cluster):
        return cluster == "m2"

    assert (await desk.pods.get("default", "web", visible=only_second)).cluster == "m2"
    assert len(desk.pods.owners("default", "web", visible=only_second)) == 1
    assert (await refusal(desk.pods.get("default", "web.m1", visible=only_second))).code == 404


async def test_list_by_namespace_and_selectors(desk):
    desk.put("a", labels={"app": "x"}, node="n1")
    desk.put("b", labels={"app": "y"})
    desk.put("c", cluster="m2", node="n1")
    assert await desk.names() == await desk.names("default") == ["a", "b", "c"]
    assert await desk.names("other") == []
    assert await desk.names(labelSelector="app=x") == ["a"]
    assert await desk.names(labelSelector="fleetgate.io/cluster=m2") == ["c"]
    assert await desk.names(fieldSelector="spec.nodeName=n1") == ["a", "c"]
    assert await desk.names(fieldSelector="spec.nodeName=n1", limit="500") == ["a", "c"]
    assert await desk.names("default", fieldSelector="metadata.name=b", limit="500") == ["b"]
    assert [obj.name for obj in (await desk.list(visible=lambda cluster: cluster == "m2")).items] == ["c"]
    error = await refusal(desk.list(fieldSelector="spec.foo=1"))
    assert (error.code, error.message) == (400, "field label not supported: spec.foo")


async def test_list_looks_through_many_objects_without_blocking(desk):
    for number in range(4_500):
        desk.put(f"p{number:05}", phase="Failed" if number % 1_000 == 0 else "Running")
    desk.cacher.turns = Turns(count().__next__)  # every slice takes long
    turns = 0

    async def others():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.get_running_loop().create_task(others())
    wanted = ["p00000", "p01000", "p02000", "p03000", "p04000"]
    assert await desk.names(fieldSelector="status.phase=Failed") == wanted
    assert turns >= 2
    turns = 0
    assert await desk.names(fieldSelector="status.phase=Failed", limit="500") == wanted
    assert turns >= 2
    task.cancel()


class TestManyByLabel:
    @pytest.fixture
    def many(self, desk):
        for number in range(2_500):
            desk.put(f"p{number:05}", labels={"shard": f"s{number % 100:02}", "app": "web"})
        return desk

    async def test_lists_look_at_few(self, many):
        wanted = [f"p{number:05}" for number in range(7, 2_500, 100)]
        few = many.cacher.cache.objects.few_candidates
        assert few(selection(labels="shard=s07")) is None, "nobody has asked yet"
        assert await many.names(labelSelector="shard=s07") == wanted
        assert [obj.name for obj in few(selection(labels="shard=s07"))] == wanted
        assert [obj.name for obj in few(selection(labels="app,shard in (s07)"))] == wanted
        assert few(selection("other", labels="shard=s07")) is None, "a small namespace is looked through"
        assert few(selection(labels="shard!=s07")) is None
        assert await many.names(labelSelector="shard=s07", limit="500") == wanted
        assert await many.names(labelSelector="shard=s07", limit="3") == wanted[:3]
        assert await many.names(labelSelector="shard=s07,app!=web") == []
        assert await many.names(labelSelector="shard in (s07,s08,s07)") == sorted(
            [*wanted, *(await many.names(labelSelector="shard=s08"))]
        )

    async def test_what_most_objects_bear_is_not_sorted(self, many):
        assert len(await many.names(labelSelector="app=web")) == 2_500
        assert many.cacher.cache.objects.few_candidates(selection(labels="app=web")) is None
        assert len(await many.names(labelSelector="app=web,shard=s07")) == 25
        assert len(many.cacher.cache.objects.few_candidates(selection(labels="app=web,shard=s07"))) == 25
        assert many.cacher.cache.objects.few_candidates(selection(labels="app=web", fields="spec.nodeName=n1")) == []

    async def test_lists_and_watches_see_what_changes_meanwhile(self, many):
        listed = asyncio.get_running_loop().create_task(many.names(labelSelector="shard=s07"))
        watched = asyncio.get_running_loop().create_task(many.watch(labelSelector="shard=s07"))
        await asyncio.sleep(0)
        many.put("p00007", rv="11", labels={"shard": "s08"})
        many.put("p02499", rv="11", labels={"shard": "s07"})
        many.put("p02407", rv="11", labels={"shard": "s07", "app": "other"})
        wanted = [*(f"p{number:05}" for number in range(107, 2_500, 100)), "p02499"]
        assert await listed == wanted
        assert await many.names(labelSelector="shard=s07") == wanted
        watcher = await watched
        seen = {}
        while "p02499" not in seen:
            seen |= {event.object.name: event.type for event in await watcher.next_batch() if event.object}
        assert sorted(name for name, kind in seen.items() if kind != DELETED) == wanted

    async def test_names_in_several_members(self, many):
        await many.names(labelSelector="shard=s07")
        many.put("p00007", cluster="m2", labels={"shard": "s07"}, created=1)
        assert (await many.names(labelSelector="shard=s07"))[:2] == ["p00007", "p00007.m1"]
        many.cacher.cache.forget("m2", "default/p00007")
        assert (await many.names(labelSelector="shard=s07"))[:2] == ["p00007", "p00107"]

    async def test_labels_are_read_without_blocking(self, many):
        task = asyncio.get_running_loop().create_task(many.names(labelSelector="none=x"))
        turns = 0
        while not task.done():
            turns += 1
            await asyncio.sleep(0)
        assert turns >= 2
        assert task.result() == []


async def test_the_list_version_is_the_highest_issued(desk):
    desk.put("a")
    desk.put("b")
    obj = desk.put("a", rv="11", phase="Failed")
    assert (await desk.list()).resource_version == str(obj.rv)


class TestVersions:
    async def test_not_older_than(self, desk):
        obj = desk.put()
        for query in (
            {"resourceVersion": str(obj.rv)},
            {"resourceVersion": "5"},
            {"resourceVersion": "0"},
            {"resourceVersion": "5", "resourceVersionMatch": "NotOlderThan", "limit": "1"},
        ):
            result = await desk.list(**query)
            assert (len(result.items), result.resource_version) == (1, str(obj.rv))
        assert (await refusal(desk.list(resourceVersion=str(obj.rv + 10**9)))).code == 504
        assert (await refusal(desk.list(resourceVersion="x"))).code == 400

    async def test_exactly(self, desk):
        first = desk.put("a")
        desk.put("b")
        desk.put("a", rv="11", phase="Failed")
        for query in ({"resourceVersionMatch": "Exact"}, {"limit": "5"}):
            result = await desk.list(resourceVersion=str(first.rv), **query)
            assert list(result.items) == [first]
            assert result.resource_version == str(first.rv)
            error = await refusal(desk.list(resourceVersion="5", **query))
            assert error.code == 410
            assert error.message == "The resourceVersion for the provided list is too old."
        one = {"fieldSelector": "metadata.name=a", "limit": "5", "resourceVersion": "5"}
        assert await desk.names("default", **one) == ["a"]


class TestPages:
    async def test_pages_show_one_moment(self, desk):
        for name in "abcde":
            desk.put(name)
        first = await desk.list(limit="2")
        desk.put("aa")
        desk.put("bb")
        desk.cacher.cache.forget("m1", "default/c")
        second = await desk.list(limit="2", **{"continue": first.continue_token})
        third = await desk.list(limit="2", **{"continue": second.continue_token})
        pages = [first, second, third]
        assert [[obj.name for obj in page.items] for page in pages] == [["a", "b"], ["c", "d"], ["e"]]
        assert len({page.resource_version for page in pages}) == 1
        assert [page.remaining for page in pages] == [3, 1, None]
        assert third.continue_token == ""

    async def test_an_exact_fit_has_no_next_page(self, desk):
        desk.put("a")
        assert (await desk.list(limit="1")).continue_token == ""

    async def test_a_page_says_that_more_may_follow_whatever_was_listed_before(self, desk):
        desk.put("a", labels={"step": "2"})
        desk.put("b")
        for _ in range(2):
            page = await desk.list(labelSelector="step=2", limit="1")
            assert [obj.name for obj in page.items] == ["a"]
            assert page.continue_token
            assert await desk.names(labelSelector="step=2") == ["a"]

    async def test_what_remains_is_told_only_where_it_is_known(self, desk):
        for name in "abc":
            desk.put(name, labels={"a": "1"}, node="n1")
        for query in ({"labelSelector": "a=1"}, {"fieldSelector": "spec.nodeName=n1"}):
            page = await desk.list(limit="1", **query)
            assert page.continue_token
            assert page.remaining is None
        assert (await desk.list(limit="1", visible=lambda cluster: True)).remaining is None

    async def test_a_token_is_good_for_its_query_and_caller_only(self, desk):
        for name in "abc":
            desk.put(name)
        token = (await desk.list("default", limit="1", binding="alice")).continue_token
        assert await desk.names("default", limit="1", binding="alice", **{"continue": token}) == ["b"]
        for namespace, query in (
            ("default", {"binding": "bob"}),
            ("", {"binding": "alice"}),
            ("default", {"binding": "alice", "labelSelector": "a"}),
            ("default", {"binding": "alice", "fieldSelector": "spec.nodeName="}),
        ):
            error = await refusal(desk.list(namespace, limit="1", **{**query, "continue": token}))
            assert error.code == 400

    async def test_a_token_comes_without_a_version(self, desk):
        desk.put("a")
        desk.put("b")
        token = (await desk.list(limit="1")).continue_token
        error = await refusal(desk.list(limit="1", resourceVersion="5", **{"continue": token}))
        assert error.message == "specifying resource version is not allowed when using continue"
        assert await desk.names(resourceVersion="0", **{"continue": token}) == ["b"]

    async def test_an_expired_token_goes_on_with_the_present(self):
        desk = Desk(events=2)
        for name in "abc":
            desk.put(name)
        token = (await desk.list(limit="1")).continue_token
        for name in ("bb", "d", "e"):
            desk.put(name)
        error = await refusal(desk.list(limit="1", **{"continue": token}))
        assert error.code == 410
        follow_on = error.status["metadata"]["continue"]
        page = await desk.list(limit="2", **{"continue": follow_on})
        assert [obj.name for obj in page.items] == ["b", "bb"]
        assert page.resource_version == str(desk.cacher.cache.revision)

    async def test_a_page_that_outlives_the_history_is_given_up(self):
        desk = Desk(events=2)
        for number in range(2_500):
            desk.put(f"p{number:05}")
        listing = asyncio.get_running_loop().create_task(desk.list(limit="1", labelSelector="never"))
        await asyncio.sleep(0)
        for name in "abc":
            desk.put(name)
        assert (await refusal(listing)).code == 410


async def test_stale_members_are_named(desk):
    desk.put()
    desk.cacher.feed("m2").failed("connection refused")
    result = await desk.list()
    assert [member.name for member in result.stale] == ["m2"]
    assert [member.name for member in desk.pods.freshness()] == ["m1", "m2"]
    assert (await desk.list(visible=lambda cluster: cluster == "m1")).stale == []
    assert [desk.pods.stale_member(name) for name in ("m1", "m2", "none")] == [None, result.stale[0], None]


class TestWatches:
    async def test_from_the_present_state(self, desk):
        desk.put("a")
        for query in ({}, {"resourceVersion": "0"}):
            watcher = await desk.watch(allowWatchBookmarks="true", **query)
            assert [event.type for event in await watcher.next_batch()] == ["ADDED"]
            (end,) = await watcher.next_batch()
            assert end.initial_events_end
        options = ListOptions(watch=True, allow_watch_bookmarks=True)
        watcher = await desk.pods.watch("", options, timeout=1)
        assert [event.type for event in await watcher.next_batch()] == ["ADDED"]
        assert await watcher.next_batch() == []

    async def test_from_now_on(self, desk):
        desk.put("a")
        watcher = await desk.watch(sendInitialEvents="false", resourceVersionMatch="NotOlderThan")
        desk.put("b")
        assert [event.object.name for event in await watcher.next_batch()] == ["b"]

    async def test_from_a_version(self, desk):
        obj = desk.put("a")
        watcher = await desk.watch(resourceVersion=str(obj.rv))
        desk.put("b")
        assert [event.object.name for event in await watcher.next_batch()] == ["b"]
        desk.put("c")
        assert [event.object.name for event in await watcher.next_batch()] == ["c"]

    async def test_nothing_is_lost_between_the_state_and_the_events(self, desk):
        for number in range(2_500):
            desk.put(f"p{number:05}")
        task = asyncio.get_running_loop().create_task(desk.watch(labelSelector="new=yes"))
        await asyncio.sleep(0)
        desk.put("late", labels={"new": "yes"})
        watcher = await task
        assert [event.object.name for event in await watcher.next_batch()] == ["late"]

    async def test_a_state_not_older_than_the_future_is_an_error_event(self, desk):
        desk.put()
        future = str(desk.cacher.cache.revision + 10**9)
        watcher = await desk.watch(
            resourceVersion=future, sendInitialEvents="true", resourceVersionMatch="NotOlderThan"
        )
        (error,) = await watcher.next_batch()
        assert error.status["code"] == 504

    async def test_what_cannot_be_read_is_refused_before_the_watch(self, desk):
        error = await refusal(desk.watch(resourceVersion="x"))
        assert error.code == 422
        assert error.message.startswith('pods "" is invalid: resourceVersion: Invalid value: "x"')
        assert (await refusal(desk.watch(fieldSelector="x=1"))).code == 400


class TestWorkloads:
    OWNED = {  # noqa: RUF012  (never changed)
        "labels": {"pod-template-hash": "5f7b"},
        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5f7b", "controller": True}],
    }
    OF_WEB = "fleetgate.io/workload=deployments.apps/web"

    async def test_lists_name_the_pods_of_all_members(self, desk):
        desk.put("web-5f7b-a", "m1", **self.OWNED)
        desk.put("web-5f7b-b", "m2", **self.OWNED)
        desk.put("web-5f7b-c", "m2", namespace="other", **self.OWNED)
        desk.put("web", "m1")
        assert await desk.names("default", fieldSelector=self.OF_WEB) == ["web-5f7b-a", "web-5f7b-b"]
        assert await desk.names("default", fieldSelector=self.OF_WEB, limit="1") == ["web-5f7b-a"]
        assert await desk.names(fieldSelector=self.OF_WEB) == ["web-5f7b-a", "web-5f7b-b", "web-5f7b-c"]
        others = self.OF_WEB.replace("=", "!=", 1)
        assert await desk.names("default", fieldSelector=others) == ["web"]
        both = f"{self.OF_WEB},spec.nodeName=n1"
        desk.put("web-5f7b-d", "m1", node="n1", **self.OWNED)
        assert await desk.names("default", fieldSelector=both) == ["web-5f7b-d"]

    async def test_watches_tell_what_comes_changes_and_leaves(self, desk):
        watcher = await desk.watch("default", fieldSelector=self.OF_WEB, resourceVersion=str(desk.put("other").rv))
        desk.put("web-5f7b-a", **self.OWNED)
        desk.put("other", rv="11", labels={"pod-template-hash": "5f7b"})
        desk.put("web-5f7b-a", rv="11", phase="Failed", **self.OWNED)
        released = {"labels": {"app": "debugged"}}
        desk.put("web-5f7b-a", rv="12", **released)
        desk.put("web-5f7b-a", rv="13", **self.OWNED)
        desk.cacher.cache.forget("m1", "default/web-5f7b-a")
        events = await watcher.next_batch()
        assert [event.type for event in events] == ["ADDED", "MODIFIED", "DELETED", "ADDED", "DELETED"]
        assert {event.object.original_name for event in events} == {"web-5f7b-a"}

    async def test_other_values_are_refused(self, desk):
        for ask in (desk.list, desk.watch):
            error = await refusal(ask(fieldSelector="fleetgate.io/workload=web"))
            assert error.code == 400
            assert "write RESOURCE.GROUP/NAME" in error.message


class TestBytes:
    async def test_objects_and_items(self, desk):
        obj = desk.put()
        assert desk.pods.object(obj).startswith(b'{"kind":"Pod","apiVersion":"v1","metadata":{')
        assert json.loads(desk.pods.item(obj)) == json.loads(obj.raw)
        assert {"kind", "apiVersion"} & json.loads(desk.pods.item(obj)).keys() == set()

    async def test_an_event_in_both_of_its_versions(self):
        desk = Desk(EVENTS)
        observed = ObservedObject(encoded(event("x")))
        obj = desk.cacher.cache.observe("m1", observed)
        core, group = (json.loads(resource.object(obj)) for resource in desk.resources)
        assert (core["apiVersion"], core["message"]) == ("v1", "Started container main")
        assert (group["apiVersion"], group["note"]) == ("events.k8s.io/v1", "Started container main")
