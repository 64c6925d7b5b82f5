from collections.abc import Sequence

import pytest
from aiohttp import web

from gateway.handlers.health import HealthCheck, HealthEndpoint, Note
from gateway.request_keys import REQUEST_INFO, Handler
from tests.support.gateway_chain import Answer, Pki, running_chain

BAD = HealthCheck("disk", lambda: "a secret path is full")
GOOD = [HealthCheck("ping", lambda: ""), HealthCheck("audit", lambda: "")]


def serving(checks: Sequence[HealthCheck]) -> Handler:
    endpoint = HealthEndpoint("readyz", checks, lambda: [Note("cluster/m1", "ok")])

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        return endpoint.respond(request, request[REQUEST_INFO].path.removeprefix("/readyz").strip("/"))

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
    assert answer.body == b"[+]ping ok\n[+]audit ok\n[i]cluster/m1 ok\nreadyz check passed\n"


async def test_strangers_learn_of_no_members(gateway_pki: Pki) -> None:
    answer = await ask(gateway_pki, GOOD, "/readyz?verbose", user="")
    assert answer.body == b"[+]ping ok\n[+]audit ok\nreadyz check passed\n"


async def test_what_is_wrong_stands_in_the_log_only(gateway_pki: Pki, caplog: pytest.LogCaptureFixture) -> None:
    answer = await ask(gateway_pki, [*GOOD, BAD], "/readyz", user="")
    assert answer.status == 500
    assert answer.body == b"[+]ping ok\n[+]audit ok\n[-]disk failed: reason withheld\nreadyz check failed\n"
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
