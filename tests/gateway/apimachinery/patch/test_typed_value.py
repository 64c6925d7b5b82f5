"""Looking at objects through their type."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.apimachinery.patch.field_set import FieldSet, path_text
from gateway.apimachinery.patch.typed_schema import ABSENT, DEDUCED, Atom, TypeRef, custom_type
from gateway.apimachinery.patch.typed_value import (
    TypeMismatch,
    check_type,
    child_type,
    compare,
    field_set,
    reconciled,
    with_leading_fields,
)
from gateway.apimachinery.schema import GroupVersionKind

PART: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "zone": {"type": "string", "default": "z"}, "w": {"type": "integer"}},
}
PROPERTIES: dict[str, Any] = {
    "text": {"type": "string"},
    "number": {"type": "integer"},
    "flag": {"type": "boolean"},
    "either": {"x-kubernetes-int-or-string": True, "oneOf": [{"type": "integer"}, {"type": "string"}]},
    "quantity": {"oneOf": [{"type": "string"}, {"type": "number"}]},
    "map": {"type": "object", "additionalProperties": {"type": "string"}},
    "whole": {"type": "object", "additionalProperties": {"type": "string"}, "x-kubernetes-map-type": "atomic"},
    "free": {"type": "object"},
    "plain": {"type": "array", "items": {"type": "string"}},
    "set": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
    "parts": {
        "type": "array",
        "items": PART,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
    },
    "zoned": {
        "type": "array",
        "items": PART,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name", "zone"],
    },
}


def typed(properties: dict[str, Any]) -> TypeRef:
    return custom_type(GroupVersionKind("e", "v1", "T"), {"type": "object", "properties": properties}).root


ROOT = typed(PROPERTIES)


def texts(fields: FieldSet) -> set[str]:
    return set(map(path_text, fields.paths()))


@pytest.mark.parametrize(
    ("value", "owned"),
    [
        ({"text": None}, {".text"}),
        ({"map": {"a": "b"}}, {".map.a"}),
        ({"map": {}}, {".map"}),
        ({"map": None}, {".map"}),
        ({"plain": ["a"]}, {".plain"}),
        ({"plain": None}, {".plain"}),
        ({"set": ["a"]}, {'.set[="a"]'}),
        ({"set": []}, set()),
        ({"set": None}, {".set"}),
        ({"set": ["a", "a"]}, {'.set[="a"]'}),
        ({"whole": {"a": "b"}}, {".whole"}),
        ({"parts": [{"name": "x", "w": 1}]}, {'.parts[name="x"]', '.parts[name="x"].name', '.parts[name="x"].w'}),
        ({"parts": [{"name": "x", "w": 1}, {"name": "x"}]}, {'.parts[name="x"]'}),
        ({"zoned": [{"name": "x"}]}, {'.zoned[name="x",zone="z"]', '.zoned[name="x",zone="z"].name'}),
        ({"free": {"a": {"b": [1]}}}, {".free.a", ".free.a.b"}),
        ({"unknown": {"a": 1}}, {".unknown", ".unknown.a"}),
    ],
)
def test_what_a_configuration_owns(value: Any, owned: set[str]) -> None:
    assert texts(field_set(value, ROOT)) == owned


@pytest.mark.parametrize(
    ("old", "new", "added", "modified", "removed"),
    [
        ({}, {"text": "a"}, {".text"}, set(), set()),
        ({"text": "a"}, {"text": "b"}, set(), {".text"}, set()),
        ({"text": "a"}, {}, set(), set(), {".text"}),
        ({"text": "a"}, {"text": None}, set(), {".text"}, set()),
        ({}, {"map": {"a": "b"}}, {".map", ".map.a"}, set(), set()),
        ({"map": {}}, {"map": {"a": "b"}}, {".map.a"}, set(), set()),
        ({"map": None}, {"map": {}}, set(), {".map"}, set()),
        ({"map": {"a": "b"}}, {"map": {"a": "c"}}, set(), {".map.a"}, set()),
        ({"whole": {"a": "b"}}, {"whole": {"a": "c"}}, set(), {".whole"}, set()),
        ({"plain": ["a"]}, {"plain": ["a", "b"]}, set(), {".plain"}, set()),
        ({"set": ["a", "b"]}, {"set": ["b", "c"]}, {'.set[="c"]'}, set(), {'.set[="a"]'}),
        ({"set": ["a", "b"]}, {"set": ["b", "a"]}, set(), set(), set()),
        ({"set": None}, {"set": []}, set(), {".set"}, set()),
        ({"set": ["a", "a"]}, {"set": ["a", "a", "a"]}, set(), {'.set[="a"]'}, set()),
        ({"set": ["a", "a"]}, {"set": ["a", "a"]}, set(), set(), set()),
        ({"set": ["a", "a"]}, {"set": ["a"]}, {'.set[="a"]'}, set(), {'.set[="a"]'}),
        ({"set": ["a", "a"]}, {"set": ["b"]}, {'.set[="b"]'}, set(), {'.set[="a"]'}),
        ({"set": ["a"]}, {"set": ["a", "a"]}, {'.set[="a"]'}, set(), {'.set[="a"]'}),
        ({"set": ["b"]}, {"set": ["a", "a"]}, {'.set[="a"]'}, set(), {'.set[="b"]'}),
        ({"parts": [{"name": "x", "w": 1}]}, {"parts": [{"name": "x", "w": 2}]}, set(), {'.parts[name="x"].w'}, set()),
        ({"free": {"a": 1}}, {"free": {"a": {"b": 1}}}, {".free.a.b"}, {".free.a"}, set()),
        ({"free": {"a": {"b": 1}}}, {"free": {"a": [1]}}, set(), {".free.a"}, {".free.a.b"}),
    ],
)
def test_how_objects_differ(old: Any, new: Any, added: set[str], modified: set[str], removed: set[str]) -> None:
    comparison = compare(old, new, ROOT)
    assert (texts(comparison.added), texts(comparison.modified), texts(comparison.removed)) == (
        added,
        modified,
        removed,
    )


def test_fields_can_be_left_out_of_a_comparison_with_all_below_them() -> None:
    comparison = compare({"map": {"a": "b"}}, {"map": {"c": "d"}, "text": "x"}, ROOT).without(FieldSet.of([("f:map",)]))
    assert (texts(comparison.added), texts(comparison.removed)) == ({".text"}, set())


FINE = [
    {"text": "a", "number": 1, "flag": True, "either": 1, "quantity": "1Gi", "map": {"a": "b"}, "free": {"x": [None]}},
    {"text": None, "set": None, "map": None, "number": 1.5, "plain": [None]},
]


@pytest.mark.parametrize("value", FINE)
def test_values_that_fit_their_type(value: Any) -> None:
    check_type(value, ROOT)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "expected map, got &{[]}"),
        ({"text": 1}, ".text: expected string, got &value.valueUnstructured{Value:1}"),
        ({"number": True}, ".number: expected numeric (int or float), got bool"),
        ({"flag": "x"}, ".flag: expected boolean, got &{x}"),
        ({"quantity": []}, ".quantity: expected any scalar, got &{[]}"),
        ({"map": "x"}, ".map: expected map, got &{x}"),
        ({"plain": {"a": 1}}, ".plain: expected list, got &{map[a:1]}"),
        ({"plain": ["a", 1]}, ".plain[1]: expected string, got &value.valueUnstructured{Value:1}"),
        ({"wrong": 1}, ".wrong: field not declared in schema"),
        (
            {"wrong": 1, "also": 2},
            "errors:\n  .wrong: field not declared in schema\n  .also: field not declared in schema",
        ),
        ({"set": ["a", "a"]}, '.set: duplicate entries for key [="a"]'),
        ({"set": [{}]}, ".set: element 0: associative list without keys has an element that's a map type"),
        ({"set": [[]]}, ".set: element 0: not supported: associative list with lists as elements"),
        ({"set": [None]}, ".set: element 0: associative list without keys has an element that's an explicit null"),
        ({"parts": [None]}, ".parts: element 0: associative list with keys may not have a null element"),
        ({"parts": ["x"]}, ".parts: element 0: associative list with keys may not have non-map elements"),
        (
            {"parts": [{"name": "a"}, {"w": 1}]},
            '.parts: element 1: associative list with keys has an element that omits all key fields ["name"] '
            "(and doesn't have default values for any key fields)",
        ),
    ],
)
def test_values_that_do_not_fit_their_type(value: Any, message: str) -> None:
    with pytest.raises(TypeMismatch) as misfit:
        check_type(value, ROOT)
    assert str(misfit.value) == message


def test_live_objects_may_hold_items_twice() -> None:
    check_type({"set": ["a", "a"]}, ROOT, allow_duplicates=True)


def test_owning_a_field_owns_the_declared_fields_above_it() -> None:
    owned = FieldSet.of(
        [("f:map", "f:a"), ("f:parts", 'k:{"name":"x"}', "f:w"), ("f:unknown", "f:a"), ("f:set", 'v:"a"')]
    )
    assert texts(with_leading_fields(owned, ROOT)) == {
        ".map", ".map.a", ".parts", '.parts[name="x"].w', ".unknown.a", ".set", '.set[="a"]',
    }  # fmt: skip


def test_who_owned_a_part_owns_the_whole_once_the_schema_makes_it_atomic() -> None:
    owned = FieldSet.of([("f:map", "f:a"), ("f:set", 'v:"a"'), ("f:parts", 'k:{"name":"x"}', "f:w"), ("f:text",)])
    changed = {
        **PROPERTIES,
        "map": {**PROPERTIES["map"], "x-kubernetes-map-type": "atomic"},
        "set": {**PROPERTIES["set"], "x-kubernetes-list-type": "atomic"},
    }
    assert texts(reconciled(owned, ROOT)) == texts(owned)
    assert texts(reconciled(owned, typed(changed))) == {".map", ".set", '.parts[name="x"].w', ".text"}
    assert reconciled(owned, DEDUCED) is owned


def test_the_type_below_something_without_type_is_deduced() -> None:
    assert child_type(Atom("string"), "f:a") is DEDUCED
    assert child_type(Atom("string"), "i:0") is DEDUCED


def test_absent_differs_from_everything() -> None:
    comparison = compare(ABSENT, {"text": "a"}, ROOT)
    assert texts(comparison.added) == {".text"}
