import asyncio

import pytest
from aiohttp import web

from gateway.apimachinery.errors import BODY_LIMIT
from gateway.handlers.body import read_body
from gateway.handlers.response import body_response
from tests.support.gateway_chain import Pki, running_chain

PATH = "/api/v1/namespaces/a/configmaps"


async def measure(request: web.BaseRequest) -> web.StreamResponse:
    return body_response(request, str(len(await read_body(request))).encode())


def post(*headers: str, body: bytes = b"") -> bytes:
    head = "\r\n".join((f"POST {PATH} HTTP/1.1", "Host: x", *headers, "", ""))
    return head.encode() + body


@pytest.mark.parametrize("size", [0, 1, BODY_LIMIT])
async def test_a_body_up_to_the_limit_is_read(gateway_pki: Pki, size: int) -> None:
    async with running_chain(gateway_pki, measure) as chain:
        assert (await chain.ask("POST", PATH, data=b"x" * size)).json() == size


async def test_a_length_above_the_limit_is_refused_before_it_is_sent(gateway_pki: Pki) -> None:
    async with running_chain(gateway_pki, measure) as chain:
        answer = await chain.raw(post(f"Content-Length: {BODY_LIMIT + 1}"), user="alice")
    assert answer.startswith(b"HTTP/1.1 413 Request Entity Too Large\r\n")
    assert b'"message":"Request entity too large: limit is 3145728"' in answer


async def test_a_body_of_unknown_length_is_cut_off(gateway_pki: Pki) -> None:
    async def endless() -> "asyncio.AsyncIterator[bytes]":  # type: ignore[name-defined]  # read by name only
        for _ in range(BODY_LIMIT // 65536 + 2):
            yield b"x" * 65536

    async with running_chain(gateway_pki, measure) as chain:
        answer = await chain.ask("POST", PATH, data=endless())
    assert answer.status == 413


async def test_an_encoded_body_is_refused(gateway_pki: Pki) -> None:
    async with running_chain(gateway_pki, measure) as chain:
        answer = await chain.ask("POST", PATH, data=b"x", headers={"Content-Encoding": "gzip"})
        assert (await chain.ask("POST", PATH, data=b"x", headers={"Content-Encoding": "identity"})).status == 200
    assert (answer.status, answer.json()["reason"]) == (400, "BadRequest")


async def test_a_body_that_does_not_come_ends_in_a_timeout(gateway_pki: Pki) -> None:
    async def impatient(request: web.BaseRequest) -> web.StreamResponse:
        return body_response(request, await read_body(request, timeout=0.2))

    async with running_chain(gateway_pki, impatient) as chain:
        answer = await chain.raw(post("Content-Length: 5", "Connection: close", body=b"x"), user="alice")
    assert answer.startswith(b"HTTP/1.1 504 Gateway Timeout\r\n")
    assert b"Timeout: the request body did not arrive within the allotted timeout" in answer


async def test_who_waits_to_be_asked_is_asked(gateway_pki: Pki) -> None:
    async with running_chain(gateway_pki, measure) as chain:
        reader, writer = await asyncio.open_connection("127.0.0.1", chain.port, ssl=gateway_pki.client("alice"))
        writer.write(post("Content-Length: 5", "Expect: 100-continue", "Connection: close"))
        async with asyncio.timeout(5):
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"hello")
            answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"5")


async def test_who_may_not_is_refused_before_he_is_asked(gateway_pki: Pki) -> None:
    async with running_chain(gateway_pki, measure) as chain:
        answer = await chain.raw(post("Content-Length: 5", "Expect: 100-continue", "Connection: close"))
    assert answer.startswith(b"HTTP/1.1 401 Unauthorized\r\n")


@pytest.mark.parametrize(
    "body", [b"zz\r\nhello\r\n0\r\n\r\n", b"5\r\nhelloXX\r\n0\r\n\r\n", b"-5\r\nhello\r\n0\r\n\r\n"]
)
async def test_a_broken_body_is_a_bad_request_and_no_bug(
    gateway_pki: Pki, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_chain(gateway_pki, measure) as chain:
        answer = await chain.raw(post("Transfer-Encoding: chunked", body=body), user="alice")
    assert answer.split(b"\r\n")[0].endswith(b"400 Bad Request")
    assert "Traceback" not in caplog.text


async def test_a_body_that_breaks_on_the_way_is_a_bad_request_too(
    gateway_pki: Pki, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_chain(gateway_pki, measure) as chain:
        reader, writer = await asyncio.open_connection("127.0.0.1", chain.port, ssl=gateway_pki.client("alice"))
        writer.write(post("Transfer-Encoding: chunked", body=b"5\r\nhello\r\n"))
        await asyncio.sleep(0.1)
        writer.write(b"zz\r\n")
        async with asyncio.timeout(5):
            answer = await reader.read()
        writer.close()
    assert answer.split(b"\r\n")[0].endswith(b"400 Bad Request")
    assert "Traceback" not in caplog.text
