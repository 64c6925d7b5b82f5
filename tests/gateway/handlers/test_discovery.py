import gzip
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from multidict import CIMultiDictProxy

from gateway.apimachinery.meta import JsonObject
from gateway.chain import chain
from gateway.discovery.allow_list import AllowList
from gateway.discovery.catalog import Catalog
from gateway.discovery.openapi import JSON, V2_PROTOBUF, V2_PROTOBUF_OLD, OpenApiDocument
from gateway.discovery.surface import ApiGroup, ApiVersion
from gateway.filters.audit_id import with_audit_id
from gateway.filters.panic_recovery import with_panic_recovery
from gateway.filters.request_info import with_request_info
from gateway.handlers.discovery import DiscoveryHandler
from gateway.request_keys import REQUEST_INFO
from tests.gateway.discovery.builders import APPS, CORE, SHOP
from tests.gateway.discovery.test_catalog import Source
from tests.support.http_server import serve

NOW = 1_780_000_000.0
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"
V2 = AGGREGATED.format("v2")
V2BETA1 = AGGREGATED.format("v2beta1")
STALE = ApiGroup("metrics.k8s.io", (ApiVersion("v1beta1", (), stale=True),))
PAST_COMPRESSION = 200_000


@dataclass
class Answer:
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class OpenApi:
    """OpenAPI documents of no particular content."""

    v3_types: tuple[str, ...] = (JSON,)
    documents: dict[str, bytes] = field(default_factory=lambda: {"apis/apps/v1": b'{"openapi":"3.0.0"}'})
    swagger: bytes = b'{"swagger":"2.0"}'

    async def hashes(self) -> Mapping[str, str]:
        return dict.fromkeys(self.documents, "AB")

    async def v3(self, path: str, media_type: str, known: str) -> OpenApiDocument | None:
        body = self.documents.get(path)
        return None if body is None else OpenApiDocument(body, media_type, "AB")

    async def v2(self, media_type: str, known: str) -> OpenApiDocument:
        if media_type == JSON:
            return OpenApiDocument(self.swagger, JSON, "CD")
        return OpenApiDocument(b"", V2_PROTOBUF_OLD, "EF")


class Gateway:
    """A server of discovery documents and a client of it."""

    def __init__(self, url: str, source: Source, openapi: OpenApi, client: aiohttp.ClientSession) -> None:
        self.source = source
        self.openapi = openapi
        self._url = url
        self._client = client

    async def ask(self, path: str, accept: str | None = None, *, method: str = "GET", **headers: str) -> Answer:
        sent = {"User-Agent": "kubectl/v1.36", **{name.replace("_", "-"): value for name, value in headers.items()}}
        if accept is not None:
            sent["Accept"] = accept
        async with self._client.request(method, self._url + path, headers=sent, allow_redirects=False) as response:
            return Answer(response.status, response.headers, await response.read())


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    source, openapi = Source(CORE, APPS, SHOP), OpenApi()
    version: JsonObject = {"major": "1", "minor": "36"}
    source.version = version
    handler = DiscoveryHandler(Catalog(source, allow_list=AllowList()), openapi, now=lambda: NOW)

    async def end(request: web.BaseRequest) -> web.StreamResponse:
        return await handler.respond(request, request[REQUEST_INFO])

    filters = (with_audit_id(lambda: NOW), with_panic_recovery(), with_request_info())
    session = aiohttp.ClientSession(
        auto_decompress=False, skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent")
    )
    async with serve(chain(filters, end)) as url, session as client:
        yield Gateway(url, source, openapi, client)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/api", "APIVersions"),
        ("/api/", "APIVersions"),
        ("/apis", "APIGroupList"),
        ("/apis/", "APIGroupList"),
        ("/apis/apps", "APIGroup"),
        ("/apis/apps/", "APIGroup"),
        ("/apis/apps/v1", "APIResourceList"),
        ("/apis/apps/v1/", "APIResourceList"),
        ("/api/v1", "APIResourceList"),
        ("/api/v1/", "APIResourceList"),
    ],
)
async def test_legacy_documents_with_or_without_a_trailing_slash(gateway: Gateway, path: str, kind: str) -> None:
    answer = await gateway.ask(path)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-cache, private"
    assert answer.json()["kind"] == kind


@pytest.mark.parametrize(
    "accept", ["application/json", "application/json, */*", "*/*", "", f"{AGGREGATED.format('v9')},application/json"]
)
async def test_who_does_not_ask_for_aggregated_documents_gets_legacy_ones(gateway: Gateway, accept: str) -> None:
    answer = await gateway.ask("/apis", accept)
    assert (answer.headers["Content-Type"], answer.json()["kind"]) == ("application/json", "APIGroupList")


@pytest.mark.parametrize(
    ("accept", "served"),
    [
        (V2, V2),
        (f"{V2},{V2BETA1},application/json", V2),
        (f"{V2BETA1},application/json", V2BETA1),
        ("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList;profile=nopeer,application/json", V2),
        (f"application/json;q=0.5,{V2}", V2),
    ],
)
@pytest.mark.parametrize(
    ("path", "groups"), [("/api", [None]), ("/apis", ["apps", "shop.example.com", "events.k8s.io"])]
)
async def test_aggregated_documents_say_exactly_what_they_are(
    gateway: Gateway, accept: str, served: str, path: str, groups: list[str | None]
) -> None:
    answer = await gateway.ask(path, accept)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == served
    assert answer.headers["Cache-Control"] == "public"
    assert answer.headers["Vary"] == "Accept"
    assert [item["metadata"].get("name") for item in answer.json()["items"]] == groups


async def test_an_unchanged_aggregated_document_is_not_sent_again(gateway: Gateway) -> None:
    etag = (await gateway.ask("/apis", V2)).headers["ETag"]
    again = await gateway.ask("/apis", V2, If_None_Match=etag)
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", etag)
    assert (await gateway.ask("/apis", V2, If_None_Match='"OLD"')).status == 200
    gateway.source.there.remove(SHOP)
    assert (await gateway.ask("/apis", V2, If_None_Match=etag)).status == 200


async def test_other_media_types_carry_the_same_documents(gateway: Gateway) -> None:
    text = await gateway.ask("/apis/apps", "application/yaml")
    assert text.headers["Content-Type"] == "application/yaml"
    assert b"kind: APIGroup\n" in text.body
    for path in ("/api", "/api/v1", "/apis", "/apis/apps/v1"):
        binary = await gateway.ask(path, "application/vnd.kubernetes.protobuf")
        assert binary.headers["Content-Type"] == "application/vnd.kubernetes.protobuf"
        assert binary.body.startswith(b"k8s\x00")
    accept = V2.replace("application/json", "application/vnd.kubernetes.protobuf")
    aggregated = await gateway.ask("/apis", accept)
    assert aggregated.headers["Content-Type"] == accept
    assert b"APIGroupDiscoveryList" in aggregated.body


@pytest.mark.parametrize(
    ("path", "accept"), [("/apis", "text/html"), ("/apis/apps", V2), ("/version", "application/yaml")]
)
async def test_what_cannot_be_sent_is_not_acceptable(gateway: Gateway, path: str, accept: str) -> None:
    answer = await gateway.ask(path, accept)
    assert answer.status == 406


async def test_people_get_indented_documents(gateway: Gateway) -> None:
    for accept in ("*/*", V2):
        answer = await gateway.ask("/apis", accept, User_Agent="curl/8")
        assert answer.body.startswith(b'{\n  "kind"')
    assert (await gateway.ask("/apis?pretty=false", User_Agent="curl/8")).body.startswith(b'{"kind"')


async def test_the_server_address_is_the_one_the_client_used(gateway: Gateway) -> None:
    (entry,) = (await gateway.ask("/api")).json()["serverAddressByClientCIDRs"]
    assert entry["serverAddress"].startswith("127.0.0.1:")


@pytest.mark.parametrize("path", ["/apis/nope", "/apis/nope/", "/apis/nope/v1", "/nope", "/openapi", "/swagger.json"])
async def test_paths_nobody_knows_are_the_routers_404(gateway: Gateway, path: str) -> None:
    answer = await gateway.ask(path)
    assert (answer.status, answer.body) == (404, b"404 page not found\n")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("path", ["/api/v2", "/apis/apps/v9", "/apis/apps/v9/"])
async def test_an_unknown_version_of_a_known_group_is_a_status(gateway: Gateway, path: str) -> None:
    answer = await gateway.ask(path)
    assert answer.status == 404
    assert answer.json()["message"] == "the server could not find the requested resource"


async def test_a_stale_version_is_listed_and_unavailable(gateway: Gateway) -> None:
    gateway.source.there.append(STALE)
    listed = (await gateway.ask("/apis", V2)).json()["items"]
    stale = {"metadata": {"name": "metrics.k8s.io"}, "versions": [{"version": "v1beta1", "freshness": "Stale"}]}
    assert stale in listed
    assert (await gateway.ask("/apis/metrics.k8s.io/v1beta1")).status == 503


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD"])
async def test_methods_are_judged_as_a_kube_apiserver_does(gateway: Gateway, method: str) -> None:
    for path in ("/api", "/api/v1", "/apis/apps/v1", "/version"):
        assert (await gateway.ask(path, method=method)).status == 405
    for path in ("/", "/apis", "/apis/apps", "/openapi/v2", "/openapi/v3", "/openapi/v3/apis/apps/v1"):
        assert (await gateway.ask(path, method=method)).status == 200


async def test_head_sends_no_body(gateway: Gateway) -> None:
    answer = await gateway.ask("/apis", method="HEAD")
    assert answer.body == b""
    assert int(answer.headers["Content-Length"]) > 0


async def test_a_path_below_a_resource_is_no_document(gateway: Gateway) -> None:
    """Resource requests never come here; should one, it finds nothing."""
    assert (await gateway.ask("/api/v1/configmaps")).status == 404


async def test_root_lists_paths(gateway: Gateway) -> None:
    answer = await gateway.ask("/", "text/html")
    assert answer.headers["Content-Type"] == "application/json"
    assert "/apis/apps/v1" in answer.json()["paths"]


@pytest.mark.parametrize("path", ["/version", "/version/"])
async def test_the_version_is_the_stores(gateway: Gateway, path: str) -> None:
    assert (await gateway.ask(path)).json() == {"major": "1", "minor": "36"}


async def test_a_version_nobody_knows_yet_is_not_made_up(gateway: Gateway) -> None:
    gateway.source.version = None
    answer = await gateway.ask("/version")
    assert answer.status == 503
    assert answer.headers["Retry-After"] == "1"


async def test_the_openapi_index(gateway: Gateway) -> None:
    answer = await gateway.ask("/openapi/v3?timeout=32s")
    assert answer.json() == {"paths": {"apis/apps/v1": {"serverRelativeURL": "/openapi/v3/apis/apps/v1?hash=AB"}}}
    assert (await gateway.ask("/openapi/v3", If_None_Match=answer.headers["ETag"])).status == 304


async def test_a_document_under_its_hash_never_changes(gateway: Gateway) -> None:
    answer = await gateway.ask("/openapi/v3/apis/apps/v1?hash=AB&timeout=32s")
    assert answer.json() == {"openapi": "3.0.0"}
    assert answer.headers["ETag"] == '"AB"'
    assert answer.headers["Vary"] == "Accept"
    assert answer.headers["Cache-Control"] == "public, immutable"
    assert parsedate_to_datetime(answer.headers["Expires"]).timestamp() == NOW + 365 * 24 * 3600
    again = await gateway.ask("/openapi/v3/apis/apps/v1?hash=AB", If_None_Match='"AB"')
    assert (again.status, again.body, again.headers["Cache-Control"]) == (304, b"", "public, immutable")


async def test_an_old_hash_leads_to_the_new_one(gateway: Gateway) -> None:
    answer = await gateway.ask("/openapi/v3/apis/apps/v1?hash=OLD", If_None_Match='"OLD"')
    assert (answer.status, answer.headers["Location"]) == (301, "/openapi/v3/apis/apps/v1?hash=AB")


async def test_a_document_without_a_hash_must_be_asked_for_again(gateway: Gateway) -> None:
    answer = await gateway.ask("/openapi/v3/apis/apps/v1")
    assert answer.headers["Cache-Control"] == "no-cache, private"
    assert "Expires" not in answer.headers
    assert (await gateway.ask("/openapi/v3/apis/apps/v1", If_None_Match='"AB"')).status == 304


@pytest.mark.parametrize(
    "path", ["/openapi/v3/", "/openapi/v3/apis/nope/v1", "/openapi/v3/apis/apps/v1/", "/openapi/v2/"]
)
async def test_openapi_tolerates_no_other_path(gateway: Gateway, path: str) -> None:
    assert (await gateway.ask(path)).status == 404


@pytest.mark.parametrize("accept", [V2_PROTOBUF, V2_PROTOBUF_OLD, f"{V2_PROTOBUF},*/*"])
async def test_the_v2_document_of_old_kubectls(gateway: Gateway, accept: str) -> None:
    answer = await gateway.ask("/openapi/v2?timeout=32s", accept)
    assert (answer.status, answer.headers["Content-Type"], answer.body) == (200, V2_PROTOBUF_OLD, b"")


async def test_the_v2_document_as_json(gateway: Gateway) -> None:
    answer = await gateway.ask("/openapi/v2", "*/*")
    assert (answer.headers["Content-Type"], answer.json()) == (JSON, {"swagger": "2.0"})
    assert (await gateway.ask("/openapi/v2", If_None_Match='"CD"')).status == 304


@pytest.mark.parametrize("path", ["/openapi/v2", "/openapi/v3/apis/apps/v1"])
async def test_a_form_of_openapi_that_is_not_to_be_had(gateway: Gateway, path: str) -> None:
    assert (await gateway.ask(path, "text/html")).status == 406


async def test_a_large_document_is_compressed_and_still_varies_by_accept(gateway: Gateway) -> None:
    gateway.openapi.documents["apis/apps/v1"] = b" " * PAST_COMPRESSION
    answer = await gateway.ask("/openapi/v3/apis/apps/v1", Accept_Encoding="gzip")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert set(answer.headers.getall("Vary")) == {"Accept", "Accept-Encoding"}
    assert len(gzip.decompress(answer.body)) == PAST_COMPRESSION


@pytest.mark.parametrize("etag", ['W/"AB"', '"AB", "CD"', "*", '"'])
async def test_an_etag_of_another_form_is_no_match(gateway: Gateway, etag: str) -> None:
    assert (await gateway.ask("/openapi/v3/apis/apps/v1", If_None_Match=etag)).status == 200
