"""What is taken out of the collector's sight; counted, and left as it was found."""

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest
import uvloop
from aiohttp import web

from gateway import interpreter
from gateway.interpreter import freeze_garbage
from gateway.request_keys import REQUEST_INFO
from tests.support.gateway_chain import Pki, RunningChain, running_chain

FREEZES = 20
WATCH = "/api/v1/pods?watch=1"


@pytest.fixture(autouse=True)
def sight_as_it_was() -> Iterator[None]:
    gc.collect()
    yield
    gc.enable()
    gc.unfreeze()


class Ring:
    def __init__(self) -> None:
        self.me = self


class Mark:
    """Is there as long as the request that has it."""


MARK = web.RequestKey("mark", Mark)


async def freeze_once() -> None:
    task = asyncio.get_running_loop().create_task(freeze_garbage())
    await asyncio.sleep(0)
    task.cancel()


async def test_young_garbage_is_not_kept() -> None:
    gc.disable()
    ring = weakref.ref(Ring())
    assert ring() is not None
    await freeze_once()
    assert ring() is None
    assert gc.get_freeze_count() > 0


async def open_and_close(chain: RunningChain, begun: asyncio.Event) -> None:
    """A watch that is open when all that is there is taken out of sight, and a request before."""
    begun.clear()
    async with chain.session("alice") as session:
        async with session.get("/api/v1/namespaces/a/pods/b") as response:
            assert response.status == 200
        async with session.get(WATCH):
            await begun.wait()
            await freeze_once()
    while len(chain.supervisor) or chain.listener.connections:
        await asyncio.sleep(0.001)


def test_connections_and_watches_that_were_open_at_a_freeze_leave_nothing(
    gateway_pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[weakref.ref[Mark]] = []

    async def main() -> None:
        begun = asyncio.Event()

        async def serve(request: web.BaseRequest) -> web.StreamResponse:
            request[MARK] = mark = Mark()
            served.append(weakref.ref(mark))
            if request[REQUEST_INFO].verb != "watch":
                return web.Response(text="b")
            response = web.StreamResponse()
            await response.prepare(request)
            begun.set()
            await asyncio.sleep(60)
            return response

        async with asyncio.timeout(60), running_chain(gateway_pki, serve) as chain:
            for _ in range(FREEZES):
                await open_and_close(chain, begun)
            for _ in range(500):
                if not any(mark() for mark in served):
                    return
                await asyncio.sleep(0.01)

    monkeypatch.setattr(interpreter, "_FREEZE_PERIOD", 3600.0)
    uvloop.run(main())
    assert len(served) == 2 * FREEZES
    assert not any(mark() for mark in served)
