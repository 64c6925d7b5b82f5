"""Texts as Go prints them."""

from __future__ import annotations

import pytest

from gateway.apimachinery.patch.go_text import go_quote, go_type, go_value, json_type

VALUES = [
    (None, "<nil>", "<nil>", "null"),
    (True, "true", "bool", "bool"),
    (False, "false", "bool", "bool"),
    (7, "7", "int64", "number"),
    (0.5, "0.5", "float64", "number"),
    ("text", "text", "string", "string"),
    ([1, None, "a"], "[1 <nil> a]", "[]interface {}", "array"),
    ({"b": [], "a": {"c": 1}}, "map[a:map[c:1] b:[]]", "map[string]interface {}", "object"),
]


@pytest.mark.parametrize(("value", "printed", "go_name", "json_name"), VALUES)
def test_values_and_their_types(value: object, printed: str, go_name: str, json_name: str) -> None:
    assert (go_value(value), go_type(value), json_type(value)) == (printed, go_name, json_name)


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("plain ünï", '"plain ünï"'),
        ('"\\\n\t', r'"\"\\\n\t"'),
        ("\x00\x7f", r'"\x00\x7f"'),
        ("\u00a0\u200b", r'"\u00a0\u200b"'),
        ("\U000e0001", r'"\U000e0001"'),
    ],
)
def test_quoting_escapes_what_cannot_be_printed(text: str, quoted: str) -> None:
    assert go_quote(text) == quoted
