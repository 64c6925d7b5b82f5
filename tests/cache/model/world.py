"""The members, the merged view over them and its readers, played through a script; and what must hold in quiet."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterable
from random import Random
from typing import Any

from cache.cacher import CacherSettings
from cache.freshness import ClusterFreshness
from cache.history import HistoryLimits
from cache.lister_watcher import ListerWatcher
from cache.multi_cluster_cache import CacheSettings, MultiClusterCache
from cache.reflector import ReflectorSettings
from cache.watcher import Visible
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupVersionResource
from tests.cache.model import verdicts
from tests.cache.model.members import Members
from tests.cache.model.pagers import NEWEST, asked_at, read_pages
from tests.cache.model.readers import Follower, get_one
from tests.cache.model.script import Script, Step, change_of
from tests.cache.model.timeline import Timeline
from tests.cache.model.views import VIEWS
from tests.cache.model.writes import Writes
from tests.support import virtual_time
from tests.support.fake_member import FakeMember

PODS = GroupVersionResource("", "v1", "pods")
CALM = 130.0
"""Seconds until everything has healed: a silence of 90 s and the longest pause between two attempts."""
PROMPT = 1.5
"""Seconds after which a change in a healthy member is known."""
NOTICED = 100.0
"""Seconds after which a member that is down must be known to be."""
RETURNED = 5.0
"""Seconds after which a member that is known to be back is read again: a short pause and a list of many pages."""
NOT_SERVED = 80.0
"""Seconds after which a member that serves the resource again is read."""
LISTED = 120.0
"""Seconds after which the slowest reader has read a list while nothing happens."""
FOLLOWERS = 2 * len(VIEWS)
Port = Callable[[FakeMember], ListerWatcher]


class World:
    """Mutable state: the members, the answers to writes that are under way, and the tasks of the readers."""

    def __init__(self, script: Script, seed: int, port: Port) -> None:
        self.random = Random(seed)
        self.script = script
        self.forgetful = script.forgetful
        self.members = Members(self.random)
        self._port = port
        history = HistoryLimits(age=60.0, events=60, quiet_events=20, size=1_000_000, encoded_events=2)
        self.cache = MultiClusterCache(
            now=virtual_time.now,
            jitter=lambda: 0.3,
            token_key=b"0123456789abcdef",
            settings=CacheSettings(
                reflector=ReflectorSettings(page_size=self.random.randint(1, 4)),
                cacher=CacherSettings(history=history) if script.forgetful else CacherSettings(),
            ),
        )
        resource = self.cache.resource(PODS)
        assert resource is not None
        self.pods = resource
        self.timeline = Timeline(resource)
        self.followers = [
            Follower(self, VIEWS[number % len(VIEWS)], number, Random(seed * 1000 + number))
            for number in range(FOLLOWERS)
        ]
        self.writes = Writes(self)
        self.calm = False
        """Whether nothing is wrong with any member."""
        self._tasks: list[asyncio.Task[Any]] = []
        self.lost: set[str] = set()
        """Who left, or did not serve the resource, for a while."""

    async def play(self) -> None:
        """Raises AssertionError for whatever must not be."""
        self.begin(self.cache.run())
        self.begin(self.timeline.witness())
        await asyncio.sleep(0)
        for cluster in self.script.clusters:
            await self._join(cluster)
        for follower in self.followers:
            self.begin(follower.run())
        try:
            for step in self.script.steps:
                await self._step(step)
                self._raise_faults()
            self._raise_faults()
            judged = self.timeline.judge()
            assert judged or self.forgetful
            verdicts.check_authenticity(self)
            verdicts.check_steadiness(self)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def begin(self, work: Coroutine[Any, Any, Any]) -> None:
        """Do something beside the script; what it raises fails the test."""
        self._tasks.append(asyncio.get_running_loop().create_task(work))

    def _raise_faults(self) -> None:
        for task in self._tasks:
            if task.done():
                task.result()
        self._tasks = [task for task in self._tasks if not task.done()]

    # Steps

    async def _step(self, step: Step) -> None:
        match step:
            case ("put", cluster, namespace, name, facts):
                self.members.put(cluster, namespace, name, facts)
            case ("write", cluster, namespace, name, facts):
                self.writes.put(cluster, namespace, name, facts)
            case ("erase", cluster, namespace, name, how):
                self.writes.delete(cluster, namespace, name, how)
            case ("delete", cluster, namespace, name):
                self.members.delete(cluster, namespace, name)
            case ("burst", _, changes):
                for change in changes:
                    await self._step(change)
            case ("answer",):
                self.writes.read_one()
            case ("wait", seconds):
                await asyncio.sleep(seconds)
            case ("calm",):
                await self._come_to_rest()
            case ("break off", number, pause, back):
                self.followers[number % len(self.followers)].break_off(pause, back)
            case ("page", number, pause, how):
                self.begin(self._page(number, pause, how))
            case ("get", namespace, name):
                self.begin(get_one(self, namespace, name))
            case (fault, cluster):
                await self._fault(fault, cluster)
            case _:
                raise ValueError(step)

    async def _fault(self, fault: str, cluster: str) -> None:
        match fault:
            case "join" | "add again":
                await self._join(cluster)
            case "leave":
                self.writes.lose(cluster)
                self.lost.add(cluster)
                self.members.joined.discard(cluster)
                await self.cache.remove_cluster(cluster)
            case "start":
                self.members.start(cluster)
            case "stop":
                self.writes.lose(cluster)
                self.members.stop(cluster)
            case "unserve":
                self.lost.add(cluster)
                self.members.fault(fault, cluster)
            case "outage":
                await self._outage(cluster)
            case "flap":
                self.writes.lose(cluster)
                await self.members.flap(cluster)
            case "backup":
                self.members.backup(cluster)
            case "restore" | "quick restore":
                self.writes.lose(cluster)
                await self.members.restore(cluster, 5.0 if fault == "restore" else 0.0)
                await self._go_on(fault, cluster)
            case "replace" | "quick replace":
                self.writes.lose(cluster)
                revision = self.members.of[cluster].revision + self.random.choice((-20, -3, 0, 3, 20))
                await self.members.replace(cluster, 5.0 if fault == "replace" else 0.0, max(revision, 1))
                await self._go_on(fault, cluster)
            case _:
                self.members.fault(fault, cluster)

    async def _outage(self, cluster: str) -> None:
        """A member is away for long, as health probes notice, and read again as soon as they say that it is back."""
        if cluster not in self.members.joined:
            return
        self.writes.lose(cluster)
        self.members.cure(cluster)
        self.members.stop(cluster)
        self.cache.report_unreachable(cluster, "timeout")
        assert cluster in {member.name for member in self.pods.stale()}
        await asyncio.sleep(NOTICED + self.random.choice((0.0, 10.0, 20.0)))
        self.members.start(cluster)
        self.cache.report_contact(cluster)
        await asyncio.sleep(RETURNED)
        assert cluster not in {member.name for member in self.pods.stale()}, f"{cluster} is back and not read"

    async def _go_on(self, fault: str, cluster: str) -> None:
        """Things go on in a member that was restored, often beyond the version it had, before anyone looks."""
        for _ in range(self.random.choice((0, 0, 1, 3, 10))):
            await self._step(change_of(self.random, cluster))
        self.writes.lose(cluster)
        if fault.startswith("quick"):
            self.members.start(cluster)

    async def _join(self, cluster: str) -> None:
        member, empty = self.members.member(cluster), FakeMember()
        self.members.joined.add(cluster)
        await self.cache.add_cluster(cluster, lambda gvr: self._port(member) if gvr == PODS else empty)

    async def _page(self, number: int, pause: float, how: str) -> None:
        view = VIEWS[number % len(VIEWS)]
        asked = NEWEST
        if self.timeline.events and not (view.single and how == "exact by limit"):
            asked = asked_at(self.random.choice(self.timeline.events)[0], how)
        await read_pages(self, view, f"pager ({how}) of {view.query}", lambda: self.random.choice((0.0, pause)), asked)

    # What readers ask

    def revision(self) -> int:
        return self.pods._cache.revision

    def present(self) -> dict[str, str]:
        return {obj.key: obj.uid for obj in self.pods._cache.objects.everything()}

    def everything_encoded(self) -> dict[str, bytes]:
        return {obj.key: self.pods.object(obj) for obj in self.pods._cache.objects.everything()}

    def everything(self) -> list[JsonObject]:
        return [json.loads(body) for body in self.everything_encoded().values()]

    def check_warnings(self, stale: Iterable[ClusterFreshness], visible: Visible) -> None:
        """A member that has been down or frozen for long is said to be."""
        named = {member.name for member in stale}
        now = asyncio.get_running_loop().time()
        for cluster, since in self.members.unheard_since.items():
            if cluster in self.members.joined and visible(cluster) and now - since > NOTICED:
                assert cluster in named, f"{cluster} does not answer since {now - since} s and nobody says so"

    # Quiet

    async def _come_to_rest(self) -> None:
        self.members.heal()
        unserved = self.random.choice((*self.script.clusters, "", "", "", ""))
        if unserved:
            await self._fault("unserve", unserved)
        await asyncio.sleep(CALM)
        self._raise_faults()
        self.members.doubtful.clear()
        await verdicts.check_union(self)
        if unserved:
            self.members.cure(unserved)
            await asyncio.sleep(NOT_SERVED)
            await verdicts.check_union(self)
        self.calm = True
        for _ in range(4):
            for _ in range(self.random.choice((0, 1, 3))):
                await self._step(change_of(self.random, self.random.choice(self.script.clusters)))
            if self.random.random() < 0.5:
                await self.writes.read_all()
            await asyncio.sleep(PROMPT)
            await verdicts.check_union(self)
        await asyncio.sleep(10)
        self.writes.lose_all()
        self.calm = False
        await self._wait_for_lists()
        verdicts.check_followers(self)

    async def _wait_for_lists(self) -> None:
        """Where little history is kept, a reader who dawdles over many small pages may just have to begin again."""
        deadline = asyncio.get_running_loop().time() + LISTED
        while self.forgetful and asyncio.get_running_loop().time() < deadline:
            if all(follower.synced for follower in self.followers):
                await asyncio.sleep(PROMPT)
                return
            await asyncio.sleep(1)
