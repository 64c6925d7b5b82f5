import json
from typing import Any

import msgspec

from gateway.apimachinery.schema import GroupVersion, GroupVersionKind
from gateway.apimachinery.schemas import builtin_schemas
from gateway.discovery import openapi_v3
from gateway.discovery.allow_list import AllowList
from gateway.discovery.merged_kinds import MERGED_RESOURCES
from gateway.discovery.openapi_schemas import PublishedSchemas
from gateway.discovery.surface import ApiSurface, served_surface
from tests.gateway.discovery.builders import APPS, CORE, SHOP
from tests.gateway.discovery.test_openapi_schemas import references

SURFACE = served_surface([CORE, APPS, SHOP], AllowList(), MERGED_RESOURCES)
SCHEMAS = PublishedSchemas(builtin_schemas(), openapi_v3.REFERENCE)
TOY = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"colour": {"type": "string"}}}}}


def document(api_version: str, surface: ApiSurface = SURFACE) -> dict[str, Any]:
    home = GroupVersion.parse(api_version)
    version = surface.version(home)
    assert version is not None
    built = openapi_v3.document(home, version, SCHEMAS, {GroupVersionKind(SHOP.name, "v1", "Toy"): TOY}.get, "v1.36.0")
    decoded: dict[str, Any] = json.loads(msgspec.json.encode(built))
    return decoded


def test_every_reference_of_every_document_resolves() -> None:
    for home in SURFACE.group_versions():
        built = document(home.api_version)
        assert built["openapi"] == "3.0.0"
        referred = {reference.removeprefix(openapi_v3.REFERENCE) for reference in references(built)}
        assert referred <= set(built["components"]["schemas"])


def test_merged_kinds_are_described_though_the_store_has_none() -> None:
    core = document("v1")
    pod = core["components"]["schemas"]["io.k8s.api.core.v1.Pod"]
    assert pod["x-kubernetes-group-version-kind"] == [{"group": "", "kind": "Pod", "version": "v1"}]
    assert "io.k8s.api.core.v1.Event" in core["components"]["schemas"]
    assert "/api/v1/namespaces/{namespace}/pods/{name}/log" in core["paths"]
    assert "io.k8s.api.events.v1.Event" in document("events.k8s.io/v1")["components"]["schemas"]


def test_a_custom_kind_is_described_by_its_own_schema() -> None:
    schemas = document("shop.example.com/v1")["components"]["schemas"]
    assert schemas["com.example.shop.v1.Toy"]["properties"]["spec"] == TOY["properties"]["spec"]  # type: ignore[index]  # a plain dict
    assert "com.example.shop.v1.ToyList" in schemas


def test_a_document_describes_its_own_group_only() -> None:
    schemas = document("apps/v1")["components"]["schemas"]
    assert "io.k8s.api.apps.v1.Deployment" in schemas
    assert "io.k8s.api.apps.v1.DaemonSet" not in schemas
    assert "com.example.shop.v1.Toy" not in schemas


def test_the_index_names_each_document_by_its_hash() -> None:
    assert openapi_v3.index({"apis/apps/v1": "AB", "api/v1": "CD"}) == {
        "paths": {
            "api/v1": {"serverRelativeURL": "/openapi/v3/api/v1?hash=CD"},
            "apis/apps/v1": {"serverRelativeURL": "/openapi/v3/apis/apps/v1?hash=AB"},
        }
    }
