import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from gateway.apimachinery.errors import service_unavailable
from gateway.apimachinery.options import ListOptions
from gateway.authorization.authorizer import Attributes, Decision
from gateway.handlers.read_source import WatchChange
from gateway.handlers.response import answer_headers
from gateway.handlers.watch import watch_objects
from gateway.request_keys import LONG_RUNNING, SCOPE
from tests.gateway.filters.handlers import echo
from tests.support.gateway_chain import ALLOW, DENY, Pki, RunningChain, running_chain
from tests.support.objects import pod
from tests.support.read_source import FakeSource

WATCH, EXEC = "/api/v1/pods?watch=1", "/api/v1/namespaces/a/pods/p/exec"


async def serve(request: web.BaseRequest) -> web.StreamResponse:
    """A watch, or a stream that knows nothing of being ended."""
    if request[SCOPE].info.verb == "watch":
        return await watch_objects(request, FakeSource(pod()), "", ListOptions(watch=True), now=lambda: 0.0)
    response = web.StreamResponse(headers=answer_headers(request))
    await response.prepare(request)
    await asyncio.sleep(60)
    return response


class Switch:
    """An authorizer that can be turned."""

    def __init__(self) -> None:
        self.decision = ALLOW

    def __call__(self, _attributes: Attributes) -> Decision:
        return self.decision


@asynccontextmanager
async def opened(chain: RunningChain, path: str, user: str = "alice") -> AsyncIterator[aiohttp.ClientResponse]:
    async with chain.session(user) as session, session.get(path) as response:
        assert response.status == 200
        async with asyncio.timeout(5):
            yield response


async def test_a_watch_ends_with_the_right_to_it(gateway_pki: Pki) -> None:
    switch = Switch()
    async with running_chain(gateway_pki, serve, decide=switch) as chain, opened(chain, WATCH) as response:
        switch.decision = DENY
        event = json.loads(await response.read())
        assert len(chain.supervisor) == 0
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 403, "Forbidden")
    assert event["object"]["message"].endswith("at the cluster scope: not today")


async def test_a_watch_ends_with_the_credential(gateway_pki: Pki) -> None:
    async with running_chain(gateway_pki, serve) as chain, opened(chain, WATCH, "eve") as response:
        gateway_pki.revoke("eve")
        event = json.loads(await response.read())
    assert (event["type"], event["object"]["code"]) == ("ERROR", 401)


@pytest.mark.parametrize("how", ["right", "credential"])
async def test_a_tunnel_is_cut(gateway_pki: Pki, how: str) -> None:
    switch = Switch()
    async with running_chain(gateway_pki, serve, decide=switch) as chain, opened(chain, EXEC, how) as response:
        if how == "right":
            switch.decision = DENY
        else:
            gateway_pki.revoke(how)
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()


async def test_a_store_that_cannot_be_asked_ends_nothing(gateway_pki: Pki) -> None:

    away = False

    def decide(_attributes: Attributes) -> Decision:
        if away:
            raise service_unavailable("the store is away")
        return ALLOW

    async with running_chain(gateway_pki, serve, decide=decide) as chain, opened(chain, WATCH):
        away = True
        asked = len(chain.authorizer.asked)
        while len(chain.authorizer.asked) < asked + 2:
            await asyncio.sleep(0.01)
        assert len(chain.supervisor) == 1


async def test_a_drain_ends_a_watch_cleanly(gateway_pki: Pki) -> None:
    async with running_chain(gateway_pki, serve) as chain, opened(chain, WATCH) as response:
        chain.supervisor.drain()
        assert await response.read() == b""


async def test_open_ones_are_counted(gateway_pki: Pki) -> None:
    async with running_chain(gateway_pki, serve) as chain:
        async with opened(chain, WATCH), opened(chain, EXEC):
            shown = chain.metrics.render().decode()
            assert 'apiserver_longrunning_requests{kind="watch"} 1.0' in shown
            assert 'apiserver_longrunning_requests{kind="exec"} 1.0' in shown
        while len(chain.supervisor):
            await asyncio.sleep(0.01)
        assert 'apiserver_longrunning_requests{kind="watch"} 0.0' in chain.metrics.render().decode()


async def test_short_requests_are_not_supervised(gateway_pki: Pki) -> None:
    async def check(request: web.BaseRequest) -> web.StreamResponse:
        assert LONG_RUNNING not in request
        return await echo(request)

    async with running_chain(gateway_pki, check) as chain:
        assert (await chain.ask("GET", "/api/v1/pods")).status == 200


async def test_who_does_not_read_the_end_is_cut_off(gateway_pki: Pki) -> None:
    """A client that reads nothing: the watch is stuck in a write when its right goes."""
    switch = Switch()
    source = FakeSource(pod())

    async def flood(request: web.BaseRequest) -> web.StreamResponse:

        for _ in range(20_000):
            source.subscription.send(WatchChange("ADDED", "1", source.objects[0]))
        return await watch_objects(request, source, "", ListOptions(watch=True), now=lambda: 0.0)

    async with running_chain(gateway_pki, flood, decide=switch) as chain:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", chain.port, ssl=gateway_pki.client("sleepy"), limit=1024
        )
        writer.write(f"GET {WATCH} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        while source.subscription.queue.qsize() == 20_000:
            await asyncio.sleep(0.01)
        switch.decision = DENY
        async with asyncio.timeout(5):
            while len(chain.supervisor):
                await asyncio.sleep(0.01)
        writer.close()


@pytest.mark.parametrize("path", [WATCH, EXEC])
@pytest.mark.parametrize("by_supervision", [False, True])
async def test_a_request_that_has_ended_does_not_know_its_supervision(
    gateway_pki: Pki, path: str, by_supervision: bool
) -> None:
    """They would know each other, and the collector practically never looks at what is as old as a watch."""
    seen: list[web.BaseRequest] = []

    async def serve_and_remember(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request)
        return await serve(request)

    async with running_chain(gateway_pki, serve_and_remember) as chain:
        async with opened(chain, path) as response:
            assert LONG_RUNNING in seen[0]
            if by_supervision:
                chain.supervisor.drain()
                with contextlib.suppress(aiohttp.ClientPayloadError):
                    await response.read()
        async with asyncio.timeout(5):
            while len(chain.supervisor):
                await asyncio.sleep(0.01)
    assert LONG_RUNNING not in seen[0]
