"""Whole caches over fake members, in virtual time: joining, faults, healing."""

import asyncio
import json

import pytest

from cache.lister_watcher import NotServed, Unavailable
from cache.merged_resource import MergedResource
from cache.multi_cluster_cache import MultiClusterCache
from cache.reflector import ReflectorSettings
from cache.resource_kind import ResourceKind
from cache.watcher import Watcher
from gateway.apimachinery.options import ListOptions, parse_list_options
from gateway.apimachinery.schema import GroupVersionResource
from tests.support import virtual_time
from tests.support.fake_member import FakeMember
from tests.support.informer import Informer
from tests.support.objects import event, pod

PODS = GroupVersionResource("", "v1", "pods")
EVENTS = GroupVersionResource("", "v1", "events")
NEW_EVENTS = GroupVersionResource("events.k8s.io", "v1", "events")


class Fleet:
    """A running cache and its members; events of members are empty unless a test fills them."""

    def __init__(self) -> None:
        self.cache = MultiClusterCache(now=virtual_time.now, jitter=lambda: 0.5, token_key=b"0123456789abcdef")
        self.pods_of: dict[str, FakeMember] = {}
        self.events_of: dict[str, FakeMember] = {}
        pods = self.cache.resource(PODS)
        assert pods is not None
        self.pods = pods

    async def join(self, name: str, **kwargs: int) -> FakeMember:
        pods = self.pods_of.setdefault(name, FakeMember(**kwargs))
        events = self.events_of.setdefault(name, FakeMember())
        await self.cache.add_cluster(name, lambda gvr: pods if gvr == PODS else events)
        return pods


@pytest.fixture
async def fleet():
    fleet = Fleet()
    task = asyncio.get_running_loop().create_task(fleet.cache.run())
    yield fleet
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def listed(resource: MergedResource, **query: str) -> list[str]:
    result = await resource.list("", parse_list_options(query, watch=False))
    return [obj.name for obj in result.items]


async def watching(resource: MergedResource, **query: str) -> Watcher:
    return await resource.watch("", parse_list_options(query, watch=True), timeout=3600)


async def follow(informer: Informer, watcher: Watcher, seconds: float) -> None:
    """Feed an informer with what a watch brings in so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            while batch := await watcher.next_batch():
                informer.apply(batch)
    except TimeoutError:
        pass


async def test_members_are_merged(fleet):
    first, second = await fleet.join("m1"), await fleet.join("m2")
    first.put(pod("a", uid="1"))
    second.put(pod("b", uid="2"))
    assert await fleet.cache.wait_synced(10)
    assert await listed(fleet.pods) == ["a", "b"]
    obj = await fleet.pods.get("default", "b")
    assert obj.cluster == "m2"
    served = json.loads(fleet.pods.object(obj))
    assert served["metadata"]["annotations"]["resource.karmada.io/cached-from-cluster"] == "m2"
    assert served["metadata"]["resourceVersion"] == str(obj.rv)


async def test_long_lists_are_read_in_pages(fleet):
    member = FakeMember()
    count = 2 * ReflectorSettings().page_size + 1
    for number in range(count):
        member.put(pod(f"p{number:04}", uid=str(number)))
    fleet.pods_of["m1"] = member
    await fleet.join("m1")
    assert await fleet.cache.wait_synced(10)
    assert len(await listed(fleet.pods)) == count
    assert member.lists == 3


async def test_changes_of_members_become_watch_events(fleet):
    member = await fleet.join("m1")
    await fleet.cache.wait_synced(10)
    informer = Informer(fleet.pods)
    watcher = await watching(fleet.pods, allowWatchBookmarks="true")
    member.put(pod("a", uid="1"))
    member.put(pod("b", uid="2"))
    member.put(pod("a", uid="1", phase="Failed"))
    member.delete("b")
    await follow(informer, watcher, 5)
    assert list(informer.store) == ["default/a"]
    assert informer.store["default/a"]["status"]["phase"] == "Failed"
    assert informer.synced


async def test_a_dead_member_neither_fails_nor_delays_a_list(fleet):
    first, second = await fleet.join("m1"), await fleet.join("m2")
    first.put(pod("a", uid="1"))
    second.put(pod("b", uid="2"))
    await fleet.cache.wait_synced(10)
    second.stop()
    await asyncio.sleep(5)
    before = asyncio.get_running_loop().time()
    result = await fleet.pods.list("", ListOptions())
    assert asyncio.get_running_loop().time() == before
    assert [obj.name for obj in result.items] == ["a", "b"]
    (stale,) = result.stale
    assert stale.name == "m2"
    assert stale.stale_since is not None
    assert stale.error == "connection refused"
    second.start()
    await asyncio.sleep(60)
    assert (await fleet.pods.list("", ListOptions())).stale == []


async def test_a_member_that_never_answered_is_waited_for_only_at_first(fleet):
    await fleet.join("m1")
    await fleet.cache.wait_synced(10)
    fleet.pods_of["m2"] = FakeMember()
    fleet.pods_of["m2"].freeze()
    await fleet.join("m2")
    clock = asyncio.get_running_loop().time
    began = clock()
    result = await fleet.pods.list("", ListOptions())
    assert clock() - began == pytest.approx(3)
    assert [(member.name, member.synced) for member in result.stale] == [("m2", False)]
    began = clock()
    await fleet.pods.list("", ListOptions())
    assert clock() == began


async def test_the_end_of_initial_events_waits_for_a_joining_member_but_not_for_a_dead_one(fleet):
    await fleet.join("m1")
    await fleet.cache.wait_synced(10)
    fleet.pods_of["m2"] = FakeMember()
    fleet.pods_of["m2"].freeze()
    member = await fleet.join("m2")
    member.put(pod("late", uid="1"))
    informer = Informer(fleet.pods)
    watcher = await watching(fleet.pods, allowWatchBookmarks="true")
    await follow(informer, watcher, 10)
    assert not informer.synced
    member.thaw()
    await follow(informer, watcher, 5)
    assert informer.synced
    assert list(informer.store) == ["default/late"]
    fleet.pods_of["m3"] = FakeMember()
    fleet.pods_of["m3"].stop()
    await fleet.join("m3")
    await asyncio.sleep(0.1)
    informer, watcher = Informer(fleet.pods), await watching(fleet.pods, allowWatchBookmarks="true")
    await follow(informer, watcher, 1)
    assert informer.synced


async def test_a_frozen_member_is_noticed_by_its_silence(fleet):
    member = await fleet.join("m1")
    await fleet.cache.wait_synced(10)
    member.freeze()
    await asyncio.sleep(200)
    (stale,) = fleet.pods.stale()
    assert "nothing heard for 90s" in stale.error or "no answer" in stale.error
    member.put(pod("a", uid="1"))
    member.thaw()
    await asyncio.sleep(100)
    assert await listed(fleet.pods) == ["a"]
    assert fleet.pods.stale() == []


async def test_a_health_probe_marks_a_member_stale_at_once(fleet):
    await fleet.join("m1")
    await fleet.cache.wait_synced(10)
    fleet.cache.report_unreachable("m1", "no route to host")
    (stale,) = fleet.pods.stale()
    assert stale.error == "no route to host"
    assert [member.name for member in fleet.cache.clusters() if member.stale] == ["m1"]
    fleet.cache.report_contact("m1")
    assert fleet.pods.stale() == []


async def test_a_list_that_waits_for_a_joining_member_goes_on_when_a_probe_says_that_it_is_down(fleet):
    (await fleet.join("m1")).freeze()
    began = asyncio.get_running_loop().time()
    asyncio.get_running_loop().call_later(1, fleet.cache.report_unreachable, "m1", "no route to host")
    assert await listed(fleet.pods) == []
    assert asyncio.get_running_loop().time() - began == 1


@pytest.mark.parametrize("outage", [280, 290, 300, 310])
async def test_a_member_that_is_said_to_be_back_is_read_at_once(fleet, outage):
    """Whenever that is: the next attempt lies up to 45 s ahead."""
    member = await fleet.join("m1")
    await fleet.cache.wait_synced(10)
    member.stop()
    fleet.cache.report_unreachable("m1", "connection refused")
    fleet.cache.report_unreachable("unknown", "connection refused")
    await asyncio.sleep(outage)
    member.put(pod("a", uid="1"))
    member.start()
    fleet.cache.report_contact("m1")
    await asyncio.sleep(2)
    assert await listed(fleet.pods) == ["a"]
    assert fleet.pods.stale() == []


async def test_a_member_that_comes_back_heals_by_difference(fleet):
    member = await fleet.join("m1")
    for name in ("kept", "changed", "deleted"):
        member.put(pod(name, uid=name))
    await fleet.cache.wait_synced(10)
    await asyncio.sleep(5)
    informer, watcher = Informer(fleet.pods), await watching(fleet.pods, allowWatchBookmarks="true")
    await follow(informer, watcher, 1)
    kept = informer.store["default/kept"]
    member.stop()
    member.put(pod("changed", uid="changed", phase="Failed"))
    member.delete("deleted")
    member.put(pod("new", uid="new"))
    await asyncio.sleep(30)
    member.start()
    await follow(informer, watcher, 60)
    assert sorted(informer.store) == ["default/changed", "default/kept", "default/new"]
    assert informer.store["default/kept"] is kept


async def test_a_broken_stream_is_resumed_without_a_list(fleet):
    member = await fleet.join("m1")
    await fleet.cache.wait_synced(10)
    await asyncio.sleep(70)
    lists = member.lists
    member.send_raw(b'{"type":"ADDED","object":{"kind":"Po')
    member.end_watches()
    await asyncio.sleep(0.1)
    member.put(pod("a", uid="1"))
    await asyncio.sleep(5)
    assert await listed(fleet.pods) == ["a"]
    assert member.lists == lists
    assert fleet.pods.stale() == []


async def test_compaction_is_healed_by_a_list(fleet):
    member = await fleet.join("m1")
    member.put(pod("a", uid="1"))
    await fleet.cache.wait_synced(10)
    informer, watcher = Informer(fleet.pods), await watching(fleet.pods, allowWatchBookmarks="true")
    member.end_watches()
    await asyncio.sleep(0)
    member.delete("a")
    member.put(pod("b", uid="2"))
    member.compact()
    await follow(informer, watcher, 10)
    assert list(informer.store) == ["default/b"]


@pytest.mark.parametrize("fresh", [False, True])
async def test_a_restored_or_replaced_member_leaves_no_ghosts(fleet, fresh):
    member = await fleet.join("m1")
    member.put(pod("old", uid="1"))
    backup = (50, {}) if fresh else member.backup()
    member.put(pod("old", uid="1", phase="Failed"))
    member.put(pod("ghost", uid="2"))
    await fleet.cache.wait_synced(10)
    await asyncio.sleep(5)
    informer, watcher = Informer(fleet.pods), await watching(fleet.pods, allowWatchBookmarks="true")
    await follow(informer, watcher, 1)
    assert sorted(informer.store) == ["default/ghost", "default/old"]
    member.stop()
    await asyncio.sleep(10)
    member.restore(backup)
    if fresh:
        member.put(pod("old", uid="9"))
    member.start()
    await follow(informer, watcher, 60)
    assert list(informer.store) == ["default/old"]
    assert informer.store["default/old"]["metadata"]["uid"] == ("9" if fresh else "1")
    assert informer.store["default/old"]["status"]["phase"] == "Running"


async def test_a_member_restored_between_two_connections_is_noticed_at_once(fleet):
    member = await fleet.join("m1")
    backup = member.backup()
    member.put(pod("ghost", uid="2"))
    await fleet.cache.wait_synced(10)
    await asyncio.sleep(5)
    member.end_watches(Unavailable("connection reset"))
    member.restore(backup)
    await asyncio.sleep(3)
    assert await listed(fleet.pods) == []
    assert fleet.pods.stale() == []


async def test_a_member_restored_behind_our_back_is_noticed_by_its_bookmarks(fleet):
    member = await fleet.join("m1")
    backup = member.backup()
    member.put(pod("ghost", uid="2"))
    await fleet.cache.wait_synced(10)
    await asyncio.sleep(5)
    member.restore(backup)
    await asyncio.sleep(100)
    assert await listed(fleet.pods) == []


@pytest.mark.parametrize(
    "line",
    [
        b"not json\n",
        b'{"type":"ADDED"}\n',
        b'{"type":"WEIRD","object":{}}\n',
        b'{"type":"ERROR","object":{"kind":"Status","code":500,"message":"etcd is gone"}}\n',
        b'{"type":"MODIFIED","object":{"metadata":{"name":"a","namespace":"default","uid":"1","resourceVersion":"5"}}}\n',
        b'{"type":"ADDED","object":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n",
        b"x" * (33 * 1024 * 1024) + b"\n",
    ],
    ids=["json", "no object", "type", "error", "backward", "deep", "long"],
)
async def test_a_mad_member_costs_only_a_list(fleet, line):
    member, other = await fleet.join("m1"), await fleet.join("m2")
    member.put(pod("a", uid="1"))
    await fleet.cache.wait_synced(10)
    await asyncio.sleep(5)
    informer, watcher = Informer(fleet.pods), await watching(fleet.pods, allowWatchBookmarks="true")
    member.send_raw(line)
    other.put(pod("b", uid="2"))
    await follow(informer, watcher, 0.1)
    assert sorted(informer.store) == ["default/a", "default/b"]
    member.put(pod("c", uid="3"))
    await follow(informer, watcher, 60)
    assert sorted(informer.store) == ["default/a", "default/b", "default/c"]
    assert member.lists == 2
    assert fleet.pods.stale() == []


async def test_events_that_come_twice_are_told_once(fleet):
    member = await fleet.join("m1")
    await fleet.cache.wait_synced(10)
    informer, watcher = Informer(fleet.pods), await watching(fleet.pods, allowWatchBookmarks="true")
    obj = member.put(pod("a", uid="1"))
    member.send_raw(json.dumps({"type": "ADDED", "object": obj}).encode() + b"\n")
    await follow(informer, watcher, 5)
    assert list(informer.store) == ["default/a"]


async def test_a_member_that_does_not_serve_the_resource_is_empty_and_current(fleet):
    class NotServing(FakeMember):
        async def list(self, *, limit, continue_token):
            raise NotServed("404 the server could not find the requested resource")

    fleet.pods_of["m1"] = NotServing()
    await fleet.join("m1")
    assert await fleet.cache.wait_synced(10)
    assert fleet.pods.stale() == []
    assert await listed(fleet.pods) == []


async def test_a_failing_member_is_asked_ever_more_rarely(fleet):
    member = fleet.pods_of["m1"] = FakeMember()
    member.stop()
    await fleet.join("m1")
    await asyncio.sleep(600)
    assert 15 <= member.lists <= 25


async def test_a_member_whose_watches_fail_is_not_listed_in_a_loop(fleet):
    class WatchForbidden(FakeMember):
        async def watch(self, *, resource_version, timeout_seconds):
            raise Unavailable("403 forbidden")
            yield b""

    member = fleet.pods_of["m1"] = WatchForbidden()
    await fleet.join("m1")
    await asyncio.sleep(600)
    assert member.lists <= 25
    assert fleet.pods.stale()


async def test_watches_that_end_at_once_do_not_spin(fleet):
    class Hasty(FakeMember):
        async def watch(self, *, resource_version, timeout_seconds):
            self.watches += 1
            yield b""

    member = fleet.pods_of["m1"] = Hasty()
    await fleet.join("m1")
    await asyncio.sleep(600)
    assert member.watches <= 30


async def test_join_and_leave_under_open_watches(fleet):
    await fleet.join("m1")
    fleet.pods_of["m1"].put(pod("a", uid="1"))
    await fleet.cache.wait_synced(10)
    await asyncio.sleep(1)
    informer, watcher = Informer(fleet.pods), await watching(fleet.pods, allowWatchBookmarks="true")
    fleet.pods_of["m2"] = FakeMember()
    fleet.pods_of["m2"].put(pod("b", uid="2"))
    await fleet.join("m2")
    await follow(informer, watcher, 5)
    assert sorted(informer.store) == ["default/a", "default/b"]
    await fleet.cache.remove_cluster("m2")
    await follow(informer, watcher, 1)
    assert list(informer.store) == ["default/a"]
    assert [member.name for member in fleet.cache.clusters()] == ["m1"]


async def test_new_credentials_keep_the_objects(fleet):
    member = await fleet.join("m1")
    member.put(pod("a", uid="1"))
    await fleet.cache.wait_synced(10)
    await asyncio.sleep(1)
    informer, watcher = Informer(fleet.pods), await watching(fleet.pods, allowWatchBookmarks="true")
    await follow(informer, watcher, 1)
    before = informer.versions
    await fleet.join("m1")
    member.put(pod("b", uid="2"))
    await follow(informer, watcher, 5)
    assert sorted(informer.store) == ["default/a", "default/b"]
    assert informer.versions["default/a"] == before["default/a"]


async def test_events_of_the_store_and_of_members_are_one_view_in_two_groups(fleet):
    await fleet.join("m1")
    fleet.events_of["m1"].put(event("web.1"))
    store = FakeMember()
    store.put(event("deploy.1", involvedObject={"kind": "Deployment", "name": "web"}))
    await fleet.cache.add_local_source(EVENTS, store)
    await fleet.cache.wait_synced(10)
    await asyncio.sleep(1)
    core, new = fleet.cache.resource(EVENTS), fleet.cache.resource(NEW_EVENTS)
    assert await listed(core) == await listed(new) == ["deploy.1", "web.1"]
    assert await listed(core, fieldSelector="involvedObject.kind=Deployment") == ["deploy.1"]
    assert await listed(new, fieldSelector="regarding.kind=Deployment") == ["deploy.1"]
    (local,) = core.owners("default", "deploy.1")
    assert local.cluster == ""
    assert b"cached-from-cluster" not in local.metadata
    served = json.loads(new.object(await new.get("default", "web.1")))
    assert (served["kind"], served["apiVersion"]) == ("Event", "events.k8s.io/v1")
    assert served["note"] == "Started container main"
    assert await listed(core, labelSelector="fleetgate.io/cluster=m1") == ["web.1"]
    assert await listed(core, labelSelector="!fleetgate.io/cluster") == ["deploy.1"]


async def test_cluster_names_are_dns_labels(fleet):
    for name in ("", "a.b", "A", "a" * 64):
        with pytest.raises(ValueError, match="DNS label"):
            await fleet.cache.add_cluster(name, lambda gvr: FakeMember())


async def test_what_is_not_cached_is_not_served(fleet):
    assert fleet.cache.resource(GroupVersionResource("", "v1", "secrets")) is None
    assert {resource.served.gvr for resource in fleet.cache.resources()} == {PODS, EVENTS, NEW_EVENTS}


async def test_a_fault_of_ours_over_one_member_is_retried_and_told(fleet):
    class Surprising(FakeMember):
        async def list(self, *, limit, continue_token):
            if self.lists < 2:
                self.lists += 1
                raise KeyError("surprise")
            return await super().list(limit=limit, continue_token=continue_token)

    member = fleet.pods_of["m1"] = Surprising()
    member.put(pod("a", uid="1"))
    await fleet.join("m1")
    await asyncio.sleep(0.1)
    assert fleet.pods.stale()[0].error == "'surprise'"
    await asyncio.sleep(10)
    assert await listed(fleet.pods) == ["a"]


NODES = GroupVersionResource("", "v1", "nodes")


def node(name: str, **spec: object) -> dict[str, object]:
    return {
        "kind": "Node",
        "apiVersion": "v1",
        "metadata": {"namespace": "", "name": name, "uid": f"uid-{name}"},
        "spec": spec,
    }


class WiderFleet(Fleet):
    """Members that have Nodes, too."""

    def __init__(self) -> None:
        super().__init__()
        self.nodes_of: dict[str, FakeMember] = {}

    async def join(self, name: str, **kwargs: int) -> FakeMember:
        nodes, events = self.nodes_of.setdefault(name, FakeMember()), self.events_of.setdefault(name, FakeMember())
        pods = self.pods_of.setdefault(name, FakeMember(**kwargs))
        members = {PODS: pods, EVENTS: events, NODES: nodes}
        await self.cache.add_cluster(name, members.__getitem__)
        return pods

    async def add_nodes(self) -> MergedResource:
        await self.cache.add_kind(ResourceKind.generic(NODES, "Node"))
        nodes = self.cache.resource(NODES)
        assert nodes is not None
        return nodes


@pytest.fixture
async def wider():
    fleet = WiderFleet()
    task = asyncio.get_running_loop().create_task(fleet.cache.run())
    yield fleet
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_kind_that_is_added_is_read_from_the_members_there_are_and_from_those_that_join(wider):
    await wider.join("m1")
    wider.nodes_of["m1"].put(node("n1", unschedulable=True))
    await asyncio.sleep(1)
    nodes = await wider.add_nodes()
    assert await listed(nodes) == ["n1"]
    wider.nodes_of["m2"] = FakeMember()
    wider.nodes_of["m2"].put(node("n1"))
    wider.nodes_of["m2"].put(node("n2"))
    await wider.join("m2")
    await asyncio.sleep(1)
    assert await listed(nodes) == ["n1", "n1.m2", "n2"]
    assert await listed(nodes, fieldSelector="spec.unschedulable=true") == ["n1"]
    assert await listed(nodes, fieldSelector="metadata.name=n2") == ["n2"]
    await wider.cache.remove_cluster("m2")
    assert await listed(nodes) == ["n1"]
    with pytest.raises(ValueError, match="cached already"):
        await wider.add_nodes()


async def test_an_added_kind_that_a_member_refuses_makes_nothing_else_stale(wider):
    await wider.join("m1")
    await asyncio.sleep(1)
    wider.nodes_of["m1"].faults = [Unavailable("403 nodes is forbidden")] * 9
    nodes = await wider.add_nodes()
    await asyncio.sleep(1)
    assert [(member.name, member.synced, member.error) for member in wider.cache.clusters()] == [("m1", True, "")]
    assert [(member.synced, member.error) for member in nodes.freshness()] == [(False, "403 nodes is forbidden")]
    assert await wider.cache.wait_synced(0.1)
    assert await listed(nodes) == []
    await asyncio.sleep(600)
    assert not nodes.stale()


async def test_a_kind_that_is_added_before_the_cache_runs():
    fleet = WiderFleet()
    nodes = await fleet.add_nodes()
    await fleet.join("m1")
    fleet.nodes_of["m1"].put(node("n1"))
    task = asyncio.get_running_loop().create_task(fleet.cache.run())
    await asyncio.sleep(1)
    assert await listed(nodes) == ["n1"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_who_makes_the_first_object_of_a_kind_in_a_member_reads_it(fleet):
    member = await fleet.join("m1")
    member.served = False
    assert await fleet.cache.wait_synced(10)
    await asyncio.sleep(5)
    assert await listed(fleet.pods) == []
    member.served = True
    body = json.dumps(member.put(pod("a", uid="1"))).encode()
    answer = json.loads(await fleet.pods.writes.made("m1", body))
    assert await listed(fleet.pods) == ["a"]
    read = await fleet.pods.get("default", "a")
    assert answer["metadata"]["resourceVersion"] == str(read.rv)


async def test_making_an_object_where_the_kind_is_not_found_takes_no_longer_than_a_read_may(fleet):
    member = await fleet.join("m1")
    member.served = False
    assert await fleet.cache.wait_synced(10)
    began = virtual_time.now()
    answer = json.loads(await fleet.pods.writes.made("m1", json.dumps(member.put(pod("a", uid="1"))).encode()))
    assert answer["metadata"]["name"] == "a"
    assert virtual_time.now() - began <= 4
