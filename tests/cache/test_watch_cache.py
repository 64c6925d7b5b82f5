import json

import pytest

from cache.history import HistoryLimits
from cache.object_builder import ObjectBuilder
from cache.observed_object import ObservedObject
from cache.resource_kind import PODS, ResourceKind
from cache.resource_version import RevisionClock
from cache.watch_cache import WatchCache
from tests.cache.test_selection import selection
from tests.support.clock import FakeClock
from tests.support.objects import pod


class Playbook:
    """Says things in the name of members, and tells which events came of it."""

    def __init__(self, kind: ResourceKind = PODS) -> None:
        clock = FakeClock()
        self.cache = WatchCache(kind, ObjectBuilder(kind), RevisionClock(clock), clock, HistoryLimits())
        self._told = self.cache.history.end

    def observe(self, cluster, name="web", *, authoritative=False, **facts):
        observed = ObservedObject(json.dumps(pod(name, **facts)).encode())
        return self.cache.observe(cluster, observed, authoritative=authoritative)

    def forget(self, cluster, name="web", uid=""):
        return self.cache.forget(cluster, f"default/{name}", uid)

    def told(self):
        """The events since this was asked last: type, name as served, cluster."""
        events = self.cache.history.read(self._told, 1_000)
        self._told = self.cache.history.end
        return [(event.type, event.object.name, event.object.cluster) for event in events]

    def served(self):
        return {obj.name: obj.cluster for obj in self.cache.objects.candidates(selection())}


@pytest.fixture
def book():
    return Playbook()


def test_an_object_comes_changes_and_goes(book):
    first = book.observe("m1", rv="1")
    second = book.observe("m1", rv="2", phase="Failed")
    assert book.forget("m1")
    assert book.told() == [("ADDED", "web", "m1"), ("MODIFIED", "web", "m1"), ("DELETED", "web", "m1")]
    assert first.rv < second.rv < book.cache.revision
    added, modified, deleted = book.cache.history.read(0, 3)
    assert (added.previous, modified.previous, deleted.previous) == (None, first, second)
    assert deleted.object.rv == book.cache.revision
    assert deleted.object.fields == second.fields
    assert book.served() == {}
    assert len(book.cache) == 0


def test_the_same_state_is_told_once(book):
    first = book.observe("m1", rv="1")
    assert book.observe("m1", rv="1") is first
    assert len(book.told()) == 1


def test_old_news_is_ignored(book):
    book.observe("m1", rv="5")
    assert book.observe("m1", rv="4", phase="Failed") is None
    assert book.observe("m1", rv="4", uid="earlier") is None
    assert len(book.told()) == 1


def test_a_complete_list_may_go_back_in_time(book):
    book.observe("m1", rv="5")
    assert book.observe("m1", rv="4", phase="Failed", authoritative=True).member_rv == "4"
    assert book.told()[1:] == [("MODIFIED", "web", "m1")]


def test_a_version_issued_twice_by_a_restored_member_is_seen_through(book):
    first = book.observe("m1", rv="5")
    assert book.observe("m1", rv="5", authoritative=True) is first
    assert book.observe("m1", rv="5", phase="Failed") is first
    assert book.observe("m1", rv="5", phase="Failed", authoritative=True) is not first


def test_another_object_of_the_same_name_is_another_object(book):
    book.observe("m1", rv="1", uid="a")
    book.observe("m1", rv="2", uid="b")
    assert book.told() == [("ADDED", "web", "m1"), ("DELETED", "web", "m1"), ("ADDED", "web", "m1")]
    assert not book.forget("m1", uid="a")
    assert book.forget("m1", uid="b")


def test_what_is_unknown_cannot_be_forgotten(book):
    assert not book.forget("m1")
    assert book.told() == []


def test_versions_that_are_no_numbers_are_compared_for_equality_only(book):
    first = book.observe("m1", rv="b:1")
    assert book.observe("m1", rv="b:1") is first
    assert book.observe("m1", rv="a:0").member_rv == "a:0"


class TestNames:
    def test_the_oldest_keeps_its_name(self, book):
        book.observe("b", created=10, uid="1")
        book.observe("c", created=20, uid="2")
        book.observe("a", created=20, uid="3")
        assert book.served() == {"web": "b", "web.c": "c", "web.a": "a"}
        assert book.told() == [("ADDED", "web", "b"), ("ADDED", "web.c", "c"), ("ADDED", "web.a", "a")]

    def test_an_older_one_takes_the_name_over(self, book):
        book.observe("b", created=20, uid="1")
        book.observe("a", created=10, uid="2")
        assert book.told() == [
            ("ADDED", "web", "b"),
            ("DELETED", "web", "b"),
            ("ADDED", "web", "a"),
            ("ADDED", "web.b", "b"),
        ]
        assert book.served() == {"web": "a", "web.b": "b"}

    def test_the_next_one_inherits_the_name(self, book):
        book.observe("a", created=10, uid="1")
        book.observe("b", created=20, uid="2")
        book.told()
        book.forget("a")
        assert book.told() == [("DELETED", "web", "a"), ("DELETED", "web.b", "b"), ("ADDED", "web", "b")]
        assert book.served() == {"web": "b"}
        (obj,) = book.cache.objects.owners("default", "web")
        assert b"original-name" not in obj.metadata

    def test_qualified_objects_change_and_go_under_their_name(self, book):
        book.observe("a", created=10, uid="1")
        book.observe("b", created=20, uid="2", rv="1")
        book.observe("b", created=20, uid="2", rv="2")
        book.forget("b")
        assert book.told()[1:] == [("ADDED", "web.b", "b"), ("MODIFIED", "web.b", "b"), ("DELETED", "web.b", "b")]
        assert book.served() == {"web": "a"}

    def test_a_literal_name_displaces_a_qualified_one(self, book):
        book.observe("a", created=10, uid="1")
        book.observe("b", created=20, uid="2")
        book.told()
        book.observe("c", "web.b", uid="3")
        assert book.told() == [("DELETED", "web.b", "b"), ("ADDED", "web.b", "c"), ("ADDED", "web.b.2", "b")]
        book.forget("c", "web.b")
        assert book.told() == [("DELETED", "web.b", "c"), ("DELETED", "web.b.2", "b"), ("ADDED", "web.b", "b")]

    def test_names_are_the_same_in_whatever_order_objects_come(self):
        facts = [("a", "web", 10), ("b", "web", 20), ("c", "web", 20), ("a", "web.b", 5), ("b", "web.b", 1)]
        results = []
        for order in (facts, facts[::-1], facts[2:] + facts[:2]):
            book = Playbook()
            for cluster, name, created in order:
                book.observe(cluster, name, created=created, uid=f"{cluster}-{name}")
            results.append(book.served())
        assert results[0] == results[1] == results[2]


class TestPages:
    @pytest.fixture
    def past(self, book):
        """Objects a, c, e; then everything changes."""
        for name in "ace":
            book.observe("m", name, uid=name, rv="1")
        self.then = book.cache.revision
        book.observe("m", "b", uid="b")
        book.observe("m", "c", uid="c", rv="2", phase="Failed")
        book.observe("m", "c", uid="c", rv="3", phase="Failed")
        book.forget("m", "e")
        book.observe("m", "f", uid="f")
        return book

    def page(self, book, rv, after="", **wanted):
        past = book.cache.past(selection(**wanted), rv)
        assert past.catch_up()
        return [(obj.name, obj.member_rv) for obj in past.page(after)]

    def test_the_present(self, past):
        present = [("a", "1"), ("b", "10"), ("c", "3"), ("f", "10")]
        assert self.page(past, past.cache.revision) == present
        assert self.page(past, past.cache.revision, "default/b") == present[2:]

    def test_the_past(self, past):
        assert self.page(past, self.then) == [("a", "1"), ("c", "1"), ("e", "1")]
        assert self.page(past, self.then, "default/a") == [("c", "1"), ("e", "1")]
        assert self.page(past, self.then, "default/e") == []
        assert self.page(past, self.then, namespace="other") == []

    def test_what_is_gone_stands_among_what_stayed(self, book):
        for name in "abcd":
            book.observe("m", name, uid=name)
        then = book.cache.revision
        book.forget("m", "b")
        book.forget("m", "d")
        assert [name for name, _ in self.page(book, then)] == ["a", "b", "c", "d"]
        assert [name for name, _ in self.page(book, book.cache.revision)] == ["a", "c"]

    def test_how_many_follow(self, past):
        def remaining(rv, after, **wanted):
            state = past.cache.past(selection(**wanted), rv)
            assert state.catch_up()
            return state.remaining(after)

        assert remaining(self.then, "") == 3
        assert remaining(self.then, "default/a") == 2
        assert remaining(past.cache.revision, "default/a") == 3
        assert remaining(self.then, "default/c", namespace="default") == 1

    def test_which_pasts_can_be_told(self, past):
        assert past.cache.knows(self.then)
        assert past.cache.knows(past.cache.revision)
        assert not past.cache.knows(self.then - 1_000_000)
        assert not past.cache.knows(past.cache.revision + 1)
