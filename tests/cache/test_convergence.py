"""Random member histories, faults and clients against a simple model.

After quiet, every client's store is the union of the members under the right names, and every watcher saw a legal
history (the Informer objects to anything else on the way). Run longer with `--hypothesis-profile=long`.
"""

import asyncio
import copy
import json
import os
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cache.multi_cluster_cache import CacheSettings, MultiClusterCache
from cache.reflector import ReflectorSettings
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.options import parse_list_options
from gateway.apimachinery.schema import GroupVersionResource
from tests.support import virtual_time
from tests.support.fake_member import FakeMember
from tests.support.informer import Informer
from tests.support.objects import pod

PODS = GroupVersionResource("", "v1", "pods")
MEMBERS = ("a", "b", "c")
NAMES = ("web", "web.b", "web.b.b", "db")
SELECTORS: tuple[dict[str, str], ...] = ({}, {"labelSelector": "tier=1"}, {"fieldSelector": "status.phase=Running"})


class World:
    """Members, the cache over them, and clients that list and watch as informers do."""

    def __init__(self) -> None:
        self.cache = MultiClusterCache(
            now=virtual_time.now,
            jitter=lambda: 0.3,
            token_key=b"0123456789abcdef",
            settings=CacheSettings(reflector=ReflectorSettings(page_size=2)),
        )
        resource = self.cache.resource(PODS)
        assert resource is not None
        self.pods = resource
        self.members: dict[str, FakeMember] = {}
        self.joined = set(MEMBERS)
        self.backups: dict[str, Any] = {}
        self.clients: list[Client] = []
        self.answers: list[tuple[str, str, JsonObject]] = []
        self.uids = 0

    async def join(self, name: str) -> None:
        if name not in self.members:
            self.members[name] = FakeMember(revision=100 + len(self.members))
            self.members[name].latency = 0.1
        member = self.members[name]
        empty = FakeMember()
        await self.cache.add_cluster(name, lambda gvr: member if gvr == PODS else empty)

    async def step(self, action: tuple[Any, ...]) -> None:
        match action:
            case ("put", cluster, name, age, tier, phase):
                self.put(cluster, name, age, tier, phase)
            case ("write", cluster, name, tier):
                answer = self.put(cluster, name, 1, tier, "Running")
                if not self.members[cluster].down:
                    self.answers.append((cluster, name, answer))
                if tier == "1" and self.answers:
                    self.answer()
            case ("answer",) if self.answers:
                self.answer()
            case ("delete", cluster, name):
                if ("default", name) in self.members[cluster].objects:
                    self.members[cluster].delete(name)
            case ("wait", seconds):
                await asyncio.sleep(seconds)
            case ("leave", cluster):
                self.joined.discard(cluster)
                await self.cache.remove_cluster(cluster)
            case ("join", cluster):
                self.joined.add(cluster)
                await self.join(cluster)
            case ("break", client):
                self.clients[client % len(self.clients)].break_off()
            case ("restore", cluster):
                await self.restore(cluster)
            case (fault, cluster):
                self.fault(fault, cluster)
            case ("answer",):
                pass  # nothing was written that could be answered
            case _:
                raise ValueError(action)

    def put(self, cluster: str, name: str, age: int, tier: str, phase: str) -> JsonObject:
        member = self.members[cluster]
        known = member.objects.get(("default", name))
        if known is None or age == 0:
            if known:
                member.delete(name)
            self.uids += 1
            known = pod(name, uid=f"uid-{self.uids}", created=1_700_000_000 + age)
        obj = copy.deepcopy(known)
        obj["metadata"]["labels"] = {"tier": tier}
        obj["status"]["phase"] = phase
        return member.put(obj)

    def answer(self) -> None:
        """The gateway reads the answer to a write: before the member's own event of it, or long after."""
        cluster, name, obj = self.answers.pop(0)
        served = json.loads(self.pods.writes.restamp(cluster, json.dumps(obj).encode()))
        assert served["metadata"]["uid"] == obj["metadata"]["uid"]
        cached = next((obj for obj in self.pods.owners("default", name) if obj.cluster == cluster), None)
        if self.members[cluster].objects.get(("default", name)) == obj and cluster in self.joined:
            assert cached is not None
            assert cached.member_rv == obj["metadata"]["resourceVersion"]
            assert served["metadata"]["resourceVersion"] == str(cached.rv)

    def stop(self, cluster: str) -> None:
        """Answers under way are lost with the connections."""
        self.answers = [answer for answer in self.answers if answer[0] != cluster]
        self.members[cluster].stop()

    async def restore(self, cluster: str) -> None:
        """Nobody restores an etcd within a second."""
        if cluster in self.backups:
            self.stop(cluster)
            await asyncio.sleep(5)
            self.members[cluster].restore(self.backups[cluster])

    def fault(self, fault: str, cluster: str) -> None:
        member = self.members[cluster]
        match fault:
            case "stop":
                self.stop(cluster)
            case "start":
                member.start()
            case "freeze":
                member.freeze()
            case "thaw":
                member.thaw()
            case "cut":
                member.send_raw(b'{"type":"ADDED","obj')
                member.end_watches()
            case "end":
                member.end_watches()
            case "compact":
                member.compact()
            case "backup":
                self.backups[cluster] = member.backup()
            case "duplicate" if member.log:
                _, event_type, obj = member.log[-1]
                member.send_raw(json.dumps({"type": event_type, "object": obj}).encode() + b"\n")

    def union(self, joined: set[str]) -> dict[str, str]:
        """What must be served: key to uid, by the naming rules applied to everything at once."""
        literals = {name for cluster in joined for _, name in self.members[cluster].objects}
        served: dict[str, str] = {}
        for name in literals:
            holders = sorted(
                (obj["metadata"]["creationTimestamp"], cluster, obj["metadata"]["uid"])
                for cluster in joined
                for (_, other), obj in self.members[cluster].objects.items()
                if other == name
            )
            for position, (_, cluster, uid) in enumerate(holders):
                served_name = name if position == 0 else f"{name}.{cluster}"
                if position and served_name in literals:
                    served_name += f".{uid}"
                served[f"default/{served_name}"] = uid
        return served


class Client:
    """One informer: by WatchList or by list and watch, with one of the selectors, resuming where it was."""

    def __init__(self, world: World, selector: dict[str, str], watch_list: bool) -> None:
        self.world = world
        self.selector = selector
        self.watch_list = watch_list
        self.informer = Informer(world.pods)
        self.watcher: Any = None

    def break_off(self) -> None:
        if self.watcher:
            self.watcher.close()

    async def run(self) -> None:
        while True:
            await self._begin()
            while batch := await self.watcher.next_batch():
                self.informer.apply(batch)
            if not self.informer.synced:
                self.informer.expired = True

    async def _begin(self) -> None:
        informer, pods = self.informer, self.world.pods
        query = {**self.selector, "allowWatchBookmarks": "true"}
        if informer.expired or not informer.version:
            if self.watch_list:
                informer.begin()
                query |= {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
            else:
                items, version = await self._list()
                informer.replace(items, version)
        if informer.synced:
            query["resourceVersion"] = str(informer.version)
        self.watcher = await pods.watch("", parse_list_options(query, watch=True), timeout=400)

    async def _list(self) -> tuple[list[JsonObject], str]:
        """In pages of two, with pauses between them, as a slow pager."""
        pods = self.world.pods
        while True:
            items: list[JsonObject] = []
            token = ""
            versions = set()
            try:
                while True:
                    query = {**self.selector, "limit": "2", **({"continue": token} if token else {})}
                    page = await pods.list("", parse_list_options(query, watch=False))
                    items += [json.loads(pods.object(obj)) for obj in page.items]
                    versions.add(page.resource_version)
                    token = page.continue_token
                    if not token:
                        assert len(versions) == 1
                        assert [item["metadata"]["name"] for item in items] == sorted(
                            {item["metadata"]["name"] for item in items}
                        )
                        return items, page.resource_version
                    await asyncio.sleep(0.3)
            except ApiError as error:
                if error.code != 410:
                    raise


clusters = st.sampled_from(MEMBERS)
names = st.sampled_from(NAMES)
tiers = st.sampled_from(("1", "2"))
actions = st.one_of(
    st.tuples(st.just("put"), clusters, names, st.integers(0, 3), tiers, st.sampled_from(("Running", "Failed"))),
    st.tuples(st.just("put"), clusters, names, st.integers(0, 3), tiers, st.sampled_from(("Running", "Failed"))),
    st.tuples(st.just("write"), clusters, names, tiers),
    st.tuples(st.just("answer")),
    st.tuples(st.just("delete"), clusters, names),
    st.tuples(st.just("wait"), st.sampled_from((0, 0.001, 0.15, 0.5, 2, 100))),
    st.tuples(st.just("break"), st.integers(0, 10)),
    st.tuples(st.sampled_from(("join", "leave")), clusters),
    st.tuples(
        st.sampled_from(("stop", "start", "freeze", "thaw", "cut", "end", "compact", "backup", "restore", "duplicate")),
        clusters,
    ),
)


async def history(steps: list[tuple[Any, ...]]) -> None:
    world = World()
    running = [asyncio.get_running_loop().create_task(world.cache.run())]
    for name in MEMBERS:
        await world.join(name)
    world.clients = [Client(world, selector, watch_list) for selector in SELECTORS for watch_list in (False, True)]
    running += [asyncio.get_running_loop().create_task(client.run()) for client in world.clients]
    for client in world.clients:
        client.informer.forward_only = not any(step[0] == "restore" for step in steps)
    try:
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


async def check(world: World) -> None:
    expected = world.union(world.joined)
    listed = await world.pods.list("", parse_list_options({}, watch=False))
    assert {obj.key: obj.uid for obj in listed.items} == expected
    assert listed.stale == []
    members = {(name, uid): obj for name in world.joined for obj in world.members[name].objects.values()
               for uid in [obj["metadata"]["uid"]]}  # fmt: skip
    for obj in listed.items:
        truth = members[obj.cluster, obj.uid]
        assert obj.member_rv == truth["metadata"]["resourceVersion"]
        served = json.loads(world.pods.object(obj))
        assert served["status"] == truth["status"]
        assert served["metadata"].get("labels") == truth["metadata"].get("labels")
    for client in world.clients:
        options = parse_list_options(client.selector, watch=False)
        wanted = {obj.key: str(obj.rv) for obj in (await world.pods.list("", options)).items}
        assert client.informer.synced
        assert client.informer.versions == wanted


EXAMPLES = int(os.environ.get("CONVERGENCE_EXAMPLES", "0"))


@settings(
    deadline=None,
    max_examples=EXAMPLES or 150,
    derandomize=not EXAMPLES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.lists(actions, min_size=20, max_size=80))
def test_every_client_ends_with_the_union_of_the_members(steps):
    virtual_time.run(history(steps))
