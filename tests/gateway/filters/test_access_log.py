import asyncio
import logging

import pytest
from aiohttp import web

from gateway.apimachinery.errors import not_found
from gateway.apimachinery.schema import GroupResource
from tests.gateway.filters.handlers import echo
from tests.support.gateway_chain import Pki, RunningChain, running_chain


async def missing(_request: web.BaseRequest) -> web.StreamResponse:
    raise not_found(GroupResource("", "pods"), "web")


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "gateway.access"]


def counted(chain: RunningChain) -> str:
    return "\n".join(
        line for line in chain.metrics.render().decode().splitlines() if line.startswith("apiserver_request_total{")
    )


async def test_a_request_is_one_line(gateway_pki: Pki, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with running_chain(gateway_pki, echo) as chain:
        answer = await chain.ask("GET", "/api/v1/namespaces/a%0Ab/pods?token=secret")
    (line,) = lines(caplog)
    assert line.startswith(f"audit_id={answer.headers['Audit-Id']} verb=list path='/api/v1/namespaces/a\\nb/pods' ")
    assert "user='alice' code=200" in line
    assert "secret" not in line


async def test_refusals_are_lines_too(gateway_pki: Pki, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with running_chain(gateway_pki, missing) as chain:
        await chain.ask("GET", "/api/v1/pods")
        await chain.ask("GET", "/api/v1/pods", user="")
        await chain.ask("GET", "/api/%2e%2e/x")
    first, second, third = lines(caplog)
    assert "code=404" in first
    assert "user='' code=401" in second
    assert third.endswith("code=400 unparsable request")


async def test_a_long_path_does_not_fill_the_log(gateway_pki: Pki, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with running_chain(gateway_pki, echo) as chain:
        await chain.ask("GET", "/api/v1/" + "x" * 100_000)
    assert len(lines(caplog)[0]) < 800


async def test_requests_are_counted_by_resource(gateway_pki: Pki) -> None:
    async with running_chain(gateway_pki, echo) as chain:
        await chain.ask("GET", "/apis/apps/v1/namespaces/a/deployments/web/scale")
        await chain.ask("POST", "/version")
        assert counted(chain) == (
            'apiserver_request_total{code="200",group="apps",resource="deployments",scope="namespace",'
            'subresource="scale",verb="get",version="v1"} 1.0\n'
            'apiserver_request_total{code="200",group="",resource="",scope="",'
            'subresource="",verb="post",version=""} 1.0'
        )


async def test_a_client_that_leaves_is_told_apart(gateway_pki: Pki, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    entered = asyncio.Event()

    async def hang(_request: web.BaseRequest) -> web.StreamResponse:
        entered.set()
        await asyncio.sleep(60)
        raise AssertionError

    async with running_chain(gateway_pki, hang) as chain:
        asked = asyncio.get_running_loop().create_task(chain.ask("GET", "/api/v1/pods"))
        await entered.wait()
        asked.cancel()
        while not lines(caplog):
            await asyncio.sleep(0.01)
        assert "code=499" in lines(caplog)[0]
        assert chain.audit.records[0].code == 499
