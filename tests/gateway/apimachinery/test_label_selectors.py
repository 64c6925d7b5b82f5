"""Label selectors, in Kubernetes' words."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.label_selectors import (
    EVERYTHING,
    MAX_SELECTOR,
    LabelRequirement,
    parse_label_selector,
    read_label_selector,
    selector_text,
)


@pytest.mark.parametrize(
    ("text", "labels", "matches"),
    [
        ("", {}, True),
        ("a", {"a": ""}, True),
        ("a", {}, False),
        ("!a", {}, True),
        ("!a", {"a": "1"}, False),
        ("a=1", {"a": "1"}, True),
        ("a==1", {"a": "2"}, False),
        ("a=", {"a": ""}, True),
        ("a=", {}, False),
        ("a!=1", {}, True),
        ("a!=1", {"a": "1"}, False),
        ("a in (1,2)", {"a": "2"}, True),
        ("a in (1,2)", {}, False),
        ("a notin (1,2)", {}, True),
        ("a notin (1,2)", {"a": "2"}, False),
        ("a in ()", {"a": ""}, True),
        ("a in (x,)", {"a": ""}, True),
        ("a in (,x)", {"a": ""}, True),
        ("a in (x,,y)", {"a": ""}, True),
        ("a>1", {"a": "2"}, True),
        ("a>1", {"a": "1"}, False),
        ("a<1", {"a": "-3"}, True),
        ("a>1", {}, False),
        ("a>1", {"a": "x"}, False),
        ("a>1", {"a": "9223372036854775808"}, False),
        ("a=1,b!=2", {"a": "1", "b": "3"}, True),
        ("a=1,b!=2", {"a": "1", "b": "2"}, False),
        (" a = 1 ,\tb in ( x , y ) ", {"a": "1", "b": "y"}, True),
        ("in in (in,notin)", {"in": "notin"}, True),
        ("example.com/a=1", {"example.com/a": "1"}, True),
    ],
)
def test_label_selector_matches(text, labels, matches):
    assert parse_label_selector(text).matches(labels) is matches


NAME_HINT = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
VALUE_HINT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation "
    "is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
SUBDOMAIN_HINT = (
    "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "
    "must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


REQUIREMENT = "unable to parse requirement: "


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("=", "found '=', expected: !, identifier, or 'end of string'"),
        ("a=1,", "found '', expected: identifier after ','"),
        ("a=1 b", "found 'b', expected: ',' or 'end of string'"),
        ("!a=1", "found '=', expected: ',' or 'end of string'"),
        ("!", REQUIREMENT + "found '', expected: identifier"),
        ("a x", REQUIREMENT + "found 'x', expected: in, notin, =, ==, !=, gt, lt"),
        ("a=(", REQUIREMENT + "found '(', expected: identifier"),
        ("a in x", REQUIREMENT + "found 'x' expected: '('"),
        ("a in (", REQUIREMENT + "found '', expected: ',', ')' or identifier"),
        ("a in (x", REQUIREMENT + "found '', expected: ',' or ')'"),
        ("a in (x,", REQUIREMENT + "found '', expected: ',', or identifier"),
        ("a in (x y)", REQUIREMENT + "found 'y', expected: ',' or ')'"),
        ("a>x", REQUIREMENT + 'values[0]: Invalid value: "x": '
                "for 'Gt', 'Lt' operators, the value must be an integer"),
        ("-a", REQUIREMENT + f'<nil>: Invalid value: "-a": name part {NAME_HINT}'),
        ("/a", REQUIREMENT + '<nil>: Invalid value: "/a": prefix part must be non-empty'),
        ("a/", REQUIREMENT + '<nil>: Invalid value: "a/": name part must be non-empty; '
               f"name part {NAME_HINT}"),
        ("A/a", REQUIREMENT + f'<nil>: Invalid value: "A/a": {SUBDOMAIN_HINT}'),
        ("a/b/c", REQUIREMENT + f'<nil>: Invalid value: "a/b/c": a valid label key {NAME_HINT} '
                  "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"),
        ("a" * 64, REQUIREMENT + f'<nil>: Invalid value: "{"a" * 64}": '
                   "name part must be no more than 63 bytes"),
        ("a" * 254 + "/x", REQUIREMENT + f'<nil>: Invalid value: "{"a" * 254}/x": '
                           "prefix part must be no more than 253 bytes"),
        ("a=-x", REQUIREMENT + f'values[0][a]: Invalid value: "-x": {VALUE_HINT}'),
        ("a=" + "v" * 64, REQUIREMENT + f'values[0][a]: Invalid value: "{"v" * 64}": '
                          "must be no more than 63 bytes"),
        ("a in (-x,-y)", REQUIREMENT + f'[values[0][a]: Invalid value: "-x": {VALUE_HINT}, '
                         f'values[1][a]: Invalid value: "-y": {VALUE_HINT}]'),
    ],
)  # fmt: skip
def test_label_selector_faults_in_kubernetes_words(text, message):
    with pytest.raises(ApiError) as caught:
        parse_label_selector(text)
    assert (caught.value.code, caught.value.reason) == (400, "BadRequest")
    assert caught.value.message == message


@pytest.mark.parametrize("text", ["a", "!a", "a=1", "a==1", "a!=1", "a in (1,2)", "a notin (1,2)", "a>1", "a<1,b=2"])
def test_label_selector_prints_what_it_parses(text):
    assert str(parse_label_selector(text)) == text
    assert parse_label_selector(str(parse_label_selector(text))) == parse_label_selector(text)


def test_label_selector_is_ordered_by_key_and_hashable():
    assert parse_label_selector("b=1,a=2") == parse_label_selector("a=2,b=1")
    assert len({parse_label_selector("b=1,a=2"), parse_label_selector("a=2,b=1")}) == 1
    assert EVERYTHING.empty
    assert not parse_label_selector("a").empty


@given(st.text(alphabet="ab=!(),<> in\tnotin-./", max_size=20))
def test_label_selector_parses_or_refuses_never_crashes(text):
    with contextlib.suppress(ApiError):
        selector = parse_label_selector(text)
        assert parse_label_selector(str(selector)) == selector


def test_a_selector_has_a_greatest_length():
    fits = "a in (" + "b," * ((MAX_SELECTOR - 7) // 2) + ")"
    assert parse_label_selector(fits).matches({"a": "b"})
    with pytest.raises(ApiError, match="no more than 16384"):
        parse_label_selector(fits + " " * MAX_SELECTOR)


def test_values_are_not_searched_one_by_one():
    """As many as a client likes are looked for in every object."""
    compared = 0

    class Counted(str):
        __hash__ = str.__hash__

        def __eq__(self, other):
            nonlocal compared
            compared += 1
            return str.__eq__(self, other)

    requirement = LabelRequirement("a", "in", tuple(Counted(number) for number in range(1000)))
    assert not requirement.matches({"a": "x"})
    assert compared < 100


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        (None, ""),
        ({}, ""),
        ({"matchLabels": None, "matchExpressions": None}, ""),
        ({"matchLabels": {"b": "2", "a": "1"}}, "a=1,b=2"),
        (
            {
                "matchLabels": {"m": "1"},
                "matchExpressions": [
                    {"key": "z", "operator": "In", "values": ["b", "a"]},
                    {"key": "n", "operator": "NotIn", "values": ["c"]},
                    {"key": "e", "operator": "Exists"},
                    {"key": "d", "operator": "DoesNotExist", "values": []},
                ],
            },
            "!d,e,m=1,n notin (c),z in (a,b)",
        ),
    ],
)
def test_a_selector_object_as_text(selector, text):
    assert selector_text(selector) == text
    again = [(r.key, r.operator, set(r.values)) for r in parse_label_selector(text).requirements]
    assert again == [(r.key, r.operator, set(r.values)) for r in read_label_selector(selector or {}).requirements]


@pytest.mark.parametrize(
    "selector",
    [
        {"matchLabels": ["a"]},
        {"matchLabels": {"a": {}}},
        {"matchExpressions": [{"key": "a", "operator": "Near"}]},
        {"matchExpressions": [{"operator": "Exists"}]},
        {"matchExpressions": [{"key": "a", "operator": "In", "values": 1}]},
        {"matchExpressions": ["a"]},
        {"matchExpressions": 1},
    ],
)
def test_a_selector_object_that_cannot_be_read(selector):
    with pytest.raises(ValueError, match="not a label selector"):
        read_label_selector(selector)
