import pytest

from cache.history import History, HistoryLimits
from cache.watch_event import ADDED, DELETED, CacheEvent
from tests.cache.test_cached_object import built
from tests.support.objects import pod

TEMPLATE = built(pod())
SIZE = len(TEMPLATE.at_revision(100).raw)


def filled(count, *, every=1.0, **limits):
    """A history that begins at version 100, with events 101, 102 … one each second."""
    history = History(100, HistoryLimits(**{"age": 10**9, **limits}))
    for number in range(1, count + 1):
        history.append(CacheEvent(ADDED, TEMPLATE.at_revision(100 + number), None, number * every))
    return history


def versions(history, position, count=100):
    events = history.read(position, count)
    return None if events is None else [event.rv for event in events]


def test_an_empty_history_knows_its_beginning():
    history = filled(0)
    assert history.floor == 100
    assert history.knows(100)
    assert not history.knows(99)
    assert not history.knows(101)
    assert versions(history, history.position_after(100)) == []


def test_reading_from_a_version():
    history = filled(5)
    assert versions(history, history.position_after(102)) == [103, 104, 105]
    assert versions(history, history.position_after(102), 2) == [103, 104]
    assert versions(history, history.end) == []
    assert all(history.knows(rv) for rv in range(100, 106))
    assert len(history) == 5


def test_versions_that_were_not_issued_here_are_unknown():
    history = History(100, HistoryLimits())
    for rv in (110, 120):
        history.append(CacheEvent(ADDED, TEMPLATE.at_revision(rv), None, 0))
    assert not history.knows(115)
    assert not history.knows(121)
    assert history.knows(110)


def test_only_so_many_events_are_kept():
    history = filled(1_000, events=10)
    assert len(history) == 10
    assert history.floor == 1090
    assert history.knows(1090)
    assert not history.knows(1089)
    assert history.end == 1_000
    assert versions(history, history.position_after(1098)) == [1099, 1100]
    assert versions(history, 989) is None
    assert versions(history, 990)[0] == 1091


def test_only_so_many_bytes_are_kept():
    assert len(filled(20, size=SIZE * 5)) == 5


def test_one_event_is_kept_however_large():
    assert len(filled(3, size=1)) == 1


def test_old_events_go_but_not_the_last_ones_of_a_quiet_resource():
    assert len(filled(20, age=5, quiet_events=0)) == 6
    assert len(filled(20, age=5, quiet_events=8)) == 8


def test_frames_are_kept_for_the_newest_events_only():
    history = filled(3, encoded_events=2)
    seen = [event.seen_as(ADDED) for event in history.read(0, 3)]
    for event in seen:
        event.encoded("json", lambda event: b"old")
    history.append(CacheEvent(ADDED, TEMPLATE.at_revision(104), None, 4))
    assert [event.encoded("json", lambda event: b"new") for event in seen] == [b"old", b"new", b"old"]


@pytest.mark.parametrize(("count", "kept"), [(1, 3), (2, 3), (3, 2), (4, 1), (9, 0)])
def test_events_that_come_together_are_recorded_like_those_that_come_alone(count, kept):
    history, alone = filled(3, encoded_events=5), filled(3, encoded_events=5)
    seen = [event.seen_as(ADDED) for event in history.read(0, 3)]
    events = [CacheEvent(ADDED, TEMPLATE.at_revision(104 + number), None, 4) for number in range(count)]
    history.extend(events)
    for event in events:
        alone.append(event)
    assert [event.shared for event in seen] == [False] * (3 - kept) + [True] * kept
    assert versions(history, 0) == versions(alone, 0)


@pytest.mark.parametrize("limits", [{"events": 5}, {"size": 5 * SIZE}, {"age": 0.5, "quiet_events": 2}, {"size": 1}])
def test_what_is_beyond_the_limits_is_the_same(limits):
    together, alone = filled(4, **limits), filled(4, **limits)
    for start in range(105, 200, 7):
        events = [CacheEvent(ADDED, TEMPLATE.at_revision(rv), None, start) for rv in range(start, start + 7)]
        together.extend(events)
        for event in events:
            alone.append(event)
        assert (len(together), together.floor, together.end) == (len(alone), alone.floor, alone.end)


def test_finding_the_version_of_a_state():
    history = filled(3)
    assert history.version_of(TEMPLATE.uid, TEMPLATE.member_rv) == 103
    assert history.version_of(TEMPLATE.uid, "other") is None
    assert history.version_of("other", TEMPLATE.member_rv) is None


def test_finding_the_version_of_an_end():
    history = filled(3)
    assert history.end_of(TEMPLATE.uid) is None
    history.append(CacheEvent(DELETED, TEMPLATE.at_revision(104), TEMPLATE, 4))
    history.append(CacheEvent(ADDED, TEMPLATE.at_revision(105), None, 5))
    assert history.end_of(TEMPLATE.uid) == 104
    assert history.end_of("other") is None


def test_what_grew_old_all_at_once_is_let_go_of_a_little_at_a_time():
    released = 0

    class Counted(CacheEvent):
        def __del__(self):
            nonlocal released
            released += 1

    def event(rv, recorded):
        return Counted(ADDED, TEMPLATE.at_revision(rv), None, recorded)

    history = History(100, HistoryLimits(age=300.0, quiet_events=10))
    for rv in range(101, 5_101):
        history.append(event(rv, 0.0))
    assert len(history) == 5_000
    most = 0
    for rv in range(5_101, 6_101):
        before, kept = released, len(history)
        history.append(event(rv, 1_000.0))
        most = max(most, released - before)
        assert kept + 1 - len(history) <= 8
    assert 0 < most <= 400
    assert len(history) == 1_000
    assert history.floor == 5_100
    assert released >= 4_600
