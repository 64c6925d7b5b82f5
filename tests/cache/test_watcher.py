"""Watches by the playbook: what a client is sent, step by step, with the clock in hand."""

import pytest

from cache.history import HistoryLimits
from cache.resource_kind import PODS
from cache.resource_version import SLOTS
from cache.watch_cache import WatchCache
from cache.watcher import Watched, Watcher, WatchStart, everyone
from gateway.apimachinery.errors import too_large_resource_version
from tests.cache.test_selection import selection
from tests.cache.test_watch_cache import Playbook
from tests.support.clock import FakeClock


class Play(Playbook):
    """A cache, a clock, and a watch whose waiting is counted instead of done."""

    def __init__(self) -> None:
        super().__init__(PODS)
        self.clock = FakeClock(1_000.0)
        self.is_settled = True
        self.waits: list[float] = []
        self.woken = 0
        self.on_wait = lambda: None

    async def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.clock.advance(seconds)
        self.on_wait()

    async def ride(self, rider, seconds: float) -> None:
        await self.wait(seconds)

    def changed(self) -> None:
        self.woken += 1

    def settled(self, visible) -> bool:
        return self.is_settled

    def watch(self, start=None, *, visible=everyone, bookmarks=True, timeout=1_000.0, **wanted) -> Watcher:
        watched = Watched(selection(**wanted), visible, bookmarks, timeout)
        begin = start or WatchStart(after=self.cache.revision)
        return Watcher(self.cache, watched, begin, news=self, clock=self.clock)

    def initial(self, **kwargs) -> Watcher:
        state = sorted(self.cache.objects.candidates(selection()), key=lambda obj: obj.rv)
        return self.watch(WatchStart(state, announce_end=True, after=self.cache.revision), **kwargs)


def brief(batch):
    return [
        (event.type, event.object.name if event.object else "end" if event.initial_events_end else "")
        for event in batch
    ]


@pytest.fixture
def play():
    return Play()


class TestEvents:
    def test_what_happens_after_the_start(self, play):
        play.observe("m", "before", uid="0")
        watcher = play.watch()
        assert watcher.poll() == []
        play.observe("m", "a", uid="a")
        play.observe("m", "a", uid="a", rv="11")
        play.forget("m", "a")
        assert brief(watcher.poll()) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
        assert watcher.poll() == []

    def test_resuming_from_any_version_seen(self, play):
        play.observe("m", "a", uid="a")
        seen = play.cache.revision
        play.observe("m", "b", uid="b")
        assert brief(play.watch(WatchStart(after=seen)).poll()) == [("ADDED", "b")]
        assert play.watch(WatchStart(after=play.cache.revision)).poll() == []

    def test_all_watchers_see_the_same_events(self, play):
        first, second = play.watch(), play.watch()
        play.observe("m", "a", uid="a")
        assert first.poll()[0] is second.poll()[0]

    def test_only_what_is_selected_and_visible(self, play):
        watcher = play.watch(visible=lambda cluster: cluster != "secret", fields="status.phase=Running")
        play.observe("m", "a", uid="a")
        play.observe("m", "b", uid="b", phase="Pending")
        play.observe("secret", "c", uid="c")
        play.observe("m", "a", uid="a", rv="11", phase="Failed")
        assert brief(watcher.poll()) == [("ADDED", "a"), ("DELETED", "a")]

    def test_batches_are_bounded(self, play, monkeypatch):
        monkeypatch.setattr("cache.watcher._BATCH_EVENTS", 2)
        watcher = play.watch()
        for name in "abcde":
            play.observe("m", name, uid=name)
        assert [len(watcher.poll()) for _ in range(4)] == [2, 2, 1, 0]
        monkeypatch.setattr("cache.watcher._BATCH_BYTES", 1)
        play.observe("m", "f", uid="f")
        play.observe("m", "g", uid="g")
        assert [len(watcher.poll()) for _ in range(3)] == [1, 1, 0]


class TestVersions:
    def test_a_version_that_is_too_old(self, play):
        watcher = play.watch(WatchStart(after=5))
        (error,) = watcher.poll()
        assert error.type == "ERROR"
        assert error.status["code"] == 410
        assert error.status["message"] == f"too old resource version: 5 ({play.cache.history.floor})"
        assert watcher.ended
        assert watcher.poll() == []

    def test_a_version_of_another_process(self, play):
        play.observe("m", "a", uid="a")
        play.observe("m", "b", uid="b")
        between = play.cache.history.floor + SLOTS
        assert not play.cache.knows(between + 1_000)
        play.cache._clock._last += 100 * SLOTS
        play.observe("m", "c", uid="c")
        (error,) = play.watch(WatchStart(after=play.cache.revision - 50 * SLOTS)).poll()
        assert error.status["code"] == 410

    def test_a_future_version_is_waited_for_and_then_was_not_ours(self, play):
        watcher = play.watch(WatchStart(after=play.cache.revision + 2 * SLOTS), bookmarks=False)
        play.observe("m", "a", uid="a")
        assert watcher.poll() == []
        play.cache._clock._last += 5 * SLOTS
        play.observe("m", "b", uid="b")
        (error,) = watcher.poll()
        assert error.status["code"] == 410

    def test_nobody_waits_for_a_version_that_another_replica_issues(self, play):
        watcher = play.watch(WatchStart(after=play.cache.revision + SLOTS + 1))
        (error,) = watcher.poll()
        assert error.status["code"] == 410

    def test_a_future_version_that_then_is_issued(self, play):
        watcher = play.watch(WatchStart(after=play.cache.revision + SLOTS))
        assert watcher.poll() == []
        play.observe("m", "a", uid="a")
        assert watcher.poll() == []
        play.observe("m", "b", uid="b")
        assert brief(watcher.poll()) == [("ADDED", "b")]

    def test_a_watcher_that_falls_behind_is_told(self, play):
        play.cache.history._limits = HistoryLimits(events=3)
        watcher = play.watch()
        play.observe("m", "first", uid="first")
        assert brief(watcher.poll()) == [("ADDED", "first")]
        seen = play.cache.revision
        for name in "abcdef":
            play.observe("m", name, uid=name)
        (error,) = watcher.poll()
        assert error.status["message"] == f"too old resource version: {seen} ({play.cache.history.floor})"
        assert watcher.ended

    def test_a_start_that_failed(self, play):
        watcher = play.watch(WatchStart(error=too_large_resource_version(7, 5)))
        assert [event.status["code"] for event in watcher.poll()] == [504]
        assert watcher.ended


class TestInitialState:
    def test_state_then_its_end_then_events(self, play):
        play.observe("m", "b", uid="b")
        play.observe("m", "a", uid="a")
        revision = play.cache.revision
        watcher = play.initial()
        play.observe("m", "c", uid="c")
        assert brief(watcher.poll()) == [("ADDED", "b"), ("ADDED", "a")]
        assert brief(watcher.poll()) == [("ADDED", "c")]
        (bookmark,) = watcher.poll()
        assert brief([bookmark]) == [("BOOKMARK", "end")]
        assert bookmark.rv == play.cache.revision > revision
        assert watcher.poll() == []

    def test_the_order_is_that_of_versions_so_that_it_can_be_resumed(self, play):
        for name in "cab":
            play.observe("m", name, uid=name)
        play.observe("m", "c", uid="c", rv="11")
        versions = [event.rv for event in play.initial().poll()]
        assert versions == sorted(versions)

    def test_the_end_waits_until_members_are_settled(self, play):
        play.is_settled = False
        watcher = play.initial()
        play.clock.advance(120)
        assert watcher.poll() == []
        play.is_settled = True
        assert brief(watcher.poll()) == [("BOOKMARK", "end")]

    def test_without_bookmarks_the_end_is_not_marked(self, play):
        play.observe("m", "a", uid="a")
        watcher = play.initial(bookmarks=False)
        assert brief(watcher.poll()) == [("ADDED", "a")]
        assert watcher.poll() == []

    def test_a_large_state_comes_in_batches(self, play, monkeypatch):
        monkeypatch.setattr("cache.watcher._BATCH_EVENTS", 2)
        for name in "abc":
            play.observe("m", name, uid=name)
        watcher = play.initial()
        assert [len(watcher.poll()) for _ in range(3)] == [2, 1, 1]


class TestBookmarksAndTimeout:
    @pytest.mark.parametrize("timeout", [10.0, 1_000.0])
    async def test_a_member_that_is_waited_for_until_a_bookmark_is_due(self, play, timeout):
        """The end of the initial state comes first; until then the watch looks about once a second, not at once."""
        play.is_settled = False
        watcher = play.initial(timeout=timeout)
        began = play.clock()

        def look():
            assert len(play.waits) <= timeout, "it does not rest"
            play.is_settled = play.clock() - began >= 65

        play.on_wait = look
        assert brief(await watcher.next_batch()) == ([] if timeout == 10.0 else [("BOOKMARK", "end")])
        assert len(play.waits) <= 10

    async def test_a_version_that_does_not_come_until_a_bookmark_is_due(self, play):
        watcher = play.watch(WatchStart(after=play.cache.revision + 1_000 * SLOTS), timeout=70.0)

        def look():
            assert len(play.waits) <= 70, "it does not rest"

        play.on_wait = look
        assert await watcher.next_batch() == []
        assert len(play.waits) <= 12

    def test_one_a_minute_and_one_before_the_end(self, play):
        watcher = play.watch(timeout=100)
        times = []
        for _ in range(110):
            play.clock.advance(1)
            times += [play.clock.time - 1_000 for event in watcher.poll() if event.type == "BOOKMARK"]
        assert times == [60, 98]
        assert watcher.ended

    def test_none_unless_asked_for(self, play):
        watcher = play.watch(bookmarks=False)
        play.clock.advance(500)
        assert watcher.poll() == []

    def test_a_bookmark_tells_how_far_the_watch_came(self, play):
        watcher = play.watch(fields="status.phase=Failed")
        play.observe("m", "a", uid="a")
        play.clock.advance(60)
        (bookmark,) = watcher.poll()
        assert bookmark.rv == play.cache.revision

    async def test_waiting_ends_with_the_timeout(self, play):
        watcher = play.watch(timeout=10, bookmarks=False)
        assert await watcher.next_batch() == []
        assert play.waits == [8, 2]
        assert watcher.ended
        assert await watcher.next_batch() == []

    async def test_waiting_ends_with_news(self, play):
        watcher = play.watch()
        play.on_wait = lambda: play.observe("m", "a", uid="a")
        assert brief(await watcher.next_batch()) == [("ADDED", "a")]

    async def test_much_that_does_not_concern_the_watch_is_passed_over(self, play, monkeypatch):
        monkeypatch.setattr("cache.watcher._READ_EVENTS", 2)
        watcher = play.watch(fields="metadata.name=last")
        for name in ("a", "b", "c", "d", "last"):
            play.observe("m", name, uid=name)
        assert brief(await watcher.next_batch()) == [("ADDED", "last")]
        assert play.waits == []

    async def test_closing_ends_without_a_word(self, play):
        watcher = play.initial()
        watcher.close()
        assert play.woken == 1
        assert await watcher.next_batch() == []


def test_everyone_sees_everything():
    assert everyone("m1")
    assert isinstance(Play().cache, WatchCache)
