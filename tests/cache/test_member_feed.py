import json

import msgspec
import pytest

from cache.history import HistoryLimits
from cache.member_feed import MemberFeed, Regressed
from cache.object_builder import ObjectBuilder
from cache.observed_object import ObservedObject
from cache.resource_kind import PODS
from cache.resource_version import RevisionClock
from cache.watch_cache import WatchCache
from tests.cache.test_selection import selection
from tests.support.clock import FakeClock
from tests.support.objects import pod


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def cache(clock):
    return WatchCache(PODS, ObjectBuilder(PODS), RevisionClock(clock), clock, HistoryLimits())


@pytest.fixture
def feed(cache, clock):
    return MemberFeed("m1", cache, clock)


def raw(*args, **facts):
    return msgspec.Raw(json.dumps(pod(*args, **facts)).encode())


def listed(feed, *items, version="100"):
    feed.begin_list()
    feed.list_items(items)
    feed.forget(feed.unlisted(version))
    feed.end_list(version)


def names(cache):
    return [obj.name for obj in cache.objects.candidates(selection())]


def observed(*args, **facts):
    return ObservedObject(raw(*args, **facts))


class TestLists:
    def test_a_list_replaces_what_was_known(self, feed, cache):
        listed(feed, raw("a", uid="a"), raw("b", uid="b"))
        listed(feed, raw("b", uid="b"), raw("c", uid="c"))
        assert names(cache) == ["b", "c"]

    def test_only_this_members_objects_are_replaced(self, feed, cache, clock):
        listed(MemberFeed("m2", cache, clock), raw("x", uid="x"))
        listed(feed)
        assert names(cache) == ["x"]

    def test_a_list_given_up_leaves_everything(self, feed, cache):
        listed(feed, raw("a", uid="a"))
        feed.begin_list()
        listed(feed, raw("a", uid="a"))
        assert names(cache) == ["a"]

    def test_one_bad_object_does_not_cost_the_others(self, feed, cache, caplog):
        listed(feed, msgspec.Raw(b'{"metadata":{}}'), raw("a", uid="a"))
        assert names(cache) == ["a"]
        assert "member m1 sent an object without a name" in caplog.text

    def test_many_bad_objects_do_not_fill_the_log(self, feed, clock, caplog):
        for _ in range(3):
            listed(feed, *[msgspec.Raw(b"{}")] * 1_000)
            clock.advance(60)
        assert len(caplog.records) == 3


class TestWatches:
    def test_events_are_applied(self, feed, cache):
        listed(feed)
        feed.event("ADDED", raw("a", uid="a", rv="101"))
        feed.event("ADDED", raw("b", uid="b", rv="102"))
        feed.event("DELETED", raw("a", uid="a", rv="103"))
        assert names(cache) == ["b"]
        assert feed.reached == "103"

    def test_the_end_of_an_earlier_object_is_no_end_of_a_later_one(self, feed, cache):
        listed(feed, raw("a", uid="new"))
        feed.event("DELETED", raw("a", uid="old", rv="101"))
        assert names(cache) == ["a"]

    def test_bad_objects_are_skipped(self, feed, cache):
        listed(feed)
        feed.event("ADDED", msgspec.Raw(b"{}"))
        assert names(cache) == []

    def test_going_back_in_time_is_noticed(self, feed):
        listed(feed, version="100")
        with pytest.raises(Regressed, match="99 after 100"):
            feed.progress("99")
        with pytest.raises(Regressed):
            feed.event("MODIFIED", raw("a", rv="50"))
        feed.progress("100")
        feed.progress("")
        assert feed.reached == "100"

    @pytest.mark.parametrize(
        ("version", "items", "agrees"),
        [
            ("100", [raw("a", uid="a", rv="90")], True),
            ("120", [raw("a", uid="a", rv="110"), raw("new", uid="n", rv="120")], True),
            ("120", [raw("ours", uid="o", rv="80")], True),
            ("120", [msgspec.Raw(b"{}")], True),
            ("99", [raw("a", uid="a", rv="90")], False),
            ("120", [raw("a", uid="a", rv="89")], False),
            ("120", [raw("a", uid="another", rv="90")], False),
            ("120", [raw("unknown", uid="u", rv="90")], False),
            ("120", [], False),
        ],
    )
    def test_whether_a_sample_is_of_the_same_member(self, feed, version, items, agrees):
        listed(feed, raw("a", uid="a", rv="90"), raw("ours", uid="o", rv="80"), version="100")
        feed.written(observed("ours", uid="o", rv="130"))
        assert feed.agrees_with(version, items) is agrees

    def test_an_empty_member_stays_the_same(self, feed):
        listed(feed)
        assert feed.agrees_with("100", [])

    def test_a_version_that_was_issued_twice_is_no_agreement(self, feed):
        listed(feed, raw("a", uid="a", rv="90"), version="100")
        assert feed.agrees_with("100", [raw("a", uid="a", rv="90")])
        assert not feed.agrees_with("100", [raw("a", uid="a", rv="90", phase="Failed")])

    def test_a_count_at_the_version_reached_is_compared_at_once(self, feed):
        listed(feed, raw("a", uid="a", rv="90"), version="100")
        feed.resumed_at("100", 1)
        with pytest.raises(Regressed, match="2 objects where 1 are known"):
            feed.resumed_at("100", 2)

    def test_a_count_at_a_later_version_is_compared_when_that_is_reached(self, feed):
        """Lost with a restore: "ghost" was deleted, and the versions went on beyond those of before."""
        listed(feed, raw("a", uid="a", rv="90"), raw("ghost", uid="g", rv="91"), version="100")
        feed.resumed_at("105", 2)
        feed.event("ADDED", raw("new", uid="n", rv="102"))
        feed.event("MODIFIED", raw("a", uid="a", rv="103"))
        with pytest.raises(Regressed, match="2 objects where 3 are known"):
            feed.progress("110")

    @pytest.mark.parametrize("last", ["104", "105"])
    def test_a_count_does_not_include_what_came_later(self, feed, last):
        listed(feed, raw("a", uid="a", rv="90"), version="100")
        feed.resumed_at("105", 2)
        feed.event("ADDED", raw("new", uid="n", rv=last))
        feed.event("ADDED", raw("later", uid="l", rv="107"))
        feed.progress("110")

    def test_the_last_event_that_is_counted_is_applied_first(self, feed):
        listed(feed, raw("a", uid="a", rv="90"), version="100")
        feed.resumed_at("105", 1)
        with pytest.raises(Regressed, match="1 objects where 2 are known"):
            feed.event("ADDED", raw("new", uid="n", rv="105"))

    def test_what_could_not_be_read_is_counted_too(self, feed):
        listed(feed, raw("a", uid="a", rv="90"), msgspec.Raw(b"{}"), version="100")
        feed.resumed_at("100", 2)
        feed.event("ADDED", msgspec.Raw(b"{}"))
        feed.resumed_at("100", 7)

    def test_a_write_of_ours_leaves_the_count_open(self, feed):
        listed(feed, raw("a", uid="a", rv="90"), version="100")
        feed.resumed_at("105", 1)
        feed.written(observed("new", uid="n", rv="106"))
        feed.progress("110")

    def test_how_far_it_came(self, feed):
        assert not feed.has_reached("1")
        listed(feed, version="100")
        assert feed.has_reached("100")
        assert not feed.has_reached("101")


class TestOurWrites:
    def test_an_answer_is_seen_at_once_and_its_event_is_no_news(self, feed, cache):
        listed(feed)
        obj = feed.written(observed("a", uid="a", rv="101"))
        assert names(cache) == ["a"]
        before = cache.revision
        feed.event("ADDED", raw("a", uid="a", rv="101"))
        assert cache.revision == before == obj.rv

    def test_events_from_before_the_answer_do_not_undo_it(self, feed, cache):
        listed(feed)
        feed.written(observed("a", uid="a", rv="102", phase="Failed"))
        feed.event("ADDED", raw("a", uid="a", rv="101"))
        assert cache.objects.served("default/a").member_rv == "102"

    def test_an_answer_that_the_feed_is_past_changes_nothing(self, feed, cache):
        listed(feed, raw("a", uid="a", rv="90"), version="100")
        assert feed.written(observed("a", uid="a", rv="90")) is cache.objects.served("default/a")
        assert feed.written(observed("a", uid="a", rv="80")) is None
        assert feed.written(observed("gone", uid="g", rv="95")) is None
        assert names(cache) == ["a"]

    def test_an_old_answer_does_not_bring_back_what_is_no_longer_served(self, feed, cache):
        listed(feed, raw("a", uid="a", rv="90"), version="100")
        listed(feed, version="")
        assert feed.written(observed("a", uid="a", rv="90")) is None
        assert names(cache) == []

    def test_a_list_under_way_does_not_undo_a_write(self, feed, cache):
        listed(feed, raw("a", uid="a", rv="90"), version="100")
        feed.begin_list()
        feed.written(observed("a", uid="a", rv="105", phase="Failed"))
        feed.written(observed("new", uid="n", rv="106"))
        feed.written(observed("soon-gone", uid="g", rv="102"))
        feed.list_items([raw("a", uid="a", rv="90")])
        assert feed.unlisted("103") == ["default/soon-gone"]
        feed.forget(feed.unlisted("103"))
        feed.end_list("103")
        assert names(cache) == ["a", "new"]
        assert cache.objects.served("default/a").member_rv == "105"


class TestSuccessors:
    """An object is deleted and at once made anew under its name: two uids, whose news come in any order."""

    def known(self, cache):
        obj = cache.objects.served("default/a")
        return obj and (obj.uid, obj.member_rv)

    @pytest.mark.parametrize("late", [
        ("MODIFIED", "102"), ("DELETED", "103"), ("ADDED", "104"),
    ])  # fmt: skip
    def test_events_from_before_the_answer(self, feed, cache, late):
        listed(feed, raw("a", uid="old", rv="90"), version="100")
        feed.written(observed("a", uid="new", rv="104"))
        before = cache.revision
        event_type, version = late
        feed.event(event_type, raw("a", uid="new" if version == "104" else "old", rv=version))
        assert (self.known(cache), cache.revision) == (("new", "104"), before)

    def test_the_answer_to_the_deletion_comes_after_that_to_the_creation(self, feed, cache):
        listed(feed, raw("a", uid="old", rv="90"), version="100")
        feed.written(observed("a", uid="new", rv="104"))
        assert feed.written(observed("a", uid="old", rv="102")) is None
        assert self.known(cache) == ("new", "104")

    @pytest.mark.parametrize("answers", [["old", "new"], ["new", "old"]])
    @pytest.mark.parametrize(
        ("items", "version"),
        [
            ([raw("a", uid="old", rv="90")], "101"),
            ([raw("a", uid="old", rv="102")], "102"),
            ([], "103"),
            ([raw("a", uid="new", rv="104")], "104"),
        ],
    )
    @pytest.mark.parametrize("place", ["before the items", "after the items"])
    def test_a_list_under_way_and_answers_in_any_order(self, feed, cache, answers, items, version, place):
        """The old one was marked at 102 and removed at 103, the new one made at 104."""
        listed(feed, raw("a", uid="old", rv="90"), version="100")
        feed.begin_list()
        if place == "after the items":
            feed.list_items(items)
        for uid in answers:
            feed.written(observed("a", uid=uid, rv={"old": "102", "new": "104"}[uid]))
        before = cache.revision
        if place == "before the items":
            feed.list_items(items)
        feed.forget(feed.unlisted(version))
        feed.end_list(version)
        assert (self.known(cache), cache.revision) == (("new", "104"), before)

    def test_what_is_made_while_the_unlisted_are_forgotten_stays(self, feed, cache):
        listed(feed, raw("a", uid="old", rv="90"), version="100")
        feed.begin_list()
        unlisted = feed.unlisted("103")
        feed.written(observed("a", uid="new", rv="104"))
        feed.forget(unlisted)
        feed.end_list("103")
        assert self.known(cache) == ("new", "104")

    @pytest.mark.parametrize("version", ["101", "103"])
    def test_what_the_list_is_past_does_not_come_back_while_the_unlisted_are_forgotten(self, feed, cache, version):
        listed(feed, raw("a", uid="old", rv="90"), version="100")
        feed.begin_list()
        feed.forget(feed.unlisted("103"))
        assert feed.written(observed("a", uid="old", rv=version)) is None
        feed.end_list("103")
        assert self.known(cache) is None

    def test_what_was_listed_is_answered_as_it_is_known(self, feed, cache):
        listed(feed, version="100")
        feed.begin_list()
        feed.list_items([raw("a", uid="new", rv="102")])
        feed.forget(feed.unlisted("103"))
        assert feed.written(observed("a", uid="new", rv="102")) is cache.objects.served("default/a")

    def test_a_list_that_failed_says_nothing_of_the_next(self, feed, cache):
        listed(feed, version="100")
        feed.begin_list()
        feed.unlisted("110")
        feed.begin_list()
        feed.written(observed("a", uid="new", rv="105"))
        assert self.known(cache) == ("new", "105")


class TestFreshness:
    def test_nothing_was_read_yet(self, feed):
        fresh = feed.freshness()
        assert (fresh.synced, fresh.last_contact, fresh.stale_since, fresh.error) == (False, 0.0, None, "")
        assert fresh.stale
        assert not feed.settled

    def test_current(self, feed, clock):
        listed(feed, raw("a", uid="a"))
        fresh = feed.freshness()
        assert (fresh.synced, fresh.last_contact, fresh.objects, fresh.stale) == (True, clock.time, 1, False)
        assert feed.settled

    def test_stale_since_the_last_contact(self, feed, clock):
        listed(feed)
        contact = clock.time
        clock.advance(60)
        feed.failed("connection refused")
        clock.advance(60)
        feed.failed("no route")
        fresh = feed.freshness()
        assert (fresh.stale_since, fresh.error) == (contact, "no route")
        feed.heard()
        assert feed.freshness().stale
        assert feed.stale
        feed.contact()
        assert not feed.freshness().stale
        assert not feed.stale

    def test_a_member_that_never_answered_is_stale_since_it_joined(self, feed, clock):
        began = clock.time
        clock.advance(5)
        feed.failed("connection refused")
        assert feed.freshness().stale_since == began
        assert feed.settled

    def test_what_probes_say_counts_too(self, feed, clock):
        listed(feed)
        contact = clock.time
        clock.advance(30)
        assert not feed.probed("timeout")
        assert (feed.freshness().stale_since, feed.freshness().error) == (contact, "timeout")
        assert feed.probed("")
        assert not feed.probed("")
        assert not feed.freshness().stale
        assert not feed.stale
