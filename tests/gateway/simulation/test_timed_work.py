import asyncio

from gateway.simulation.timed_work import TimedWorkLoop
from tests.support import virtual_time


class Work:
    """Notes what is done, and when."""

    def __init__(self) -> None:
        self.done: list[tuple[str, float]] = []
        self.loop: TimedWorkLoop[str] = TimedWorkLoop("test", self._do)

    async def _do(self, item: str) -> None:
        self.done.append((item, asyncio.get_running_loop().time()))

    async def run_for(self, seconds: float) -> list[tuple[str, float]]:
        running = asyncio.get_running_loop().create_task(self.loop.run())
        await asyncio.sleep(seconds)
        running.cancel()
        return self.done


def test_an_item_is_done_at_once_or_later() -> None:
    async def main() -> None:
        work = Work()
        work.loop.add_after("later", 3)
        work.loop.add("now")
        assert await work.run_for(5) == [("now", 0), ("later", 3)]

    virtual_time.run(main())


def test_a_later_wish_takes_the_place_of_an_earlier_one() -> None:
    async def main() -> None:
        work = Work()
        work.loop.add_after("a", 3)
        work.loop.add_after("b", 1)
        work.loop.add_after("a", 2)
        assert await work.run_for(5) == [("b", 1), ("a", 2)]

    virtual_time.run(main())
