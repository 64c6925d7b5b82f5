import asyncio

import pytest
from aiohttp import web

from tests.gateway.filters.handlers import echo
from tests.support.gateway_chain import Pki, running_chain


async def test_before_it_is_ready_clients_are_told_to_come_back(gateway_pki: Pki) -> None:
    async with running_chain(gateway_pki, echo, ready=False) as chain:
        answer = await chain.ask("GET", "/api/v1/pods")
        assert chain.authorizer.asked == []
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert (answer.json()["reason"], answer.json()["details"]) == ("ServiceUnavailable", {"retryAfterSeconds": 5})


async def test_who_leaves_takes_no_new_work(gateway_pki: Pki) -> None:
    async with running_chain(gateway_pki, echo) as chain:
        chain.lifecycle.drain()
        answer = await chain.ask("GET", "/api/v1/pods")
    assert (answer.status, answer.headers["Retry-After"]) == (429, "5")
    assert answer.headers["Connection"] == "close"
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.body == b"The apiserver is shutting down, please try again later.\n"


@pytest.mark.parametrize("path", ["/livez", "/readyz/ping", "/healthz", "/metrics"])
async def test_health_stays_open(gateway_pki: Pki, path: str) -> None:
    async with running_chain(gateway_pki, echo, ready=False) as chain:
        assert (await chain.ask("GET", path)).status == 200
        chain.lifecycle.drain()
        assert (await chain.ask("GET", path)).status == 200


@pytest.mark.parametrize("path", ["/livezz", "/clusters/m1/livez", "/clusters/m1/metrics", "/api/v1/livez"])
async def test_nothing_else_passes_for_health(gateway_pki: Pki, path: str) -> None:
    async with running_chain(gateway_pki, echo, ready=False) as chain:
        assert (await chain.ask("GET", path)).status == 503


async def test_requests_in_flight_are_counted(gateway_pki: Pki) -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    async def slow(request: web.BaseRequest) -> web.StreamResponse:
        entered.set()
        await leave.wait()
        return await echo(request)

    async with running_chain(gateway_pki, slow) as chain, asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(chain.ask("GET", "/api/v1/pods"))
        await entered.wait()
        assert repr(chain.lifecycle) == "Lifecycle(ready, in_flight=1, long_running=0)"
        chain.lifecycle.drain()
        idle = tasks.create_task(chain.lifecycle.idle())
        await asyncio.sleep(0)
        assert not idle.done()
        leave.set()
        await idle
        assert (await asked).status == 200
