"""Clients that ask, or leave, in the same instant; what is begun in one turn of the event loop is counted."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import uvloop
from aiohttp import web

from gateway.listener import PARTINGS_AT_ONCE, REQUESTS_AT_ONCE, Listener
from gateway.request_keys import Handler

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
CLIENTS = 100

Turn = Callable[[], int]


@asynccontextmanager
async def numbered_turns() -> AsyncIterator[Turn]:
    """The number of the present turn of the loop."""
    turn = 0

    async def number() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    task = asyncio.get_running_loop().create_task(number())
    yield lambda: turn
    task.cancel()


@asynccontextmanager
async def clients(handler: Handler) -> AsyncIterator[list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]:
    listener = Listener(handler, None)
    port = await listener.start("127.0.0.1", 0)
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CLIENTS)]
    try:
        async with asyncio.timeout(30):
            yield opened
    finally:
        for _, writer in opened:
            writer.close()
        await listener.close(0.1)


@pytest.mark.parametrize("loop", LOOPS)
def test_few_requests_of_many_begin_in_a_turn(loop: str) -> None:
    begun: Counter[int] = Counter()

    async def main() -> None:
        async with numbered_turns() as turn:

            async def serve(_: web.BaseRequest) -> web.StreamResponse:
                begun[turn()] += 1
                return web.Response(text="hello")

            async with clients(serve) as opened:
                for _, writer in opened:
                    writer.write(GET)
                for reader, _ in opened:
                    assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200")

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(main())
    assert begun.total() == CLIENTS
    assert max(begun.values()) == REQUESTS_AT_ONCE


@pytest.mark.parametrize("loop", LOOPS)
def test_few_requests_of_many_whose_clients_leave_end_in_a_turn(loop: str) -> None:
    ended: Counter[int] = Counter()

    async def main() -> None:
        begun, all_begun, all_ended = 0, asyncio.Event(), asyncio.Event()
        async with numbered_turns() as turn:

            async def serve(_: web.BaseRequest) -> web.StreamResponse:
                nonlocal begun
                begun += 1
                if begun == CLIENTS:
                    all_begun.set()
                try:
                    await asyncio.sleep(60)
                finally:
                    ended[turn()] += 1
                    if ended.total() == CLIENTS:
                        all_ended.set()
                raise AssertionError

            async with clients(serve) as opened:
                for _, writer in opened:
                    writer.write(GET)
                await all_begun.wait()
                for _, writer in opened:
                    writer.transport.abort()
                await all_ended.wait()

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(main())
    assert ended.total() == CLIENTS
    assert max(ended.values()) <= PARTINGS_AT_ONCE
