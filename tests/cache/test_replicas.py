"""Random histories and faults of members, two gateways that hear of them with delays of their own, clients that hop.

After quiet, every client holds the union of the members whichever gateway it was at, and was never told of a version
that is lower than one before. Run longer with CONVERGENCE_EXAMPLES.
"""

import asyncio
import json
import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cache.lister_watcher import ListerWatcher
from cache.resource_version import SLOTS, TICKS
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.options import parse_list_options
from gateway.apimachinery.schema import GroupVersionResource
from tests.cache import test_convergence
from tests.cache.test_convergence import MEMBERS, PODS, SELECTORS, Client, World
from tests.cache.test_restart import PatientInformer
from tests.support import virtual_time
from tests.support.fake_member import REVISION_ANNOTATION, FakeMember
from tests.support.replicas import Board, Distant, Replica

DELAYS = ({"a": 0.0, "b": 0.7, "c": 0.05}, {"a": 0.4, "b": 0.0, "c": 1.5})


class ReplicatedWorld(World):
    """Members, and two gateways over them."""

    def __init__(self) -> None:
        super().__init__()
        self.board = Board()
        self.replicas = [Replica(slot, self.board) for slot in (0, 1)]
        self.hoppers: list[HoppingClient] = []
        self.ways: dict[tuple[int, str], Distant] = {}
        self.turn_to(0)

    def turn_to(self, slot: int) -> None:
        """Writes are answered by that gateway from now on."""
        self.cache = self.replicas[slot].cache
        self.pods = self.pods_of(slot)

    def pods_of(self, slot: int) -> Any:
        return self.replicas[slot].cache.resource(PODS)

    async def join(self, name: str) -> None:
        if name not in self.members:
            self.members[name] = FakeMember(revision=100 + len(self.members))
            self.members[name].latency = 0.1
        member, empty = self.members[name], FakeMember()
        for replica, delays in zip(self.replicas, DELAYS, strict=True):
            way = self.ways[replica.slot, name] = Distant(member, delays[name])
            await replica.cache.add_cluster(name, _lister_watchers(way, empty))

    async def step(self, action: tuple[Any, ...]) -> None:
        match action:
            case ("leave", cluster):
                self.joined.discard(cluster)
                for replica in self.replicas:
                    await replica.cache.remove_cluster(cluster)
            case ("hop", client, pause):
                await self.hoppers[client % len(self.hoppers)].hop(pause)
            case ("hop all", slot):
                for client in self.hoppers:
                    if client.slot != slot:
                        await client.hop(0)
            case ("slow", slot, cluster, delay):
                self.ways[slot, cluster].delay = delay
            case ("lose", slot, cluster):
                self.ways[slot, cluster].broken = True
            case ("turn", slot):
                self.turn_to(slot)
            case _:
                await super().step(action)


def _lister_watchers(pods: ListerWatcher, others: ListerWatcher) -> Callable[[GroupVersionResource], ListerWatcher]:
    return lambda gvr: pods if gvr == PODS else others


class HoppingClient(Client):
    """Mutable state: which gateway it is at, and how often it listed."""

    def __init__(self, world: ReplicatedWorld, selector: dict[str, str], watch_list: bool) -> None:
        super().__init__(world, selector, watch_list)
        self.replicated = world
        self.slot = 0
        self.lists = 0
        self.informer = PatientInformer(world.pods)
        self.may_begin = asyncio.Event()
        self.may_begin.set()

    async def hop(self, pause: float) -> None:
        self.slot = 1 - self.slot
        self.may_begin.clear()
        self.break_off()
        if pause:
            await asyncio.sleep(pause)
        self.may_begin.set()

    async def _begin(self) -> None:
        await self.may_begin.wait()
        informer, slot = self.informer, self.slot
        pods = informer.resource = self.replicated.pods_of(slot)
        query = {**self.selector, "allowWatchBookmarks": "true"}
        if informer.expired or not informer.version:
            self.lists += 1
            if self.watch_list:
                informer.begin()
                query |= {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
            else:
                page = await pods.list("", parse_list_options(self.selector, watch=False))
                informer.replace([json.loads(pods.object(obj)) for obj in page.items], page.resource_version)
        if informer.synced:
            query["resourceVersion"] = str(informer.version)
        self.watcher = await pods.watch("", parse_list_options(query, watch=True), timeout=400)
        if slot != self.slot:
            self.break_off()


async def check(world: ReplicatedWorld) -> None:
    expected = world.union(world.joined)
    for replica in world.replicas:
        listed = await world.pods_of(replica.slot).list("", parse_list_options({}, watch=False))
        assert {obj.key: obj.uid for obj in listed.items} == expected
    truths = {
        obj["metadata"]["uid"]: obj["metadata"]["annotations"][REVISION_ANNOTATION]
        for name in world.joined
        for obj in world.members[name].objects.values()
    }
    for client in world.hoppers:
        options = parse_list_options(client.selector, watch=False)
        wanted = {obj.key: (obj.uid, truths[obj.uid]) for obj in (await world.pods.list("", options)).items}
        held = {
            key: (obj["metadata"]["uid"], obj["metadata"]["annotations"][REVISION_ANNOTATION])
            for key, obj in client.informer.store.items()
        }
        assert client.informer.synced
        assert held == wanted, f"{client.selector} {client.watch_list}"


hops = st.one_of(
    st.tuples(st.just("hop"), st.integers(0, 10), st.sampled_from((0, 0, 0.3, 5))),
    st.tuples(st.just("hop all"), st.integers(0, 1)),
    st.tuples(st.just("turn"), st.integers(0, 1)),
    st.tuples(st.just("wait"), st.sampled_from((0.15, 2, 20, 100))),
)
steps_of_hops = st.lists(st.one_of(test_convergence.actions, hops, hops), max_size=80)


async def history(steps: list[tuple[Any, ...]], selectors: Any = SELECTORS) -> ReplicatedWorld:
    world = ReplicatedWorld()
    spawn = asyncio.get_running_loop().create_task
    running = [spawn(loop) for replica in world.replicas for loop in (replica.cache.run(), replica.publish())]
    for name in MEMBERS:
        await world.join(name)
    world.hoppers = [
        HoppingClient(world, selector, watch_list) for selector in selectors for watch_list in (False, True)
    ]
    world.clients = [*world.hoppers]
    running += [spawn(client.run()) for client in world.clients]
    try:
        await asyncio.sleep(90)
        for step in steps:
            await world.step(step)
        for member in world.members.values():
            member.start()
            member.thaw()
        await asyncio.sleep(400)
        await check(world)
        assert not any(task.done() for task in running), [task for task in running if task.done()]
    finally:
        for task in running:
            task.cancel()
        results = await asyncio.gather(*running, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception) and not isinstance(result, asyncio.CancelledError):
            raise result
    return world


EXAMPLES = int(os.environ.get("CONVERGENCE_EXAMPLES", "0"))


@settings(
    deadline=None,
    max_examples=EXAMPLES or 100,
    derandomize=not EXAMPLES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(steps_of_hops)
def test_every_client_ends_with_the_union_of_the_members(steps):
    virtual_time.run(history(steps))


def put(cluster: str, name: str, tier: str = "1") -> tuple[Any, ...]:
    return ("put", cluster, name, 1, tier, "Running")


def test_nobody_lists_anew_who_hops():
    """With changes before, while and after, and the other gateway behind for one member and ahead for another."""
    steps = [put("a", "db"), put("b", "web"), ("wait", 20)]
    for slot in (1, 0, 1, 0):
        steps += [put("a", "db", tier=str(slot)), put("c", f"new-{slot}"), ("wait", 0.15), put("b", "web", tier="1")]
        steps += [("hop all", slot), ("delete", "c", f"new-{slot}"), put("b", "web", tier="2"), ("wait", 5)]
    world = virtual_time.run(history(steps))
    assert [client.lists for client in world.hoppers] == [1] * len(world.hoppers)


WAYS = {
    "it knew an object that came and went, of which the other gateway never hears, after it came there": [
        *(("slow", 1, "a", 5), put("a", "seen"), ("wait", 0.5), ("hop all", 1), ("lose", 1, "a"), ("wait", 1)),
        *(("delete", "a", "seen"), ("compact", "a")),
    ],
    "it knew an object that came and went, of which the other gateway never heard, before it came there": [
        *(("slow", 0, "a", 5), ("lose", 1, "a"), put("a", "seen"), ("wait", 0.3), ("delete", "a", "seen")),
        *(("compact", "a"), ("wait", 6), ("hop all", 1)),
    ],
    "it knew an object by a name that it never had at the other gateway": [
        *(put("a", "web"), ("wait", 20), ("slow", 0, "a", 5), ("slow", 1, "b", 5), ("delete", "a", "web")),
        *(("put", "b", "web", 2, "1", "Running"), ("wait", 1), ("hop all", 1)),
    ],
    "the other gateway told what it had written itself long before, and nothing since": [
        *(
            put("a", "db"),
            ("wait", 20),
            ("turn", 1),
            ("slow", 0, "a", 8),
            ("slow", 1, "a", 8),
            ("write", "a", "db", "1"),
            ("wait", 3),
        ),
        ("hop all", 1),
    ],
    "the other gateway told it all before": [
        *(put("a", "db"), ("wait", 20), ("slow", 0, "a", 3), put("a", "db", tier="2"), put("a", "web")),
        *(("wait", 2.5), ("hop all", 1)),
    ],
}


@pytest.mark.parametrize("way", WAYS)
def test_no_client_is_wrong_for_good_because(way):
    virtual_time.run(history(WAYS[way]))


async def resume(world: ReplicatedWorld, slot: int, version: int) -> list[str]:
    options = parse_list_options({"resourceVersion": str(version)}, watch=True)
    watcher = await world.pods_of(slot).watch("", options, timeout=100)
    return [event.type for event in watcher.poll()]


async def steady() -> tuple[ReplicatedWorld, list[asyncio.Task[None]]]:
    world = ReplicatedWorld()
    spawn = asyncio.get_running_loop().create_task
    running = [spawn(replica.cache.run()) for replica in world.replicas]
    for name in MEMBERS:
        await world.join(name)
    await asyncio.sleep(90)
    world.put("a", "db", 1, "1", "Running")
    await asyncio.sleep(5)
    return world, running


async def test_without_checkpoints_of_the_other_replica_a_client_lists_anew():
    world, running = await steady()
    version = int((await world.pods_of(0).list("", parse_list_options({}, watch=False))).resource_version)
    assert await resume(world, 1, version) == ["ERROR"]
    for replica in world.replicas:
        world.board.publish(replica.slot, replica.cache)
    assert await resume(world, 1, version) != ["ERROR"]
    for task in running:
        task.cancel()


async def test_a_caller_who_sees_every_member_may_have_seen_some_only_at_the_other_replica():
    """Where callers see different members, `since` is not 0; what this one saw elsewhere is not known here."""
    world, running = await steady()
    for replica in world.replicas:
        world.board.publish(replica.slot, replica.cache)
    pods = world.pods_of(1)
    version = (await world.pods_of(0).list("", parse_list_options({}, watch=False))).resource_version
    options = parse_list_options({"resourceVersion": version}, watch=True)
    since = pods.view_since("alice", "*")
    watcher = await pods.watch("", options, timeout=100, since=since)
    assert [event.type for event in watcher.poll()] == ["ERROR"]
    for task in running:
        task.cancel()


async def test_a_version_of_the_far_future_is_not_taken_over():
    world, running = await steady()
    world.board.publish(0, world.replicas[0].cache)
    now = int(virtual_time.now() * TICKS) * SLOTS
    assert await resume(world, 1, now + 70 * TICKS * SLOTS) == ["ERROR"]
    assert await resume(world, 1, now + 5 * TICKS * SLOTS) != ["ERROR"]
    assert world.replicas[1].cache.resource(PODS) is not None
    listed = await world.pods_of(1).list("", parse_list_options({}, watch=False))
    assert int(listed.resource_version) > now + 5 * TICKS * SLOTS
    for task in running:
        task.cancel()


async def listed_at(world: ReplicatedWorld, slot: int, **query: str) -> tuple[set[str], int]:
    listed = await world.pods_of(slot).list("", parse_list_options(query, watch=False))
    return {obj.key for obj in listed.items}, int(listed.resource_version)


async def test_a_list_waits_for_what_another_replica_had_told():
    world, running = await steady()
    for replica in world.replicas:
        world.board.publish(replica.slot, replica.cache)
    world.ways[1, "a"].delay = 2
    world.put("a", "new", 1, "1", "Running")
    await asyncio.sleep(0.5)
    keys, version = await listed_at(world, 0)
    assert "default/new" in keys
    assert "default/new" not in (await listed_at(world, 1))[0]
    world.board.publish(0, world.replicas[0].cache)
    keys, later = await listed_at(world, 1, resourceVersion=str(version))
    assert "default/new" in keys
    assert later >= version
    for task in running:
        task.cancel()


async def test_a_list_is_not_answered_when_it_cannot_be_told_whether_it_is_too_old():
    world, running = await steady()
    for replica in world.replicas:
        world.board.publish(replica.slot, replica.cache)
    world.put("a", "new", 1, "1", "Running")
    await asyncio.sleep(5)
    _, version = await listed_at(world, 0)
    with pytest.raises(ApiError) as refused:
        await listed_at(world, 1, resourceVersion=str(version))
    assert refused.value.code == 504
    for task in running:
        task.cancel()


async def test_a_write_with_the_version_of_another_replica_is_told_ours():
    world, running = await steady()
    for replica in world.replicas:
        world.board.publish(replica.slot, replica.cache)
    theirs, ours = (world.pods_of(slot).owners("default", "db")[0] for slot in (0, 1))
    watch = parse_list_options({"resourceVersion": str(ours.rv)}, watch=True)
    watcher = await world.pods_of(1).watch("", watch, timeout=100)
    for _ in range(3):
        assert world.pods_of(1).writes.member_version(ours, str(theirs.rv)) is None
    told = watcher.poll()
    assert [(event.type, event.object.key) for event in told] == [("MODIFIED", "default/db")], "once is enough"
    assert world.pods_of(1).writes.member_version(world.pods_of(1).owners("default", "db")[0], str(told[0].rv))
    assert world.pods_of(1).writes.member_version(ours, "12") is None
    assert world.pods_of(1).writes.member_version(ours, "9" * 5000) is None
    assert watcher.poll() == []
    for task in running:
        task.cancel()
