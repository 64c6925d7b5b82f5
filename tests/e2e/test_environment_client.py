"""What the environment's own client does with answers that are none yet."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web

from tests.e2e.environment import client
from tests.e2e.environment.client import Client, UnexpectedStatus
from tests.support.http_server import serve
from tests.support.tls import Authority


class NotYet:
    """A server that is not ready to say it for some requests."""

    def __init__(self, refusals: int, **headers: str) -> None:
        self.refusals = refusals
        self.headers = headers
        self.asked = 0

    async def answer(self, _request: web.BaseRequest) -> web.StreamResponse:
        self.asked += 1
        if self.asked > self.refusals:
            return web.json_response({"items": []})
        return web.json_response({"message": "storage is (re)initializing"}, status=429, headers=self.headers)

    async def ask(self, folder: Path, method: str = "GET") -> object:
        authority = Authority()
        (folder / "ca.crt").write_bytes(authority.bundle)
        async with serve(self.answer, authority.server_context) as url:
            return await asyncio.to_thread(Client(url, folder / "ca.crt").request, method, "/x")


async def test_a_read_is_asked_again_when_the_server_asks_for_that(tmp_path: Path) -> None:
    server = NotYet(2, **{"Retry-After": "0"})
    assert await server.ask(tmp_path) == {"items": []}
    assert server.asked == 3


@pytest.mark.parametrize(
    ("method", "headers", "asked"),
    [("GET", {"Retry-After": "0"}, 1 + client.MOST_RETRIES), ("GET", {}, 1), ("POST", {"Retry-After": "0"}, 1)],
)
async def test_a_refusal_is_told(tmp_path: Path, method: str, headers: dict[str, str], asked: int) -> None:
    server = NotYet(100, **headers)
    with pytest.raises(UnexpectedStatus, match="initializing") as refusal:
        await server.ask(tmp_path, method)
    assert (refusal.value.status, server.asked) == (429, asked)
