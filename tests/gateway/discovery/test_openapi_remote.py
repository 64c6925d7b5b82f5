from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from gateway.apimachinery.errors import ApiError, PathNotFound
from gateway.clusters.credentials import Credentials, StaticCredentials
from gateway.clusters.endpoint import Endpoint
from gateway.clusters.upstream import Upstream
from gateway.discovery.allow_list import AllowList
from gateway.discovery.catalog import Catalog
from gateway.discovery.documents import content_hash
from gateway.discovery.openapi import JSON, V2_PROTOBUF, V3_PROTOBUF
from gateway.discovery.openapi_remote import RemoteOpenApi
from tests.gateway.discovery.builders import APPS, CORE
from tests.gateway.discovery.test_catalog import Source
from tests.support.http_server import serve

INDEX = {
    "paths": {
        "version": {"serverRelativeURL": "/openapi/v3/version?hash=00"},
        "api/v1": {"serverRelativeURL": "/openapi/v3/api/v1?hash=AA"},
        "apis/apps/v1": {"serverRelativeURL": "/openapi/v3/apis/apps/v1?hash=BB"},
        "apis/denied.example.com/v1": {"serverRelativeURL": "/openapi/v3/apis/denied.example.com/v1?hash=CC"},
        "apis/events.k8s.io/v1": {"serverRelativeURL": "/openapi/v3/apis/events.k8s.io/v1"},
    }
}


class Store:
    """An API server's OpenAPI. A hash in the query would be answered with a redirect, as real ones do."""

    def __init__(self) -> None:
        self.etag = '"BB"'
        self.status = 200
        self.asked: list[tuple[str, str, str]] = []

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        accept, known = request.headers.get("Accept", ""), request.headers.get("If-None-Match", "")
        self.asked.append((request.path_qs, accept, known))
        if self.status != 200:
            return web.Response(status=self.status)
        if request.path == "/openapi/v3":
            return web.json_response(INDEX)
        if self.etag and known == self.etag:
            return web.Response(status=304, headers={"ETag": self.etag})
        return web.Response(
            body=f"{request.path} {accept}".encode(),
            headers={"Content-Type": accept.replace("@", "."), **({"ETag": self.etag} if self.etag else {})},
        )


@asynccontextmanager
async def remote(store: Store) -> AsyncIterator[RemoteOpenApi]:
    async with serve(store.answer) as url:
        upstream = Upstream("store", Endpoint(url), StaticCredentials(Credentials(token="t")), now=lambda: 0.0)
        catalog = Catalog(Source(CORE, APPS), allow_list=AllowList())
        await catalog.fresh_documents()
        yield RemoteOpenApi(catalog, upstream)
        await upstream.close()


async def test_the_index_is_the_stores_without_what_is_not_served() -> None:
    async with remote(Store()) as openapi:
        assert await openapi.hashes() == {"api/v1": "AA", "apis/apps/v1": "BB", "apis/events.k8s.io/v1": ""}


@pytest.mark.parametrize("media_type", [JSON, V3_PROTOBUF])
async def test_documents_are_passed_on_as_they_are(media_type: str) -> None:
    store = Store()
    async with remote(store) as openapi:
        document = await openapi.v3("apis/apps/v1", media_type, "")
        assert document is not None
        assert document.body == f"/openapi/v3/apis/apps/v1 {media_type}".encode()
        assert document.content_type == media_type.replace("@", ".")
        assert document.hash == "BB"
        assert store.asked == [("/openapi/v3/apis/apps/v1", media_type, "")]


async def test_a_clients_copy_that_is_still_right_is_not_read_again() -> None:
    async with remote(Store()) as openapi:
        document = await openapi.v3("apis/apps/v1", JSON, "BB")
        assert document is not None
        assert (document.body, document.hash) == (b"", "BB")
        other = await openapi.v3("apis/apps/v1", JSON, "AA")
        assert other is not None
        assert (other.body != b"", other.hash) == (True, "BB")


async def test_a_store_that_names_no_hash_is_hashed_here() -> None:
    store = Store()
    store.etag = ""
    async with remote(store) as openapi:
        document = await openapi.v3("api/v1", JSON, "")
        assert document is not None
        assert document.hash == content_hash(document.body)


async def test_documents_of_what_is_not_served_are_not_asked_for() -> None:
    store = Store()
    async with remote(store) as openapi:
        assert await openapi.v3("apis/denied.example.com/v1", JSON, "") is None
        assert await openapi.v3("../../secrets", JSON, "") is None
        assert store.asked == []


async def test_v2_is_passed_on() -> None:
    store = Store()
    async with remote(store) as openapi:
        assert (await openapi.v2(V2_PROTOBUF, "")).body == f"/openapi/v2 {V2_PROTOBUF}".encode()
        assert (await openapi.v2(V2_PROTOBUF, "BB")).body == b""


@pytest.mark.parametrize(("status", "error"), [(404, PathNotFound), (503, ApiError), (301, ApiError)])
async def test_what_the_store_refuses_is_refused(status: int, error: type[Exception]) -> None:
    store = Store()
    async with remote(store) as openapi:
        store.status = status
        with pytest.raises(error):
            await openapi.v3("apis/apps/v1", JSON, "")
