import asyncio
import contextlib

import pytest
from aiohttp import web

from gateway.clusters.credentials import Credentials, StaticCredentials
from gateway.clusters.endpoint import Endpoint
from gateway.clusters.health import ClusterHealth, ProbeResult
from gateway.clusters.prober import Prober, probe
from gateway.clusters.upstream import Upstream
from tests.support import virtual_time
from tests.support.http_server import Handler, read_head, serve, serve_raw


def make_upstream(url: str) -> Upstream:
    return Upstream("m1", Endpoint(url), StaticCredentials(Credentials(token="t")), now=lambda: 0.0)


def answering(readyz: int, version: int = 200) -> Handler:
    async def member(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/readyz":
            return web.Response(status=readyz, text="ok")
        return web.json_response({"gitVersion": "v1.36.3", "kind": "Status", "code": version}, status=version)

    return member


async def probe_of(member: Handler, known: str = "") -> ProbeResult:
    async with serve(member) as url:
        upstream = make_upstream(url)
        try:
            return await probe(upstream, known)
        finally:
            await upstream.close()


async def test_a_ready_server() -> None:
    assert await probe_of(answering(200)) == ProbeResult(answered=True, ready=True, version="v1.36.3")


async def test_a_server_that_is_not_ready() -> None:
    result = await probe_of(answering(500))
    assert (result.answered, result.ready, result.message) == (True, False, "its /readyz answers 500")


@pytest.mark.parametrize("code", [403, 404])
async def test_a_server_that_hides_its_health_is_taken_as_ready(code: int) -> None:
    assert (await probe_of(answering(code))).ready


async def test_a_server_that_hides_its_version() -> None:
    result = await probe_of(answering(200, version=403))
    assert (result.ready, result.version) == (True, "")


async def test_a_known_version_is_not_asked_for() -> None:
    result = await probe_of(answering(200, version=500), known="v1.2.3")
    assert (result.ready, result.version) == (True, "v1.2.3")


async def test_a_frozen_server_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.clusters.prober.PROBE_TIMEOUT", 0.2)

    async def frozen(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await read_head(reader)
        await reader.read()

    async with serve_raw(frozen) as url:
        upstream = make_upstream(url)
        result = await probe(upstream)
        await upstream.close()
    assert not result.answered
    assert "did not answer in time" in result.message


def test_a_doubtful_member_is_asked_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    times: list[float] = []
    results = iter([True, False, False, True, *[True] * 100])

    async def scripted(_: Upstream, __: str = "") -> ProbeResult:
        times.append(asyncio.get_running_loop().time())
        answered = next(results)
        return ProbeResult(answered=answered, ready=answered)

    monkeypatch.setattr("gateway.clusters.prober.probe", scripted)
    changes: list[bool | None] = []
    probed: list[str] = []

    async def on_change(_: str, health: ClusterHealth) -> None:
        changes.append(health.ready)

    async def on_probe(name: str, _: ClusterHealth) -> None:
        probed.append(name)

    async def main() -> None:
        upstream = make_upstream("http://127.0.0.1:1")
        prober = Prober(upstream, probed=on_probe, changed=on_change, now=virtual_time.now, jitter=lambda: 0.5)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(150):
                await prober.run()

    virtual_time.run(main())
    assert times[:4] == pytest.approx([0, 5, 6, 11])
    assert changes[:3] == [True, False, True]
    assert len(changes) == 5, "and once a minute while nothing changes"
    assert len(probed) == len(times)
