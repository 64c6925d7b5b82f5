"""What writes need of the merged view, over a cache that a test fills by hand."""

import asyncio
import json

import pytest

from cache.resource_kind import EVENTS
from cache.watch_event import DELETED
from tests.cache.test_cached_object import encoded
from tests.cache.test_merged_resource import Desk
from tests.support.objects import event, pod


@pytest.fixture
def desk():
    return Desk()


class TestWrites:
    async def test_versions_are_translated(self, desk):
        obj = desk.put(rv="17")
        assert desk.pods.writes.member_version(obj, str(obj.rv)) == "17"
        assert desk.pods.writes.member_version(obj, "17") is None
        assert desk.pods.writes.member_version(obj, "") == ""

    async def test_an_answer_becomes_ours_and_is_seen_at_once(self, desk):
        desk.put("other")
        desk.cacher.feed("m1").end_list("17")
        watcher = await desk.watch(resourceVersion=str(desk.cacher.cache.revision))
        answer = json.loads(desk.pods.writes.restamp("m1", encoded(pod(uid="n", rv="200", managedFields=[]))))
        (seen,) = await watcher.next_batch()
        assert answer == json.loads(desk.pods.object(seen.object))
        assert await desk.names() == ["other", "web"]
        before = desk.cacher.cache.revision
        desk.cacher.feeds["m1"].event("ADDED", encoded(pod(uid="n", rv="200")))
        assert desk.cacher.cache.revision == before

    @pytest.mark.parametrize(
        "marks", [{}, {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 0}]
    )
    async def test_what_was_deleted_is_gone_before_the_answer(self, desk, marks):
        obj = desk.put(rv="17")
        desk.cacher.feed("m1").end_list("17")
        watcher = await desk.watch(resourceVersion=str(obj.rv))
        body = encoded(pod(uid=obj.uid, rv="18", **marks))

        def member_tells():
            desk.cacher.feeds["m1"].event("DELETED", body)
            desk.cacher.changed()

        loop = asyncio.get_running_loop()
        loop.call_later(1, member_tells)
        told = json.loads(await desk.pods.writes.deleted(obj, body))
        assert loop.time() == 1
        assert await desk.names() == []
        (seen,) = await watcher.next_batch()
        assert (seen.type, str(seen.object.rv)) == (DELETED, told["metadata"]["resourceVersion"])

    async def test_an_answer_that_comes_after_the_event_has_its_version(self, desk):
        obj = desk.put(rv="17")
        desk.cacher.feed("m1").end_list("17")
        desk.cacher.feeds["m1"].event("DELETED", encoded(pod(uid=obj.uid, rv="18")))
        end = desk.cacher.cache.revision
        desk.put(rv="19", uid="its-successor")
        told = json.loads(await desk.pods.writes.deleted(obj, encoded(pod(uid=obj.uid, rv="18"))))
        assert told["metadata"]["resourceVersion"] == str(end)

    @pytest.mark.parametrize(
        "marks",
        [
            {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 30},
            {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 0, "finalizers": ["a.b/c"]},
        ],
    )
    async def test_what_waits_for_its_end_is_read_so_at_once(self, desk, marks):
        obj = desk.put(rv="17")
        desk.cacher.feed("m1").end_list("17")
        body = encoded(pod(uid=obj.uid, rv="18", **marks))
        told = json.loads(await desk.pods.writes.deleted(obj, body))
        assert told == json.loads(desk.pods.object(await desk.pods.get("default", "web")))
        assert told["metadata"].items() >= marks.items()

    async def test_a_change_that_is_the_end_of_an_object(self, desk):
        """Taking off the last finalizer removes it; the answer is what was sent, under the version from before."""
        marks = {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 0}
        obj = desk.put(rv="17", finalizers=["a.b/c"], **marks)
        feed = desk.cacher.feed("m1")
        feed.end_list("17")

        def member_tells():
            feed.event("DELETED", encoded(pod(uid=obj.uid, rv="18", finalizers=["a.b/c"], **marks)))
            desk.cacher.changed()

        asyncio.get_running_loop().call_later(1, member_tells)
        told = json.loads(await desk.pods.writes.changed(obj, encoded(pod(uid=obj.uid, rv="17", **marks))))
        assert "finalizers" not in told["metadata"]
        assert await desk.names() == []
        assert told["metadata"]["resourceVersion"] == str(desk.cacher.cache.revision)

    async def test_a_change_of_what_is_not_at_its_end_is_not_waited_for(self, desk):
        obj = desk.put(rv="17")
        desk.cacher.feed("m1").end_list("17")
        told = json.loads(await desk.pods.writes.changed(obj, encoded(pod(uid=obj.uid, rv="18"))))
        assert asyncio.get_running_loop().time() == 0
        assert told == json.loads(desk.pods.object(await desk.pods.get("default", "web")))
        assert await desk.pods.writes.changed(obj, b'{"kind":"Status"}') == b'{"kind":"Status"}'

    async def test_an_end_is_answered_under_the_name_that_is_served(self, desk):
        desk.put(uid="first")
        second = desk.put(cluster="m2", uid="second", rv="90")
        desk.cacher.feeds["m2"].event("DELETED", encoded(pod(uid="second", rv="91")))
        told = json.loads(await desk.pods.writes.deleted(second, encoded(pod(uid="second", rv="91"))))
        assert told["metadata"]["name"] == "web.m2"

    async def test_the_event_of_a_member_that_is_not_heard_is_not_waited_for(self, desk):
        obj = desk.put(rv="17")
        desk.cacher.feeds["m1"].failed("the watch is broken")
        await desk.pods.writes.deleted(obj, encoded(pod(uid=obj.uid, rv="18")))
        assert not await desk.pods.writes.wait_gone(obj)
        assert asyncio.get_running_loop().time() == 0

    async def test_waiting_for_an_eviction(self, desk):
        obj = desk.put(rv="17")
        marks = {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 0}
        assert not await desk.pods.writes.wait_gone(obj, timeout=1, or_lingers=True)
        desk.put(rv="18", **marks)  # its end comes with the next event
        assert not await desk.pods.writes.wait_gone(obj, timeout=1, or_lingers=True)
        desk.put(rv="19", **marks | {"deletionGracePeriodSeconds": 30})
        assert await desk.pods.writes.wait_gone(obj, timeout=1, or_lingers=True)
        assert not await desk.pods.writes.wait_gone(obj, timeout=1)
        desk.cacher.cache.forget("m1", "default/web")
        assert await desk.pods.writes.wait_gone(obj, timeout=1, or_lingers=True)

    async def test_a_dry_run_is_dressed_but_not_remembered(self, desk):
        desk.put("other")
        shown = json.loads(desk.pods.writes.decorate("m1", encoded(pod(uid="n", rv=""))))
        assert shown["metadata"]["annotations"]["resource.karmada.io/cached-from-cluster"] == "m1"
        assert "resourceVersion" not in shown["metadata"]
        assert await desk.names() == ["other"]

    @pytest.mark.parametrize(
        "body",
        [b'{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success"}', b"not json", b"",
         b'{"kind":"Eviction","apiVersion":"policy/v1","metadata":{"name":"web"}}'],
    )  # fmt: skip
    async def test_what_is_no_such_object_passes_unchanged(self, desk, body):
        assert desk.pods.writes.restamp("m1", body) == desk.pods.writes.decorate("m1", body) == body

    async def test_a_scale_speaks_of_the_object_by_its_name_and_version_in_the_merged_view(self, desk):
        desk.put(uid="first")
        second = desk.put(cluster="m2", uid="second", rv="90")
        desk.cacher.feeds["m2"].reached = "90"
        scale = {"kind": "Scale", "apiVersion": "autoscaling/v1", "spec": {"replicas": 2}}
        metadata = {"name": "web", "namespace": "default", "uid": "second", "resourceVersion": "90"}
        body = encoded({**scale, "metadata": metadata})
        dressed = json.loads(await desk.pods.writes.decorate_part("m2", body))
        assert {name: dressed[name] for name in scale} == scale
        assert dressed["metadata"]["name"] == second.name == "web.m2"
        assert dressed["metadata"]["resourceVersion"] == str(second.rv)
        assert desk.pods.writes.member_version(second, str(second.rv)) == "90"

    async def test_a_part_of_an_object_of_ours_is_dressed_as_that(self, desk):
        obj = desk.put("web", uid="w", rv="70")
        desk.cacher.feeds["m1"].reached = "70"
        dressed = json.loads(await desk.pods.writes.decorate_part("m1", encoded(pod("web", uid="w", rv="70"))))
        assert dressed["kind"] == "Pod"
        assert dressed["metadata"]["resourceVersion"] == str(obj.rv)

    @pytest.mark.parametrize("uid", ["", "another"])
    async def test_what_a_subresource_says_of_nothing_we_know_passes_unchanged(self, desk, uid):
        desk.put("web", uid="w")
        metadata = {"namespace": "default", "name": "web", "uid": uid}
        body = encoded({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata})
        assert await desk.pods.writes.decorate_part("m1", body) == body

    async def test_answers_in_another_version_are_understood(self):
        desk = Desk(EVENTS)
        desk.cacher.feed("m1").end_list("1")
        core, group = desk.resources
        body = group.served.from_stored(encoded(event("x"))).replace(b'"v1"', b'"events.k8s.io/v1"', 1)
        answer = json.loads(group.writes.restamp("m1", body))
        assert (answer["apiVersion"], answer["note"]) == ("events.k8s.io/v1", "Started container main")
        stored = json.loads(core.object(await core.get("default", "x")))
        assert (stored["apiVersion"], stored["message"]) == ("v1", "Started container main")

    async def test_waiting_for_what_a_member_did(self, desk):
        obj = desk.put(rv="5")
        feed = desk.cacher.feed("m1")
        feed.end_list("5")
        assert await desk.pods.writes.wait_for("m1", "5")
        assert not await desk.pods.writes.wait_for("m1", "6", timeout=1)
        assert await desk.pods.writes.wait_for("unknown", "6", timeout=1)
        assert not await desk.pods.writes.wait_gone(obj, timeout=1)
        desk.cacher.cache.forget("m1", "default/web")
        assert await desk.pods.writes.wait_gone(obj, timeout=1)
        desk.put(rv="7", uid="another")
        assert await desk.pods.writes.wait_gone(obj, timeout=1)

    async def test_waiting_for_all_members(self, desk):
        desk.put()
        assert await desk.pods.wait_synced(1)
        desk.cacher.feed("m2")
        assert not await desk.pods.wait_synced(1)
