"""Go's words for broken JSON, compared with what Go said."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.apimachinery.json_syntax import json_type, quote, syntax_error
from tests.gateway.apimachinery.goldens import load

PREFIX = "couldn't get version/kind; json parse error: "
VERDICTS = load("strict.jsonl.xz")
SYNTAX_ERRORS = [
    (entry["body"], entry["error"].removeprefix(PREFIX))
    for entry in VERDICTS
    if entry["error"].startswith(PREFIX) and "json: cannot unmarshal" not in entry["error"]
]


@pytest.mark.parametrize(("text", "message"), SYNTAX_ERRORS)
def test_says_what_go_says(text, message):
    assert syntax_error(text.encode()) == message


def test_is_content_with_what_go_is_content_with():
    well_formed = [entry["body"] for entry in VERDICTS if not entry["error"].startswith(PREFIX)]
    assert [text for text in well_formed if syntax_error(text.encode())] == []


@pytest.mark.parametrize("text", [b"[" * 10_001, b'{"a":' * 10_001])
def test_depth_is_bounded_as_in_go(text):
    assert syntax_error(text) == f"invalid character '{chr(text[0])}' exceeded max depth"


def test_deep_but_allowed():
    assert syntax_error(b"[" * 10_000 + b"]" * 10_000) is None


def _refuse(constant):
    raise ValueError(constant)


@given(st.text(alphabet='{}[]:,"\\ \n0123456789.eE+-truefalsnbu/\x01', max_size=30))
@example('{"a":[1,2.5e3,true,null,"\\u00e9"]}')
@example("-0.0E-10")
@settings(max_examples=1000, deadline=None)
def test_agrees_with_pythons_parser(text):
    try:
        json.loads(text, parse_constant=_refuse)
    except ValueError:
        assert syntax_error(text.encode()) is not None
    else:
        assert syntax_error(text.encode()) is None


@given(st.binary(max_size=40))
@settings(deadline=None)
def test_never_crashes(data):
    assert syntax_error(data) is None or isinstance(syntax_error(data), str)


@pytest.mark.parametrize(
    ("value", "name"),
    [(True, "bool"), ("x", "string"), ([], "array"), ({}, "object"), (1, "number"), (1.5, "number")],
)
def test_json_type(value, name):
    assert json_type(value) == name


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("spec.a", '"spec.a"'),
        ('a"b\\', r'"a\"b\\"'),
        ("ü\n\x01", '"ü\\n\\x01"'),
        ("\u2028\U000e0001", r'"\u2028\U000e0001"'),
    ],
)
def test_quote(text, quoted):
    assert quote(text) == quoted
