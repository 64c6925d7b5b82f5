import asyncio

from gateway.storage.interface import StoredEvent
from gateway.storage.watching import PENDING_LIMIT, Watchers


def event(revision: int, resource: str = "pods") -> StoredEvent:
    return StoredEvent("ADDED", revision, None, resource=resource)


async def test_events_reach_the_watches_of_their_resource_and_of_all() -> None:
    watchers = Watchers()
    pods, nodes, everything = watchers.add("pods"), watchers.add("nodes"), watchers.add("")
    watchers.publish(event(1))
    assert [found.revision for found in await pods.next_batch()] == [1]
    assert [found.revision for found in await everything.next_batch()] == [1]
    assert nodes.idle


async def test_the_past_comes_before_what_arrived_meanwhile() -> None:
    watchers = Watchers()
    watch = watchers.add("pods")
    watchers.publish(event(3))
    watch.prepend([event(1), event(2)])
    assert [found.revision for found in await watch.next_batch()] == [1, 2, 3]


async def test_a_reader_that_is_too_slow_is_closed() -> None:
    watchers = Watchers()
    watch = watchers.add("pods")
    for revision in range(PENDING_LIMIT + 1):
        watchers.publish(event(revision))
    assert await watch.next_batch() == []
    watchers.publish(event(1))
    assert await watch.next_batch() == []


async def test_a_long_past_does_not_make_a_reader_slow() -> None:
    watchers = Watchers()
    watch = watchers.add("pods")
    watch.prepend([event(revision) for revision in range(PENDING_LIMIT + 5)])
    watchers.publish(event(PENDING_LIMIT + 5))
    assert len(await watch.next_batch()) == PENDING_LIMIT + 6


async def test_closing_all_wakes_who_waits() -> None:
    watchers = Watchers()
    watch = watchers.add("pods")
    waiting = asyncio.get_running_loop().create_task(watch.next_batch())
    await asyncio.sleep(0)
    watchers.close()
    assert await waiting == []


async def test_a_cancelled_reader_can_read_again() -> None:
    watchers = Watchers()
    watch = watchers.add("pods")
    waiting = asyncio.get_running_loop().create_task(watch.next_batch())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0)
    watchers.publish(event(1))
    assert [found.revision for found in await watch.next_batch()] == [1]
