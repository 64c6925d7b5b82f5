import asyncio

import pytest

from gateway.lifecycle import Lifecycle, Stage


def test_it_begins_by_starting_and_ends_by_draining() -> None:
    lifecycle = Lifecycle()
    stages = [lifecycle.stage]
    lifecycle.ready()
    stages.append(lifecycle.stage)
    lifecycle.drain()
    assert [*stages, lifecycle.stage] == [Stage.STARTING, Stage.READY, Stage.DRAINING]


def test_who_was_told_to_leave_does_not_become_ready_again() -> None:
    lifecycle = Lifecycle()
    lifecycle.drain()
    lifecycle.ready()
    assert lifecycle.stage is Stage.DRAINING


def test_requests_are_counted() -> None:
    lifecycle = Lifecycle()
    with lifecycle.serving(long_running=True), lifecycle.serving(long_running=False):
        assert repr(lifecycle) == "Lifecycle(starting, in_flight=2, long_running=1)"
    assert repr(lifecycle) == "Lifecycle(starting, in_flight=0, long_running=0)"


def test_a_request_that_fails_is_over_too() -> None:
    lifecycle = Lifecycle()

    def fail() -> None:
        with lifecycle.serving(long_running=False):
            raise ValueError

    with pytest.raises(ValueError):
        fail()
    assert lifecycle.in_flight == 0


async def test_idle_waits_for_the_last_request() -> None:
    lifecycle = Lifecycle()
    await lifecycle.idle()
    with lifecycle.serving(long_running=False):
        with lifecycle.serving(long_running=False):
            pass
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await lifecycle.idle()
    await lifecycle.idle()
