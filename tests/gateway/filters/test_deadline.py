import asyncio

import aiohttp
import pytest
from aiohttp import web

from gateway.apimachinery.errors import ApiError
from gateway.filters.deadline import REQUEST_TIMEOUT, request_timeout
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
