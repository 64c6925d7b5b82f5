"""The schemas of built-in kinds and the merge rules in them."""

import pytest

from gateway.apimachinery import protobuf_schema, schemas
from gateway.apimachinery.schema import GroupVersionKind
from gateway.apimachinery.schemas import MergeRule, SchemaStore, builtin_schemas, merge_rule

POD = GroupVersionKind("", "v1", "Pod")
_LIST_KEYS = "x-kubernetes-list-map-keys"


@pytest.fixture(name="store")
def _store() -> SchemaStore:
    return builtin_schemas()


def _walk(store: SchemaStore, gvk: GroupVersionKind, *path: str):
    """The unresolved node at a path; `[]` goes into the items of a list."""
    node = store.schema_for(gvk)
    for step in path:
        assert node is not None, path
        node = store.items(node) if step == "[]" else store.field(node, step)
    return node


def test_kinds(store):
    assert POD in store.kinds()
    assert store.name_for(POD) == "io.k8s.api.core.v1.Pod"
    assert store.name_for(GroupVersionKind("example.com", "v1", "Foo")) is None
    assert store.schema_for(GroupVersionKind("example.com", "v1", "Foo")) is None
    assert store.schema_for(GroupVersionKind("apps", "v1", "DeleteOptions")) is not None
    assert "io.k8s.api.core.v1.PodSpec" in store.names()
    assert repr(store) == f"SchemaStore({len(store.names())} definitions, {len(store.kinds())} kinds)"


def test_definitions(store):
    assert store.definition("io.k8s.api.core.v1.PodSpec")["required"] == ["containers"]
    with pytest.raises(KeyError):
        store.definition("io.k8s.api.core.v1.Nope")


def test_merge_rules(store):
    containers = _walk(store, POD, "spec", "containers")
    assert merge_rule(containers) == MergeRule(frozenset({"merge"}), "name")
    volumes = _walk(store, POD, "spec", "volumes")
    assert merge_rule(volumes).patch_strategies == {"merge", "retainKeys"}
    command = _walk(store, POD, "spec", "containers", "[]", "command")
    assert merge_rule(command) == MergeRule(frozenset(), "")
    finalizers = _walk(store, POD, "metadata", "finalizers")
    assert merge_rule(finalizers) == MergeRule(frozenset({"merge"}), "")


def test_list_keys_that_may_be_left_out_have_a_default(store):
    ports = _walk(store, POD, "spec", "containers", "[]", "ports")
    assert ports[_LIST_KEYS] == ["containerPort", "protocol"]
    assert _walk(store, POD, "spec", "containers", "[]", "ports", "[]", "protocol")["default"] == "TCP"
    assert _walk(store, GroupVersionKind("", "v1", "Service"), "spec", "ports", "[]", "protocol")["default"] == "TCP"


def test_every_list_key_is_a_field_of_the_items(store):
    for name in store.names():
        for field, node in store.definition(name).get("properties", {}).items():
            for key in node.get(_LIST_KEYS, ()):
                assert store.field(store.items(node), key) is not None, (name, field, key)


def test_maps_and_missing_fields(store):
    assert _walk(store, POD, "metadata", "labels", "any") == {"type": "string"}
    assert _walk(store, POD, "nope") is None
    assert store.items(store.schema_for(POD)) is None
    assert store.field(store.definition("io.k8s.apimachinery.pkg.api.resource.Quantity"), "x") is None


def test_nodes_are_in_the_shape_kubernetes_publishes(store):
    assert store.schema_for(POD)["properties"]["kind"].keys() == {"type", "description"}
    assert "enum" not in store.schema_for(GroupVersionKind("", "v1", "DeleteOptions"))["properties"]["apiVersion"]
    int_or_string = store.definition("io.k8s.apimachinery.pkg.util.intstr.IntOrString")
    assert int_or_string["format"] == "int-or-string"
    assert int_or_string["oneOf"] == [{"type": "string"}, {"type": "integer"}]
    raw = store.definition("io.k8s.apimachinery.pkg.runtime.RawExtension")
    assert raw["x-kubernetes-preserve-unknown-fields"] is True

    def types(node):
        if isinstance(node, dict):
            if isinstance(node.get("type"), list):
                yield node
            for child in node.values():
                yield from types(child)
        elif isinstance(node, list):
            for child in node:
                yield from types(child)

    assert [node for name in store.names() for node in types(store.definition(name))] == []


def test_a_property_may_be_called_type(store):
    condition = store.definition("io.k8s.apimachinery.pkg.apis.meta.v1.Condition")
    assert condition["properties"]["type"]["type"] == "string"


def test_definitions_are_prepared_once(store):
    assert store.definition("io.k8s.api.core.v1.PodSpec") is store.definition("io.k8s.api.core.v1.PodSpec")


def test_fields_are_those_of_the_go_types(store):
    """Two sources, one truth: whatever the schemas know of a served kind, the table of Go types knows as well."""
    for api_version, kind in protobuf_schema.kinds():
        group, _, version = api_version.rpartition("/")
        schema = store.schema_for(GroupVersionKind(group, version, kind))
        if schema is not None:
            fields = {
                field.name for field in protobuf_schema.message(protobuf_schema.message_for(api_version, kind)).fields
            }
            assert set(schema["properties"]) - {"kind", "apiVersion"} <= fields, (api_version, kind)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(schemas.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="kubernetes-validate"):
        builtin_schemas.__wrapped__()
