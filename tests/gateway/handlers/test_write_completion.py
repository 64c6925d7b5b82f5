import asyncio

import pytest

from gateway.handlers.write_completion import Completions


async def test_whoever_waits_gets_the_result() -> None:
    async def act() -> int:
        return 7

    assert await Completions().run_to_end(act()) == 7


async def test_a_cancelled_caller_does_not_stop_the_act_and_drain_waits_for_it() -> None:
    completions = Completions()
    gate = asyncio.Event()
    done = []

    async def act() -> None:
        await gate.wait()
        done.append(True)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await completions.run_to_end(act())
    assert repr(completions) == "Completions(1 running)"
    async with asyncio.TaskGroup() as group:
        group.create_task(completions.drain())
        await asyncio.sleep(0)
        gate.set()
    assert done == [True]
    assert repr(completions) == "Completions(0 running)"


async def test_the_error_of_an_act_nobody_waits_for_is_no_noise(caplog: pytest.LogCaptureFixture) -> None:
    completions = Completions()

    async def act() -> None:
        await asyncio.sleep(0.002)
        raise ValueError("boom")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await completions.run_to_end(act())
    await completions.drain()
    assert caplog.text == ""


async def test_an_act_that_is_cancelled_from_inside_ends_like_that() -> None:
    async def act() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await Completions().run_to_end(act())
