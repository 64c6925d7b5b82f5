import asyncio
import json
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from multidict import CIMultiDict

from gateway.apimachinery.errors import ApiError, PathNotFound
from gateway.clusters.credentials import CredentialError, Credentials, StaticCredentials
from gateway.clusters.endpoint import Endpoint
from gateway.clusters.sent_request import SentRequest
from gateway.clusters.upstream import Upstream
from gateway.clusters.upstream_error import UpstreamError
from gateway.request import UserInfo
from tests.support.http_server import read_head, serve, serve_raw
from tests.support.tls import Authority

ALICE = UserInfo("alice", uid="u1", groups=("dev",), extra={"scopes": ("a",)})
BOB_TOKEN = Credentials(token="gateway-token")


class Rotating:
    """Credentials that somebody rotates."""

    def __init__(self, *loads: Credentials | CredentialError) -> None:
        self.loads = list(loads)
        self.asked = 0

    async def load(self) -> Credentials:
        self.asked += 1
        answer = self.loads[min(self.asked, len(self.loads)) - 1]
        if isinstance(answer, CredentialError):
            raise answer
        return answer


def upstream(url: str, source: Any = None, **options: Any) -> Upstream:
    endpoint = options.pop("endpoint", Endpoint(url))
    options.setdefault("now", lambda: 1000.0)
    return Upstream("m1", endpoint, source or StaticCredentials(BOB_TOKEN), **options)


async def echo(request: web.BaseRequest) -> web.StreamResponse:
    body = await request.read()
    seen = {
        "method": request.method,
        "path": request.raw_path,
        "headers": list(request.headers.items()),
        "body": body.decode(),
    }
    return web.json_response(seen)


async def seen_by(up: Upstream, method: str = "GET", path: str = "/x", **options: Any) -> dict[str, Any]:
    async with await up.send(SentRequest(method, path, **options)) as response:
        document = json.loads(await up.read_body(response))
    return {**document, "headers": CIMultiDict(document["headers"])}


async def test_the_gateways_own_identity_is_a_token_and_nothing_else() -> None:
    async with serve(echo) as url:
        up = upstream(url)
        seen = await seen_by(up)
        await up.close()
    assert seen["headers"]["Authorization"] == "Bearer gateway-token"
    assert seen["headers"]["User-Agent"] == "fleetgate"
    assert not [name for name in seen["headers"] if name.startswith("Impersonate")]
    assert set(seen["headers"]) == {"Host", "Authorization", "User-Agent"}


async def test_an_answer_may_carry_as_many_warnings_as_kube_apiserver_gives() -> None:
    async def warn(_request: web.BaseRequest) -> web.StreamResponse:
        warnings = [("Warning", f'299 - "unknown field \\"{number:03}\\""') for number in range(4096 // 19)]
        return web.Response(headers=CIMultiDict(warnings))

    async with serve(warn) as url:
        up = upstream(url)
        async with await up.get("/x") as response:
            assert len(response.headers.getall("Warning")) == 215
        await up.close()


async def test_a_caller_is_impersonated_and_cannot_add_to_it() -> None:
    forged = CIMultiDict(
        [
            ("Impersonate-Group", "system:masters"),
            ("impersonate_group", "system:masters"),
            ("X-Remote-User", "root"),
            ("Authorization", "Bearer stolen"),
            ("authorization", "Bearer stolen2"),
            ("Audit-ID", "forged"),
            ("Accept", "application/json"),
        ]
    )
    async with serve(echo) as url:
        up = upstream(url)
        seen = await seen_by(up, headers=forged, user=ALICE, audit_id="a-1")
        await up.close()
    headers = seen["headers"]
    assert headers.getall("Impersonate-Group") == ["dev"]
    assert headers.getall("Impersonate-User") == ["alice"]
    assert headers["Impersonate-Uid"] == "u1"
    assert headers["Impersonate-Extra-scopes"] == "a"
    assert headers.getall("Authorization") == ["Bearer gateway-token"]
    assert headers.getall("Audit-ID") == ["a-1"]
    assert "X-Remote-User" not in headers
    assert "impersonate_group" not in headers


async def test_the_impersonator_is_an_identity_of_its_own() -> None:
    async with serve(echo) as url:
        up = upstream(url, impersonator=StaticCredentials(Credentials(token="imp")), full_impersonation=False)
        as_alice, as_us = await seen_by(up, user=ALICE), await seen_by(up)
        await up.close()
    assert as_alice["headers"]["Authorization"] == "Bearer imp"
    assert "Impersonate-Uid" not in as_alice["headers"]
    assert "Impersonate-Extra-scopes" not in as_alice["headers"]
    assert as_us["headers"]["Authorization"] == "Bearer gateway-token"


async def test_path_query_and_body_arrive_unchanged() -> None:
    path = "/api/v1/namespaces/a%2Fb/pods/x%2e%2e/..%2F"
    async with serve(echo) as url:
        up = upstream(f"{url}/prefix", endpoint=Endpoint(f"{url}/prefix"))
        seen = await seen_by(
            up, "PATCH", path, query="a=%2F&b=c%20d&b=e", body=b"\x00body", headers={"Content-Type": "x/y"}
        )
        await up.close()
    assert seen["path"] == f"/prefix{path}?a=%2F&b=c%20d&b=e"
    assert seen["body"] == "\x00body"
    assert seen["headers"]["Content-Type"] == "x/y"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_refused_and_not_followed(status: int) -> None:
    visited: list[str] = []

    async def redirect(request: web.BaseRequest) -> web.StreamResponse:
        visited.append(request.path)
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    async with serve(redirect) as url:
        up = upstream(url)
        with pytest.raises(UpstreamError) as refusal:
            await up.send(SentRequest("GET", "/x", user=ALICE))
        await up.close()
    assert refusal.value.code == 502
    assert not refusal.value.unanswered
    assert visited == ["/x"]


async def test_a_redirect_takes_no_credentials_to_another_server() -> None:
    strangers: list[str] = []

    async def stranger(request: web.BaseRequest) -> web.StreamResponse:
        strangers.append(request.path)
        return web.Response()

    async with serve(stranger) as elsewhere:

        async def redirect(request: web.BaseRequest) -> web.StreamResponse:
            return web.Response(status=307, headers={"Location": f"{elsewhere}{request.path}"})

        async with serve(redirect) as url:
            up = upstream(url)
            with pytest.raises(UpstreamError) as own:
                await up.get_json("/x")
            headers = {"Upgrade": "SPDY/3.1", "Connection": "Upgrade"}
            with pytest.raises(UpstreamError) as tunnel:
                await up.open_tunnel(SentRequest("POST", "/exec", headers=headers, user=ALICE))
            await up.close()
    assert (own.value.code, tunnel.value.code) == (502, 502)
    assert strangers == []


async def test_not_modified_is_no_redirect() -> None:
    async def unchanged(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=304)

    async with serve(unchanged) as url:
        up = upstream(url)
        async with await up.get("/openapi/v3") as response:
            assert response.status == 304
        await up.close()


def demand(token: str) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {token}":
            return web.json_response({"kind": "Status", "code": 401}, status=401)
        return await echo(request)

    return handler


async def test_refused_credentials_are_read_again_at_once() -> None:
    source = Rotating(Credentials(token="old"), Credentials(token="new"))
    async with serve(demand("new")) as url:
        up = upstream(url, source)
        seen = await seen_by(up, "POST", body=b"once more")
        assert seen["body"] == "once more"
        await seen_by(up)
        await up.close()
    assert source.asked == 2


async def test_our_refused_credentials_never_look_like_the_callers() -> None:
    source = Rotating(Credentials(token="old"))
    async with serve(demand("new")) as url:
        up = upstream(url, source)
        for _ in range(3):
            with pytest.raises(UpstreamError) as refusal:
                await up.send(SentRequest("GET", "/x", user=ALICE))
            assert refusal.value.code == 503
            assert "refused our credentials" in refusal.value.message
        await up.close()
    assert source.asked == 2, "a storm of refusals reads the credentials once more, not each time"


async def test_a_new_token_keeps_the_connections() -> None:
    ports: list[Any] = []

    async def note(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        ports.append(request.transport.get_extra_info("peername")[1])
        return await demand("new")(request)

    async with serve(note) as url:
        up = upstream(url, Rotating(Credentials(token="old"), Credentials(token="new")))
        await seen_by(up)
        await up.refresh_credentials()
        await seen_by(up)
        await up.close()
    assert len(set(ports)) <= 2
    assert ports[-1] in ports[:-1]


async def test_credentials_about_to_expire_are_replaced_first() -> None:
    clock = [1000.0]
    source = Rotating(Credentials(token="old", expires=2000.0), Credentials(token="new", expires=9000.0))
    async with serve(demand("new")) as url:
        up = upstream(url, source, now=lambda: clock[0])
        clock[0] = 1990.0
        await up.refresh_credentials()
        seen = await seen_by(up)
        await up.close()
    assert seen["headers"]["Authorization"] == "Bearer new"


async def test_missing_credentials_are_explained() -> None:
    up = upstream("http://127.0.0.1:1", Rotating(CredentialError("Secret a/b does not exist")))
    with pytest.raises(UpstreamError) as refusal:
        await up.get("/x")
    await up.close()
    assert refusal.value.code == 503
    assert refusal.value.message == 'member cluster "m1" cannot be reached: Secret a/b does not exist'


async def test_a_failing_refresh_keeps_the_credentials_in_use() -> None:
    async with serve(demand("old")) as url:
        up = upstream(url, Rotating(Credentials(token="old"), CredentialError("gone")))
        await seen_by(up)
        await up.refresh_credentials()
        await seen_by(up)
        await up.close()


async def test_a_closed_port_is_503_and_nothing_was_sent() -> None:
    up = upstream("http://127.0.0.1:1")
    with pytest.raises(UpstreamError) as refusal:
        await up.get("/x")
    await up.close()
    assert (refusal.value.code, refusal.value.unanswered) == (503, False)
    assert refusal.value.message == 'member cluster "m1" cannot be reached: connection refused'


async def test_silence_is_504_and_nobody_knows_what_was_done() -> None:
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await read_head(reader)
        await reader.read()

    async with serve_raw(silent) as url:
        up = upstream(url)
        with pytest.raises(UpstreamError) as refusal:
            await up.send(SentRequest("POST", "/x"), timeout=0.2)
        await up.close()
    assert (refusal.value.code, refusal.value.unanswered) == (504, True)


async def test_a_connection_lost_before_the_answer_is_503_and_unanswered() -> None:
    async def hang_up(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await read_head(reader)

    async with serve_raw(hang_up) as url:
        up = upstream(url)
        with pytest.raises(UpstreamError) as refusal:
            await up.send(SentRequest("POST", "/x"))
        await up.close()
    assert (refusal.value.code, refusal.value.unanswered) == (503, True)


async def test_half_an_answer_is_no_answer() -> None:
    async def truncate(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}")

    async with serve_raw(truncate) as url:
        up = upstream(url)
        with pytest.raises(UpstreamError) as refusal:
            await up.get_json("/x")
        await up.close()
    assert refusal.value.unanswered


@pytest.mark.parametrize(
    "endpoint",
    [
        Endpoint("https://169.254.169.254"),
        Endpoint("https://[::ffff:169.254.169.254]"),
        Endpoint("https://10.0.0.1", proxy_url="http://169.254.169.254:3128"),
    ],
)
async def test_a_link_local_address_is_never_dialled(endpoint: Endpoint) -> None:
    up = upstream("", endpoint=endpoint)
    with pytest.raises(UpstreamError, match="link-local") as refusal:
        await up.get("/latest/meta-data")
    await up.close()
    assert refusal.value.code == 503
    assert not refusal.value.unanswered


async def test_what_a_name_resolves_to_is_judged_when_it_is_dialled(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(_: object, host: str, port: int = 0, family: int = 0) -> list[dict[str, Any]]:
        answer = {"hostname": host, "host": "169.254.169.254", "port": port, "family": socket.AF_INET}
        return [{**answer, "proto": 0, "flags": socket.AI_NUMERICHOST}]

    monkeypatch.setattr("aiohttp.resolver.ThreadedResolver.resolve", resolve)
    up = upstream("https://member.example")
    with pytest.raises(UpstreamError, match="link-local"):
        await up.get_json("/x")
    await up.close()


# -- JSON answers


def answering(
    status: int, body: str, content_type: str = "application/json"
) -> Callable[..., Awaitable[web.StreamResponse]]:
    async def handler(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=status, body=body.encode(), headers={"Content-Type": content_type})

    return handler


async def get_json(handler: Any) -> Any:
    async with serve(handler) as url:
        up = upstream(url)
        try:
            return await up.get_json("/x")
        finally:
            await up.close()


async def test_an_object_is_returned() -> None:
    assert await get_json(answering(200, '{"a":1}')) == {"a": 1}


async def test_a_status_is_raised_as_it_is() -> None:
    body = '{"kind":"Status","code":403,"reason":"Forbidden","message":"no","details":{"kind":"pods"}}'
    with pytest.raises(ApiError) as refusal:
        await get_json(answering(403, body))
    assert (refusal.value.code, refusal.value.reason, refusal.value.message) == (403, "Forbidden", "no")
    assert refusal.value.details == {"kind": "pods"}


async def test_the_routers_404_is_no_object_not_found() -> None:
    with pytest.raises(PathNotFound):
        await get_json(answering(404, "404 page not found\n", "text/plain"))


@pytest.mark.parametrize("body", ["", "[]", "nonsense"])
async def test_what_is_no_object_is_502(body: str) -> None:
    with pytest.raises(ApiError) as refusal:
        await get_json(answering(200, body))
    assert refusal.value.code == 502


async def test_an_error_that_is_no_status_names_its_origin() -> None:
    with pytest.raises(ApiError) as refusal:
        await get_json(answering(500, "boom", "text/plain"))
    assert refusal.value.code == 500
    assert refusal.value.message == 'member cluster "m1" answered 500 (text/plain): boom'


# -- TLS


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


async def test_a_client_certificate_is_shown(authority: Authority) -> None:
    async def who(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        subject = request.transport.get_extra_info("peercert")["subject"]
        return web.json_response(
            {"cn": subject[0][0][1], "protocol": request.transport.get_extra_info("ssl_object").version()}
        )

    pair = authority.client("gateway")
    context = authority.context_for(authority.server(), client_required=True)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with serve(who, context) as url:
        credentials = Credentials(authority.bundle, pair.certificate, pair.key)
        up = upstream(url, StaticCredentials(credentials))
        answer = await up.get_json("/x")
        await up.close()
    assert answer == {"cn": "gateway", "protocol": "TLSv1.2"}


async def test_a_member_whose_certificates_lack_key_identifiers_and_key_usage_is_talked_to() -> None:
    authority = Authority(old=True)
    async with serve(echo, authority.server_context) as url:
        up = upstream(url, StaticCredentials(Credentials(authority.bundle, token="t")))
        assert await up.get_json("/x")
        await up.close()


async def test_an_impostor_is_not_talked_to(authority: Authority) -> None:
    async with serve(echo, authority.server_context) as url:
        up = upstream(url, StaticCredentials(Credentials(Authority("other").bundle, token="t")))
        with pytest.raises(UpstreamError) as refusal:
            await up.get_json("/x")
        await up.close()
    assert refusal.value.code == 503
    assert "its certificate is not trusted" in refusal.value.message
    assert not refusal.value.unanswered


async def test_a_new_authority_is_read_when_the_old_one_does_not_fit(authority: Authority) -> None:
    stale, fresh = Credentials(Authority("old").bundle, token="t"), Credentials(authority.bundle, token="t")
    async with serve(echo, authority.server_context) as url:
        up = upstream(url, Rotating(stale, fresh))
        assert (await up.get_json("/x"))["method"] == "GET"
        await up.close()


async def test_the_name_in_the_certificate_can_be_said(authority: Authority) -> None:
    context = authority.context_for(authority.server(dns="kubernetes.internal", addresses=()))
    async with serve(echo, context) as url:
        source = StaticCredentials(Credentials(authority.bundle, token="t"))
        wrong = upstream(url, source)
        right = upstream(url, source, endpoint=replace(Endpoint(url), tls_server_name="kubernetes.internal"))
        assert (await right.get_json("/x"))["method"] == "GET"
        with pytest.raises(UpstreamError, match="not trusted"):
            await wrong.get_json("/x")
        await wrong.close()
        await right.close()


async def test_verification_can_be_switched_off_and_that_is_said(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(echo, authority.server_context) as url:
        up = upstream(url, endpoint=Endpoint(url, insecure_skip_tls_verify=True))
        assert (await up.get_json("/x"))["method"] == "GET"
        await up.close()
    assert "not verified" in caplog.text


async def test_a_server_that_never_finishes_the_handshake_is_given_up(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.clusters.connections.CONNECT_TIMEOUT", 0.2)

    async def frozen(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serve_raw(frozen) as url:
        up = upstream(url.replace("http:", "https:"), StaticCredentials(Credentials(authority.bundle, token="t")))
        with pytest.raises(UpstreamError) as refusal:
            await up.get_json("/x")
        await up.close()
    assert (refusal.value.code, refusal.value.unanswered) == (503, False)


async def test_old_connections_outlive_a_new_certificate(authority: Authority) -> None:
    started, release = asyncio.Event(), asyncio.Event()

    async def watch(request: web.BaseRequest) -> web.StreamResponse:
        if request.path != "/watch":
            return await echo(request)
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"one")
        started.set()
        await release.wait()
        await response.write(b"two")
        return response

    first, second = authority.client("one"), authority.client("two")
    source = Rotating(
        Credentials(authority.bundle, first.certificate, first.key),
        Credentials(authority.bundle, second.certificate, second.key),
    )
    async with serve(watch, authority.server_context) as url:
        up = upstream(url, source)
        response = await up.get("/watch", timeout=None)
        await started.wait()
        await up.refresh_credentials()
        assert (await up.get_json("/x"))["method"] == "GET"
        release.set()
        assert await response.content.read() == b"onetwo"
        await up.close()


async def test_an_http_proxy_gets_its_own_headers_and_the_server_does_not() -> None:
    heads: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await read_head(reader))
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with serve_raw(proxy) as url:
        endpoint = Endpoint(
            "https://10.255.0.1:6443", proxy_url=url, proxy_headers={"Proxy-Authorization": ("Basic a",)}
        )
        up = upstream("", endpoint=endpoint)
        with pytest.raises(UpstreamError) as refusal:
            await up.get_json("/x")
        await up.close()
    assert refusal.value.code == 503
    assert heads[0].startswith(b"CONNECT 10.255.0.1:6443 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic a" in heads[0]
    assert b"gateway-token" not in heads[0]


async def find_json(handler: Any) -> Any:
    async with serve(handler) as url:
        up = upstream(url)
        try:
            return await up.find_json("/x")
        finally:
            await up.close()


async def test_what_is_not_there_is_none_and_only_that() -> None:
    missing = '{"kind":"Status","code":404,"reason":"NotFound","message":"no"}'
    assert await find_json(answering(404, missing)) is None
    assert await find_json(answering(200, '{"a":1}')) == {"a": 1}
    with pytest.raises(PathNotFound):
        await find_json(answering(404, "404 page not found\n", "text/plain"))
    with pytest.raises(ApiError, match="refused"):
        await find_json(answering(403, missing.replace("404", "403").replace('"no"', '"refused"')))
