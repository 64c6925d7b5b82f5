import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web

from cache.watcher import Visible
from gateway.apimachinery.errors import ApiError, not_found, service_unavailable
from gateway.apimachinery.schema import GroupResource
from gateway.audit.record import AuditRecord
from gateway.authorization.member_review import MemberReviews
from gateway.clusters.upstream import Upstream
from gateway.handlers.connect import ClusterProxyHandler, ConnectHandler, inner_request
from gateway.proxy.member_write_target import MemberTargets
from gateway.proxy.write_target import UpstreamWriteTarget
from gateway.request import UserInfo, parse_request_info, upstream_path
from gateway.request_keys import AUDIT, AUDIT_ID, LONG_RUNNING, QUERY
from gateway.request_scope import RequestScope
from gateway.supervision import LongRunning
from gateway.write_request import WriteTarget
from tests.gateway.proxy.gateway_under_test import make_upstream
from tests.support.http_server import Handler, read_head, serve, serve_raw

ALICE = UserInfo("alice", groups=("dev",))
UPGRADE = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}


@dataclass(frozen=True)
class Pod:
    cluster: str
    original_name: str
    name: str = ""
    uid: str = "u"


@dataclass
class Pods:
    """Pods by the names they answer to."""

    by_name: dict[str, list[Pod]]

    def owners(self, namespace: str, name: str, *, visible: Visible) -> Sequence[Any]:
        assert namespace == "shop"
        return [pod for pod in self.by_name.get(name, []) if visible(pod.cluster)]


@dataclass
class Clusters:
    """Ways to members by name; None for one that does not answer."""

    upstreams: dict[str, Upstream | None]

    def upstream(self, name: str) -> Upstream:
        if name not in self.upstreams:
            raise not_found(GroupResource("cluster.karmada.io", "clusters"), name)
        found = self.upstreams[name]
        if found is None:
            raise service_unavailable(f'member cluster "{name}" cannot be reached')
        return found


@dataclass
class Audit:
    refuses: bool = False
    seen: list[AuditRecord] = field(default_factory=list)

    async def started(self, record: AuditRecord) -> None:
        self.seen.append(record)
        if self.refuses:
            raise service_unavailable("the audit log cannot be written")


@dataclass
class Gateway:
    client: aiohttp.ClientSession
    audit: Audit
    records: list[AuditRecord]
    writes: list[tuple[RequestScope, WriteTarget]]
    supervised: list[LongRunning]
    unseen: set[str]


@asynccontextmanager
async def gateway(
    member: Handler | None = None,
    *,
    raw: Any = None,
    pods: dict[str, list[Pod]] | None = None,
    hidden: tuple[str, ...] = (),
    audit: Audit | None = None,
) -> AsyncIterator[Gateway]:
    """Both handlers in front of a member called m1; m2 does not answer."""
    audit = audit or Audit()
    records: list[AuditRecord] = []
    supervised: list[LongRunning] = []
    unseen = set(hidden)
    writes: list[tuple[RequestScope, WriteTarget]] = []

    async def visible(_: RequestScope) -> Visible:
        return lambda cluster: cluster not in unseen

    async def write(_: web.BaseRequest, scope: RequestScope, target: WriteTarget) -> web.StreamResponse:
        writes.append((scope, target))
        return web.json_response({"written": upstream_path(scope.info)})

    async with serve_raw(raw) if raw else serve(member or refuse_all) as member_url:
        upstream = make_upstream(member_url)
        clusters: Any = Clusters({"m1": upstream, "m2": None})
        by_name = Pods(pods or {"web": [Pod("m1", "web")]})
        connect = ConnectHandler(pods=by_name, clusters=clusters, visible=visible, audit=audit)
        targets = MemberTargets(clusters, MemberReviews(now=time.monotonic))
        explicit = ClusterProxyHandler(clusters=clusters, write=write, audit=audit, targets=targets)

        async def handler(request: web.BaseRequest) -> web.StreamResponse:
            query = dict(request.query)
            try:
                info = parse_request_info(request.method, request.rel_url.raw_path, query)
                record = AuditRecord("audit-1", 0.0)
                records.append(record)
                request[AUDIT], request[AUDIT_ID], request[QUERY] = record, "audit-1", query
                request[LONG_RUNNING] = LongRunning(cast("Any", None), cast("Any", None), cast("Any", None))
                supervised.append(request[LONG_RUNNING])
                scope = RequestScope(info, ALICE, ALICE, "audit-1", query)
                if info.resource in {"pods", "services"} and not info.cluster:
                    located = Pods({"web": [Pod("m1", "web-there")]}) if info.resource == "services" else None
                    return await connect.handle(request, scope, located)
                return await explicit.handle(request, scope)
            except ApiError as error:
                return web.json_response(error.status, status=error.code)

        async with serve(handler) as url, aiohttp.ClientSession(url) as client:
            yield Gateway(client, audit, records, writes, supervised, unseen)
        await upstream.close()


async def refuse_all(_: web.BaseRequest) -> web.StreamResponse:
    raise AssertionError("the member is not asked")


async def echo(request: web.BaseRequest) -> web.StreamResponse:
    seen = {
        "method": request.method,
        "path": request.raw_path,
        "user": request.headers.get("Impersonate-User"),
        "body": (await request.read()).decode(),
    }
    return web.json_response(seen)


LOG = "/api/v1/namespaces/shop/pods/web/log"


async def answer(response: aiohttp.ClientResponse) -> Any:
    return json.loads(await response.read())


# -- Pods by name


async def test_logs_come_from_the_owner_as_the_caller() -> None:
    async with gateway(echo) as gate:
        seen = await answer(await gate.client.get(f"{LOG}?container=c&tailLines=5"))
        assert seen == {"method": "GET", "path": f"{LOG}?container=c&tailLines=5", "user": "alice", "body": ""}
        assert gate.records[0].cluster == "m1"
        assert not gate.audit.seen, "a log is a read"


async def test_other_merged_kinds_are_found_among_their_own() -> None:
    async with gateway(echo) as gate:
        seen = await answer(await gate.client.get("/api/v1/namespaces/shop/services/web/proxy/metrics"))
        assert (seen["path"], seen["user"]) == ("/api/v1/namespaces/shop/services/web-there/proxy/metrics", "alice")
        assert gate.records[0].cluster == "m1"
        assert gate.audit.seen == gate.records
        missing = await answer(await gate.client.get("/api/v1/namespaces/shop/services/none/proxy/"))
        assert (missing["code"], missing["message"]) == (404, 'services "none" not found')


async def test_a_log_goes_on_only_while_its_member_is_seen() -> None:
    async with gateway(echo) as gate:
        await gate.client.get(LOG)
        (supervised,) = gate.supervised
        assert supervised.judge_view is not None
        await supervised.judge_view()
        gate.unseen.add("m1")
        with pytest.raises(ApiError, match=r'^pods "web" not found$'):
            await supervised.judge_view()


async def test_a_pod_of_a_hidden_member_is_as_absent_as_others() -> None:
    async with gateway(hidden=("m1",)) as gate:
        for path in (LOG, LOG.replace("/log", "/exec")):
            answers = [await answer(await gate.client.get(path.replace("web", name))) for name in ("web", "none")]
            assert answers[0]["code"] == 404
            assert json.dumps(answers[0]).replace("web", "none") == json.dumps(answers[1])
        assert not gate.audit.seen


async def test_a_followed_log_is_passed_on_as_it_grows() -> None:
    more = asyncio.Event()

    async def member(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        await response.write(b"one\n")
        await more.wait()
        await response.write(b"two\n")
        return response

    async with gateway(member) as gate:
        response = await gate.client.get(f"{LOG}?follow=true")
        assert response.headers["Content-Type"] == "text/plain"
        assert await response.content.readany() == b"one\n"
        more.set()
        assert await response.content.readany() == b"two\n"


async def test_a_qualified_name_becomes_the_pods_own() -> None:
    async with gateway(echo, pods={"web.m1": [Pod("m1", "web")]}) as gate:
        seen = await answer(await gate.client.get(LOG.replace("web", "web.m1")))
        assert seen["path"] == LOG


async def test_a_pod_that_nobody_has_is_404() -> None:
    async with gateway() as gate:
        refusal = await answer(await gate.client.get(LOG.replace("web", "other")))
    assert (refusal["code"], refusal["message"]) == (404, 'pods "other" not found')


async def test_an_ambiguous_name_is_409_and_names_the_way_out() -> None:
    pods = {"web": [Pod("m1", "web"), Pod("m2", "web")]}
    async with gateway(pods=pods) as gate:
        refusal = await answer(await gate.client.post(LOG.replace("log", "exec"), headers=UPGRADE))
    assert refusal["code"] == 409
    assert "web.m1" in refusal["message"]
    assert "web.m2" in refusal["message"]


async def test_a_member_that_the_caller_may_not_see_is_not_there() -> None:
    pods = {"web": [Pod("m1", "web"), Pod("m2", "web")], "only": [Pod("m2", "only")]}
    async with gateway(echo, pods=pods, hidden=("m2",)) as gate:
        assert (await gate.client.get(LOG)).status == 200
        refusal = await answer(await gate.client.get(LOG.replace("web", "only")))
    assert refusal["message"] == 'pods "only" not found'


async def test_a_member_that_does_not_answer_is_503() -> None:
    async with gateway(pods={"web": [Pod("m2", "web")]}) as gate:
        refusal = await answer(await gate.client.get(LOG))
    assert (refusal["code"], refusal["message"]) == (503, 'member cluster "m2" cannot be reached')


async def test_an_object_of_the_store_runs_nowhere() -> None:
    async with gateway(pods={"web": [Pod("", "web")]}) as gate:
        assert (await gate.client.get(LOG)).status == 404


AGREED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"


async def agreeing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_head(reader)
    writer.write(AGREED + b"hello")


async def test_an_exec_is_recorded_before_it_opens() -> None:
    async with gateway(raw=agreeing) as gate:
        response = await gate.client.post(LOG.replace("log", "exec"), headers=UPGRADE)
        assert response.status == 101
        assert response.headers["Audit-Id"] == "audit-1"
        response.close()
        assert [(record.code, record.cluster) for record in gate.audit.seen] == [(101, "m1")]


async def test_an_exec_that_cannot_be_recorded_does_not_open() -> None:
    async with gateway(raw=agreeing, audit=Audit(refuses=True)) as gate:
        response = await gate.client.post(LOG.replace("log", "exec"), headers=UPGRADE)
        assert response.status == 503


@pytest.mark.parametrize("subresource", ["exec", "attach", "portforward"])
async def test_what_is_a_stream_needs_an_upgrade(subresource: str) -> None:
    async with gateway() as gate:
        refusal = await answer(await gate.client.get(LOG.replace("log", subresource)))
    assert (refusal["code"], refusal["message"]) == (400, "Upgrade request required")


async def test_a_connect_cannot_be_tried_dry() -> None:
    async with gateway() as gate:
        refusal = await answer(await gate.client.post(LOG.replace("log", "exec?dryRun=All"), headers=UPGRADE))
    assert (refusal["code"], refusal["message"]) == (400, "dryRun is not supported")


async def test_a_pods_own_http_is_proxied_and_recorded() -> None:
    async with gateway(echo) as gate:
        path = LOG.replace("log", "proxy/a/b?x=1")
        seen = await answer(await gate.client.post(path, data=b"body"))
        assert seen == {"method": "POST", "path": path, "user": "alice", "body": "body"}
        assert len(gate.audit.seen) == 1


# -- one member by name

KARMADA = "/apis/cluster.karmada.io/v1alpha1/clusters"


@pytest.mark.parametrize("prefix", ["/clusters/m1", f"{KARMADA}/m1/proxy"])
@pytest.mark.parametrize(
    "path", ["/api/v1/nodes?limit=5", "/version", "/apis/apps/v1/namespaces/a/deployments/b/scale", "/api/"]
)
async def test_reads_go_to_the_member_as_the_caller(prefix: str, path: str) -> None:
    async with gateway(echo) as gate:
        seen = await answer(await gate.client.get(prefix + path))
        assert seen == {"method": "GET", "path": path, "user": "alice", "body": ""}
        assert gate.records[0].cluster == "m1"
        assert not gate.audit.seen


@pytest.mark.parametrize("prefix", ["/clusters/m1", f"{KARMADA}/m1/proxy"])
async def test_writes_take_the_write_path(prefix: str) -> None:
    path = "/apis/apps/v1/namespaces/a/deployments/b"
    async with gateway() as gate:
        seen = await answer(await gate.client.patch(prefix + path, data=b"{}"))
        assert seen == {"written": path}
        scope, target = gate.writes[0]
        assert isinstance(target, UpstreamWriteTarget)
        assert (scope.info.verb, scope.info.resource, scope.info.cluster) == ("patch", "deployments", "m1")
        assert scope.user is ALICE


@pytest.mark.parametrize("prefix", ["/clusters/m1", f"{KARMADA}/m1/proxy"])
async def test_upgrades_are_tunnelled(prefix: str) -> None:
    async with gateway(raw=agreeing) as gate:
        response = await gate.client.post(f"{prefix}{LOG.replace('log', 'exec')}", headers=UPGRADE)
        assert response.status == 101
        response.close()
        assert len(gate.audit.seen) == 1


@pytest.mark.parametrize("prefix", ["/clusters/m9", f"{KARMADA}/m9/proxy"])
async def test_an_unknown_member_is_404(prefix: str) -> None:
    async with gateway() as gate:
        refusal = await answer(await gate.client.get(f"{prefix}/api/v1/pods"))
    assert (refusal["code"], refusal["message"]) == (404, 'clusters.cluster.karmada.io "m9" not found')


async def test_nothing_but_reading_where_there_is_no_resource() -> None:
    async with gateway() as gate:
        assert (await gate.client.post("/clusters/m1/version")).status == 405


@pytest.mark.parametrize(
    ("path", "inner"),
    [
        ("/clusters/m1/api/v1/pods", "/api/v1/pods"),
        ("/clusters/m1", "/"),
        (f"{KARMADA}/m1/proxy", "/"),
        (f"{KARMADA}/m1/proxy/", "/"),
        (f"{KARMADA}/m1/proxy/api/v1/namespaces/a/pods/b/exec", "/api/v1/namespaces/a/pods/b/exec"),
        (f"{KARMADA}/m1/proxy/apis/", "/apis/"),
        (f"{KARMADA}/m1/proxy/api/v1/namespaces/a%20b/pods", "/api/v1/namespaces/a%20b/pods"),
    ],
)
def test_both_spellings_mean_the_same(path: str, inner: str) -> None:
    info = inner_request(parse_request_info("GET", path, {}), "GET", {})
    assert info.cluster == "m1"
    assert upstream_path(info) == inner


@pytest.mark.parametrize("path", ["/proxy/../secrets", "/proxy/%2e%2e/x", "/proxy/a%2fb", "/proxy/%252e"])
def test_tricks_inside_the_proxy_path_are_400(path: str) -> None:
    with pytest.raises(ApiError) as refusal:
        inner_request(parse_request_info("GET", f"{KARMADA}/m1{path}", {}), "GET", {})
    assert refusal.value.code == 400


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/watch/namespaces/shop/pods/web",
        "/api/v1/proxy/namespaces/shop/services/web",
        "/apis/search.karmada.io/v1alpha1/proxying/karmada/proxy/api/v1/namespaces/shop/pods/web",
        "/apis/cluster.karmada.io/v1alpha1/clusters/other/proxy/api/v1/namespaces/shop/pods/web",
    ],
)
async def test_a_write_that_admission_would_not_see_is_not_forwarded(method: str, path: str) -> None:
    async with gateway(refuse_all) as tried:
        response = await tried.client.request(method, f"/clusters/m1{path}", data=b"{}")
        assert (response.status, (await answer(response))["reason"]) == (405, "MethodNotAllowed")
        assert tried.writes == []


async def test_a_method_of_no_verb_is_refused() -> None:
    async with gateway(refuse_all) as tried:
        response = await tried.client.request("OPTIONS", "/clusters/m1/api/v1/namespaces/shop/pods/web")
        assert response.status == 405


async def test_reads_behind_such_a_proxy_are_forwarded() -> None:
    path = "/clusters/m1/apis/search.karmada.io/v1alpha1/proxying/karmada/proxy/api/v1/namespaces/shop/pods/web"
    async with gateway(echo) as tried:
        assert (await answer(await tried.client.get(path)))["path"] == path.removeprefix("/clusters/m1")
