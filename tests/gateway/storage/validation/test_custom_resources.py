"""Structural schemas; kube-apiserver's texts are recorded in test_validation.py."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.storage.validation.custom_resources import schema_causes
from gateway.storage.validation.patterns import PatternWork


def found(value: Any, schema: Any, path: str = "spec.a") -> list[str]:
    return [f"{cause['field']}: {cause['message']}" for cause in schema_causes(path, value, schema)]


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        (None, {"type": "string", "nullable": True}),
        (5.0, {"type": "integer"}),
        (5, {"type": "number"}),
        ({"a": 1}, {}),
        ([1], {"type": "array"}),
        ({"a": 1}, {"type": "object"}),
        ("anything", {"type": "string", "format": "unknown"}),
        ("\u03b1", {"type": "string", "pattern": r"^\p{Greek}$"}),
        ("in the middle", {"type": "string", "pattern": "the"}),
        ("anything", {"type": "string", "pattern": ""}),
        (5, {"type": "integer", "minimum": 5, "maximum": 5}),
        ([{"x": 1}, 7], {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}),
        (1, {"enum": [1]}),
    ],
)
def test_values_that_fit(value: Any, schema: Any) -> None:
    assert found(value, schema) == []


@pytest.mark.parametrize(
    ("value", "schema", "text"),
    [
        (None, {"type": "string"}, 'spec.a: Invalid value: "null": spec.a in body must be of type string: "null"'),
        (1.5, {"type": "integer"}, 'spec.a: Invalid value: "number": spec.a in body must be of type integer: "number"'),
        (
            True,
            {"type": "integer"},
            'spec.a: Invalid value: "boolean": spec.a in body must be of type integer: "boolean"',
        ),
        ([{}], {"items": {"required": ["x"]}}, "spec.a[0].x: Required value"),
        ("x", {"enum": [1, "y"]}, 'spec.a: Unsupported value: "x": supported values: "1", "y"'),
        ("%%", {"format": "byte"}, 'spec.a: Invalid value: "%%": spec.a in body must be of type byte: "%%"'),
        (6, {"maximum": 5}, "spec.a: Invalid value: 6: spec.a in body should be less than or equal to 5"),
        (
            0,
            {"minimum": 0, "exclusiveMinimum": True},
            "spec.a: Invalid value: 0: spec.a in body should be greater than 0",
        ),
        (
            "a" * 40 + "!",
            {"pattern": "^(a+)+$"},
            f"spec.a: Invalid value: \"{'a' * 40}!\": spec.a in body should match '^(a+)+$'",
        ),
        (
            "x",
            {"pattern": "(?=x)"},
            'spec.a: Invalid value: "x": spec.a in body should match \'(?=x), but pattern is invalid: error parsing '
            "regexp: invalid or unsupported Perl syntax: `(?=`'",
        ),
        (["a", "a"], {"x-kubernetes-list-type": "set"}, 'spec.a[1]: Duplicate value: "a"'),
        ({}, {"x-kubernetes-embedded-resource": True, "properties": {"kind": {}}}, "spec.a.apiVersion: Required value"),
    ],
)
def test_values_that_do_not_fit(value: Any, schema: Any, text: str) -> None:
    assert found(value, schema)[0] == text


def test_fields_of_the_object_itself_have_no_prefix() -> None:
    assert found({}, {"required": ["spec"]}, "") == ["spec: Required value"]


def test_the_work_for_patterns_is_bounded_over_all_texts_of_an_object() -> None:
    schema = {"items": {"pattern": "[ab]*a[ab]{900}c"}}
    texts = ["ab" * 500] * 20  # a million steps each
    causes = [cause["message"] for cause in schema_causes("spec.a", texts, schema, PatternWork(10_000_000))]
    assert "should match" in causes[0]
    assert "too much work" in causes[-1]
    assert "too much work" not in found(texts, schema)[-1]
