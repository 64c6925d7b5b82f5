from typing import Any

import pytest

from gateway.apimachinery.label_selectors import selector_text
from gateway.printers.cells import (
    age,
    container_columns,
    count_of,
    created_at,
    integer,
    labels_of,
    listed,
    number_of,
    selector_column,
    text,
    text_of,
)


def test_readers_find_nothing_in_what_has_another_shape() -> None:
    obj = {"a": "text", "b": ["x", {"c": 1}], "n": 3}
    assert integer(obj, "a") == integer(obj, "a", "b") == integer(obj, "missing") == 0
    assert integer(obj, "n") == 3
    assert text(obj, "n") == text(obj, "missing") == ""
    assert listed(obj["b"]) == [{"c": 1}]
    assert listed("abc") == listed(None) == []
    assert created_at({}) == ""
    assert age({}) == "<unknown>"


def test_cells_of_fields() -> None:
    obj = {"spec": {"n": 3, "t": "", "labels": {"b": "2", "a": "1"}}, "data": {"a": "", "b": ""}}
    assert number_of("spec", "n")(obj) == 3
    assert text_of("spec", "t", default="<none>")(obj) == ""
    assert text_of("spec", "missing", default="<none>")(obj) == "<none>"
    assert text_of("spec", "n")(obj) == "3"
    assert count_of(("data",), ("binaryData",))(obj) == 2
    assert labels_of("spec", "labels")(obj) == "a=1,b=2"
    assert labels_of("spec", "missing")(obj) == "<none>"


def test_containers_are_listed_by_name_and_image() -> None:
    (names, names_of), (images, images_of) = container_columns("template", priority=0)
    obj = {"template": {"spec": {"containers": [{"name": "a", "image": "x"}, {"name": "b"}]}}}
    assert (names.name, images.name, names.priority) == ("Containers", "Images", 0)
    assert (names_of(obj), images_of(obj), names_of({})) == ("a,b", "x,", "")


@pytest.mark.parametrize(
    ("selector", "shown"),
    [
        (None, ""),
        ({}, ""),
        ({"matchLabels": {"b": "2", "a": "1"}}, "a=1,b=2"),
        ({"matchExpressions": [{"key": "k", "operator": "In", "values": ["z", "y"]}]}, "k in (y,z)"),
        ({"matchExpressions": [{"key": "k", "operator": "NotIn", "values": ["y"]}]}, "k notin (y)"),
        ({"matchExpressions": [{"key": "k", "operator": "Exists"}]}, "k"),
        ({"matchExpressions": [{"key": "k", "operator": "DoesNotExist"}]}, "!k"),
        ({"matchLabels": {"m": "1"}, "matchExpressions": [{"key": "a", "operator": "Exists"}]}, "a,m=1"),
    ],
)
def test_selectors_read_as_in_a_query(selector: Any, shown: str) -> None:
    assert selector_text(selector) == shown


def test_an_empty_selector_is_shown_as_none() -> None:
    _, cell_of = selector_column("spec", "selector")
    assert cell_of({"spec": {"selector": {}}}) == "<none>"
    assert cell_of({"spec": {"selector": {"matchLabels": {"a": "b"}}}}) == "a=b"
