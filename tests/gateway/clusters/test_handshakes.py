"""How many connections are begun at a time; counted, not timed."""

import asyncio

import pytest

from gateway.clusters.handshakes import AT_ONCE, handshakes
from tests.support import virtual_time


async def _connect(seconds: float, under_way: list[int], most: list[int]) -> None:
    async with handshakes().place():
        under_way.append(1)
        most.append(len(under_way))
        await asyncio.sleep(seconds)
        under_way.pop()


def test_few_connect_at_a_time():
    async def main() -> list[int]:
        most: list[int] = []
        under_way: list[int] = []
        await asyncio.gather(*(_connect(0.01, under_way, most) for _ in range(10 * AT_ONCE)))
        return most

    most = virtual_time.run(main())
    assert len(most) == 10 * AT_ONCE
    assert max(most) == AT_ONCE


def test_servers_that_do_not_answer_keep_nobody_waiting_for_long():
    async def main() -> float:
        frozen = [asyncio.get_running_loop().create_task(_connect(5.0, [], [])) for _ in range(10 * AT_ONCE)]
        await asyncio.sleep(0)
        await _connect(0.0, [], [])
        waited = asyncio.get_running_loop().time()
        await asyncio.gather(*frozen)
        most: list[int] = []
        under_way: list[int] = []
        await asyncio.gather(*(_connect(0.01, under_way, most) for _ in range(10 * AT_ONCE)))
        assert max(most) == AT_ONCE, "a place that was given up is not given twice"
        return waited

    assert virtual_time.run(main()) <= 1.0


async def test_who_gives_up_waiting_takes_no_place():
    for _ in range(3):
        holders = [asyncio.get_running_loop().create_task(_connect(0.01, [], [])) for _ in range(AT_ONCE)]
        await asyncio.sleep(0)
        waiting = asyncio.get_running_loop().create_task(_connect(0.0, [], []))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(*holders)
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_a_loop_has_its_own():
    here = handshakes()
    assert handshakes() is here

    async def there() -> object:
        return handshakes()

    assert await asyncio.to_thread(asyncio.run, there()) is not here
