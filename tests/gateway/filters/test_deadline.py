import asyncio
import contextlib

import aiohttp
import pytest
from aiohttp import web

from gateway.apimachinery.errors import ApiError
from gateway.filters.deadline import REQUEST_TIMEOUT, Deadline, Deadlines, request_timeout
from gateway.handlers.response import answer_headers
from gateway.request_keys import DEADLINE
from tests.support.gateway_chain import Pki, running_chain


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [(None, 60), ("", 60), ("5s", 5), ("1m30s", 60), ("0", 60), ("0s", 60), ("-5s", 60), ("250ms", 0.25)],
)
def test_a_client_may_ask_for_less(asked: str | None, seconds: float) -> None:
    assert request_timeout(asked) == seconds
    assert REQUEST_TIMEOUT == 60


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ("soon", 'time: invalid duration "soon"'),
        ("5", 'time: missing unit in duration "5"'),
        ("5x", 'time: unknown unit "x" in duration "5x"'),
    ],
)
def test_what_is_no_duration_is_refused(asked: str, problem: str) -> None:
    with pytest.raises(ApiError) as refusal:
        request_timeout(asked)
    assert refusal.value.code == 400
    assert refusal.value.message == f"invalid timeout specified in the request URL - {problem}"


async def sleep(request: web.BaseRequest) -> web.StreamResponse:
    assert request[DEADLINE] > asyncio.get_running_loop().time()
    await asyncio.sleep(60)
    raise AssertionError


async def test_at_the_deadline_the_answer_is_a_timeout(gateway_pki: Pki) -> None:
    async with running_chain(gateway_pki, sleep) as chain:
        answer = await chain.ask("GET", "/api/v1/pods?timeout=100ms")
    assert answer.status == 504
    assert answer.json()["reason"] == "Timeout"
    assert answer.json()["message"] == "Timeout: request did not complete within the allotted timeout"


async def test_an_answer_that_had_begun_is_broken_off(gateway_pki: Pki) -> None:
    async def begin(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers=answer_headers(request))
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(b"x")
        await asyncio.sleep(60)
        return response

    async with (
        running_chain(gateway_pki, begin) as chain,
        chain.session("alice") as session,
        session.get("/api/v1/pods?timeout=100ms") as response,
    ):
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()


async def test_what_may_run_long_has_no_deadline(gateway_pki: Pki) -> None:
    async def patient(request: web.BaseRequest) -> web.StreamResponse:
        assert DEADLINE not in request
        await asyncio.sleep(0.2)
        return web.Response()

    async with running_chain(gateway_pki, patient) as chain:
        assert (await chain.ask("GET", "/api/v1/pods?watch=1&timeout=1ms")).status == 200
        assert (await chain.ask("GET", "/api/v1/namespaces/a/pods/b/log?timeout=1ms")).status == 200


async def test_a_timeout_of_the_handlers_own_is_not_ours(gateway_pki: Pki) -> None:
    async def fail(_request: web.BaseRequest) -> web.StreamResponse:
        raise TimeoutError

    async with running_chain(gateway_pki, fail) as chain:
        assert (await chain.ask("GET", "/api/v1/pods")).status == 500


class TestDeadlines:
    """Against asyncio.timeout_at, of which it is to be the same."""

    @staticmethod
    def watched(deadlines: Deadlines, seconds: float) -> Deadline:
        task = asyncio.current_task()
        assert task is not None
        return Deadline(deadlines, task, asyncio.get_running_loop().time() + seconds)

    async def test_each_has_its_own_time(self) -> None:
        deadlines = Deadlines()
        expired: list[int] = []

        async def work(number: int, seconds: float) -> None:
            try:
                with self.watched(deadlines, 0.02 + 0.02 * number):
                    await asyncio.sleep(seconds)
            except TimeoutError:
                expired.append(number)

        async with asyncio.TaskGroup() as tasks:
            for number, seconds in enumerate([0.0, 60, 0.0, 60, 60]):
                tasks.create_task(work(number, seconds))
        assert expired == [1, 3, 4]
        assert not deadlines._waiting
        assert deadlines._timer is None

    async def test_later_ones_are_watched_when_all_before_have_gone(self) -> None:
        deadlines = Deadlines()
        with self.watched(deadlines, 0.02):
            pass
        with pytest.raises(TimeoutError), self.watched(deadlines, 0.05):
            await asyncio.sleep(60)
        with pytest.raises(TimeoutError), self.watched(deadlines, 0.02):
            await asyncio.sleep(60)

    async def test_somebody_elses_cancellation_stays(self) -> None:
        deadlines = Deadlines()

        async def work() -> None:
            with self.watched(deadlines, 60):
                await asyncio.sleep(60)

        task = asyncio.get_running_loop().create_task(work())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()
        deadlines.close()

    async def test_both_at_once_is_somebody_elses(self) -> None:
        deadlines = Deadlines()

        async def work() -> None:
            watched = self.watched(deadlines, 60)
            with watched:
                watched.expire()
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
                await asyncio.sleep(60)

        with pytest.raises(asyncio.CancelledError):
            await asyncio.get_running_loop().create_task(work())
        deadlines.close()

    async def test_what_ends_just_then_has_ended(self) -> None:
        with self.watched(Deadlines(), 0.02) as watched, contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        task = asyncio.current_task()
        assert task is not None
        assert watched.expired
        assert task.cancelling() == 0
