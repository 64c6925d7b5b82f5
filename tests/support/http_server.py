"""Servers on loopback for tests: aiohttp handlers, and raw sockets that misbehave on purpose."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Raw = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serve(handler: Handler, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve a handler the way the gateway's listener does; yields the URL."""
    http = web.Server(handler, handler_cancellation=True, auto_decompress=False)
    server = await asyncio.get_running_loop().create_server(http, "127.0.0.1", 0, ssl=context)
    try:
        yield _url(server, context)
    finally:
        server.close()
        await http.shutdown(0.1)


@asynccontextmanager
async def serve_raw(script: Raw, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve a script that reads and writes the bytes of each connection itself; yields the URL."""

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await script(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the other side went: what a script does about that is not the test's subject
        finally:
            writer.close()

    server = await asyncio.start_server(run, "127.0.0.1", 0, ssl=context)
    try:
        yield _url(server, context)
    finally:
        server.close()


def _url(server: asyncio.Server, context: ssl.SSLContext | None) -> str:
    port = server.sockets[0].getsockname()[1]
    return f"{'https' if context else 'http'}://127.0.0.1:{port}"


async def read_head(reader: asyncio.StreamReader) -> bytes:
    """Read a request or response head, the blank line included."""
    return await reader.readuntil(b"\r\n\r\n")
