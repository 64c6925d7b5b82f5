import asyncio
from dataclasses import dataclass
from itertools import count as counting
from random import Random

import pytest

from cache.turns import Turns
from cache.version_order import in_version_order
from tests.cache.test_merged_resource import Desk


@dataclass(frozen=True)
class Versioned:
    rv: int


@pytest.mark.parametrize("count", [0, 1, 2_048, 2_049, 20_000])
@pytest.mark.parametrize("shuffled", [True, False])
async def test_the_lowest_version_comes_first(count, shuffled):
    objects = [Versioned(10**18 + number * 7) for number in range(count)]
    mixed = Random(1).sample(objects, count) if shuffled else objects
    assert await in_version_order(mixed, Turns()) == objects


async def test_equal_versions_are_all_there():
    assert len(await in_version_order([Versioned(5)] * 10_000, Turns())) == 10_000


async def test_others_get_their_turns():
    objects = [Versioned(number) for number in range(50_000)]
    task = asyncio.get_running_loop().create_task(in_version_order(objects, Turns(counting().__next__)))
    turns = 0
    while not task.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns >= 2 * 50_000 // 2_048


async def test_a_watch_begins_with_what_changed_longest_ago():
    desk = Desk()
    for name in ("b", "c", "a"):
        desk.put(name)
    desk.put("c", rv="11")
    watcher = await desk.watch()
    assert [event.object.name for event in await watcher.next_batch()] == ["b", "a", "c"]


async def test_the_initial_state_is_taken_as_objects_or_told_as_events():
    desk = Desk()
    desk.put("a")
    taken, told = await desk.watch(), await desk.watch()
    assert [obj.name for obj in taken.take_initial()] == ["a"]
    assert [event.object.name for event in told.poll()] == ["a"]
    assert taken.take_initial() == told.take_initial() == taken.poll() == []
    ended = await desk.watch()
    ended.close()
    assert ended.take_initial() == []
