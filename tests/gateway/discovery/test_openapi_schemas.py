import json
from typing import Any

import msgspec
import pytest

from gateway.apimachinery.schema import GroupVersionKind
from gateway.apimachinery.schemas import builtin_schemas
from gateway.discovery.openapi_schemas import PublishedSchemas, custom_name

TOY = GroupVersionKind("shop.example.com", "v1", "Toy")
DEPLOYMENT = "io.k8s.api.apps.v1.Deployment"
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
COMPONENTS = "#/components/schemas/"


@pytest.fixture(scope="module")
def schemas() -> PublishedSchemas:
    return PublishedSchemas(builtin_schemas(), COMPONENTS)


def decoded(components: dict[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads(msgspec.json.encode(components))
    return tree


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*map(references, node.values()))
    return set().union(*map(references, node)) if isinstance(node, list) else set()


def test_a_closure_is_all_that_is_referred_to_and_nothing_else(schemas: PublishedSchemas) -> None:
    closure = decoded(schemas.closure([DEPLOYMENT]))
    referred = {reference.removeprefix(COMPONENTS) for reference in references(closure)}
    assert referred | {DEPLOYMENT} == set(closure)
    assert "io.k8s.api.core.v1.Container" in closure
    assert "io.k8s.api.apps.v1.DaemonSet" not in closure
    assert list(closure) == sorted(closure)


def test_definitions_that_refer_to_themselves_end(schemas: PublishedSchemas) -> None:
    name = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
    closure = decoded(schemas.closure([name]))
    assert closure[name]["properties"]["$ref"] == {"type": "string"}  # a field that happens to have that name


def test_a_reference_keeps_no_neighbours(schemas: PublishedSchemas) -> None:
    deployment = decoded(schemas.closure([DEPLOYMENT]))[DEPLOYMENT]
    spec = deployment["properties"]["spec"]
    assert spec["allOf"] == [{"$ref": f"{COMPONENTS}io.k8s.api.apps.v1.DeploymentSpec"}]
    assert spec["description"]
    assert "$ref" not in spec


def test_what_merging_needs_to_know_is_published(schemas: PublishedSchemas) -> None:
    pod_spec = decoded(schemas.closure(["io.k8s.api.core.v1.PodSpec"]))["io.k8s.api.core.v1.PodSpec"]
    containers = pod_spec["properties"]["containers"]
    assert containers["x-kubernetes-patch-merge-key"] == "name"
    assert containers["x-kubernetes-list-map-keys"] == ["name"]


def test_a_format_without_unions_publishes_text() -> None:
    name = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
    plain = decoded(PublishedSchemas(builtin_schemas(), "#/definitions/", unions=False).closure([name]))[name]
    assert plain["type"] == "string"
    assert plain["format"] == "int-or-string"
    assert "oneOf" not in plain
    assert "oneOf" in decoded(PublishedSchemas(builtin_schemas(), COMPONENTS).closure([name]))[name]


def test_a_custom_kind_gets_the_fields_of_every_object(schemas: PublishedSchemas) -> None:
    own = {"type": "object", "description": "A toy.", "properties": {"spec": {"type": "object"}}}
    components = decoded(schemas.custom_closure([TOY], lambda _: own))
    toy = components["com.example.shop.v1.Toy"]
    assert toy["description"] == "A toy."
    assert set(toy["properties"]) == {"apiVersion", "kind", "metadata", "spec"}
    assert toy["x-kubernetes-group-version-kind"] == [{"group": "shop.example.com", "version": "v1", "kind": "Toy"}]
    assert components["com.example.shop.v1.ToyList"]["properties"]["items"]["items"] == {
        "$ref": f"{COMPONENTS}com.example.shop.v1.Toy"
    }
    assert {f"{META}ObjectMeta", f"{META}ListMeta", f"{META}OwnerReference"} <= set(components)
    assert own["properties"] == {"spec": {"type": "object"}}


def test_a_custom_kind_without_a_schema_may_have_any_field(schemas: PublishedSchemas) -> None:
    toy = decoded(schemas.custom_closure([TOY], lambda _: None))["com.example.shop.v1.Toy"]
    assert toy["x-kubernetes-preserve-unknown-fields"] is True


def test_no_custom_kinds_need_nothing(schemas: PublishedSchemas) -> None:
    assert schemas.custom_closure([], lambda _: None) == {}


def test_custom_names_are_reversed_domains() -> None:
    assert custom_name(GroupVersionKind("apps.kruise.io", "v1alpha1", "CloneSet")) == "io.kruise.apps.v1alpha1.CloneSet"
