import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import FunctionType

import pytest

from gateway.loop_watch import LOGGED_STALL, LoopWatch
from gateway.metrics import Metrics

HELD = 0.4
"""Seconds: a beat may be due a whole period after the loop began to be held."""


class Measured(Metrics):
    def __init__(self) -> None:
        super().__init__()
        self.stalls: list[tuple[float, float]] = []

    def observe_loop(self, late: float, held: float) -> None:
        super().observe_loop(late, held)
        self.stalls.append((late, held))


@asynccontextmanager
async def watched() -> AsyncIterator[Measured]:
    metrics = Measured()
    running = asyncio.get_running_loop().create_task(LoopWatch(metrics).run())
    await until(lambda: bool(metrics.stalls))
    yield metrics
    running.cancel()


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not reached():
            await asyncio.sleep(0.01)


def compute_for_long() -> None:
    end = time.thread_time() + HELD
    while time.thread_time() < end:
        sum(range(1000))


def wait_for_long() -> None:
    time.sleep(HELD)


async def test_what_computes_for_long_is_measured_and_named(caplog: pytest.LogCaptureFixture) -> None:
    async with watched() as metrics:
        compute_for_long()
        await until(lambda: "compute_for_long (gateway/test_loop_watch.py:" in caplog.text)
    assert max(held for _, held in metrics.stalls) > LOGGED_STALL
    assert all(held <= late for late, held in metrics.stalls)


async def test_of_many_that_compute_one_after_the_other_the_longest_are_named(caplog: pytest.LogCaptureFixture) -> None:
    def place(number: int) -> Callable[[], None]:
        """A function of a name of its own."""
        code = compute_for_long.__code__.replace(co_name=f"place{number}", co_qualname=f"place{number}")
        return FunctionType(code, globals())

    async with watched():
        for number in range(5):
            place(number)()
        await until(lambda: "of which it computed" in caplog.text)
    (line,) = [record.message for record in caplog.records if "of which it computed" in record.message]
    looks = [(int(count), int(total)) for count, total in re.findall(r"(\d+) of (\d+) looks: place\d ", line)]
    assert len(looks) == 3
    assert looks == sorted(looks, reverse=True)
    assert sum(count for count, _ in looks) < looks[0][1]
    assert line.endswith(" other functions")


async def test_what_waits_for_long_holds_the_loop_without_computing(caplog: pytest.LogCaptureFixture) -> None:
    async with watched() as metrics:
        wait_for_long()
        await until(lambda: "wait_for_long (gateway/test_loop_watch.py:" in caplog.text)
    late, held = max(metrics.stalls)
    assert late > LOGGED_STALL
    assert held < late / 2


async def test_a_stall_after_another_one_is_not_told_again_at_once(caplog: pytest.LogCaptureFixture) -> None:
    async with watched() as metrics:
        for _ in range(3):
            known = len(metrics.stalls)
            wait_for_long()
            await until(lambda known=known: len(metrics.stalls) > known + 2)  # type: ignore[misc]  # (binds the number)
    told = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(told) == 1


async def test_the_watch_ends_with_its_task() -> None:
    metrics = Measured()
    watch = LoopWatch(metrics)
    running = asyncio.get_running_loop().create_task(watch.run())
    await until(lambda: bool(metrics.stalls))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert watch.ended
