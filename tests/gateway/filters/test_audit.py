import asyncio

import pytest
from aiohttp import web

from gateway.apimachinery.errors import ApiError, PathNotFound
from gateway.handlers.response import answer_headers
from gateway.request_keys import SCOPE
from tests.gateway.filters.handlers import echo
from tests.support.gateway_chain import DENY, Pki, RunningChain, running_chain


async def until_recorded(chain: RunningChain, count: int = 1) -> None:
    async with asyncio.timeout(5):
        while len(chain.audit.records) < count:
            await asyncio.sleep(0.01)


async def test_an_answered_request_is_recorded(gateway_pki: Pki) -> None:
    async with running_chain(gateway_pki, echo) as chain:
        answer = await chain.ask("GET", "/api/v1/pods?limit=5", headers={"User-Agent": "kubectl/v1.36"})
        (record,) = chain.audit.records
    assert record.audit_id == answer.headers["Audit-Id"]
    assert (record.request_uri, record.user_agent, record.code) == ("/api/v1/pods?limit=5", "kubectl/v1.36", 200)
    assert record.source_ips == ("127.0.0.1",)
    assert record.user is not None
    assert (record.user.name, record.impersonated) == ("alice", None)
    assert record.annotations["authorization.k8s.io/decision"] == "allow"
    assert record.annotations["authorization.k8s.io/reason"] == "because"


async def test_refusals_are_recorded(gateway_pki: Pki) -> None:
    async with running_chain(gateway_pki, echo, decide=lambda _: DENY) as chain:
        await chain.ask("GET", "/api/v1/pods", user="")
        await chain.ask("GET", "/api/v1/pods")
        await chain.ask("GET", "/api/v1/pods?timeout=soon")
        codes = [(record.code, record.reason) for record in chain.audit.records]
        denied = chain.audit.records[1]
    assert codes == [(401, "Unauthorized"), (403, "Forbidden"), (400, "BadRequest")]
    assert denied.annotations["authorization.k8s.io/decision"] == "forbid"
    assert denied.message.endswith(": not today")


async def failing(request: web.BaseRequest) -> web.StreamResponse:
    match request[SCOPE].query["how"]:
        case "bug":
            raise ValueError("x")
        case "path":
            raise PathNotFound
        case "slow":
            await asyncio.sleep(60)
        case _:
            pass
    raise ApiError(409, "Conflict", "taken")


@pytest.mark.parametrize(
    ("query", "code", "reason"),
    [
        ("how=bug", 500, ""),
        ("how=path", 404, ""),
        ("how=api", 409, "Conflict"),
        ("how=slow&timeout=50ms", 504, "Timeout"),
    ],
)
async def test_the_record_has_the_code_of_the_answer(gateway_pki: Pki, query: str, code: int, reason: str) -> None:
    async with running_chain(gateway_pki, failing) as chain:
        answer = await chain.ask("GET", f"/api/v1/pods?{query}")
        (record,) = chain.audit.records
    assert answer.status == record.code == code
    assert record.reason == reason


async def test_a_stream_that_its_client_ends_was_answered(gateway_pki: Pki) -> None:
    async def stream(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers=answer_headers(request))
        await response.prepare(request)
        await asyncio.sleep(60)
        return response

    async with running_chain(gateway_pki, stream) as chain:
        async with chain.session("alice") as session, session.get("/api/v1/pods?watch=1") as response:
            assert response.status == 200
        await until_recorded(chain)
        assert chain.audit.records[0].code == 200
