"""Bodies made to be read in two ways, or to keep the gateway busy: refused, or read once and by all in the same way."""

import asyncio
import gzip
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web

from gateway.apimachinery.codec import JSON, PROTOBUF, YAML
from gateway.apimachinery.errors import ApiError
from gateway.handlers.body import DECODED_AT_ONCE, decode_apart, read_body
from gateway.handlers.response import body_response
from gateway.handlers.write_decoding import decode_write
from tests.gateway.handlers.memory_target import MemoryTarget
from tests.gateway.handlers.write_support import DEPLOYMENT, DEPLOYMENTS, WEB, Gateway, scope
from tests.support.gateway_chain import Pki, running_chain

MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
HEAD = '"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"shop"}'
REFUSED = [
    ("deep objects", b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    ("deep arrays", b"[" * 100_000),
    ("deep and closed", b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    ("many containers", b'{"a":[' + b"{}," * 500_000 + b"{}]}"),
    ("NaN", b'{"a":NaN}'),
    ("Infinity", b'{"a":-Infinity}'),
    ("1e400", b'{"a":1e400}'),
    ("a long integer", b'{"a":' + b"1" * 1_000_000 + b"}"),
    ("BOM", b"\xef\xbb\xbf{}"),
    ("UTF-16", '{"a":1}'.encode("utf-16")),
    ("invalid UTF-8", b'{"a":"\xff"}'),
    ("an overlong slash", b'{"a":"\xc0\xaf"}'),
    ("a surrogate in UTF-8", b'{"a":"\xed\xa0\x80"}'),
    ("two values", b"{}{}"),
    ("a comment", b"{}//"),
    ("NUL", b"{}\x00"),
    ("single quotes", b"{'a':1}"),
    ("a trailing comma", b'{"a":1,}'),
    ("a leading zero", b'{"a":01}'),
    ("gzip", gzip.compress(b"{}" + b" " * 3_000_000)),
    ("an open string", b'{"a":"' + b'\\"[' * 900_000),
    ("not an object", b"[1]"),
    ("text", b'"a"'),
]


async def ask_decoded(request: web.BaseRequest) -> web.StreamResponse:
    """Read a write as the handlers do, and answer with what was read."""
    path = WEB if request.method == "PATCH" else DEPLOYMENTS
    asked = scope(
        request.method, path, content_type=request.headers["Content-Type"], kind="Deployment", query=dict(request.query)
    )
    write = await decode_apart(partial(decode_write, asked), await read_body(request))
    return body_response(request, write.body)


@pytest.mark.parametrize("content_type", [JSON, MERGE_PATCH, JSON_PATCH, PROTOBUF])
async def test_a_hostile_body_is_refused_with_a_status(
    gateway_pki: Pki, content_type: str, caplog: pytest.LogCaptureFixture
) -> None:
    method, path = ("PATCH", WEB) if "patch" in content_type else ("POST", DEPLOYMENTS)
    async with running_chain(gateway_pki, ask_decoded) as chain, chain.session("alice") as session:
        for name, body in REFUSED:
            if content_type == JSON_PATCH and name == "not an object":
                body = b"{}"
            async with session.request(method, path, data=body, headers={"Content-Type": content_type}) as answer:
                status = json.loads(await answer.read())
            assert (answer.status, status["kind"], status["code"]) == (400, "Status", 400), name
            assert len(status["message"]) < 500, name
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    "body",
    [BOMB.encode(), b"a: .nan", b"a: !!binary '*'", b"a: *b", b"a: &a [*a]", b"? [a]\n: 1", b"\x00", b"[" * 100_000,
     "".join(f"%TAG !a{n}! tag:x\n" for n in range(50_000)).encode(), b"a: \xff"],
)  # fmt: skip
@pytest.mark.parametrize("content_type", [YAML, APPLY_PATCH])
async def test_hostile_yaml_is_refused_with_a_status(gateway_pki: Pki, content_type: str, body: bytes) -> None:
    method, path = ("PATCH", f"{WEB}?fieldManager=a") if content_type == APPLY_PATCH else ("POST", DEPLOYMENTS)
    async with running_chain(gateway_pki, ask_decoded) as chain:
        answer = await chain.ask(method, path, data=body, headers={"Content-Type": content_type})
    assert (answer.status, answer.json()["kind"], answer.json()["reason"]) == (400, "Status", "BadRequest")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Content-Encoding": "gzip"}, 400),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/json; charset=utf-16"}, 200),
        ({"Content-Type": "application/json, application/yaml"}, 415),
    ],
)
async def test_what_a_body_is_said_to_be(gateway_pki: Pki, headers: dict[str, str], code: int) -> None:
    headers = {"Content-Type": JSON, **headers}
    async with running_chain(gateway_pki, ask_decoded) as chain:
        answer = await chain.ask("POST", DEPLOYMENTS, data=f"{{{HEAD}}}".encode(), headers=headers)
    assert answer.status == code


def _pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    assert len({name for name, _ in pairs}) == len(pairs), "a field stands there twice"
    return dict(pairs)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (JSON, '{%s,"spec":{"replicas":0},"spec":{"replicas":9}}'),
        (JSON, '{%s,"spec":{"replicas":0,"replicas":9}}'),
        (JSON, '{%s,"spec":{"replicas":0,"rep\\u006cicas":9}}'),
        (YAML, '{%s,"spec":{"replicas":0,"replicas":9}}'),
        (YAML, "{%s,spec: {replicas: 0, replicas: 9}}"),
        (YAML, "{%s,spec: &a {replicas: 0}, spec: {<<: *a, replicas: 9}}"),
        (YAML, "{%s,spec: {replicas: 011}}"),
    ],
)
async def test_judge_and_store_see_the_same_value(tmp_path: Path, content_type: str, body: str) -> None:
    gateway, target = await Gateway.start(tmp_path), MemoryTarget(DEPLOYMENT)
    await gateway.send(target, "POST", DEPLOYMENTS, body.replace("%s", HEAD).encode(), content_type=content_type)
    await gateway.stop()
    (applied,) = target.applied
    assert applied.obj is not None
    assert applied.obj["spec"]["replicas"] == 9
    assert applied.content_type == JSON  # what a store behind us would be sent
    assert json.loads(applied.body, object_pairs_hook=_pairs) == applied.obj


def test_an_applied_yaml_is_sent_on_as_it_was_read() -> None:
    """JSON is YAML that is read in one way only."""
    body = b"{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 0o11, paused: on}}"
    asked = scope("PATCH", WEB, content_type=APPLY_PATCH, query={"fieldManager": "a"})
    write = decode_write(asked, body)
    assert json.loads(write.body) == write.patch
    assert isinstance(write.patch, dict)
    assert write.patch["spec"] == {"replicas": 9, "paused": True}


async def test_a_patch_with_duplicates_is_written_out_anew(tmp_path: Path) -> None:
    gateway, target = await Gateway.start(tmp_path), MemoryTarget(DEPLOYMENT)
    target.put(json.loads(f"{{{HEAD}}}") | {"spec": {"replicas": 3}})
    body = b'{"spec":{"replicas":0},"spec":{"replicas":9}}'
    await gateway.send(target, "PATCH", WEB, body, content_type=MERGE_PATCH)
    query = {"fieldValidation": "Strict"}
    with pytest.raises(ApiError, match="duplicate field"):
        await gateway.send(target, "PATCH", WEB, body, content_type=MERGE_PATCH, query=query)
    await gateway.stop()
    assert [json.loads(write.body, object_pairs_hook=_pairs) for write in target.applied] == [{"spec": {"replicas": 9}}]


def _busy(rounds: list[int]) -> Callable[[bytes], int]:
    def decode(body: bytes) -> int:
        end = time.monotonic() + 30  # guards against hanging
        while not rounds and time.monotonic() < end:
            pass
        return len(body)

    return decode


async def test_others_are_served_while_a_long_body_is_decoded() -> None:
    """The decoder works until somebody else has had a turn: on the event loop it would never see that."""
    rounds: list[int] = []
    asyncio.get_running_loop().call_later(0.01, rounds.append, 1)
    assert await decode_apart(_busy(rounds), b"x" * (DECODED_AT_ONCE + 1)) == DECODED_AT_ONCE + 1
    assert rounds == [1]


async def test_a_short_body_is_decoded_where_it_was_read() -> None:
    waiting = decode_apart(len, b"x" * DECODED_AT_ONCE)
    with pytest.raises(StopIteration) as done:
        waiting.send(None)
    assert done.value.value == DECODED_AT_ONCE


async def test_a_refusal_comes_out_of_the_thread() -> None:
    with pytest.raises(ApiError, match="unexpected end of JSON input"):
        await decode_apart(partial(decode_write, scope("POST", DEPLOYMENTS)), b"{" + b" " * DECODED_AT_ONCE)
