import pytest

from gateway.apimachinery.meta import JsonObject
from gateway.storage.custom_resources.schema_rules import structural_faults
from gateway.storage.validation.patterns import PatternWork

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
        typed(a={"x-kubernetes-int-or-string": True, "type": "string"}),
        typed(a={"x-kubernetes-preserve-unknown-fields": True}),
        typed(a={**typed(b=TEXT), "default": {"b": "x"}}, metadata=typed(name={**TEXT, "pattern": "x"})),
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
        (
            {**typed(a=TEXT), "not": {"properties": {"a": {"pattern": "(?=x)"}}}},
            "s.not.properties[a].pattern",
            "must be a valid regular expression, but isn't: error parsing regexp: invalid or unsupported Perl syntax",
        ),
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
        (
            typed(a={**OBJECT, "x-kubernetes-embedded-resource": True}),
            "s.properties[a].properties",
            "must not be empty if x-kubernetes-embedded-resource is true",
        ),
        (typed(a={"type": "string", "default": 5}), "s.properties[a].default", "in body must be of type string"),
        (typed(a={**typed(b=TEXT), "default": {"b": 5}}), "s.properties[a].default.b", "must be of type string"),
        (
            typed(a={**typed(b=TEXT), "default": {"c": 5}}),
            "s.properties[a].default",
            'Invalid value: {"c":5}: must not have unknown fields',
        ),
        (typed(kind={"type": "integer"}), "s.properties[kind].type", 'Invalid value: "integer": must be string'),
        (typed(metadata=typed(labels=OBJECT)), "s.properties[metadata]", "anything other than name and generateName"),
        (typed(metadata={**OBJECT, "description": "x"}), "s.properties[metadata]", "metadata is implicitly specified"),
        (typed(metadata={**OBJECT, "default": {}}), "s.properties[metadata].default", "must not be set in top-level"),
        (typed(a={"type": "array", "items": [TEXT]}), "s.properties[a].items", "must be a schema object"),
        (
            typed(a={"type": "array", "items": TEXT, "x-kubernetes-list-type": "bag"}),
            "s.properties[a].x-kubernetes-list-type",
            'Unsupported value: "bag": supported values: "atomic", "set", "map"',
        ),
        (
            typed(a={**OBJECT, "x-kubernetes-map-type": "bag"}),
            "s.properties[a].x-kubernetes-map-type",
            'Unsupported value: "bag": supported values: "atomic", "granular"',
        ),
        (
            typed(a={"type": "array", "items": OBJECT, "x-kubernetes-list-type": "set"}),
            "s.properties[a].items.x-kubernetes-map-type",
            "must be atomic as item of a list with x-kubernetes-list-type=set",
        ),
        (
            typed(a={"type": "array", "items": {**TEXT, "nullable": True}, "x-kubernetes-list-type": "set"}),
            "s.properties[a].items.nullable",
            "cannot be nullable",
        ),
        (
            typed(a={**keyed(**{"x-kubernetes-list-map-keys": ["name"]}), "items": TEXT}),
            "s.properties[a].items.type",
            "must be object if parent array's x-kubernetes-list-type is map",
        ),
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


def test_patterns_that_take_too_long_to_compile_together() -> None:
    large = {f"f{index}": {**TEXT, "pattern": f"^{index}.{{0,900}}$"} for index in range(20)}
    faults = structural_faults(typed(**large), "s", PatternWork(10_000_000))
    found = [fault for fault in faults if fault["field"].endswith(".pattern")]
    assert [fault["message"] for fault in found] == [
        "Forbidden: the patterns of the definition are too large, all together"
    ]
