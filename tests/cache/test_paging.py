"""Pages of a merged list while its members change: they are one moment, whole, and nothing is kept for them."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from cache import past_state
from cache.continue_token import ContinueTokenCodec
from cache.merged_resource import MergedResource
from cache.observed_object import ObservedObject
from cache.resource_kind import EVENTS
from gateway.apimachinery.options import parse_list_options
from tests.cache.test_cached_object import encoded
from tests.cache.test_merged_resource import Desk, refusal
from tests.support import virtual_time
from tests.support.objects import event

NAMES = st.sampled_from([f"pod-{letter}" for letter in "abcdefgh"])
CLUSTERS = st.sampled_from(["m1", "m2", "m3"])
CHANGES = st.tuples(st.sampled_from(["put", "forget"]), NAMES, CLUSTERS)


class Writer:
    """Changes the members' objects; names collide between clusters, so that objects change their names."""

    def __init__(self, desk):
        self.desk = desk
        self.rv = 100

    def write(self, changes):
        for action, name, cluster in changes:
            self.rv += 1
            if action == "put":
                self.desk.put(name, cluster, rv=str(self.rv), created=1_700_000_000 + self.rv % 7)
            else:
                self.desk.cacher.cache.forget(cluster, f"default/{name}")
        self.desk.cacher.changed()


@settings(max_examples=150, deadline=None)
@given(
    st.lists(CHANGES, max_size=30),
    st.integers(1, 5),
    st.lists(st.lists(CHANGES, max_size=12), min_size=10, max_size=10),
    st.sampled_from(["", "default", "other"]),
)
def test_pages_are_the_list_of_the_first_moment(before, limit, between, namespace):
    async def read():
        desk = Desk()
        writer = Writer(desk)
        writer.write(before)
        whole = await desk.list(namespace)
        told, token, pauses = [], None, iter(between)
        while token != "":
            page = await desk.list(namespace, limit=str(limit), **({"continue": token} if token else {}))
            told += page.items
            assert page.resource_version == whole.resource_version
            assert len(page.items) == limit or not page.continue_token
            expected = len(whole.items) - len(told)
            assert page.remaining == (expected or None)
            assert bool(page.continue_token) == bool(expected)
            token = page.continue_token
            writer.write(next(pauses, []))
        assert told == list(whole.items)

    virtual_time.run(read())


async def test_a_long_past_is_taken_in_a_few_events_at_a_time(monkeypatch):
    desk = Desk(events=10_000)
    for number in range(100):
        desk.put(f"pod-{number:03}")
    first = await desk.list(limit="10")
    for number in range(5_000):
        desk.put(f"pod-{number % 100:03}", rv=str(100 + number))
    turns = 0

    async def others():
        nonlocal turns
        while True:
            turns += 1
            desk.put("pod-050", rv=str(10_000 + turns))  # the past grows while it is gone through
            await asyncio.sleep(0)

    monkeypatch.setattr(past_state.PastState.catch_up, "__defaults__", (500,))
    task = asyncio.get_running_loop().create_task(others())
    second = await desk.list(limit="10", **{"continue": first.continue_token})
    task.cancel()
    assert turns >= 5_000 // 500
    assert [obj.name for obj in second.items] == [f"pod-{number:03}" for number in range(10, 20)]
    assert {obj.member_rv for obj in second.items} == {"10"}
    assert second.remaining == 80


async def test_a_past_that_is_forgotten_while_it_is_gone_through_is_told_so():
    desk = Desk(events=3_000)
    for number in range(10):
        desk.put(f"pod-{number}")
    first = await desk.list(limit="1")
    for number in range(2_900):
        desk.put("pod-5", rv=str(100 + number))
    listing = asyncio.get_running_loop().create_task(desk.list(limit="1", **{"continue": first.continue_token}))
    await asyncio.sleep(0)
    for number in range(3_000):
        desk.put("pod-5", rv=str(10_000 + number))
    error = await refusal(listing)
    assert (error.code, error.reason) == (410, "Expired")
    follow_on = error.status["metadata"]["continue"]
    rest = await desk.list(**{"continue": follow_on})
    assert [obj.name for obj in rest.items] == [f"pod-{number}" for number in range(1, 10)]


async def test_a_token_is_good_for_one_group_only():
    desk = Desk(EVENTS)
    core, new = desk.resources
    for number in range(3):
        desk.cacher.cache.observe("m1", ObservedObject(encoded(event(f"event-{number}"))))
    options = parse_list_options({"limit": "1"}, watch=False)
    token = (await core.list("", options, binding="alice")).continue_token
    going_on = parse_list_options({"limit": "1", "continue": token}, watch=False)
    assert [obj.name for obj in (await core.list("", going_on, binding="alice")).items] == ["event-1"]
    assert (await refusal(new.list("", going_on, binding="alice"))).code == 400


async def test_nothing_is_kept_between_pages():
    """Any gateway with the key and the history goes on: the token is all there is."""
    desk = Desk()
    for name in "abc":
        desk.put(name)
    token = (await desk.list(limit="1")).continue_token
    another = MergedResource(desk.cacher, desk.pods.served, ContinueTokenCodec(b"0123456789abcdef"))
    options = parse_list_options({"limit": "1", "continue": token}, watch=False)
    assert [obj.name for obj in (await another.list("", options)).items] == ["b"]
    assert len(token) < 200
