"""Random member histories and faults, and a gateway that is stopped or killed at any point and started again.

After quiet, every client that went on from where it was holds the union of the members, and was never told of a
decreasing version. Run longer with CONVERGENCE_EXAMPLES.
"""

import asyncio
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cache.multi_cluster_cache import CacheSettings, MultiClusterCache
from cache.reflector import ReflectorSettings
from cache.resource_kind import ResourceKind
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.options import ListOptions, parse_list_options
from gateway.apimachinery.schema import GroupVersionResource
from tests.cache import test_convergence
from tests.cache.test_convergence import MEMBERS, PODS, SELECTORS, Client, World, check
from tests.support import virtual_time
from tests.support.fake_member import FakeMember
from tests.support.informer import Informer
from tests.support.objects import pod
from tests.support.restarts import Disk


class PatientInformer(Informer):
    """One that is told things again after a restart: it keeps what it was told last."""

    def _apply_object(self, event_type: str, obj: JsonObject) -> None:
        key = f"{obj['metadata']['namespace']}/{obj['metadata']['name']}"
        if event_type == "DELETED":
            self.store.pop(key, None)
        else:
            self.store[key] = obj


class RestartedClient(Client):
    """Counts how often it had to list anew."""

    def __init__(self, world: "RestartedWorld", selector: dict[str, str], watch_list: bool) -> None:
        super().__init__(world, selector, watch_list)
        self.restarted = world
        self.informer = PatientInformer(world.pods)
        self.lists = 0
        self.back_at = 0.0

    def be_away(self, seconds: float) -> None:
        """As one that was refused often, and waits before it asks again, for a whole run of the gateway maybe."""
        self.back_at = asyncio.get_running_loop().time() + seconds
        self.break_off()

    async def _begin(self) -> None:
        await asyncio.sleep(max(0.0, self.back_at - asyncio.get_running_loop().time()))
        await self.restarted.up.wait()
        gateway = self.informer.resource = self.world.pods
        self.lists += bool(self.informer.expired or not self.informer.version)
        await super()._begin()
        if self.world.pods is not gateway:
            self.break_off()  # that gateway is gone; what was read of it is still true


class RestartedWorld(World):
    """Members, and a gateway over them that comes and goes."""

    def __init__(self, disk: Disk) -> None:
        super().__init__()
        self.disk = disk
        self.up = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        cache = MultiClusterCache(
            now=virtual_time.now,
            jitter=lambda: 0.3,
            token_key=b"0123456789abcdef",
            settings=CacheSettings(reflector=ReflectorSettings(page_size=2)),
        )
        await self.disk.begin(cache)
        resource = cache.resource(PODS)
        assert resource is not None
        self.cache, self.pods = cache, resource
        self.up.set()
        spawn = asyncio.get_running_loop().create_task
        self.tasks = [spawn(cache.run()), spawn(self._write())]
        for name in sorted(self.joined):
            await self.join(name)
        await cache.members_known()

    async def _write(self) -> None:
        while True:
            await asyncio.sleep(1)
            await self.disk.write()

    async def end(self, *, killed: bool) -> None:
        self.up.clear()
        for task in self.tasks:
            task.cancel()
        for result in await asyncio.gather(*self.tasks, return_exceptions=True):
            assert isinstance(result, asyncio.CancelledError), result
        if not killed:
            await self.disk.write()
        self.answers = []
        for client in self.clients:
            client.break_off()

    async def step(self, action: tuple[Any, ...]) -> None:
        match action:
            case ("end", killed):
                if self.up.is_set():
                    await self.end(killed=killed)
            case ("begin",):
                if not self.up.is_set():
                    await self.begin()
            case ("away", client, seconds):
                present: Any = self.clients[client % len(self.clients)]
                present.be_away(seconds)
            case ("join" | "leave" as change, cluster) if not self.up.is_set():
                (self.joined.add if change == "join" else self.joined.discard)(cluster)
            case ("write", *_) | ("answer",) if not self.up.is_set():
                pass
            case _:
                await super().step(action)


restarts = st.one_of(
    st.tuples(st.just("end"), st.booleans()),
    st.just(("begin",)),
    st.tuples(st.just("wait"), st.sampled_from((0.15, 2, 20, 100))),
    st.tuples(st.just("away"), st.integers(0, 7), st.sampled_from((2, 20, 100))),
)
steps_of_restarts = st.lists(st.one_of(test_convergence.actions, test_convergence.actions, restarts), max_size=80)


async def history(folder: Path, steps: list[tuple[Any, ...]], selectors: Any = SELECTORS) -> RestartedWorld:
    world = RestartedWorld(Disk(folder / "cache.sqlite"))
    for name in MEMBERS:
        await world.join(name)
    await world.begin()
    world.clients = [
        RestartedClient(world, selector, watch_list) for selector in selectors for watch_list in (False, True)
    ]
    running = [asyncio.get_running_loop().create_task(client.run()) for client in world.clients]
    try:
        for step in steps:
            await world.step(step)
        for member in world.members.values():
            member.start()
            member.thaw()
        await world.step(("begin",))
        await asyncio.sleep(400)
        await check(world)
        assert not any(task.done() for task in running + world.tasks)
    finally:
        for task in running + world.tasks:
            task.cancel()
        results = await asyncio.gather(*running, *world.tasks, return_exceptions=True)
        world.disk.file.close()
    for result in results:
        if isinstance(result, Exception) and not isinstance(result, asyncio.CancelledError):
            raise result
    return world


def run(steps: list[tuple[Any, ...]], **more: Any) -> RestartedWorld:
    with TemporaryDirectory() as folder:
        return virtual_time.run(history(Path(folder), steps, **more))


EXAMPLES = int(os.environ.get("CONVERGENCE_EXAMPLES", "0"))


@settings(
    deadline=None,
    max_examples=EXAMPLES or 100,
    derandomize=not EXAMPLES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(steps_of_restarts)
def test_every_client_ends_with_the_union_of_the_members(steps):
    run(steps)


def put(cluster: str, name: str, tier: str = "1") -> tuple[Any, ...]:
    return ("put", cluster, name, 1, tier, "Running")


AWAY = (put("a", "db", tier="2"), ("delete", "b", "web"), put("c", "web.b"), ("wait", 2))


def test_nobody_lists_anew_after_a_restart():
    """Neither after a stop nor after a kill, with changes in the members while the gateway was away."""
    before = (put("a", "db"), put("b", "web"), put("b", "db"), ("wait", 20))
    for killed in (False, True):
        world = run([*before, ("end", killed), *AWAY, ("begin",), ("wait", 20), ("end", killed), ("begin",)])
        assert [client.lists for client in world.clients] == [1] * len(world.clients)
        assert all(member.lists == 1 for member in world.members.values()), "members are not read anew either"


def test_nobody_lists_anew_who_saw_what_no_snapshot_holds():
    steps = [
        put("a", "db"),
        put("b", "db"),
        ("wait", 20.5),
        put("b", "web"),
        ("delete", "a", "db"),
        ("wait", 0.15),
        ("end", True),
    ]
    world = run([*steps, *AWAY[:1], ("delete", "b", "web"), ("begin",), ("wait", 100)])
    assert [client.lists for client in world.clients] == [1] * len(world.clients)


def test_who_saw_what_no_snapshot_holds_may_sleep_through_the_next_run():
    """The end of what he saw is told to that run only, in which the object came and went."""
    steps = [put("a", "db"), put("b", "db"), ("wait", 20.5), put("b", "web"), ("wait", 0.15)]
    asleep = [("away", client, 30) for client in range(len(SELECTORS) * 2)]
    between = [("delete", "b", "web"), ("begin",), ("wait", 20), ("end", True), ("wait", 5)]
    world = run([*steps, *asleep, ("end", True), *between, ("begin",), ("wait", 100)])
    assert [client.lists for client in world.clients] == [1] * len(world.clients)


def test_nobody_lists_anew_who_comes_late():
    """When the members have told everything again."""
    steps = [put("a", "db"), put("b", "db"), ("wait", 20.5), put("b", "web"), ("wait", 0.15)]
    asleep = [("away", client, 30) for client in range(len(SELECTORS) * 2)]
    world = run([*steps, *asleep, ("end", True), ("delete", "b", "web"), put("a", "api"), ("begin",), ("wait", 100)])
    assert [client.lists for client in world.clients] == [1] * len(world.clients)


def test_what_was_seen_is_not_kept_when_the_member_forgot_its_end():
    """An object that no snapshot holds, deleted while the gateway was away, and a member that cannot tell of it."""
    steps = [put("a", "db"), put("b", "db"), ("wait", 20.5), put("b", "web"), ("wait", 0.15), ("end", True)]
    world = run([*steps, ("delete", "b", "web"), ("compact", "b"), ("begin",), ("wait", 100)])
    assert [client.lists for client in world.clients] == [2] * len(world.clients)


def test_a_member_that_is_down_at_the_start_is_served_as_it_was():
    steps = [put("a", "db"), put("b", "web"), ("wait", 20), ("stop", "b"), ("end", False), ("wait", 100), ("begin",)]

    async def cold(folder: Path) -> None:
        world = RestartedWorld(Disk(folder / "cache.sqlite"))
        for name in MEMBERS:
            await world.join(name)
        await world.begin()
        for step in steps:
            await world.step(step)
        listed = await world.pods.list("", parse_list_options({}, watch=False))
        assert [obj.key for obj in listed.items] == ["default/db", "default/web"]
        ((name, since),) = [(member.name, member.stale_since) for member in listed.stale]
        assert name == "b"
        assert since is not None
        assert virtual_time.EPOCH <= since <= virtual_time.EPOCH + 20
        await world.end(killed=True)
        world.disk.file.close()

    with TemporaryDirectory() as folder:
        virtual_time.run(cold(Path(folder)))


def test_members_that_left_meanwhile_take_their_objects_along():
    steps = [put("a", "db"), put("b", "web"), ("wait", 20), ("end", False), ("leave", "b"), ("begin",)]
    world = run(steps)
    assert {tuple(client.informer.store) for client in world.clients} == {("default/db",)}
    assert [client.lists for client in world.clients] == [1] * len(world.clients)


def test_a_kind_that_is_cached_later_begins_where_it_was():
    jobs = ResourceKind.generic(GroupVersionResource("batch", "v1", "jobs"), "Job")

    async def late(folder: Path) -> None:
        disk, member, versions = Disk(folder / "cache.sqlite"), FakeMember(), []
        member.put(pod("web", uid="1"))
        for _ in range(3):
            cache = MultiClusterCache(now=virtual_time.now, jitter=lambda: 0.3, token_key=b"0123456789abcdef")
            await disk.begin(cache)
            running = asyncio.get_running_loop().create_task(cache.run())
            await cache.add_cluster("a", lambda gvr: member if gvr == jobs.stored.gvr else FakeMember())
            await cache.members_known()
            await cache.add_kind(jobs)
            await asyncio.sleep(5)
            resource = cache.resource(jobs.stored.gvr)
            assert resource is not None
            versions.append([(obj.name, obj.rv) for obj in (await resource.list("", ListOptions())).items])
            await disk.write()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await asyncio.sleep(5)
        disk.file.close()
        assert versions[0] == versions[1] == versions[2] != []
        assert member.lists == 1

    with TemporaryDirectory() as folder:
        virtual_time.run(late(Path(folder)))
