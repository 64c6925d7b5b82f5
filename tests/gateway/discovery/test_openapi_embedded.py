import asyncio
import json

import pytest

from gateway.discovery.allow_list import AllowList
from gateway.discovery.catalog import Catalog
from gateway.discovery.documents import content_hash
from gateway.discovery.embedded import EmbeddedDiscovery
from gateway.discovery.openapi import JSON, V2_PROTOBUF, V2_PROTOBUF_OLD
from gateway.discovery.openapi_embedded import EmbeddedOpenApi
from tests.gateway.discovery.builders import StubRegistry, toy_crd

TOYS = "apis/shop.example.com/v1"


@pytest.fixture
def registry() -> StubRegistry:
    return StubRegistry()


def openapi_of(registry: StubRegistry, *allow: str) -> EmbeddedOpenApi:
    source = EmbeddedDiscovery(registry)
    return EmbeddedOpenApi(Catalog(source, allow_list=AllowList(allow or ("*",))), schema_of=source.schema)


async def test_every_version_that_is_served_has_a_document_under_its_hash(registry: StubRegistry) -> None:
    openapi = openapi_of(registry)
    hashes = await openapi.hashes()
    assert {"api/v1", "apis/apps/v1", "apis/events.k8s.io/v1", "apis/authorization.k8s.io/v1"} <= set(hashes)
    for path, expected in hashes.items():
        document = await openapi.v3(path, JSON, "")
        assert document is not None
        assert document.hash == expected == content_hash(document.body)
        assert json.loads(document.body)["openapi"] == "3.0.0"
    assert await openapi.v3("apis/nope/v1", JSON, "") is None


async def test_what_is_not_allowed_is_not_described(registry: StubRegistry) -> None:
    hashes = await openapi_of(registry, "deployments.apps").hashes()
    assert set(hashes) == {"apis/apps/v1"}


async def test_a_new_definition_is_described_at_once_and_the_rest_is_kept(registry: StubRegistry) -> None:
    openapi = openapi_of(registry)
    core = await openapi.v3("api/v1", JSON, "")
    assert TOYS not in await openapi.hashes()
    registry.add_crd(toy_crd(colour={"type": "string", "description": "Any."}))
    assert TOYS in await openapi.hashes()
    toys = await openapi.v3(TOYS, JSON, "")
    assert toys is not None
    schema = json.loads(toys.body)["components"]["schemas"]["com.example.shop.v1.Toy"]
    assert schema["properties"]["spec"]["properties"]["colour"]["description"] == "Any."
    assert await openapi.v3("api/v1", JSON, "") is core


async def test_a_changed_schema_changes_the_document(registry: StubRegistry) -> None:
    openapi = openapi_of(registry)
    registry.add_crd(toy_crd(colour={"type": "string"}))
    before = (await openapi.hashes())[TOYS]
    registry.generation += 1
    assert (await openapi.hashes())[TOYS] == before
    registry._custom.clear()
    registry.add_crd(toy_crd(colour={"type": "integer"}))
    assert (await openapi.hashes())[TOYS] != before


async def test_requests_that_come_together_are_built_for_once(registry: StubRegistry) -> None:
    openapi = openapi_of(registry)
    first, second = await asyncio.gather(openapi.v3("api/v1", JSON, ""), openapi.v3("api/v1", JSON, ""))
    assert first is second is not None


async def test_v2_is_empty_in_protobuf_and_has_schemas_in_json(registry: StubRegistry) -> None:
    openapi = openapi_of(registry)
    protobuf = await openapi.v2(V2_PROTOBUF, "")
    assert (protobuf.body, protobuf.content_type) == (b"", V2_PROTOBUF_OLD)
    swagger = await openapi.v2(JSON, "")
    assert "io.k8s.api.core.v1.Pod" in json.loads(swagger.body)["definitions"]
    assert await openapi.v2(JSON, "") is swagger
    registry.add_crd(toy_crd())
    assert "com.example.shop.v1.Toy" in json.loads((await openapi.v2(JSON, "")).body)["definitions"]
