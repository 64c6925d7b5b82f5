"""Sets of field paths and their FieldsV1 form."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.apimachinery.patch.field_set import (
    EMPTY,
    FieldSet,
    InvalidFields,
    Path,
    field_element,
    key_element,
    path_text,
    value_element,
)

elements = st.sampled_from(
    ["f:a", "f:b", key_element({"name": "x"}), key_element({"port": 80, "protocol": "TCP"}), value_element("v"), "i:0"]
)
paths = st.lists(elements, min_size=1, max_size=4).map(tuple)
path_sets = st.frozensets(paths, max_size=12)


def members(fields: FieldSet) -> frozenset[Path]:
    return frozenset(fields.paths())


@given(path_sets)
def test_a_set_survives_its_wire_form(wanted: frozenset[Path]) -> None:
    fields = FieldSet.of(wanted)
    assert members(fields) == wanted
    assert FieldSet.from_fields_v1(fields.to_fields_v1()) == fields
    assert bool(fields) == bool(wanted)
    assert all(path in fields for path in wanted)


@given(path_sets, path_sets)
def test_set_algebra(left: frozenset[Path], right: frozenset[Path]) -> None:
    one, other = FieldSet.of(left), FieldSet.of(right)
    assert members(one.union(other)) == left | right
    assert members(one.intersection(other)) == left & right
    assert members(one.difference(other)) == left - right
    above = {path for path in left if any(path[: len(taken)] == taken for taken in right)}
    assert members(one.recursive_difference(other)) == left - above


def test_members_and_what_lies_below_them_are_written_apart() -> None:
    fields = FieldSet.of([("f:labels",), ("f:labels", "f:app"), ("f:spec", "f:replicas"), ()])
    assert fields.to_fields_v1() == {"f:labels": {".": {}, "f:app": {}}, "f:spec": {"f:replicas": {}}}
    assert ("f:spec",) not in fields
    assert ("f:labels", "f:other") not in fields
    assert ("f:none", "f:other") not in fields
    assert fields != {}
    assert repr(fields) == "FieldSet(.labels, .labels.app, .spec.replicas)"


def test_elements_are_written_in_the_order_of_kubernetes() -> None:
    keys = [key_element({"port": port}) for port in (443, 80, 8080)]
    values = [value_element(value) for value in ("b", "a", 10, 9, True)]
    fields = FieldSet.of([(element,) for element in ["i:1", *values, *keys, "f:z", "f:a"]])
    assert list(fields.to_fields_v1()) == [
        "f:a", "f:z", 'k:{"port":80}', 'k:{"port":443}', 'k:{"port":8080}', "v:9", "v:10", 'v:"a"', 'v:"b"', "v:true",
        "i:1",
    ]  # fmt: skip


def test_elements_are_read_however_they_are_spelled() -> None:
    read = FieldSet.from_fields_v1({'k:{"b": 1, "a": "<x>"}': {}, 'k:{"a":"\\u003cx\\u003e","b":1}': {"f:x": {}}})
    element = key_element({"a": "<x>", "b": 1})
    assert element == 'k:{"a":"\\u003cx\\u003e","b":1}'
    assert members(read) == {(element,), (element, "f:x")}


def test_elements_of_an_unknown_kind_are_dropped_and_a_lone_one_leaves_its_parent() -> None:
    assert members(FieldSet.from_fields_v1({"x:new": {}, "f:a": {"x:new": {}}})) == {("f:a",)}


@pytest.mark.parametrize("fields", [None, [], {"f": {}}, {"fa": {}}, {"k:nonsense": {}}, {"k:[1]": {}}, {"f:a": 1}])
def test_nonsense_is_refused(fields: Any) -> None:
    with pytest.raises(InvalidFields):
        FieldSet.from_fields_v1(fields)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((field_element("spec"), field_element("replicas")), ".spec.replicas"),
        ((key_element({"port": 80, "protocol": "TCP"}),), '[port=80,protocol="TCP"]'),
        ((value_element("a"), "i:3"), '[="a"][3]'),
        ((key_element({"a": None, "b": True}),), "[a=null,b=true]"),
    ],
)
def test_paths_print_as_conflicts_name_them(path: Path, text: str) -> None:
    assert path_text(path) == text


def test_what_lies_below_an_unknown_element_is_nothing() -> None:
    assert EMPTY.below("f:a") == EMPTY
