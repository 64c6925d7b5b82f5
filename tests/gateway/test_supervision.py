import asyncio
import logging
from typing import Any

import pytest

from gateway.apimachinery.errors import ApiError, service_unavailable, unauthorized
from gateway.supervision import AUTHORIZATION_PERIOD, CREDENTIAL_PERIOD, PARTING_TIME, LongRunning, Supervisor
from tests.support.virtual_time import run


class Caller:
    """The credential and the right of one request."""

    def __init__(self, fingerprint: str = "") -> None:
        self.fingerprint = fingerprint
        self.looks = 0
        self.credential: Exception | None = None
        self.right: Exception | None = None
        self.view: Exception | None = None
        self.asked: list[float] = []
        self.answer_takes = 0.0
        self.ends: list[ApiError | None] = []

    def judge_credential(self) -> None:
        self.looks += 1
        if self.credential:
            raise self.credential

    async def judge_right(self) -> None:
        self.asked.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.answer_takes)
        if self.right:
            raise self.right

    async def judge_view(self) -> None:
        if self.view:
            raise self.view

    def open(self, task: asyncio.Task[Any], *, told: bool = True) -> LongRunning:
        end = self.ends.append if told else None
        return LongRunning(
            task, self.judge_credential, self.judge_right, end, self.judge_view, credential=self.fingerprint
        )


async def stream(supervisor: Supervisor, caller: Caller, *, told: bool = True) -> None:
    task = asyncio.current_task()
    assert task is not None
    with supervisor.supervising(caller.open(task, told=told)):
        await asyncio.sleep(100_000)


def start(supervisor: Supervisor, *callers: Caller, told: bool = True) -> list[asyncio.Task[None]]:
    """Open a stream for each caller; the last task is the supervisor's own."""
    loop = asyncio.get_running_loop()
    streams = [loop.create_task(stream(supervisor, caller, told=told)) for caller in callers]
    return [*streams, loop.create_task(supervisor.run())]


def test_the_periods_are_those_that_are_promised() -> None:
    assert CREDENTIAL_PERIOD <= 1
    assert AUTHORIZATION_PERIOD <= 60


def test_a_credential_that_goes_ends_the_request_within_a_second() -> None:
    async def test() -> None:
        supervisor, caller = Supervisor(), Caller()
        start(supervisor, caller)
        await asyncio.sleep(10)
        assert caller.ends == []
        caller.credential = unauthorized()
        await asyncio.sleep(CREDENTIAL_PERIOD + 0.01)
        assert caller.ends == [caller.credential]

    run(test())


def test_rights_are_asked_for_again_in_their_own_period() -> None:
    async def test() -> None:
        supervisor, caller = Supervisor(), Caller()
        start(supervisor, caller)
        await asyncio.sleep(100)
        assert caller.asked == [30, 60, 90]
        caller.right = ApiError(403, "Forbidden", "no")
        await asyncio.sleep(AUTHORIZATION_PERIOD)
        assert caller.ends == [caller.right]

    run(test())


@pytest.mark.parametrize("code", [404, 410])
def test_what_the_caller_sees_is_judged_with_his_right(code: int) -> None:
    async def test() -> None:
        supervisor, caller = Supervisor(), Caller()
        start(supervisor, caller)
        await asyncio.sleep(1)
        caller.view = ApiError(code, "Expired", "he sees something else")
        await asyncio.sleep(AUTHORIZATION_PERIOD)
        assert caller.ends == [caller.view]

    run(test())


def test_views_are_judged_at_once_when_members_came_or_went() -> None:
    async def test() -> None:
        supervisor, caller = Supervisor(), Caller()
        start(supervisor, caller)
        await asyncio.sleep(10)
        caller.view = ApiError(410, "Expired", "list anew")
        supervisor.judge_views()
        await asyncio.sleep(1.01)
        assert caller.ends == [caller.view]

    run(test())


def test_a_request_that_depends_on_no_view_is_not_judged_for_it() -> None:
    async def test() -> None:
        supervisor, caller = Supervisor(), Caller()
        task = asyncio.get_running_loop().create_task(asyncio.sleep(100))
        watching = asyncio.get_running_loop().create_task(supervisor.run())
        with supervisor.supervising(LongRunning(task, caller.judge_credential, caller.judge_right)):
            supervisor.judge_views()
            await asyncio.sleep(5)
            assert caller.asked == []
        watching.cancel()

    run(test())


def test_a_slow_store_delays_no_judgement_of_credentials() -> None:
    async def test() -> None:
        supervisor, slow, revoked = Supervisor(), Caller(), Caller()
        slow.answer_takes = 1000
        start(supervisor, slow, revoked)
        await asyncio.sleep(40)
        revoked.credential = unauthorized()
        await asyncio.sleep(CREDENTIAL_PERIOD + 0.01)
        assert revoked.ends == [revoked.credential]

    run(test())


def test_only_so_many_rights_are_asked_for_at_once() -> None:
    async def test() -> None:
        supervisor, callers = Supervisor(), [Caller() for _ in range(20)]
        for caller in callers:
            caller.answer_takes = 5
        start(supervisor, *callers)
        await asyncio.sleep(AUTHORIZATION_PERIOD + 1)
        assert sum(len(caller.asked) for caller in callers) == 8
        await asyncio.sleep(15)
        assert all(len(caller.asked) == 1 for caller in callers)

    run(test())


def test_an_answer_that_is_no_clear_no_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        supervisor, caller = Supervisor(), Caller()
        caller.right = service_unavailable("the store is away")
        start(supervisor, caller)
        await asyncio.sleep(100)
        assert caller.ends == []

    run(test())
    assert "the store is away" in caplog.text


@pytest.mark.parametrize("which", ["credential", "right"])
def test_a_judge_that_fails_lets_nobody_go_on(which: str, caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        supervisor, caller, other = Supervisor(), Caller(), Caller()
        setattr(caller, which, ValueError("a bug"))
        start(supervisor, caller, other)
        await asyncio.sleep(AUTHORIZATION_PERIOD + 1)
        (error,) = caller.ends
        assert error is not None
        assert error.code == 500
        other.credential = unauthorized()
        await asyncio.sleep(2)
        assert other.ends == [other.credential]

    run(test())
    assert "a bug" in caplog.text


def test_without_a_word_of_its_own_a_request_is_cancelled() -> None:
    async def test() -> None:
        supervisor, caller = Supervisor(), Caller()
        task, _ = start(supervisor, caller, told=False)
        await asyncio.sleep(1)
        caller.credential = unauthorized()
        await asyncio.sleep(CREDENTIAL_PERIOD + 0.01)
        assert task.cancelled()
        assert len(supervisor) == 0

    run(test())


def test_who_does_not_take_the_end_is_cancelled() -> None:
    async def test() -> None:
        supervisor, caller = Supervisor(), Caller()
        task, _ = start(supervisor, caller)
        await asyncio.sleep(1)
        supervisor.drain()
        supervisor.drain()
        assert caller.ends == [None]
        await asyncio.sleep(PARTING_TIME - 0.1)
        assert not task.done()
        await asyncio.sleep(CREDENTIAL_PERIOD + 0.2)
        assert task.cancelled()

    run(test())


def test_many_requests_are_judged_in_turns_with_others(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)

    async def test() -> None:
        supervisor, callers = Supervisor(), [Caller() for _ in range(250)]
        start(supervisor, *callers)
        await asyncio.sleep(0.5)
        callers[-1].credential = callers[0].credential = unauthorized()
        await asyncio.sleep(1)
        assert callers[0].ends == [callers[0].credential]
        assert callers[-1].ends == [callers[-1].credential]
        assert len(supervisor) == 250

    run(test())


def test_a_credential_is_looked_at_once_for_all_who_present_it() -> None:
    async def test() -> None:
        supervisor = Supervisor()
        shared, unnamed = [Caller("a") for _ in range(5)], [Caller() for _ in range(3)]
        start(supervisor, *shared, *unnamed)
        await asyncio.sleep(CREDENTIAL_PERIOD * 10 + 0.01)
        assert sum(caller.looks for caller in shared) == 10
        assert [caller.looks for caller in unnamed] == [10] * 3

    run(test())


def test_a_credential_that_goes_ends_all_who_presented_it() -> None:
    async def test() -> None:
        supervisor = Supervisor()
        shared, other = [Caller("a") for _ in range(5)], Caller("b")
        start(supervisor, *shared, other)
        await asyncio.sleep(10)
        for caller in shared:
            caller.credential = unauthorized()
        await asyncio.sleep(CREDENTIAL_PERIOD + 0.01)
        assert [caller.ends for caller in shared] == [[caller.credential] for caller in shared]
        assert other.ends == []

    run(test())
