import asyncio
from collections.abc import Iterator

from gateway.apimachinery.turns import TURN, each_in_turn, in_turns


def ticks(step: float) -> Iterator[float]:
    now = 0.0
    while True:
        yield now
        now += step


async def turns_of_others(items: int, step: float) -> int:
    """How often something else could run while the items were worked on, each of which takes `step` seconds."""
    others, done = 0, False

    async def other() -> None:
        nonlocal others
        while not done:
            others += 1
            await asyncio.sleep(0)

    clock = ticks(step)
    running = asyncio.get_running_loop().create_task(other())
    seen = [item async for item in in_turns(range(items), clock=lambda: next(clock))]
    done = True
    await running
    assert seen == list(range(items))
    return others


async def test_long_work_lets_others_have_their_turn_after_each_item() -> None:
    assert await turns_of_others(10, TURN * 1.01) >= 10


async def test_short_work_gives_way_now_and_then() -> None:
    assert 8 <= await turns_of_others(1000, TURN / 100) <= 12


async def test_little_work_is_done_at_once() -> None:
    assert await turns_of_others(10, TURN / 100) <= 1


async def test_each_item_is_worked_on_once_and_in_order() -> None:
    assert await each_in_turn(str, [3, 1, 2]) == ["3", "1", "2"]
    assert await each_in_turn(str, []) == []
