"""A list is applied object by object or many at once: nobody can tell which."""

import json

from hypothesis import example, given
from hypothesis import strategies as st

from cache.history import HistoryLimits
from cache.object_builder import ObjectBuilder
from cache.observed_object import ObservedObject
from cache.resource_kind import PODS
from cache.resource_version import RevisionClock
from cache.resumption import FormerRun
from cache.watch_cache import WatchCache
from tests.cache.test_selection import selection
from tests.support.clock import FakeClock
from tests.support.objects import pod

MEMBERS = ("m1", "m2")
NAMES = ("a", "b", "a.m1", "a.m2", "b.m2", "c")
LABELS: tuple[dict[str, str], ...] = ({}, {"app": "web"}, {"app": "db", "tier": "x"})

said = st.fixed_dictionaries(
    {
        "name": st.sampled_from(NAMES),
        "namespace": st.sampled_from(("shop", "shop-2")),
        "uid": st.sampled_from(("u1", "u2")),
        "rv": st.sampled_from(("1", "2")),
        "created": st.sampled_from((10, 20)),
        "labels": st.sampled_from(LABELS),
        "node": st.sampled_from(("", "n1", "n2")),
    }
)
lists = st.lists(st.tuples(st.sampled_from(MEMBERS), st.lists(said, max_size=8)), max_size=5)
LIMITS = HistoryLimits(events=12, encoded_events=3)


def new_cache(*, restarted):
    clock = FakeClock()
    cache = WatchCache(PODS, ObjectBuilder(PODS), RevisionClock(clock), clock, LIMITS)
    if restarted:
        revision = cache.revision
        for _ in cache.recover(FormerRun(revision, MEMBERS), revision, (), ()):
            pass
        assert not cache.resumption.indifferent
    return cache


def everything(cache):
    """All that anybody may learn of a cache."""
    history, objects = cache.history, cache.objects
    events = history.read(history.end - len(history), len(history))
    everyone = objects.everything()
    return {
        "objects": everyone,
        "found": [(obj, objects.candidates(selection(fields=f"metadata.name={obj.name}"))) for obj in everyone],
        "on nodes": [objects.few_candidates(selection(fields=f"spec.nodeName={node}")) for node in ("n1", "n2")],
        "labelled": objects.few_candidates(selection(labels="app=web")),
        "of members": [(objects.keys_of(member), objects.count_of(member)) for member in MEMBERS],
        "size": objects.ordered.size,
        "events": [(event.type, event.object, event.previous, event.recorded, event.other_half) for event in events],
        "positions": (history.floor, history.end, cache.revision),
        "gaps": cache.resumption.gaps,
    }


def facts(name, **more):
    return {
        "name": name,
        "namespace": "shop",
        "uid": "u1",
        "rv": "1",
        "created": 10,
        "labels": {},
        "node": "n1",
        **more,
    }


@example([("m1", [facts("a"), facts("b"), facts("c")])], False)
@example([("m1", [facts("a")]), ("m2", [facts("c"), facts("a"), facts("b"), facts("a.m1")])], False)
@example([("m1", [facts("a"), facts("b"), facts("a", uid="u2")])], False)
@example([("m1", [facts("a")]), ("m2", [facts("a")])], True)
@given(lists, st.booleans())
def test_many_at_once_come_to_the_same(news, restarted):
    one_by_one, at_once = new_cache(restarted=restarted), new_cache(restarted=restarted)
    for cache in (one_by_one, at_once):
        for _ in cache.objects._labels.learn(selection(labels="app=web").labelled, ()):
            pass
    for member, listed in news:
        observed = [ObservedObject(json.dumps(pod(**facts)).encode()) for facts in listed]
        for each in observed:
            one_by_one.observe(member, each, authoritative=True)
        at_once.observe_list(member, observed)
        assert everything(at_once) == everything(one_by_one)


def test_new_objects_are_recorded_in_one_go(monkeypatch):
    cache = new_cache(restarted=False)
    monkeypatch.setattr(cache, "observe", None)
    cache.observe_list("m1", [ObservedObject(json.dumps(pod(name)).encode()) for name in "abc"])
    assert [obj.name for obj in cache.objects.everything()] == ["a", "b", "c"]
    assert cache.history.end == 3
