from cache.watch_event import ADDED, BOOKMARK, DELETED, MODIFIED, CacheEvent, WatchEvent, error_event
from gateway.apimachinery.errors import expired
from tests.cache.test_cached_object import built
from tests.support.objects import pod

OLD, NEW = built(pod(phase="Pending"), rv=10), built(pod(phase="Running"), rv=11)


def test_a_frame_is_made_once_for_each_form():
    made = []

    def encode(event):
        made.append(event)
        return b"x"

    event = WatchEvent(ADDED, 10, OLD)
    assert event.encoded("json", encode) == event.encoded("json", encode) == b"x"
    event.encoded("table", encode)
    assert len(made) == 2
    event.forget_encoded()
    event.encoded("json", encode)
    event.encoded("json", encode)
    assert len(made) == 4


def test_all_watchers_share_what_they_see():
    event = CacheEvent(MODIFIED, NEW, OLD, 0)
    assert event.seen_as(ADDED) is event.seen_as(ADDED)
    assert event.seen_as(ADDED).object is event.seen_as(MODIFIED).object is NEW
    event.seen_as(ADDED).encoded("json", lambda event: b"x")
    event.forget_encoded()
    assert event.seen_as(ADDED).encoded("json", lambda event: b"y") == b"y"


def test_leaving_a_selection_shows_the_previous_state_at_the_new_version():
    gone = CacheEvent(MODIFIED, NEW, OLD, 0).seen_as(DELETED)
    assert (gone.type, gone.rv, gone.object.rv) == (DELETED, 11, 11)
    assert gone.object.fields == OLD.fields
    assert b'"resourceVersion":"11"' in gone.object.raw
    assert b"Pending" in gone.object.raw


def test_a_deletion_has_a_version_of_its_own():
    deletion = CacheEvent(DELETED, OLD.at_revision(12), OLD, 0)
    assert deletion.rv == deletion.seen_as(DELETED).object.rv == 12


def test_how_events_look_in_tests_and_logs():
    assert repr(WatchEvent(ADDED, 10, OLD)) == "<ADDED default/web @10>"
    assert repr(WatchEvent(BOOKMARK, 10, initial_events_end=True)) == "<BOOKMARK end of initial events @10>"
    assert repr(error_event(expired("old"), 10)) == "<ERROR  @10>"
    assert error_event(expired("old"), 10).status["code"] == 410


def test_a_frame_that_nobody_else_asks_for_is_not_kept() -> None:
    asked: list[WatchEvent] = []

    def encode(event: WatchEvent) -> bytes:
        asked.append(event)
        return b"frame"

    for shared, times in ((True, 1), (False, 2)):
        event = WatchEvent(ADDED, 10, OLD, shared=shared)
        assert event.shared is shared
        assert [event.encoded("json", encode) for _ in range(2)] == [b"frame"] * 2
        assert len(asked) == times
        asked.clear()
