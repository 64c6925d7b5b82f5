import logging

import aiohttp
import pytest
from aiohttp import web

from gateway.apimachinery.errors import ApiError, PathNotFound, not_found, service_unavailable
from gateway.apimachinery.protobuf import decode_object
from gateway.apimachinery.schema import GroupResource
from gateway.handlers.response import answer_headers
from gateway.request_keys import SCOPE
from tests.support.gateway_chain import Pki, running_chain


async def raising(request: web.BaseRequest) -> web.StreamResponse:
    """Fail in the way the query names."""
    scope = request[SCOPE]
    scope.warn('a "quoted" \\ text')
    match scope.query["how"]:
        case "bug":
            raise KeyError("a secret of ours")
        case "api":
            raise not_found(GroupResource("", "pods"), "web")
        case "busy":
            raise service_unavailable("slow down", retry_after_seconds=7)
        case "path":
            raise PathNotFound
        case begun:
            response = web.StreamResponse(headers=answer_headers(request))
            response.enable_chunked_encoding()
            await response.prepare(request)
            await response.write(b"a part of ")
            raise {"begun-bug": ValueError("x"), "begun-api": ApiError(409, "Conflict", "x")}[begun]


async def test_a_refusal_is_a_status(gateway_pki: Pki) -> None:
    async with running_chain(gateway_pki, raising) as chain:
        answer = await chain.ask("GET", "/api/v1/pods?how=api")
    assert answer.status == 404
    assert answer.body == (
        b'{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"pods \\"web\\" not found",'
        b'"reason":"NotFound","details":{"name":"web","kind":"pods"},"code":404}\n'
    )
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-cache, private"
    assert answer.headers["Warning"] == '299 - "a \\"quoted\\" \\\\ text"'


async def test_a_refusal_is_written_as_the_client_wants_it(gateway_pki: Pki) -> None:
    async with running_chain(gateway_pki, raising) as chain:
        accepts = {"Accept": "application/vnd.kubernetes.protobuf"}
        protobuf = await chain.ask("GET", "/api/v1/pods?how=api", headers=accepts)
        yaml = await chain.ask("GET", "/api/v1/pods?how=api", headers={"Accept": "application/yaml"})
        neither = await chain.ask("GET", "/api/v1/pods?how=api", headers={"Accept": "text/html"})
        person = await chain.ask("GET", "/api/v1/pods?how=api", headers={"User-Agent": "curl/8.0"})
    assert decode_object(protobuf.body)["message"] == 'pods "web" not found'
    assert yaml.body.startswith(b"apiVersion: v1\ncode: 404\n")
    assert neither.body == person.body
    assert neither.body.startswith(b'{\n  "kind": "Status",\n')
    assert {protobuf.status, yaml.status, neither.status, person.status} == {404}


async def test_when_to_come_back_is_a_header(gateway_pki: Pki) -> None:
    async with running_chain(gateway_pki, raising) as chain:
        answer = await chain.ask("GET", "/api/v1/pods?how=busy")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "7")


async def test_an_unknown_path_is_text(gateway_pki: Pki) -> None:
    async with running_chain(gateway_pki, raising) as chain:
        answer = await chain.ask("GET", "/api/v1/pods?how=path")
    assert (answer.status, answer.body) == (404, b"404 page not found\n")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_bug_is_told_to_the_log_and_to_nobody_else(gateway_pki: Pki, caplog: pytest.LogCaptureFixture) -> None:
    async with running_chain(gateway_pki, raising) as chain:
        answer = await chain.ask("GET", "/api/v1/pods?how=bug")
        again = await chain.ask("GET", "/api/v1/pods?how=api")
    assert answer.status == 500
    assert answer.body == b"This request caused apiserver to panic. Look in the logs for details.\n"
    assert again.status == 404
    assert "a secret of ours" in caplog.text
    assert answer.headers["Audit-Id"] in caplog.text


@pytest.mark.parametrize("how", ["begun-bug", "begun-api"])
async def test_no_second_answer_begins_behind_a_part_of_the_first(
    gateway_pki: Pki, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "aiohttp.server")
    async with running_chain(gateway_pki, raising) as chain, chain.session("alice") as session:
        async with session.get(f"/api/v1/pods?how={how}") as response:
            assert response.status == 200
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()
        raw = await chain.raw(f"GET /api/v1/pods?how={how} HTTP/1.1\r\nHost: x\r\n\r\n".encode(), user="bob")
    assert raw.count(b"HTTP/1.1") == 1
    assert not raw.endswith(b"0\r\n\r\n")
