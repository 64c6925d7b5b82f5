import asyncio

import pytest

from cache.cacher import Cacher
from cache.observed_object import ObservedObject
from cache.resource_kind import PODS
from cache.resource_version import SLOTS
from cache.watcher import everyone
from tests.cache.test_cached_object import encoded
from tests.support import virtual_time
from tests.support.objects import pod


def observed(*args, **facts):
    return ObservedObject(encoded(pod(*args, **facts)))


def elapsed():
    return asyncio.get_running_loop().time()


@pytest.fixture
def cacher():
    return Cacher(PODS, now=virtual_time.now)


async def test_waiting_ends_with_a_change_or_the_time(cacher):
    await cacher.wait(5)
    assert elapsed() == 5
    asyncio.get_running_loop().call_later(1, cacher.changed)
    await cacher.wait(5)
    assert elapsed() == 6
    assert not cacher._waiting


async def test_many_changes_wake_once(cacher):
    woken = []

    async def waiter():
        await cacher.wait(5)
        woken.append(elapsed())

    tasks = [asyncio.get_running_loop().create_task(waiter()) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    for _ in range(10):
        cacher.changed()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert woken == [0, 0]


async def test_conditions(cacher):
    assert await cacher.wait_until(lambda: True, 0)
    assert not await cacher.wait_until(lambda: False, 2)
    assert elapsed() == 2


async def test_a_member_that_leaves_takes_its_objects_along(cacher):
    feed = cacher.feed("m1")
    assert cacher.feed("m1") is feed
    for number in range(250):
        cacher.cache.observe("m1", observed(f"p{number}", uid=str(number)))
    cacher.cache.observe("m2", observed("other", uid="x"))
    await cacher.drop_feed("m1")
    assert len(cacher.cache) == 1
    assert cacher.feeds == {}


async def test_those_who_wait_are_told_of_departures_piece_by_piece(cacher):
    cacher.feed("m1")
    for number in range(250):
        cacher.cache.observe("m1", observed(f"p{number}", uid=str(number)))
    found = []

    async def follow():
        while cacher.feeds or len(cacher.cache):
            await cacher.wait(5)
            found.append(len(cacher.cache))

    following = asyncio.get_running_loop().create_task(follow())
    await asyncio.sleep(0)
    await cacher.drop_feed("m1")
    await following
    assert found[0] > found[-1] == 0
    assert elapsed() == 0


async def test_those_who_wait_are_told_that_a_member_without_objects_left(cacher):
    cacher.feed("m1")
    waiting = asyncio.get_running_loop().create_task(cacher.wait_until(lambda: not cacher.feeds, 5))
    await asyncio.sleep(0)
    await cacher.drop_feed("m1")
    assert await waiting
    assert elapsed() == 0


async def test_those_who_wait_are_told_of_our_own_writes(cacher):
    cacher.feed("m1").end_list("100")
    waiting = asyncio.get_running_loop().create_task(cacher.wait_until(lambda: len(cacher.cache) == 1, 5))
    await asyncio.sleep(0)
    cacher.written("m1", observed(uid="a", rv="101"))
    assert await waiting
    assert elapsed() == 0


async def test_the_first_sync_is_waited_for_briefly(cacher):
    await cacher.wait_first_sync(everyone)
    feed = cacher.feed("m1")
    assert not cacher.settled(everyone)
    assert cacher.settled(lambda cluster: cluster != "m1")
    await cacher.wait_first_sync(lambda cluster: cluster != "m1")
    assert elapsed() == 0
    await cacher.wait_first_sync(everyone)
    assert elapsed() == pytest.approx(3)
    await cacher.wait_first_sync(everyone)
    assert elapsed() == pytest.approx(3)
    await asyncio.sleep(60)
    assert cacher.settled(everyone)
    feed.end_list("1")
    assert cacher.settled(everyone)


async def test_the_version_of_an_answer(cacher):
    feed = cacher.feed("m1")
    feed.end_list("100")
    first = cacher.written("m1", observed(uid="a", rv="101"))
    second = cacher.written("m1", observed(uid="a", rv="102", phase="Failed"))
    feed.progress("102")
    assert cacher.cache.objects.served("default/web") is second
    assert cacher.written("m1", observed(uid="a", rv="101")).rv == first.rv
    assert cacher.written("m1", observed(uid="a", rv="102", phase="Failed")).rv == second.rv
    assert cacher.written("m1", observed(uid="a", rv="99")).rv == second.rv - SLOTS
    assert cacher.written("m1", observed("gone", uid="g", rv="99")).rv == cacher.cache.revision - SLOTS


async def test_the_version_of_an_answer_is_that_of_the_state_and_not_of_its_end(cacher):
    """Who goes on from the answer to a creation must be told that the object went."""
    feed = cacher.feed("m1")
    feed.end_list("100")
    first = cacher.written("m1", observed(uid="a", rv="101"))
    feed.event("DELETED", encoded(pod(uid="a", rv="102")))
    assert cacher.written("m1", observed(uid="a", rv="101")).rv == first.rv
    feed.event("ADDED", encoded(pod(uid="its-successor", rv="103")))
    assert cacher.written("m1", observed(uid="a", rv="101")).rv == first.rv


async def test_answers_of_unknown_members_and_dry_runs_leave_no_trace(cacher):
    obj = cacher.written("unknown", observed(uid="a", rv="101"))
    assert obj.cluster == "unknown"
    assert cacher.represent("m1", observed(uid="a", rv="")).rv == 0
    assert len(cacher.cache) == 0


async def test_a_dry_run_shows_the_served_name_and_version(cacher):
    cacher.feed("a").end_list("1")
    cacher.feed("b").end_list("1")
    cacher.written("a", observed(uid="1", rv="5"))
    known = cacher.written("b", observed(uid="2", rv="5"))
    shown = cacher.represent("b", observed(uid="2", rv="5", phase="Failed"))
    assert (shown.name, shown.rv) == (known.name, known.rv) == ("web.b", known.rv)
    assert cacher.cache.objects.served("default/web.b") is known
