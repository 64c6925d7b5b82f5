"""One reflector over a fake member; what whole caches do is in test_multi_cluster_cache."""

import asyncio
import json
from itertools import count

import pytest

from cache.history import HistoryLimits
from cache.lister_watcher import Expired, NotServed, TooLarge, Unavailable
from cache.member_feed import MemberFeed
from cache.object_builder import ObjectBuilder
from cache.observed_object import ObservedObject
from cache.reflector import SAMPLE, Reflector, ReflectorSettings
from cache.resource_kind import PODS
from cache.resource_version import RevisionClock
from cache.turns import Turns
from cache.watch_cache import WatchCache
from tests.cache.test_selection import selection
from tests.support import virtual_time
from tests.support.fake_member import FakeMember
from tests.support.objects import pod


class Bench:
    def __init__(self, member: FakeMember, **settings) -> None:
        self.member = member
        self.cache = WatchCache(
            PODS, ObjectBuilder(PODS), RevisionClock(virtual_time.now), virtual_time.now, HistoryLimits()
        )
        self.feed = MemberFeed("m1", self.cache, virtual_time.now)
        self.counted: list[int] = []
        self.seen: list[tuple[bool, str]] = []
        self.settings = ReflectorSettings(**settings)
        self.reflector = self.reflect()

    def reflect(self, turns: Turns | None = None) -> Reflector:
        return Reflector(
            self.feed, self.member, jitter=lambda: 0.0, changed=self.changed, settings=self.settings, turns=turns
        )  # fmt: skip

    def changed(self) -> None:
        """What those who wait find when they are woken: how many objects, whether all was read, what is wrong."""
        self.counted.append(self.cache.objects.count_of("m1"))
        self.seen.append((self.feed.current, self.feed.error))

    def names(self) -> list[str]:
        return [obj.name for obj in self.cache.objects.candidates(selection())]

    async def run_for(self, seconds: float) -> None:
        task = asyncio.get_running_loop().create_task(self.reflector.run())
        await asyncio.sleep(seconds)
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_list_then_watch():
    member = FakeMember()
    member.put(pod("a", uid="a"))
    bench = Bench(member)
    asyncio.get_running_loop().call_later(5, member.put, pod("b", uid="b"))
    await bench.run_for(10)
    assert bench.names() == ["a", "b"]
    assert (member.lists, member.watches) == (1, 1)
    assert bench.counted[-1] == 2


async def test_a_watch_that_ends_in_order_is_followed_by_another_without_a_list():
    member = FakeMember()
    bench = Bench(member, watch_timeout=(300, 600))
    await bench.run_for(1_000)
    assert (member.lists, member.watches) == (1, 4)
    assert not bench.feed.freshness().stale


async def test_long_work_lets_others_run():
    member = FakeMember()
    for number in range(1_000):
        member.put(pod(f"p{number}", uid=str(number)))
    bench = Bench(member, page_size=1_000)
    bench.reflector = bench.reflect(Turns(count().__next__))
    turns = 0

    async def others():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.get_running_loop().create_task(others())
    work = asyncio.get_running_loop().create_task(bench.reflector.run())
    while not bench.feed.synced:
        await asyncio.sleep(0)
    assert turns >= 10
    turns = 0
    member.send_raw(
        b"".join(
            json.dumps({"type": "MODIFIED", "object": pod("x", uid="x", rv=str(2_000 + number))}).encode() + b"\n"
            for number in range(1_000)
        )
    )
    while bench.feed.reached != "2999":
        await asyncio.sleep(0)
    assert turns >= 10
    task.cancel()
    work.cancel()
    await asyncio.gather(task, work, return_exceptions=True)


class ScriptedMember(FakeMember):
    """Answers its first lists by the script, then as it should."""

    def __init__(self, *script: bytes | Exception) -> None:
        super().__init__()
        self.script = list(script)
        self.asked: list[tuple[int, str]] = []

    async def list(self, *, limit: int, continue_token: str) -> bytes:
        self.asked.append((limit, continue_token))
        if self.script:
            answer = self.script.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        return await super().list(limit=limit, continue_token=continue_token)


FIRST_PAGE = b'{"metadata":{"resourceVersion":"5","continue":"t"},"items":[]}'


async def test_members_that_are_listed_at_once_take_turns():
    shared, now = Turns(count().__next__), 0
    slices: list[tuple[int, int]] = []
    benches = [Bench(FakeMember()) for _ in range(5)]
    for number, bench in enumerate(benches):
        for pod_number in range(450):
            bench.member.put(pod(f"p{pod_number}", uid=f"{number}-{pod_number}"))
        apply = bench.feed.list_items

        def counted(items, number=number, apply=apply):
            slices.append((now, number))
            apply(items)

        bench.feed.list_items = counted
        bench.reflector = bench.reflect(shared)
    running = asyncio.gather(*(bench.run_for(5) for bench in benches))
    while not running.done():
        now += 1
        await asyncio.sleep(0 if len(slices) < 25 else 1)
    assert len(slices) == 25
    assert len({when for when, _ in slices}) == 25
    assert len({number for _, number in slices[:5]}) == 5


async def test_events_of_many_members_are_applied_in_turns():
    shared, now = Turns(count().__next__), 0
    applied: list[int] = []
    benches = [Bench(FakeMember()) for _ in range(5)]
    for bench in benches:
        bench.feed.event = lambda *_: applied.append(now)
        bench.reflector = bench.reflect(shared)
    running = asyncio.gather(*(bench.run_for(5) for bench in benches))
    while not all(bench.feed.synced for bench in benches):
        await asyncio.sleep(0)
    for bench in benches:
        bench.member.put(pod("a", uid="a"))
    while not running.done():
        now += 1
        await asyncio.sleep(0 if len(applied) < 5 else 1)
    assert len(applied) == len(set(applied)) == 5


async def test_a_list_whose_pages_expire_is_read_in_one_piece_at_last():
    member = ScriptedMember(FIRST_PAGE, Expired("410"), FIRST_PAGE, Expired("410"))
    member.put(pod("a", uid="a"))
    bench = Bench(member, page_size=500)
    await bench.run_for(0.1)
    assert member.asked == [(500, ""), (500, "t"), (500, ""), (500, "t"), (0, "")]
    assert bench.names() == ["a"]


async def test_a_list_that_always_expires_is_a_failure():
    bench = Bench(ScriptedMember(*[Expired("410")] * 3))
    await bench.run_for(0.1)
    assert bench.feed.error == "lists of the member expire before they are complete"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"<html>", "not a list"),
        (b'{"kind":"PodList"}', "not a list"),
        (b'{"metadata":{},"items":[]}', "a list without a resourceVersion"),
        (b'{"metadata":{"resourceVersion":"\xff"}}', "not a list"),
        (b'{"kind":"Status","metadata":{"resourceVersion":"5"},"status":"Success"}', "not a list"),
        (b'{"kind":"Table","metadata":{"resourceVersion":"5"},"rows":[]}', "not a list"),
        (b'{"kind":"PartialObjectMetadataList","metadata":{"resourceVersion":"5"},"items":[]}', "not a list"),
        (Unavailable("503 etcd is gone"), "503 etcd is gone"),
    ],
)
async def test_answers_that_are_no_lists(answer, error):
    member = ScriptedMember(answer)
    bench = Bench(member)
    await bench.run_for(0.1)
    assert bench.feed.error.startswith(error)
    await bench.run_for(5)
    assert bench.feed.synced
    assert bench.feed.error == ""


class BulkyMember(FakeMember):
    """Answers no page of more than so many objects."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.limits: list[int] = []

    async def list(self, *, limit: int, continue_token: str) -> bytes:
        self.limits.append(limit)
        if not 0 < limit <= self.most:
            raise TooLarge("answered with more than 16 MiB")
        return await super().list(limit=limit, continue_token=continue_token)


async def test_pages_that_are_too_large_are_asked_for_in_smaller_parts_and_so_is_the_next_list():
    member = BulkyMember(most=60)
    for number in range(120):
        member.put(pod(f"pod-{number:03}", uid=f"uid-{number}"))
    bench = Bench(member, page_size=500, list_period=1000.0)
    await bench.run_for(0.1)
    assert (len(bench.names()), bench.feed.error) == (120, "")
    assert member.limits == [500, 50, 50, 50]
    await bench.run_for(1600)
    assert {limit for limit in member.limits[4:] if limit != SAMPLE} == {50}


async def test_pages_that_are_always_too_large_are_a_failure():
    member = BulkyMember(most=0)
    bench = Bench(member, page_size=500)
    await bench.run_for(0.1)
    assert bench.feed.error == "answered with more than 16 MiB"
    assert member.limits == [500, 50, 5]


async def test_one_piece_that_is_too_large_says_nothing_about_pages():
    member = ScriptedMember(FIRST_PAGE, Expired("410"), FIRST_PAGE, Expired("410"), TooLarge("more than 256 MiB"))
    bench = Bench(member, page_size=500)
    await bench.run_for(1)
    assert member.asked[4:] == [(0, ""), (500, "")]
    assert bench.feed.error == ""


class EndlessMember(FakeMember):
    """While it is mad, each page of a list has new objects and there is always another one."""

    mad = False
    pages = 0
    per_page = 100

    async def list(self, *, limit: int, continue_token: str) -> bytes:
        if not self.mad or limit == SAMPLE:
            return await super().list(limit=limit, continue_token=continue_token)
        self.pages += 1
        items = [
            pod(f"p-{self.pages}-{number}", uid=f"{self.pages}-{number}", rv="2000") for number in range(self.per_page)
        ]
        return json.dumps({"metadata": {"resourceVersion": "5000", "continue": "more"}, "items": items}).encode()


@pytest.mark.parametrize("per_page", [0, 100])
async def test_a_list_without_an_end_is_given_up_and_what_was_known_stays(per_page):
    member = EndlessMember()
    member.per_page = per_page
    member.put(pod("a", uid="a"))
    bench = Bench(member, member_size=1 << 20, list_period=60.0)
    task = asyncio.get_running_loop().create_task(bench.reflector.run())
    await asyncio.sleep(1)
    member.mad = True
    await asyncio.sleep(3600)
    assert bench.feed.error == "it has more than 1 MiB of this kind"
    assert "a" in bench.names()
    assert bench.feed.freshness().overfull
    kept = len(bench.names())
    assert sum(len(obj.raw) for obj in bench.cache.objects.everything()) < 2 << 20
    pages = member.pages
    await asyncio.sleep(3600)
    assert len(bench.names()) == kept
    assert 0 < member.pages - pages <= pages * 6, "it is read again and again"
    member.mad = False
    await asyncio.sleep(1300)
    assert (bench.names(), bench.feed.error, bench.feed.freshness().overfull) == (["a"], "", False)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("grow", ["in number", "in size"])
async def test_a_watch_without_an_end_is_given_up(grow):
    member = FakeMember()
    member.put(pod("a", uid="a"))
    bench = Bench(member, member_size=1 << 20)
    task = asyncio.get_running_loop().create_task(bench.reflector.run())
    await asyncio.sleep(1)
    for number in range(400):
        name = f"p-{number}" if grow == "in number" else f"p-{number % 10}"
        padding = 20_000 if grow == "in number" else 1_000 * number
        member.put(pod(name, uid=name, annotations={"padding": "x" * padding}))
        await asyncio.sleep(0.1)
    assert bench.feed.error == "it has more than 1 MiB of this kind"
    assert sum(len(obj.raw) for obj in bench.cache.objects.everything()) < 2 << 20
    for _, name in list(member.objects):
        if name != "a":
            member.delete(name)
    await asyncio.sleep(1300)
    assert (bench.names(), bench.feed.error) == (["a"], "")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_many_changes_of_little_are_not_too_much():
    member = FakeMember()
    bench = Bench(member, member_size=1 << 20)
    task = asyncio.get_running_loop().create_task(bench.reflector.run())
    await asyncio.sleep(1)
    for _ in range(300):
        member.put(pod("a", uid="a", annotations={"padding": "x" * 20_000}))
        await asyncio.sleep(0.01)
    await asyncio.sleep(1)
    assert (bench.names(), bench.feed.error, member.lists) == (["a"], "", 1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_list_may_have_no_items_at_all():
    bench = Bench(ScriptedMember(b'{"metadata":{"resourceVersion":"5"},"items":null}'))
    await bench.run_for(0.1)
    assert bench.feed.synced


async def test_a_page_that_does_not_come():
    member = FakeMember()
    member.freeze()
    bench = Bench(member)
    await bench.run_for(31)
    assert bench.feed.error == "no answer to a list within 30s"


async def test_the_pause_that_a_member_asks_for_is_kept():
    member = ScriptedMember(Unavailable("429", 20))
    await Bench(member).run_for(19)
    assert len(member.asked) == 1


async def test_an_object_with_an_endless_version_costs_the_others_nothing():
    member = FakeMember()
    member.put(pod("a", uid="a"))
    endless = {"kind": "Pod", "apiVersion": "v1", **pod("odd", uid="odd", rv="9" * 5_000)}
    page = json.dumps({"metadata": {"resourceVersion": "5"}, "items": [pod("a", uid="a", rv="4"), endless]}).encode()
    bench = Bench(ScriptedMember(page))
    await bench.run_for(1)
    assert bench.names() == ["a", "odd"]
    assert bench.feed.error == ""


async def test_an_event_with_an_endless_version_costs_the_others_nothing():
    member = FakeMember()
    member.put(pod("a", uid="a"))
    bench = Bench(member)
    for after, name, rv in ((1, "odd", "9" * 5_000), (2, "b", "2000")):
        event = {"type": "ADDED", "object": pod(name, uid=name, rv=rv)}
        asyncio.get_running_loop().call_later(after, member.send_raw, json.dumps(event).encode() + b"\n")
    await bench.run_for(5)
    assert bench.names() == ["a", "b", "odd"]
    assert member.lists == 1


async def test_pauses_double_up_to_a_limit():
    member = ScriptedMember(*[Unavailable("503")] * 20)
    await Bench(member).run_for(0.8 + 1.6 + 3.2 + 6.4 + 12.8 + 25.6 + 30 + 30 + 1)
    assert len(member.asked) == 9


async def test_a_resource_that_is_not_served_has_no_objects_and_is_looked_for_again():
    member = ScriptedMember(NotServed("404"))
    bench = Bench(member)
    bench.feed.begin_list()
    bench.cache.observe("m1", ObservedObject(b'{"metadata":{"name":"x"}}'))
    await bench.run_for(1)
    assert bench.names() == []
    assert not bench.feed.freshness().stale
    member.put(pod("a", uid="a"))
    await bench.run_for(61)
    assert bench.names() == ["a"]


async def test_those_who_wait_for_the_first_read_hear_that_the_resource_is_not_served():
    bench = Bench(ScriptedMember(NotServed("404")))
    await bench.run_for(1)
    assert bench.feed.current
    assert bench.seen[-1] == (True, "")


async def test_whatever_is_found_is_announced_at_once():
    """Each slice of a list, its end, what it lacks, and that the member does not answer."""
    member = ScriptedMember(Unavailable("503"))
    bench = Bench(member, page_size=1)
    await bench.run_for(0.1)
    assert bench.seen == [(False, "503")]
    for name in ("a", "b"):
        member.put(pod(name, uid=name))
    await bench.run_for(1)
    assert bench.counted == [0, 1, 2, 2]
    assert bench.seen[-1] == (True, "")
    bench.counted.clear()
    member.delete("a")
    member.compact()
    bench.reflector = bench.reflect()
    await bench.run_for(1)
    assert bench.counted == [2, 1, 1]


class TestReturns:
    """A member is said to answer again, while its next attempt lies half a minute ahead."""

    @pytest.fixture
    async def away(self):
        member = ScriptedMember(*[Unavailable("503")] * 200)
        bench = Bench(member)
        task = asyncio.get_running_loop().create_task(bench.reflector.run())
        await asyncio.sleep(0.8 + 1.6 + 3.2 + 6.4 + 12.8 + 25.6 + 1)
        yield bench
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def test_it_is_read_at_once(self, away):
        away.member.script.clear()
        away.reflector.member_returned()
        await asyncio.sleep(0.1)
        assert away.feed.current

    async def test_one_that_does_not_answer_yet_is_asked_again_soon(self, away):
        before = len(away.member.asked)
        away.reflector.member_returned()
        await asyncio.sleep(0.8 + 1.6 + 0.1)
        assert len(away.member.asked) - before == 3

    async def test_the_pauses_after_that_are_kept(self, away):
        away.reflector.member_returned()
        before = len(away.member.asked)
        await asyncio.sleep(0.8 + 1.6 + 3.2 + 6.4 + 12.8 + 1)
        assert len(away.member.asked) - before == 6


async def test_silence_has_the_member_looked_at_and_the_watch_begun_anew():
    member = FakeMember()
    bench = Bench(member, silence=90.0)
    task = asyncio.get_running_loop().create_task(bench.reflector.run())
    await asyncio.sleep(5)
    member.mute()
    member.put(pod("a", uid="a"))
    await asyncio.sleep(85.5)
    assert bench.names() == []
    await asyncio.sleep(5)
    assert (bench.feed.error, bench.names(), member.lists, member.watches) == ("", ["a"], 1, 2)
    member.freeze()
    await asyncio.sleep(90 + 30 + 5)
    assert bench.feed.error == "no answer to a list within 30s"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_member_that_has_nothing_to_tell_is_not_stale(monkeypatch: pytest.MonkeyPatch):
    """A kube-apiserver sends no bookmarks in watches of Events."""
    monkeypatch.setattr("tests.support.fake_member.BOOKMARK_PERIOD", 1e6)
    member = FakeMember()
    bench = Bench(member)
    asyncio.get_running_loop().call_later(950, member.put, pod("a", uid="a"))
    await bench.run_for(1_000)
    assert {error for _, error in bench.seen} == {""}
    assert (bench.names(), member.lists) == (["a"], 1)


class MadWatches(FakeMember):
    """Lists as it should; each watch is answered with the same chunks, and then its end."""

    def __init__(self, *chunks: bytes) -> None:
        super().__init__()
        self.answer = chunks

    async def watch(self, *, resource_version, timeout_seconds):
        self.watches += 1
        yield b""
        for chunk in self.answer:
            yield chunk


MAD_WATCHES = {
    "a page for people": (b"<html><body>please log in</body></html>",),
    "half an event": (b'{"type":"ADDED","object":{"metadata":{"name":"b"',),
    "protobuf": (b"k8s\x00\n\x0f\n\x02v1\x12\tWatchEvent", b"\x12\x00"),
    "no events, but lines": (b"<html>\n<body>\n",),
    "a line without an end": (b"x" * (8 << 20),) * 13,
    "a list": (b'{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"7"},"items":[]}\n',),
    "a version of the past": (b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"1"}}}\n',),
    "nothing": (),
    "only ends of lines": (b"\n\n",),
    "always too old": (b'{"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old"}}\n',),
}


@pytest.mark.parametrize("answer", MAD_WATCHES.values(), ids=MAD_WATCHES)
async def test_a_member_whose_watches_tell_nothing_is_marked_and_read_by_lists(answer):
    member = MadWatches(*answer)
    member.put(pod("a", uid="a"))
    bench = Bench(member)
    task = asyncio.get_running_loop().create_task(bench.reflector.run())
    await asyncio.sleep(120)
    assert bench.feed.freshness().stale
    assert bench.names() == ["a"]
    asked = member.lists, member.watches
    member.put(pod("b", uid="b"))
    await asyncio.sleep(300)
    assert bench.names() == ["a", "b"]
    assert max(member.lists - asked[0], member.watches - asked[1]) <= 11, "it is asked without a pause"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_no_event_told_is_found_in_the_end():
    member = FakeMember(revision=100)
    for number in range(12):
        member.put(pod(f"pod-{number:02}", uid=f"uid-{number}"))
    bench = Bench(member, list_period=3600.0)
    task = asyncio.get_running_loop().create_task(bench.reflector.run())
    await asyncio.sleep(5)
    member.objects["default", "pod-11"]["status"] = {"phase": "Failed"}
    await asyncio.sleep(3000)
    assert member.lists == 1
    await asyncio.sleep(1200)
    assert member.lists == 2
    (found,) = [obj for obj in bench.cache.objects.candidates(selection()) if obj.name == "pod-11"]
    assert json.loads(found.raw)["status"] == {"phase": "Failed"}
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_member_restored_in_a_moment_that_has_overtaken_its_old_versions():
    """Its watch goes on without a word of what was lost; that there are fewer objects than are known tells it."""
    member = FakeMember(revision=100)
    for number in range(12):
        member.put(pod(f"pod-{number:02}", uid=f"uid-{number}"))
    backup = member.backup()
    member.put(pod("ghost", uid="ghost"))
    bench = Bench(member)
    task = asyncio.get_running_loop().create_task(bench.reflector.run())
    await asyncio.sleep(5)
    assert "ghost" in bench.names()
    member.stop()
    member.restore(backup)
    for _ in range(3):
        member.put(pod("pod-11", uid="uid-11"))
    member.start()
    await asyncio.sleep(70)
    assert bench.names() == [f"pod-{number:02}" for number in range(12)]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
