"""Merging a configuration into an object and taking fields out of one."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.apimachinery.patch.field_set import FieldSet
from gateway.apimachinery.patch.typed_merge import merge, remove_fields
from gateway.apimachinery.patch.typed_schema import ABSENT
from tests.gateway.apimachinery.patch.test_typed_value import ROOT


@pytest.mark.parametrize(
    ("live", "applied", "merged"),
    [
        ({"text": "a", "number": 1}, {"text": "b"}, {"text": "b", "number": 1}),
        ({"map": {"a": "b"}}, {"map": {"c": "d"}}, {"map": {"a": "b", "c": "d"}}),
        ({"map": {"a": "b"}}, {"map": None}, {"map": {"a": "b"}}),
        ({"map": {"a": "b"}}, {"map": {}}, {"map": {"a": "b"}}),
        ({"map": {}}, {"map": {}}, {"map": {}}),
        ({"text": "a"}, {"text": None}, {"text": None}),
        ({"whole": {"a": "b"}}, {"whole": {"c": "d"}}, {"whole": {"c": "d"}}),
        ({"plain": ["a"]}, {"plain": ["b"]}, {"plain": ["b"]}),
        ({"free": {"a": {"b": 1}}}, {"free": {"a": 2}}, {"free": {"a": 2}}),
        ({"free": {"a": [1]}}, {"free": {"a": {"b": 1}}}, {"free": {"a": {"b": 1}}}),
        ({"free": {"a": 1}}, {"free": {"a": None}}, {"free": {"a": None}}),
        ({"set": []}, {"set": []}, {"set": []}),
        (
            {"parts": [{"name": "x", "w": 1}, {"name": "y"}]},
            {"parts": [{"name": "x", "zone": "q"}]},
            {"parts": [{"name": "x", "w": 1, "zone": "q"}, {"name": "y"}]},
        ),
        ({"free": {"a": {}}}, {"free": {"b": {}}}, {"free": {"a": {}, "b": {}}}),
    ],
)
def test_merging(live: Any, applied: Any, merged: Any) -> None:
    assert merge(live, applied, ROOT) == merged


@pytest.mark.parametrize(
    ("live", "applied", "merged"),
    [
        ("ab", "c", "abc"),
        ("abc", "b", "abc"),
        ("abc", "ca", "bca"),
        ("abc", "cx", "abcx"),
        ("axb", "ba", "xba"),
        ("abcd", "dxb", "acdxb"),
        ("", "ab", "ab"),
        ("ab", "", "ab"),
        ("aab", "a", "ab"),
        ("aab", "ac", "acb"),
    ],
)
def test_items_of_the_live_list_stay_between_those_that_are_applied(live: str, applied: str, merged: str) -> None:
    result = merge({"set": list(live)}, {"set": list(applied)}, ROOT)
    assert "".join(result["set"]) == merged


def test_nothing_merges_to_nothing() -> None:
    assert merge(ABSENT, {"free": {}}, ROOT) == {"free": {}}


def test_items_that_cannot_be_told_apart_are_replaced() -> None:
    live = {"parts": [{"name": "x", "w": 1}, {"name": "x", "w": 2}]}
    assert merge(live, {"parts": [{"name": "x", "zone": "q"}]}, ROOT) == {"parts": [{"name": "x", "zone": "q"}]}


@pytest.mark.parametrize(
    ("value", "paths", "left"),
    [
        ({"text": "a", "number": 1}, [("f:text",)], {"number": 1}),
        ({"map": {"a": "b", "c": "d"}}, [("f:map", "f:a")], {"map": {"c": "d"}}),
        ({"map": {"a": "b"}}, [("f:map", "f:a")], {"map": None}),
        ({"set": ["a", "b"]}, [("f:set", 'v:"a"')], {"set": ["b"]}),
        ({"set": ["a"]}, [("f:set", 'v:"a"')], {"set": None}),
        (
            {"parts": [{"name": "x", "w": 1}, {"name": "y"}]},
            [("f:parts", 'k:{"name":"x"}', "f:w"), ("f:parts", 'k:{"name":"y"}')],
            {"parts": [{"name": "x"}]},
        ),
        ({"text": "a"}, [("f:text", "f:below")], {"text": "a"}),
        ({"whole": {"a": "b"}}, [("f:whole", "f:a")], {"whole": None}),
        ({"plain": ["a"]}, [("f:plain", 'v:"a"')], {"plain": None}),
        ({"map": None, "set": None}, [("f:map", "f:a"), ("f:set", 'v:"a"')], {"map": None, "set": None}),
        ({"text": "a"}, [("f:text",)], None),
    ],
)
def test_removing_fields(value: Any, paths: list[tuple[str, ...]], left: Any) -> None:
    assert remove_fields(value, FieldSet.of(paths), ROOT) == left
