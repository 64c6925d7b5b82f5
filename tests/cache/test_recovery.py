"""What the next run of the gateway knows of the one before, and from which versions clients go on."""

import json

import pytest

from cache.caller_views import WHOLE
from cache.continue_token import ContinueTokenCodec
from cache.history import HistoryLimits
from cache.merged_resource import MergedResource
from cache.observed_object import ObservedObject
from cache.resource_kind import PODS
from cache.resource_version import SLOTS
from cache.watcher import Watched, Watcher, WatchStart, everyone
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.options import EXACT, ListOptions
from tests.cache.test_selection import selection
from tests.support.clock import FakeClock
from tests.support.objects import pod
from tests.support.restarts import Disk, Runs


class Play(Runs):
    """Says things in the name of members, and asks what clients are told."""

    def __init__(self, disk):
        self.clock = FakeClock()
        super().__init__(PODS, disk, self.clock)

    async def begin(self):
        await self.start()
        for cluster in ("a", "b"):
            self.cacher.feed(cluster).begin_list()
            self.cacher.feed(cluster).end_list("1")

    def observe(self, cluster, name="web", **facts):
        observed = ObservedObject(json.dumps(pod(name, **facts)).encode())
        obj = self.cache.observe(cluster, observed)
        self.clock.advance(0.01)
        return obj

    def forget(self, cluster, name="web"):
        self.clock.advance(0.01)
        return self.cache.forget(cluster, f"default/{name}")

    async def restart(self, *, written=True, seconds=5.0):
        if written:
            await self.disk.write()
        self.clock.advance(seconds)
        await self.start()

    def told(self, rv, *, visible=everyone, **wanted):
        watcher = self.watch(rv, visible=visible, **wanted)
        return [(event.type, event.object.name if event.object else event.status["code"]) for event in watcher.poll()]

    def watch(self, rv, *, visible=everyone, **wanted):
        watched = Watched(selection(**wanted), visible, timeout=1_000.0)
        return Watcher(self.cache, watched, WatchStart(after=rv), news=self.cacher, clock=self.clock)

    def catch_up(self):
        for feed in self.cacher.feeds.values():
            feed.resumed_at(feed.reached)
        self.cache.resumption.members_known()


@pytest.fixture
async def play(tmp_path):
    play = Play(Disk(tmp_path / "cache.sqlite"))
    await play.begin()
    yield play
    play.disk.file.close()


def snapshot(play):
    return [(obj, obj.metadata) for obj in play.cache.objects.everything()]


class TestState:
    async def test_objects_come_back_exactly(self, play):
        play.observe("a", "web", uid="1", labels={"app": "x"}, created=1_700_000_000)
        play.observe("b", "web", uid="2", created=1_700_000_100)
        play.observe("b", "dotted.name", uid="3", phase="Failed", node="node-1")
        play.observe("a", "gone", uid="4")
        play.forget("a", "gone")
        before = snapshot(play)
        await play.restart()
        assert snapshot(play) == before
        assert [obj.name for obj, _ in before] == ["dotted.name", "web", "web.b"]
        assert {obj.uid for obj in play.cache.objects.owners("default", "web")} == {"1", "2"}
        assert play.cache.objects.owners("default", "web.b")[0].cluster == "b"
        assert play.cache.objects.count_of("b") == 2
        assert [obj.uid for obj in play.cache.objects.candidates(selection(fields="spec.nodeName=node-1"))] == ["3"]

    async def test_names_are_settled_on_as_ever(self, play):
        play.observe("a", uid="1", created=1_700_000_000)
        play.observe("b", uid="2", created=1_700_000_100)
        await play.restart()
        play.forget("a")
        assert [(obj.key, obj.uid) for obj in play.cache.objects.everything()] == [("default/web", "2")]

    async def test_only_what_changed_is_written(self, play):
        first = play.observe("a", "first", uid="1")
        assert await play.disk.write() == 1
        assert await play.disk.write() == 0
        play.observe("a", "second", uid="2")
        changes = await play.disk.cursors()[0].collect()
        assert [record.key for record in changes.state.objects] == ["default/second"]
        await play.restart()
        assert play.cache.objects.of_member("a", "default/first") == first

    async def test_a_history_that_ran_ahead_of_the_disk(self, play):
        """More events than the history holds: everything is written anew."""
        play.observe("a", "dropped", uid="0")
        await play.disk.write()
        play.cache.history._limits = HistoryLimits(events=2)
        play.forget("a", "dropped")
        play.observe("a", "kept", uid="1")
        seen = play.observe("a", "late", uid="2").rv
        play.forget("a", "late")
        changes = await play.disk.cursors()[0].collect()
        assert changes.whole
        before = snapshot(play)
        await play.restart()
        assert snapshot(play) == before
        assert [obj.name for obj, _ in before] == ["kept"]
        assert play.told(seen) == [("DELETED", "late")]

    async def test_a_second_restart_knows_as_much(self, play):
        seen = play.observe("a", "first", uid="1").rv
        play.observe("a", "gone", uid="2")
        play.forget("a", "gone")
        await play.restart()
        await play.restart()
        play.catch_up()
        assert play.told(seen) == []
        play.observe("a", "first", uid="1", rv="11")
        await play.restart()
        assert play.told(seen) == [("MODIFIED", "first")]

    async def test_versions_go_on_growing_even_when_the_clock_was_set_back(self, play):
        last = play.observe("a").rv
        await play.restart(seconds=-3_600)
        assert play.cache.revision > last + SLOTS
        assert play.observe("a", rv="11").rv > play.cache.resumption._start

    async def test_members_are_stale_until_they_are_heard_from(self, play):
        contact = play.clock()
        await play.restart(seconds=60)
        feed = play.cacher.feeds["a"]
        assert (feed.freshness().stale, feed.freshness().stale_since) == (True, contact)
        assert not feed.settled
        feed.failed("connection refused")
        assert (feed.settled, feed.freshness().stale_since) == (True, contact)
        feed.contact()
        assert not feed.freshness().stale
        assert feed.current

    async def test_a_member_that_was_never_read(self, play):
        play.cacher.feed("new")
        await play.restart()
        feed = play.cacher.feeds["new"]
        assert feed.resumes_from == ""
        assert not feed.synced
        assert feed.freshness().stale_since is None

    async def test_a_member_that_is_another_cluster_now_is_listed(self, play):
        play.cacher.feed("a").identify("https://one")
        play.cacher.feed("b").identify("https://two")
        await play.restart()
        play.cacher.feed("a").identify("https://one")
        play.cacher.feed("b").identify("https://other")
        assert [play.cacher.feed(name).resumes_from for name in "ab"] == ["1", ""]


class TestGoingOn:
    async def test_from_any_version_that_was_seen(self, play):
        versions = [play.observe("a", name, uid=name).rv for name in ("one", "two", "three")]
        play.observe("a", "one", uid="one", rv="11")
        play.forget("a", "two")
        await play.restart()
        assert play.told(versions[0]) == [("ADDED", "three"), ("MODIFIED", "one")]
        assert play.told(versions[1]) == [("ADDED", "three"), ("MODIFIED", "one"), ("DELETED", "two")]
        assert play.told(versions[2]) == [("MODIFIED", "one"), ("DELETED", "two")]
        assert play.told(play.cache.revision) == []

    async def test_versions_only_grow(self, play):
        seen = play.observe("a", "one", uid="one").rv
        play.forget("a", "one")
        play.observe("a", "two", uid="two")
        await play.restart()
        play.observe("a", "three", uid="three")
        versions = [event.rv for event in play.watch(seen).poll()]
        assert versions == sorted(versions)
        assert versions[0] > seen

    async def test_everything_is_told_in_the_order_in_which_it_happened_last(self, play, monkeypatch):
        monkeypatch.setattr("cache.recovery._RUN", 4)
        names = [f"p{number}" for number in range(30)]
        seen = play.observe("a", "first", uid="first").rv
        for name in names:
            play.observe("a", name, uid=name)
        await play.disk.write()
        for name in reversed(names[::3]):
            play.observe("a", name, uid=name, rv="11")
        for name in reversed(names[1::3]):
            play.forget("a", name)
        await play.restart()
        expected = [("ADDED", name) for name in names[2::3]]
        expected += [("ADDED", name) for name in reversed(names[::3])]
        assert play.told(seen) == expected
        everything = play.cache.history.read(play.cache.history.position_after(0), 100)
        assert [event.rv for event in everything] == sorted(event.rv for event in everything)
        assert len(everything) == 31

    async def test_what_came_and_went_in_between_is_not_told(self, play):
        seen = play.observe("a", "stays", uid="0").rv
        play.observe("a", "short", uid="1")
        play.forget("a", "short")
        await play.restart()
        assert play.told(seen) == []

    async def test_another_object_under_the_same_key(self, play):
        seen = play.observe("a", uid="1").rv
        play.forget("a")
        play.observe("a", uid="2")
        await play.restart()
        assert play.told(seen) == [("DELETED", "web"), ("ADDED", "web")]

    async def test_names_that_changed(self, play):
        play.observe("a", uid="1", created=1_700_000_000)
        seen = play.observe("b", uid="2", created=1_700_000_100).rv
        play.forget("a")
        await play.restart()
        assert play.told(seen) == [("DELETED", "web"), ("DELETED", "web.b"), ("ADDED", "web")]

    async def test_selectors_do_not_know_what_was_selected_before(self, play):
        wanted = {"fields": "status.phase=Running"}
        play.observe("a", "left", uid="1")
        play.observe("a", "stays", uid="2")
        play.observe("a", "entered", uid="3", phase="Pending")
        seen = play.observe("a", "died", uid="4", phase="Pending").rv
        play.observe("a", "left", uid="1", rv="11", phase="Failed")
        play.observe("a", "stays", uid="2", rv="11")
        play.observe("a", "entered", uid="3", rv="11")
        play.forget("a", "died")
        play.observe("a", "never", uid="5", phase="Failed")
        await play.restart()
        assert play.told(seen, **wanted) == [
            ("DELETED", "left"),
            ("MODIFIED", "stays"),
            ("MODIFIED", "entered"),
            ("DELETED", "died"),
        ]
        assert play.told(seen, namespace="other", **wanted) == []
        assert play.told(seen, fields="metadata.name=left,status.phase=Running") == [("DELETED", "left")]
        assert play.told(seen, visible=lambda cluster: cluster != "a", **wanted) == []

    async def test_events_of_this_run_are_judged_as_ever(self, play):
        play.observe("a", "web", uid="1")
        await play.restart()
        watcher = play.watch(play.cache.revision, fields="status.phase=Running")
        play.observe("a", "web", uid="1", rv="11", phase="Failed")
        play.observe("a", "web", uid="1", rv="12", phase="Failed")
        assert [event.type for event in watcher.poll()] == ["DELETED"]

    async def test_below_what_is_known_and_of_other_replicas(self, play):
        first = play.cache.history.floor
        seen = play.observe("a").rv
        await play.restart()
        assert play.told(first - SLOTS) == [("ERROR", 410)]
        assert play.told(first) == [("ADDED", "web")]
        assert play.told(seen + 1) == [("ERROR", 410)]
        assert play.told(play.cache.revision + SLOTS + 1) == [("ERROR", 410)]

    async def test_pages_need_every_step(self, play):
        first = play.observe("a", "one", uid="1").rv
        last = play.observe("a", "two", uid="2").rv
        await play.restart()
        assert not play.cache.knows(first)
        assert play.cache.knows(last)
        play.observe("a", "three", uid="3")
        past = play.cache.past(selection(), last)
        assert past.catch_up()
        assert [obj.name for obj in past.page("")] == ["one", "two"]


class TestLostWindow:
    """Versions that were issued after the last snapshot."""

    async def lose(self, play):
        """A client sees an object that the next run knows nothing of yet."""
        play.observe("a", "known", uid="1")
        await play.disk.write()
        seen = play.observe("a", "unsaved", uid="2", rv="20").rv
        await play.restart(written=False)
        return seen

    async def test_everything_is_told_again(self, play):
        seen = await self.lose(play)
        watcher = play.watch(seen)
        assert watcher.poll() == []
        play.observe("a", "unsaved", uid="2", rv="20")
        (event,) = watcher.poll()
        assert (event.type, event.object.name) == ("ADDED", "unsaved")
        assert event.rv > seen
        play.catch_up()
        assert play.told(seen) == [("ADDED", "unsaved")], "whoever comes later than that is told the same"

    async def test_what_came_there_and_went_in_a_run_that_was_missed(self, play):
        seen = await self.lose(play)
        known = play.cache.history.floor
        play.observe("a", "unsaved", uid="2", rv="20")
        play.observe("a", "short", uid="3", rv="21")
        play.forget("a", "unsaved")
        play.forget("a", "short")
        play.catch_up()
        play.observe("a", "later", uid="4", rv="22")
        play.forget("a", "later")
        await play.restart()
        # Of the second it is not known whether he had been told, of the third it is.
        assert play.told(seen) == [("DELETED", "unsaved"), ("DELETED", "short")]
        assert play.told(known) == [("ADDED", "known")]
        await play.restart()
        assert play.told(seen) == [("DELETED", "unsaved"), ("DELETED", "short")]

    async def test_the_same_where_the_snapshot_is_taken_before_all_was_told_again(self, play):
        seen = await self.lose(play)
        play.observe("a", "unsaved", uid="2", rv="20")
        await play.disk.write()
        play.forget("a", "unsaved")
        play.catch_up()
        await play.restart()
        assert play.told(seen) == [("DELETED", "unsaved")]

    async def test_a_member_that_has_to_be_listed_ends_it(self, play):
        seen = await self.lose(play)
        watcher, other = play.watch(seen), play.watch(play.cache.history.floor)
        assert watcher.poll() == []
        assert [event.type for event in other.poll()] == ["ADDED"]
        play.cacher.feed("a").begin_list()
        play.cacher.feed("a").end_list("30")
        (error,) = watcher.poll()
        assert error.status["code"] == 410
        assert play.told(seen) == [("ERROR", 410)]
        assert other.poll() == []
        assert play.told(play.cache.revision) == [], "a list of now can be watched from, though nothing happened since"

    async def test_those_who_went_on_from_there_and_came_again(self, play):
        seen = await self.lose(play)
        assert play.watch(seen).poll() == []
        later = play.observe("b", "other", uid="3").rv
        assert play.told(later) == []
        play.cacher.feed("a").begin_list()
        play.cacher.feed("a").end_list("30")
        assert play.told(later) == [("ERROR", 410)]
        assert play.told(play.observe("b", "last", uid="4").rv) == []

    async def test_nobody_went_on_from_there(self, play):
        await self.lose(play)
        later = play.observe("b", "other", uid="3").rv
        play.cacher.feed("a").begin_list()
        play.cacher.feed("a").end_list("30")
        assert play.told(later) == []

    async def test_members_that_appear_or_leave(self, play):
        seen = await self.lose(play)
        play.cacher.feed("joined")
        assert play.told(seen) == [("ERROR", 410)]
        seen = await self.lose(play)
        await play.cacher.drop_feed("b")
        assert play.told(seen) == [("ERROR", 410)]

    @pytest.mark.parametrize(
        ("first", "second", "lost"),
        [
            ("web", "web", True),
            ("web", "web.b", True),
            ("web.b", "web", True),
            ("web.b.c", "web.b", True),
            ("web", "webs", False),
            ("web.a", "web.b", False),
        ],
    )
    async def test_names_that_depend_on_the_order_of_members_news(self, play, first, second, lost):
        seen = await self.lose(play)
        play.observe("a", first, uid="3")
        assert play.told(seen)[-1] != ("ERROR", 410)
        play.observe("b", second, uid="4")
        assert (play.told(seen)[-1] == ("ERROR", 410)) == lost

    async def test_two_crashes_before_all_was_told_again(self, play):
        seen = await self.lose(play)
        assert play.told(seen) == []
        later = play.observe("b", "other", uid="3").rv
        await play.restart()
        assert play.told(seen) == [("ERROR", 410)]
        assert play.told(later) == [("ERROR", 410)]

    async def test_two_crashes_after_all_was_told_again(self, play):
        seen = await self.lose(play)
        play.watch(seen)
        play.observe("a", "unsaved", uid="2", rv="20")
        play.catch_up()
        await play.restart()
        assert play.told(seen) == [("MODIFIED", "unsaved")]
        await play.restart()
        assert play.told(seen) == [("MODIFIED", "unsaved")]

    async def test_catching_up_takes_until_the_member_has_told_all(self, play):
        await self.lose(play)
        feed = play.cacher.feeds["a"]
        play.cacher.feeds["b"].resumed_at("1")
        play.cache.resumption.members_known()
        feed.resumed_at("25")
        feed.progress("24")
        assert play.cache.resumption.unproven
        feed.progress("25")
        assert not play.cache.resumption.unproven


class TestCallers:
    """Where callers see different members."""

    async def lists(self, play, view, caller="alice"):
        """What a caller lists, and the version to go on from."""
        since = play.cacher.views.since(caller, view)
        return since, play.cache.revision

    async def told(self, play, rv, view, caller="alice"):
        since = play.cacher.views.since(caller, view)
        pods = MergedResource(play.cacher, PODS.stored, ContinueTokenCodec(b"k" * 16))
        options = ListOptions(resource_version=str(rv))
        watcher = await pods.watch("", options, timeout=100, since=since)
        return [event.type for event in watcher.poll()]

    async def test_who_sees_all_members_goes_on(self, play):
        play.observe("a", "one", uid="1")
        _, seen = await self.lists(play, WHOLE)
        await play.disk.write()
        play.observe("a", "two", uid="2")
        for _ in range(2):
            await play.restart()
            assert await self.told(play, seen, WHOLE) == ["ADDED"]
        assert await self.told(play, seen, WHOLE, "bob") == ["ERROR"]

    async def test_who_sees_some_or_another_set_than_before_lists_anew(self, play):
        for before, after in (("a", "a"), ("a", WHOLE), (WHOLE, "a")):
            _, seen = await self.lists(play, before)
            await play.restart()
            assert await self.told(play, seen, after) == ["ERROR"]

    async def test_a_view_is_not_known_from_before_it_began(self, play):
        _, narrow = await self.lists(play, "a")
        _, seen = await self.lists(play, WHOLE)
        await play.restart()
        assert await self.told(play, narrow, WHOLE) == ["ERROR"]
        assert await self.told(play, seen, WHOLE) == []

    async def test_what_was_seen_after_the_last_snapshot_is_not_known(self, play):
        """His view may have changed there and changed back while the gateway was away."""
        await self.lists(play, WHOLE)
        _, seen = await self.lists(play, WHOLE)
        await play.disk.write()
        await self.lists(play, "a")
        lost = play.observe("b", "one", uid="1", rv="11").rv
        await play.restart(written=False)
        play.catch_up()
        for _ in range(2):
            assert await self.told(play, lost, WHOLE) == ["ERROR"]
            assert await self.told(play, seen, WHOLE) == []
            await play.restart()

    async def test_what_another_gateway_has_written_since_ends_it(self, play):
        """One that knows nothing of views."""
        _, seen = await self.lists(play, WHOLE)
        await play.disk.write()
        play.disk.file._connection.execute("UPDATE kinds SET checkpoint = checkpoint + 32")
        await play.restart(written=False)
        assert await self.told(play, seen, WHOLE) == ["ERROR"]

    async def test_a_list_of_the_past_is_not_from_before_the_view(self, play):
        seen = play.observe("a", "one", uid="1").rv
        since, _ = await self.lists(play, WHOLE)
        pods = MergedResource(play.cacher, PODS.stored, ContinueTokenCodec(b"k" * 16))
        options = ListOptions(resource_version=str(seen), resource_version_match=EXACT)
        assert len((await pods.list("", options)).items) == 1
        with pytest.raises(ApiError) as refused:
            await pods.list("", options, since=since)
        assert refused.value.code == 410

    async def test_an_object_whose_name_depends_on_others_now_is_not_told_to_be_gone(self, play):
        """It keeps its name for those who see all: nothing happened that they could see."""
        play.cache.by_view = True
        play.observe("a", uid="1", created=1_700_000_000)
        seen = play.observe("c", uid="3", created=1_700_000_300).rv
        play.observe("b", uid="2", created=1_700_000_100)
        await play.restart()
        assert sorted(play.told(seen)) == [("ADDED", "web.b"), ("MODIFIED", "web.c")]


async def test_writes_based_on_versions_of_the_former_run(play):
    seen = play.observe("a", "web", uid="1", rv="11")
    changed = play.observe("a", "db", uid="2", rv="12")
    await play.restart()
    pods = MergedResource(play.cacher, PODS.stored, ContinueTokenCodec(b"k" * 16))
    play.observe("a", "db", uid="2", rv="13")
    web, db = await pods.get("default", "web"), await pods.get("default", "db")
    assert pods.writes.member_version(web, str(seen.rv)) == "11"
    assert pods.writes.member_version(db, str(changed.rv)) is None


async def test_a_page_is_continued_after_a_restart_in_quiet_and_refused_with_a_way_on_otherwise(play):
    for name in ("one", "two", "three"):
        play.observe("a", name, uid=name)
    tokens = ContinueTokenCodec(b"k" * 16)
    page = await MergedResource(play.cacher, PODS.stored, tokens).list("", ListOptions(limit=2))
    await play.restart()
    pods = MergedResource(play.cacher, PODS.stored, tokens)
    play.observe("a", "later", uid="4")
    rest = await pods.list("", ListOptions(limit=2, continue_token=page.continue_token))
    assert [obj.name for obj in (*page.items, *rest.items)] == ["one", "three", "two"]
    assert rest.resource_version == page.resource_version
    await play.restart()
    pods = MergedResource(play.cacher, PODS.stored, tokens)
    with pytest.raises(ApiError) as refused:
        await pods.list("", ListOptions(limit=2, continue_token=page.continue_token))
    assert refused.value.code == 410
    assert refused.value.status["metadata"]["continue"]


async def test_what_was_read_before_anything_happened_is_gone_on_from(play):
    for name in ("one", "two", "three"):
        play.observe("a", name, uid=name)
    await play.restart()
    pods = MergedResource(play.cacher, PODS.stored, ContinueTokenCodec(b"k" * 16))
    page = await pods.list("", ListOptions(limit=2))
    assert [obj.name for obj in page.items] == ["one", "three"]
    play.observe("a", "later", uid="4")
    assert play.told(int(page.resource_version)) == [("ADDED", "later")]
    rest = await pods.list("", ListOptions(limit=2, continue_token=page.continue_token))
    assert [obj.name for obj in rest.items] == ["two"]
