"""What many compute in one turn of the event loop; counted in turns, not in seconds."""

import asyncio
from collections import Counter

from cache.turns import SHARE, FewInATurn, OfEachLoop, Turns


class Work:
    """Slices that take some time each by the clock of the turns; `done` says in which turn of the loop each was."""

    def __init__(self, slice_seconds: float) -> None:
        self.seconds = 0.0
        self.slice_seconds = slice_seconds
        self.turns = Turns(lambda: self.seconds)
        self.now = 0
        self.done: list[tuple[int, str]] = []

    async def do(self, name: str, slices: int) -> None:
        for _ in range(slices):
            await self.turns.take()
            self.done.append((self.now, name))
            self.seconds += self.slice_seconds

    async def count_turns(self, *tasks: asyncio.Task[None]) -> None:
        while not all(task.done() for task in tasks):
            self.now += 1
            await asyncio.sleep(0)

    def task(self, name: str, slices: int) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(self.do(name, slices))


async def test_long_slices_are_done_one_in_a_turn_of_the_loop_and_in_turns():
    work = Work(SHARE)
    await work.count_turns(*(work.task(name, 3) for name in "abcde"))
    assert "".join(name for _, name in work.done) == "a" + 2 * "abcde" + "bcde"
    assert len({turn for turn, _ in work.done}) == 15


async def test_short_slices_share_a_turn_until_its_share_is_used_up():
    work = Work(SHARE / 4)
    await work.count_turns(*(work.task(name, 1) for name in "abcdef"))
    first = work.done[0][0]
    assert [name for turn, name in work.done if turn == first] == list("abcd")
    assert len(work.done) == 6


async def test_one_that_comes_later_is_not_served_before_those_who_wait():
    work = Work(SHARE)
    early = [work.task(name, 1) for name in "abc"]
    await asyncio.sleep(0)
    late = work.task("d", 1)
    await work.count_turns(*early, late)
    assert "".join(name for _, name in work.done) == "abcd"


async def test_who_is_cancelled_while_waiting_keeps_nobody_waiting():
    work = Work(SHARE)
    tasks = [work.task(name, 1) for name in "abcd"]
    await asyncio.sleep(0)
    tasks[1].cancel()
    tasks[2].cancel()
    await work.count_turns(*tasks)
    assert [name for _, name in work.done] == ["a", "d"]


async def test_nobody_waits_where_nothing_is_done():
    work = Work(SHARE)
    for _ in range(3):
        await work.do("a", 1)
        for _ in range(3):
            await asyncio.sleep(0)
    waited = work.now
    task = work.task("b", 1)
    await asyncio.sleep(0)
    assert task.done()
    assert waited == 0


def test_what_a_loop_shares_is_made_once_for_each_loop():
    shared = OfEachLoop(list)

    async def of_this_loop():
        return shared(), shared()

    (first, again), (other, _) = asyncio.run(of_this_loop()), asyncio.run(of_this_loop())
    assert first is again
    assert other is not first


class Few:
    """Says in which turn of the loop each went on."""

    def __init__(self, count: int) -> None:
        self.few = FewInATurn(count)
        self.now = 0
        self.done: list[tuple[int, str]] = []

    def do(self, name: str) -> bool:
        return self.few.do(lambda: self.done.append((self.now, name)))

    async def take(self, name: str) -> None:
        await self.few.take()
        self.done.append((self.now, name))

    async def pass_turns(self, count: int) -> None:
        for _ in range(count):
            self.now += 1
            await asyncio.sleep(0)

    @property
    def names(self) -> str:
        return "".join(name for _, name in self.done)


async def test_few_go_on_in_a_turn_of_the_loop_and_the_others_in_order():
    few = Few(2)
    assert [few.do(name) for name in "abcde"] == [True, True, False, False, False]
    await few.pass_turns(1)
    assert few.do("f") is False, "who comes later is not served before those who wait"
    await few.pass_turns(4)
    assert few.names == "abcdef"
    assert set(Counter(turn for turn, _ in few.done).values()) == {2}
    assert few.do("g"), "nobody waits where nothing is done"


async def test_callers_that_wait_take_the_same_turns():
    few = Few(3)
    tasks = [asyncio.get_running_loop().create_task(few.take(name)) for name in "abcdefgh"]
    await few.pass_turns(8)
    assert all(task.done() for task in tasks)
    assert few.names == "abcdefgh"
    assert max(Counter(turn for turn, _ in few.done).values()) == 3


async def test_who_gives_up_waiting_keeps_nobody_waiting():
    few = Few(1)
    tasks = [asyncio.get_running_loop().create_task(few.take(name)) for name in "abcd"]
    await few.pass_turns(1)
    tasks[1].cancel()
    tasks[2].cancel()
    await few.pass_turns(8)
    assert few.names == "ad"
