import asyncio
import gzip
from collections.abc import Iterator

import pytest
from aiohttp import web

from gateway.apimachinery.errors import ApiError, PathNotFound, request_entity_too_large
from gateway.apimachinery.protobuf import decode_object
from gateway.handlers.response import (
    GZIP_THRESHOLD,
    answer_code,
    body_response,
    object_response,
    plain_text_response,
    warning_header,
)
from gateway.handlers.streamed_body import stream_body
from gateway.request_keys import SCOPE
from tests.support.gateway_chain import Pki, running_chain

NAMESPACE = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "shop"}}
WIDGET = {"kind": "Widget", "apiVersion": "example.io/v1", "metadata": {"name": "w"}}
GZIP = {"Accept-Encoding": "gzip"}


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("plain", '299 - "plain"'),
        ('a "b" \\ c', '299 - "a \\"b\\" \\\\ c"'),
        ("two\r\nlines\x00", '299 - "two  lines "'),
        ("grün", '299 - "grün"'),
    ],
)
def test_warnings_are_quoted(text: str, header: str) -> None:
    assert warning_header(text) == header


async def kinds_of_answers(request: web.BaseRequest) -> web.StreamResponse:
    scope = request[SCOPE]
    for number in range(int(scope.query.get("warnings", "0"))):
        scope.warn(f"warning {number}: " + "w" * 300)
    size = int(scope.query.get("size", "0"))
    match scope.query.get("kind"):
        case "body":
            return body_response(request, b"x" * size)
        case "stream":
            pieces: Iterator[bytes] = (b"y" * 1000 for _ in range(size // 1000))
            return await stream_body(request, pieces, "application/json", size=size)
        case "text":
            return plain_text_response(request, 418, "teapot")
        case "custom":
            return object_response(request, WIDGET, status=201, headers={"X-Mine": "1"})
        case "no-table":
            return object_response(request, NAMESPACE, tables=False)
        case "error":
            raise ApiError(int(scope.query["code"]), "Invalid", "no")
        case "too-large":
            raise request_entity_too_large()
        case _:
            return object_response(request, NAMESPACE)


@pytest.mark.parametrize(
    ("accept", "content_type", "begin"),
    [
        ("", "application/json", b'{"kind":"Namespace",'),
        ("application/json;pretty=1", "application/json", b'{\n  "kind": "Namespace",'),
        ("application/yaml", "application/yaml", b"apiVersion: v1\nkind: Namespace\n"),
        ("application/vnd.kubernetes.protobuf", "application/vnd.kubernetes.protobuf", b"k8s\x00"),
    ],
)
async def test_an_object_in_its_media_type(gateway_pki: Pki, accept: str, content_type: str, begin: bytes) -> None:
    async with running_chain(gateway_pki, kinds_of_answers) as chain:
        answer = await chain.ask("GET", "/x", headers={"Accept": accept})
    assert (answer.status, answer.headers["Content-Type"]) == (200, content_type)
    assert answer.body.startswith(begin)
    assert answer.headers["Cache-Control"] == "no-cache, private"
    assert "aiohttp" not in answer.headers["Server"]
    if content_type.endswith("protobuf"):
        assert decode_object(answer.body)["metadata"]["name"] == "shop"


async def test_what_has_no_protobuf_form_is_json_after_all(gateway_pki: Pki) -> None:
    async with running_chain(gateway_pki, kinds_of_answers) as chain:
        answer = await chain.ask("GET", "/x?kind=custom", headers={"Accept": "application/vnd.kubernetes.protobuf"})
    assert (answer.status, answer.headers["Content-Type"], answer.headers["X-Mine"]) == (201, "application/json", "1")
    assert answer.json() == WIDGET


async def test_what_is_no_table_is_not_acceptable_as_one(gateway_pki: Pki) -> None:
    headers = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    async with running_chain(gateway_pki, kinds_of_answers) as chain:
        refused = await chain.ask("GET", "/x?kind=no-table", headers=headers)
        assert (await chain.ask("GET", "/x", headers=headers)).status == 200
    assert (refused.status, refused.json()["reason"]) == (406, "NotAcceptable")
    assert refused.json()["message"] == (
        "only the following media types are accepted: application/json, application/yaml, "
        "application/vnd.kubernetes.protobuf"
    )


async def test_only_so_much_is_warned(gateway_pki: Pki) -> None:
    async with running_chain(gateway_pki, kinds_of_answers) as chain:
        answer = await chain.ask("GET", "/x?warnings=100")
    warnings = answer.headers.getall("Warning")
    assert warnings[0].startswith('299 - "warning 0: w')
    assert sum(map(len, warnings)) < 4096 + 10 * len(warnings)


@pytest.mark.parametrize("kind", ["body", "stream"])
@pytest.mark.parametrize(
    ("size", "accepted", "compressed"),
    [
        (GZIP_THRESHOLD, "gzip", False),
        (GZIP_THRESHOLD + 2000, "gzip", True),
        (GZIP_THRESHOLD + 2000, "br, gzip", True),
        (GZIP_THRESHOLD + 2000, "gzip;q=0", False),
        (GZIP_THRESHOLD + 2000, "xgzip", False),
        (1_000_000, "", False),
        (3_000_000, "gzip", True),
    ],
)
async def test_large_answers_are_compressed(
    gateway_pki: Pki, kind: str, size: int, accepted: str, compressed: bool
) -> None:
    async with running_chain(gateway_pki, kinds_of_answers) as chain:
        answer = await chain.ask("GET", f"/x?kind={kind}&size={size}", headers={"Accept-Encoding": accepted})
    assert answer.headers.get("Content-Encoding") == ("gzip" if compressed else None)
    assert answer.headers.get("Vary") == ("Accept-Encoding" if compressed else None)
    body = gzip.decompress(answer.body) if compressed else answer.body
    assert len(body) == (size if kind == "body" else size // 1000 * 1000)


async def test_a_large_stream_lets_others_in(gateway_pki: Pki) -> None:
    async with running_chain(gateway_pki, kinds_of_answers) as chain, asyncio.TaskGroup() as tasks:
        large = tasks.create_task(chain.ask("GET", "/x?kind=stream&size=50000000"))
        small = [await chain.ask("GET", "/x") for _ in range(3)]
        assert not large.done()
        assert [answer.status for answer in small] == [200] * 3


async def test_text_is_not_sniffed(gateway_pki: Pki) -> None:
    async with running_chain(gateway_pki, kinds_of_answers) as chain:
        answer = await chain.ask("GET", "/x?kind=text")
    assert (answer.status, answer.body) == (418, b"teapot")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_after_a_body_that_is_too_large_the_connection_ends(gateway_pki: Pki) -> None:
    async with running_chain(gateway_pki, kinds_of_answers) as chain:
        answer = await chain.ask("POST", "/x?kind=too-large", data=b"x" * 1000)
    assert (answer.status, answer.headers["Connection"]) == (413, "close")
    assert answer.json()["message"] == "Request entity too large: limit is 3145728"


@pytest.mark.parametrize(
    ("code", "words"), [(404, "Not Found"), (413, "Request Entity Too Large"), (422, "Unprocessable Entity")]
)
async def test_the_status_line_has_the_words_of_kubernetes(gateway_pki: Pki, code: int, words: str) -> None:
    async with running_chain(gateway_pki, kinds_of_answers) as chain:
        request = f"GET /x?kind=error&code={code} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        answer = await chain.raw(request.encode(), user="alice")
    assert answer.split(b"\r\n", 1)[0].decode() == f"HTTP/1.1 {code} {words}"


@pytest.mark.parametrize(
    ("error", "begun", "code"),
    [
        (ApiError(409, "Conflict", "x"), False, 409),
        (PathNotFound(), False, 404),
        (ValueError(), False, 500),
        (ConnectionRefusedError(), False, 500),
        (ConnectionResetError(), False, 499),
        (asyncio.CancelledError(), False, 499),
        (asyncio.CancelledError(), True, 200),
        (BrokenPipeError(), True, 200),
    ],
)
def test_the_code_of_what_ends_by_an_exception(error: BaseException, begun: bool, code: int) -> None:
    class Request:
        class writer:  # noqa: N801  (stands for aiohttp's attribute)
            output_size = 100 if begun else 0

    assert answer_code(Request(), error) == code  # type: ignore[arg-type]  # all that is looked at
