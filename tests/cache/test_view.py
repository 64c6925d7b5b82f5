"""What callers see who see some members only: exactly what they would if there were no others.

Each is compared with a cache that has never heard of the hidden members.
"""

import itertools
import json
import random

import pytest

from cache.cacher import Cacher, CacherSettings
from cache.continue_token import ContinueTokenCodec
from cache.merged_resource import MergedResource
from cache.resource_kind import PODS
from cache.resumption import FormerRun
from cache.watch_event import ADDED, DELETED, MODIFIED
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.options import parse_list_options
from tests.cache.test_merged_resource import Desk
from tests.support import virtual_time

MEMBERS = ("a", "b", "c")
NAMES = ("web", "web.b", "web-0", "db")
VIEWS = [frozenset(seen) for count in (1, 2, 3) for seen in itertools.combinations(MEMBERS, count)]


class Sees:
    """Some members."""

    def __init__(self, members) -> None:
        self.members = members

    def __call__(self, cluster: str) -> bool:
        return cluster in self.members


class ByView(Desk):
    """A merged resource whose callers see different members."""

    def __init__(self) -> None:
        self.cacher = Cacher(PODS, now=virtual_time.now, settings=CacherSettings(by_view=True))
        self.pods = MergedResource(self.cacher, PODS.versions[0], ContinueTokenCodec(b"0123456789abcdef"))

    def drop(self, name, cluster):
        self.cacher.cache.forget(cluster, f"default/{name}")
        self.cacher.changed()

    async def follow(self, members, **query):
        options = parse_list_options({"resourceVersion": str(self.cacher.cache.revision), **query}, watch=True)
        return await self.pods.watch("default", options, visible=Sees(members), timeout=1_000.0)

    async def told(self, members, **query):
        page = await self.list("default", visible=Sees(members), **query)
        return [facts(json.loads(self.pods.item(obj))) for obj in page.items]


def facts(obj):
    """An object but for its resourceVersion."""
    return {**obj, "metadata": {key: value for key, value in obj["metadata"].items() if key != "resourceVersion"}}


def brief(events):
    return [(event.type, event.object.name, event.object.cluster) for event in events]


@pytest.fixture
def desk():
    return ByView()


async def test_a_hidden_older_object_does_not_take_the_name(desk):
    desk.put("web", "a", created=1)
    desk.put("web", "b", created=2)
    desk.put("web", "c", created=3)
    assert [obj.name for obj in (await desk.list()).items] == ["web", "web.b", "web.c"]
    seen = await desk.told({"b", "c"})
    assert [(obj["metadata"]["name"], obj["metadata"]["uid"]) for obj in seen] == [("web", "b-web"), ("web.c", "c-web")]
    assert seen[0]["metadata"]["annotations"] == {"resource.karmada.io/cached-from-cluster": "b"}
    for name, uids in {"web": ["b-web"], "web.b": [], "web.c": ["c-web"]}.items():
        named = await desk.told({"b", "c"}, fieldSelector=f"metadata.name={name}")
        assert [obj["metadata"]["uid"] for obj in named] == uids or name == "web.b"


async def test_nothing_is_told_of_what_hidden_members_do(desk):
    desk.put("web", "b", created=2)
    watch = await desk.follow({"b"})
    desk.put("web", "a", created=1)
    came = brief(watch.poll())
    desk.drop("web", "a")
    assert {*came, *brief(watch.poll())} == {(MODIFIED, "web", "b")}, "a new version without a change is all there is"


async def test_those_who_see_all_are_not_told_of_a_name_that_stays(desk):
    desk.put("web", "b", created=2)
    desk.put("web", "c", created=3)
    options = parse_list_options({"resourceVersion": str(desk.cacher.cache.revision)}, watch=True)
    watch = await desk.pods.watch("default", options, timeout=100.0)
    desk.put("web", "a", created=1)
    assert brief(watch.poll()) == [
        (DELETED, "web", "b"),
        (ADDED, "web", "a"),
        (ADDED, "web.b", "b"),
        (MODIFIED, "web.c", "c"),
    ]


async def test_a_name_is_given_up_before_it_is_taken_in_every_view(desk):
    desk.put("web", "b", created=3)
    desk.put("web", "c", created=4)
    watch = await desk.follow({"a", "c"})
    desk.put("web", "a", created=1)
    assert brief(watch.poll()) == [(DELETED, "web", "c"), (ADDED, "web", "a"), (ADDED, "web.c", "c")]


async def test_a_literal_name_of_a_hidden_member_makes_no_name_longer(desk):
    desk.put("web", "a", created=1)
    desk.put("web", "b", created=2)
    desk.put("web.b", "c", created=3)
    assert [obj.name for obj in (await desk.list()).items] == ["web", "web.b", "web.b.b-web"]
    assert [obj["metadata"]["name"] for obj in await desk.told({"a", "b"})] == ["web", "web.b"]
    found = await desk.pods.get("default", "web.b", visible=Sees({"a", "b"}))
    assert (found.name, found.cluster) == ("web.b", "b")
    with pytest.raises(ApiError):
        await desk.pods.get("default", "web.b.b-web", visible=Sees({"a", "b"}))


async def test_a_page_ends_where_a_hidden_object_has_the_name(desk):
    desk.put("web", "a", created=1)
    desk.put("web", "b", created=2)
    desk.put("web-0", "b", created=2)
    assert await paged(desk, {"b"}, 1) == ["web", "web-0"]


async def paged(desk, members, limit, between=lambda: None):
    names, token = [], ""
    while True:
        query = {"limit": str(limit), **({"continue": token} if token else {})}
        page = await desk.list("default", visible=Sees(members), **query)
        names += [obj.name for obj in page.items]
        token = page.continue_token
        if not token:
            return names
        between()


@pytest.mark.parametrize("seed", range(30))
async def test_pages_hold_what_the_view_was_when_they_were_begun(seed, monkeypatch):
    monkeypatch.setattr("cache.search._SLICE", 1 + seed % 3)
    dice = random.Random(seed)
    desk = ByView()

    def change() -> None:
        name, cluster = dice.choice(NAMES), dice.choice(MEMBERS)
        if dice.random() < 0.5:
            desk.drop(name, cluster)
        else:
            desk.put(name, cluster, uid=f"{cluster}{dice.randint(1, 9)}", created=dice.randint(1, 5))

    for _ in range(30):
        change()
        members = dice.choice(VIEWS)
        names = [obj["metadata"]["name"] for obj in await desk.told(members)]
        assert await paged(desk, members, dice.randint(1, 2), change) == names


async def test_one_object_is_watched_by_its_qualified_name_whether_it_bears_it_or_not(desk):
    desk.put("web", "b", created=2)
    for members in (MEMBERS, "b"):
        named = await desk.told(members, fieldSelector="metadata.name=web.b")
        assert [obj["metadata"]["name"] for obj in named] == ["web.b"]
    watch = await desk.follow(MEMBERS, fieldSelector="metadata.name=web.b")
    desk.put("web", "b", created=2, rv="11", phase="Failed")
    desk.put("web", "a", created=1)
    desk.put("other", "b")
    desk.drop("web", "b")
    assert brief(watch.poll()) == [(MODIFIED, "web.b", "b"), (MODIFIED, "web.b", "b"), (DELETED, "web.b", "b")]


async def test_a_watch_by_a_qualified_name_ends_when_an_object_really_has_that_name(desk):
    desk.put("web", "b", created=2)
    watch = await desk.follow(MEMBERS, fieldSelector="metadata.name=web.b")
    desk.put("web.b", "c", created=2)
    (event,) = watch.poll()
    assert event.status["code"] == 410
    assert watch.ended
    named = await desk.told(MEMBERS, fieldSelector="metadata.name=web.b")
    assert [obj["metadata"]["uid"] for obj in named] == ["c-web.b"]


async def test_a_name_that_ends_with_no_members_name_is_a_name_like_any_other(desk):
    desk.put("other", "b")
    watch = await desk.follow(MEMBERS, fieldSelector="metadata.name=n1.internal")
    desk.put("n1.internal", "b")
    assert brief(watch.poll()) == [(ADDED, "n1.internal", "b")]


async def test_a_literal_name_is_not_read_as_a_qualified_one(desk):
    desk.put("web", "b", created=2)
    desk.put("web.b", "a", created=2)
    named = await desk.told(MEMBERS, fieldSelector="metadata.name=web.b")
    assert [obj["metadata"]["uid"] for obj in named] == ["a-web.b"]


class Follower:
    """A client that keeps what it is told."""

    def __init__(self, watch) -> None:
        self.watch = watch
        self.store: dict[str, JsonObject] = {}
        self.log: list[tuple[str, JsonObject]] = []

    def read(self) -> None:
        while events := self.watch.poll():
            for event in events:
                self.take(event)

    def take(self, event) -> None:
        obj = event.object
        known = self.store.get(obj.key)
        shown = facts(json.loads(obj.raw))
        assert event.rv == obj.rv
        if event.type == ADDED:
            assert known is None
        else:
            assert known is not None
            assert known["metadata"]["uid"] == obj.uid
        if event.type != MODIFIED or known != shown:
            self.log.append((event.type, shown))
        if event.type == DELETED:
            del self.store[obj.key]
        else:
            self.store[obj.key] = shown


class Pair:
    """What somebody sees of all members, and what he would see if there were those only."""

    def __init__(self, members) -> None:
        self.members = members
        self.alone = ByView()

    async def begin(self, everything) -> None:
        self.seeing = Follower(await everything.follow(self.members))
        self.told = Follower(await self.alone.follow(MEMBERS))

    async def compare(self, everything, names, dice) -> None:
        for follower in (self.seeing, self.told):
            follower.read()
        assert self.seeing.log == self.told.log
        listed = await everything.told(self.members)
        assert listed == await self.alone.told(MEMBERS)
        assert listed == [self.seeing.store[key] for key in sorted(self.seeing.store)]
        everyones = [obj.name for obj in (await self.alone.list("default")).items]
        assert await paged(everything, self.members, dice.randint(1, 3)) == everyones
        for name in names:
            assert await self.answers(everything, name, Sees(self.members)) == await self.answers(
                self.alone, name, Sees(MEMBERS)
            )
            field = {"fieldSelector": f"metadata.name={name}"}
            assert await everything.told(self.members, **field) == await self.alone.told(MEMBERS, **field)

    @staticmethod
    async def answers(desk, name, visible):
        return [obj.uid for obj in desk.pods.owners("default", name, visible=visible)]


@pytest.mark.parametrize("seed", range(12))
async def test_a_view_is_what_there_would_be_without_the_hidden_members(seed):
    dice = random.Random(seed)
    everything, pairs = ByView(), [Pair(members) for members in VIEWS]
    for pair in pairs:
        await pair.begin(everything)
    alive: dict[tuple[str, str], dict[str, object]] = {}
    for step in range(24):
        cluster, name = dice.choice(MEMBERS), dice.choice(NAMES)
        desks = [everything, *(pair.alone for pair in pairs if cluster in pair.members)]
        if (cluster, name) in alive and dice.random() < 0.5:
            del alive[cluster, name]
            for desk in desks:
                desk.drop(name, cluster)
        else:
            object_ = alive.setdefault(
                (cluster, name), {"uid": f"{cluster}{step}", "created": dice.randint(1, 5) * 1_000_000}
            )
            for desk in desks:
                desk.put(name, cluster, rv=str(100 + step), labels={"step": str(step)}, **object_)
        for pair in pairs:
            await pair.compare(everything, (*NAMES, "web.a", "web.c", "web.b.b", f"web.b.b{step}"), dice)


async def restarted(*pods):
    """The same in the next run, and the version at which the first one ended."""
    before, after = ByView(), ByView()
    objects = [before.put(name, cluster, created=created) for name, cluster, created in pods]
    served = [before.cacher.cache.objects.of_member(obj.cluster, obj.original_key) for obj in objects]
    for obj in served:
        after.cacher.feed(obj.cluster).synced = True
    cache, last = after.cacher.cache, before.cacher.cache.revision
    for _ in cache.recover(FormerRun(last, MEMBERS, ()), last, served, ()):
        pass
    return after, last


async def test_names_follow_from_what_is_seen_in_the_next_run_as_well():
    desk, _ = await restarted(("web", "a", 1), ("web", "b", 2), ("web", "c", 3))
    names = {frozenset(members): [obj["metadata"]["name"] for obj in await desk.told(members)] for members in VIEWS}
    assert names == {
        members: ["web", *(f"web.{cluster}" for cluster in sorted(members)[1:])] for members in map(frozenset, VIEWS)
    }


async def test_who_saw_other_names_in_the_run_before_lists_anew():
    desk, last = await restarted(("web", "a", 1), ("web", "b", 2))
    options = parse_list_options({"resourceVersion": str(last)}, watch=True)
    narrow = await desk.pods.watch("default", options, visible=Sees({"b"}), timeout=10.0)
    (event,) = narrow.poll()
    assert event.status["code"] == 410
    with pytest.raises(ApiError, match="too old"):
        await desk.list(visible=Sees({"b"}), resourceVersion=str(last), resourceVersionMatch="Exact")
    assert (await desk.pods.watch("default", options, timeout=10.0)).poll() == []


async def test_where_all_have_their_own_names_everybody_goes_on():
    desk, last = await restarted(("web", "a", 1), ("db", "b", 2))
    options = parse_list_options({"resourceVersion": str(last)}, watch=True)
    narrow = await desk.pods.watch("default", options, visible=Sees({"b"}), timeout=10.0)
    assert narrow.poll() == []
    desk.put("db", "b", created=2, rv="77")
    assert brief(narrow.poll()) == [(MODIFIED, "db", "b")]
