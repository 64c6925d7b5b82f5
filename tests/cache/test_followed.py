"""A copy of the merged view in another process: whatever happens, it is the same at the same version."""

import asyncio

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cache.cacher import Cacher, CacherSettings
from cache.continue_token import ContinueTokenCodec
from cache.followed import FollowedCacher, OutOfStep
from cache.history import HistoryLimits
from cache.merged_resource import MergedResource
from cache.observed_object import ObservedObject
from cache.replication import Condition, HistoryLost, LogReader, Step
from cache.resource_kind import PODS
from cache.watch_event import DELETED, MODIFIED
from gateway.apimachinery.options import parse_list_options
from tests.cache.test_cached_object import encoded
from tests.cache.test_merged_resource import refusal
from tests.support import virtual_time
from tests.support.objects import pod

SLOT = 3
STATE = msgspec.msgpack.Decoder(list[Step])
CONDITION = msgspec.msgpack.Decoder(Condition)
TOKENS = ContinueTokenCodec(b"0123456789abcdef")


class Pair:
    """What is told and what follows; everything goes through the bytes that processes exchange."""

    def __init__(self, *, events: int = 1_000) -> None:
        settings = CacherSettings(history=HistoryLimits(events=events, quiet_events=events))
        self.source = Cacher(PODS, now=virtual_time.now, settings=settings)
        self.source.cache._clock.slot = SLOT
        self.source.cache.mark()
        self.source_pods = MergedResource(self.source, PODS.stored, TOKENS)

    def put(self, name="web", cluster="m1", **facts):
        self.source.feed(cluster).synced = True
        facts.setdefault("uid", f"{cluster}-{name}")
        return self.source.cache.observe(cluster, ObservedObject(encoded(pod(name, **facts))))

    def remove(self, name="web", cluster="m1"):
        return self.source.cache.forget(cluster, f"default/{name}")

    def begin(self) -> None:
        """Tell the state."""
        self.reader = LogReader(self.source)
        self.follower = FollowedCacher(PODS, now=virtual_time.now, slot=SLOT)
        self.pods = MergedResource(self.follower, PODS.stored, TOKENS)
        start = 0
        while steps := self.reader.state(start, 2):
            self.follower.place(STATE.decode(msgspec.msgpack.encode(steps)))
            start += len(steps)
        self.follower.followed.begin(self.reader.revision)
        self.tell()

    def tell(self, most: int = 100) -> None:
        """Tell what happened since."""
        while not self.reader.at_end:
            steps = self.reader.steps(most)
            self.follower.follow(STATE.decode(msgspec.msgpack.encode(steps)), self.reader.revision)
        if condition := self.reader.condition():
            self.follower.report(CONDITION.decode(msgspec.msgpack.encode(condition)))

    def is_same(self) -> None:
        ours, theirs = self.source.cache, self.follower.followed
        assert theirs.revision == ours.revision
        assert [obj.raw for obj in theirs.objects.everything()] == [obj.raw for obj in ours.objects.everything()]
        assert theirs.objects.everything() == ours.objects.everything()
        for name in ("web", "web.m2", "web.m2.m2", "db"):
            assert theirs.objects.owners("default", name) == ours.objects.owners("default", name)
        assert {name: theirs.objects.count_of(name) for name in ("m1", "m2", "m3")} == {
            name: ours.objects.count_of(name) for name in ("m1", "m2", "m3")
        }


def told(cacher, since):
    """What a watcher is told who goes on from a version."""
    cache = cacher.cache
    position = cache.resume_position(since)
    if position is None:
        return None
    return [
        (event.type, event.object, event.previous, event.doubted_since, event.other_half)
        for event in cache.history.read(position, 10_000)
    ]


@pytest.fixture
def pair():
    return Pair()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "put", "put", "remove", "leave", "mark", "retell", "rebury", "lose", "tell", "begin"]),
        st.sampled_from(["web", "web.m2", "web.m2.m2", "db"]),
        st.sampled_from(["m1", "m2", "m3"]),
        st.integers(1, 3),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_a_follower_is_the_same_at_every_version(steps):
    async def play():
        pair = Pair()
        pair.put()
        pair.begin()
        pair.is_same()
        begun = pair.reader.revision
        for number, (what, name, cluster, choice) in enumerate(steps):
            match what:
                case "put":
                    pair.put(
                        name, cluster, rv=str(100 + number), created=1_700_000_000 + choice, uid=f"{cluster}{choice}"
                    )
                case "remove":
                    pair.remove(name, cluster)
                case "leave":
                    await pair.source.drop_feed(cluster)
                case "mark":
                    pair.source.cache.mark()
                case "retell" if obj := pair.source.cache.objects.served(f"default/{name}"):
                    pair.source.cache.retell(obj, obj.rv - choice)
                case "rebury" if objects := pair.source.cache.objects.everything():
                    gone = objects[0]
                    pair.source.cache.forget(gone.cluster, gone.original_key)
                    pair.source.cache.rebury(gone, gone.rv - choice)
                case "lose":
                    pair.source.cache.resumption._lose_since(begun)
                case "tell":
                    pair.tell(choice)
                case "begin":
                    pair.begin()
                    begun = pair.reader.revision
                case _:
                    pass  # there is no object to do that with
        pair.tell()
        pair.is_same()
        events = pair.follower.cache.history.read(pair.follower.cache.history.position_after(begun), 10_000)
        for since in (begun, *(event.rv for event in events)):
            assert told(pair.follower, since) == told(pair.source, since)

    asyncio.run(play())


async def test_reads_of_a_follower(pair):
    pair.put("a", labels={"app": "x"}, node="n1")
    pair.put("a", cluster="m2", created=1_800_000_000)
    pair.begin()
    pair.put("b", rv="11", labels={"app": "x"})
    pair.tell()
    for query in ({}, {"labelSelector": "app=x"}, {"fieldSelector": "spec.nodeName=n1"}, {"limit": "1"}):
        options = parse_list_options(query, watch=False)
        assert await pair.pods.list("", options) == await pair.source_pods.list("", options)
    assert await pair.pods.get("default", "a.m2") == await pair.source_pods.get("default", "a.m2")


async def test_a_page_of_a_list_that_was_begun_elsewhere(pair):
    for name in ("a", "b", "c"):
        pair.put(name)
    pair.begin()
    first = await pair.source_pods.list("", parse_list_options({"limit": "2"}, watch=False))
    pair.remove("c")
    pair.tell()
    token = {"limit": "2", "continue": first.continue_token}
    rest = await pair.pods.list("", parse_list_options(token, watch=False))
    assert [obj.name for obj in rest.items] == ["c"], "as it was when the list was begun"
    assert ContinueTokenCodec.claimed_revision(first.continue_token) == int(first.resource_version)
    assert ContinueTokenCodec.claimed_revision("none of ours") is None


async def test_from_where_a_follower_answers(pair):
    before = pair.put("a").rv
    pair.begin()
    cache = pair.follower.followed
    start = cache.revision
    assert not cache.answers_from(before - 32), "what followed is not known here"
    assert cache.answers_from(start)
    assert cache.answers_from(start + 3200), "it is yet to come"
    assert not cache.answers_from(start + 3201), "no version of ours"
    pair.put("b")
    passed, marked = pair.source.cache.mark(), pair.source.cache.mark()
    pair.tell()
    assert cache.answers_from(start)
    assert cache.answers_from(marked)
    assert not cache.answers_from(passed), "it was not told"


async def test_a_watch_of_a_follower_ends_where_the_source_finds_a_gap(pair):
    pair.put("a")
    pair.begin()
    watcher = await pair.pods.watch(
        "", parse_list_options({"watch": "1", "resourceVersion": str(pair.reader.revision)}, watch=True), timeout=100
    )
    pair.put("b")
    pair.tell()
    assert [event.type for event in watcher.poll()] == ["ADDED"]
    pair.source.cache.resumption._lose_since(pair.reader.revision - 320)
    pair.tell()
    pair.source.cache.resumption._lose_since(0)
    pair.tell()
    assert [event.type for event in watcher.poll()] == ["ERROR"]


async def test_freshness_is_told_and_only_when_it_changes(pair):
    feed = pair.source.feed("m1")
    pair.begin()
    assert [member.synced for member in pair.pods.freshness()] == [False]
    feed.end_list("10")
    pair.tell()
    assert not pair.pods.stale()
    assert pair.reader.condition() is None
    feed.heard()
    assert pair.reader.condition() is None, "that a member is heard from changes nothing"
    feed.failed("connection refused")
    pair.tell()
    stale = pair.pods.stale()
    assert [(member.name, member.error) for member in stale] == [("m1", "connection refused")]
    assert stale == pair.source_pods.stale()
    feed.failed("connection refused", overfull=True)
    pair.tell()
    assert pair.pods.stale() == pair.source_pods.stale() != stale
    await pair.source.drop_feed("m1")
    pair.tell()
    assert not pair.pods.freshness()


async def test_a_follower_waits_for_a_member_that_joins(pair):
    pair.begin()
    pair.source.feed("m1")
    pair.tell()

    def sync():
        pair.put("a")
        pair.source.feed("m1").end_list("10")
        pair.tell()

    loop = asyncio.get_running_loop()
    loop.call_later(1, sync)
    listed = await pair.pods.list("", parse_list_options({}, watch=False))
    assert [obj.name for obj in listed.items] == ["a"]
    assert loop.time() == 1


async def test_who_lags_too_far_behind_begins_anew():
    pair = Pair(events=5)
    pair.begin()
    for number in range(200):
        pair.put("a", rv=str(100 + number))
    with pytest.raises(HistoryLost):
        pair.tell()


async def test_a_step_that_does_not_fit_is_refused(pair):
    obj = pair.put("a")
    pair.begin()
    step = Step(MODIFIED, obj.rv + 32, "default/b", "m1", "b", "10", obj.raw)
    with pytest.raises(OutOfStep):
        pair.follower.follow([step], step.rv)
    gone = Step(DELETED, obj.rv + 32, "default/b", "m1", "b", "10", obj.raw)
    pair.follower.follow([gone], gone.rv)
    assert (await refusal(pair.pods.get("default", "b"))).code == 404
