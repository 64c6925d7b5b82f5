import pytest

from gateway.apimachinery.meta import JsonObject
from gateway.storage.custom_resources.schema_rules import structural_faults

TEXT = {"type": "string"}
OBJECT = {"type": "object"}


def typed(**properties: JsonObject) -> JsonObject:
    return {"type": "object", "properties": properties}


def keyed(**more: object) -> JsonObject:
    items = {**typed(name=TEXT), "required": ["name"]}
    return {"type": "array", "items": items, "x-kubernetes-list-type": "map", **more}


@pytest.mark.parametrize(
    "schema",
    [
        OBJECT,
        typed(a=TEXT, b={"type": "array", "items": TEXT}, c={"type": "object", "additionalProperties": TEXT}),
        typed(a={"x-kubernetes-int-or-string": True}),
        typed(a={"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}),
        typed(
            a={
                "x-kubernetes-int-or-string": True,
                "allOf": [{"anyOf": [{"type": "integer"}, {"type": "string"}]}, {"pattern": "a"}],
            }
        ),
        typed(a={"x-kubernetes-preserve-unknown-fields": True}),
        {**typed(a=TEXT, b=TEXT), "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
        {**typed(a=TEXT), "anyOf": [{"properties": {"a": {"pattern": "x"}}}], "not": {"required": ["a"]}},
        typed(a=keyed(**{"x-kubernetes-list-map-keys": ["name"]})),
    ],
)
def test_structural_schemas(schema: JsonObject) -> None:
    assert structural_faults(schema, "s") == []


@pytest.mark.parametrize(
    ("schema", "field", "text"),
    [
        ({}, "s.type", "must not be empty at the root"),
        ({"type": "array", "items": TEXT}, "s.type", "must be object at the root"),
        (typed(a={}), "s.properties[a].type", "must not be empty for specified object fields"),
        (typed(a={"type": "text"}), "s.properties[a].type", 'Unsupported value: "text"'),
        (typed(a={"type": "array"}), "s.properties[a].items", "must be specified"),
        (typed(a={"type": "array", "items": {}}), "s.properties[a].items.type", "for specified array items"),
        (typed(a={"type": "string", "pattern": "("}), "s.properties[a].pattern", "must be a valid regular expression"),
        ({"type": "object", "additionalProperties": TEXT}, "s.additionalProperties", "must not be used at the root"),
        (
            typed(a={**typed(b=TEXT), "additionalProperties": TEXT}),
            "s.properties[a].additionalProperties",
            "mutual exclusive",
        ),
        (typed(a={"$ref": "#/x", "type": "object"}), "s.properties[a].$ref", "is not supported"),
        (typed(a={"type": "array", "items": TEXT, "uniqueItems": True}), "s.properties[a].uniqueItems", "quadratic"),
        (
            {**typed(a=TEXT), "oneOf": [{"properties": {"b": {}}}]},
            "s.properties[b]",
            "because it is defined in s.oneOf[0]",
        ),
        ({**typed(a=TEXT), "allOf": [{"type": "object"}]}, "s.allOf[0].type", "must be empty to be structural"),
        (typed(a={"x-kubernetes-embedded-resource": True}), "s.properties[a].type", "must be object if"),
        (typed(a={"x-kubernetes-int-or-string": True, "type": "string"}), "s.properties[a].type", "must be empty if"),
        (typed(a=keyed()), "s.properties[a].x-kubernetes-list-map-keys", "must not be empty"),
        (
            typed(a=keyed(**{"x-kubernetes-list-map-keys": ["nope"]})),
            "s.properties[a].x-kubernetes-list-map-keys[0]",
            "must be a property of the items",
        ),
        (
            typed(a={**keyed(**{"x-kubernetes-list-map-keys": ["name"]}), "items": typed(name=TEXT)}),
            "s.properties[a].items.properties[name].default",
            "must have a default or be a required property",
        ),
        (typed(a={"type": "object", "x-kubernetes-list-type": "set"}), "s.properties[a].type", "must be array"),
    ],
)
def test_what_is_not_structural(schema: JsonObject, field: str, text: str) -> None:
    found = [fault["message"] for fault in structural_faults(schema, "s") if fault["field"] == field]
    assert found, structural_faults(schema, "s")
    assert text in found[0]
