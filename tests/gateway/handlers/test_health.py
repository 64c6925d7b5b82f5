from collections.abc import Sequence

import pytest
from aiohttp import web

from gateway.handlers.health import HealthCheck, HealthEndpoint, Note
from gateway.request import UserInfo
from gateway.request_keys import REQUEST_INFO, Handler
from tests.support.gateway_chain import Answer, Pki, running_chain

BAD = HealthCheck("disk", lambda: "a secret path is full")
GOOD = [HealthCheck("ping", lambda: ""), HealthCheck("audit", lambda: "")]


def serving(checks: Sequence[HealthCheck]) -> Handler:
    async def notes(user: UserInfo) -> Sequence[Note]:
        return [Note("cluster/m1", f"ok, {user.name}")]

    endpoint = HealthEndpoint("readyz", checks, notes)

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        return await endpoint.respond(request, request[REQUEST_INFO].path.removeprefix("/readyz").strip("/"))

    return serve


async def ask(pki: Pki, checks: Sequence[HealthCheck], path: str, user: str = "alice") -> Answer:
    async with running_chain(pki, serving(checks)) as chain:
        return await chain.ask("GET", path, user=user)


async def test_all_is_well(gateway_pki: Pki) -> None:
    answer = await ask(gateway_pki, GOOD, "/readyz")
    assert (answer.status, answer.body) == (200, b"ok")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("query", ["verbose", "verbose=", "verbose=false"])
async def test_each_check_by_name(gateway_pki: Pki, query: str) -> None:
    answer = await ask(gateway_pki, GOOD, f"/readyz?{query}")
    assert answer.body == b"[+]ping ok\n[+]audit ok\n[i]cluster/m1 ok, alice\nreadyz check passed\n"


@pytest.mark.parametrize("query", ["", "?verbose", "?exclude=nope"])
async def test_strangers_learn_whether_all_is_well_and_no_more(gateway_pki: Pki, query: str) -> None:
    well = await ask(gateway_pki, GOOD, f"/readyz{query}", user="")
    ill = await ask(gateway_pki, [*GOOD, BAD], f"/readyz{query}", user="")
    assert (well.status, well.body) == (200, b"ok")
    assert (ill.status, ill.body) == (500, b"readyz check failed\n")


async def test_what_is_wrong_stands_in_the_log_only(gateway_pki: Pki, caplog: pytest.LogCaptureFixture) -> None:
    answer = await ask(gateway_pki, [*GOOD, BAD], "/readyz")
    assert answer.status == 500
    assert answer.body.decode().splitlines() == [
        "[+]ping ok",
        "[+]audit ok",
        "[-]disk failed: reason withheld",
        "[i]cluster/m1 ok, alice",
        "readyz check failed",
    ]
    assert "readyz check disk failed: a secret path is full" in caplog.text


async def test_a_check_can_be_left_out(gateway_pki: Pki) -> None:
    answer = await ask(gateway_pki, [*GOOD, BAD], "/readyz?verbose&exclude=disk&exclude=nope&exclude=zip")
    assert answer.status == 200
    assert answer.body.decode().splitlines()[2:4] == [
        "[+]disk excluded: ok",
        'warn: some health checks cannot be excluded: no matches for "nope","zip"',
    ]


async def test_a_single_check(gateway_pki: Pki) -> None:
    good = await ask(gateway_pki, [*GOOD, BAD], "/readyz/ping?verbose")
    bad = await ask(gateway_pki, [*GOOD, BAD], "/readyz/disk")
    unknown = await ask(gateway_pki, GOOD, "/readyz/nope")
    assert (good.status, good.body) == (200, b"ok")
    assert (bad.status, bad.body) == (500, b"internal server error: reason withheld\n")
    assert (unknown.status, unknown.body) == (404, b"404 page not found\n")
