"""What aiohttp would send is what is sent, whatever the request."""

import re

import pytest
from aiohttp import web

from gateway.handlers.response import answer_headers, body_response
from gateway.handlers.whole_answer import WholeAnswer
from gateway.request_keys import QUERY, SCOPE
from tests.support.gateway_chain import Pki, running_chain

_OF_THE_MOMENT = re.compile(rb"(Audit-Id|Date): (?!then)[^\r]+")


async def either(request: web.BaseRequest) -> web.StreamResponse:
    """Answer by aiohttp alone, or not."""
    query = request[QUERY]
    request[SCOPE].warn("twice")
    headers = answer_headers(request)
    headers["Content-Type"] = "text/x-mine"
    headers.update({name: query[name] for name in ("Date", "Connection") if name in query})
    kind = WholeAnswer if query["by"] == "us" else web.Response
    response = kind(
        body=b"x" * int(query.get("size", "7")), status=int(query.get("status", "200")), reason=query.get("reason"),
        headers=headers,
    )  # fmt: skip
    if "force" in query:
        response.force_close()
    return response


@pytest.mark.parametrize(
    "line",
    [
        "GET {} HTTP/1.1",
        "HEAD {} HTTP/1.1",
        "POST {} HTTP/1.1\r\nContent-Length: 0",
        "GET {} HTTP/1.0",
        "GET {} HTTP/1.0\r\nConnection: keep-alive",
        "GET {} HTTP/1.1\r\nConnection: close",
    ],
)
@pytest.mark.parametrize(
    "query",
    [
        "",
        "&size=0",
        "&size=70000",
        "&status=404",
        "&status=204",
        "&status=304&size=0",
        "&force=1",
        "&reason=So%20be%20it",
        "&Date=then",
        "&Connection=mine&force=1",
    ],
)
async def test_the_same_bytes_are_sent(gateway_pki: Pki, line: str, query: str) -> None:
    sent = []
    async with running_chain(gateway_pki, either) as chain:
        for by in ("us", "aiohttp"):
            request = line.format(f"/x?by={by}{query}") + "\r\nHost: gateway\r\n\r\n"
            last = "GET /x?by=aiohttp HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n"
            answers = await chain.raw((request + request + last).encode(), user="alice")
            sent.append(_OF_THE_MOMENT.sub(rb"\1", answers))
    assert sent[0] == sent[1]


async def test_a_complete_answer_is_not_left_to_aiohttp(gateway_pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[str] = []
    prepare = web.Response.prepare

    async def noted(response: web.Response, request: web.BaseRequest) -> object:
        left.append(request.method)
        return await prepare(response, request)

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        return body_response(request, b"{}")

    monkeypatch.setattr(web.Response, "prepare", noted)
    async with running_chain(gateway_pki, handler) as chain:
        for method in ("GET", "HEAD", "POST"):
            assert (await chain.ask(method, "/x")).headers["Content-Length"] == "2"
    assert left == ["HEAD"]
