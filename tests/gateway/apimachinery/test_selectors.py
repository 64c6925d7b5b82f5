import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.selectors import (
    ANY_FIELDS,
    EVERYTHING,
    FieldRequirement,
    FieldSelector,
    parse_field_selector,
    parse_label_selector,
    quote,
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


@pytest.mark.parametrize(
    ("text", "value"), [("a=1", "1"), ("a in (1)", "1"), ("a in (1,2)", None), ("a!=1", None), ("b=1", None)]
)
def test_the_one_value_a_label_must_have(text, value):
    assert parse_label_selector(text).exact("a") == value


@given(st.text(alphabet="ab=!(),<> in\tnotin-./", max_size=20))
def test_label_selector_parses_or_refuses_never_crashes(text):
    with contextlib.suppress(ApiError):
        selector = parse_label_selector(text)
        assert parse_label_selector(str(selector)) == selector


@pytest.mark.parametrize(
    ("text", "fields", "matches"),
    [
        ("", {}, True),
        ("a=1", {"a": "1"}, True),
        ("a==1", {"a": "1"}, True),
        ("a=1", {}, False),
        ("a=", {}, True),
        ("a!=1", {}, True),
        ("a!=1", {"a": "1"}, False),
        ("a!=", {"a": ""}, False),
        ("a=1,,b=2,", {"a": "1", "b": "2"}, True),
        (r"a=x\,y\=z\\", {"a": r"x,y=z" + "\\"}, True),
    ],
)
def test_field_selector_matches(text, fields, matches):
    assert parse_field_selector(text).matches(fields) is matches


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "invalid selector: 'a'; can't understand 'a'"),
        ("b=1,a", "invalid selector: 'b=1,a'; can't understand 'a'"),
        ("a=1=2", "invalid field selector: unescaped character in value: 61"),
        (r"a=\x", r"invalid field selector: invalid escape sequence: \x"),
        ("a=x\\", "invalid field selector: invalid escape sequence: \\"),
    ],
)
def test_field_selector_faults_in_kubernetes_words(text, message):
    with pytest.raises(ApiError) as caught:
        parse_field_selector(text)
    assert caught.value.code == 400
    assert caught.value.message == message


@given(st.text(max_size=10))
def test_field_values_survive_printing_and_parsing(value):
    selector = FieldSelector((FieldRequirement("a", "!=", value),))
    assert parse_field_selector(str(selector)) == selector


def test_field_selector_questions():
    selector = parse_field_selector("metadata.name=x,status.phase!=Failed")
    assert selector.exact("metadata.name") == "x"
    assert selector.exact("status.phase") is None
    assert not selector.empty
    assert ANY_FIELDS.empty


def test_field_labels_are_translated_to_those_stored():
    selector = parse_field_selector("spec.host=n1").translate({"spec.host": "spec.nodeName"})
    assert selector == parse_field_selector("spec.nodeName=n1")


@pytest.mark.parametrize(
    ("supported", "message"),
    [
        ({"metadata.name": "metadata.name", "x": "x"}, "field label not supported: foo"),
        (
            {"metadata.name": "metadata.name", "metadata.namespace": "metadata.namespace"},
            '"foo" is not a known field selector: only "metadata.name", "metadata.namespace"',
        ),
    ],
)
def test_unknown_field_labels_are_refused(supported, message):
    with pytest.raises(ApiError) as caught:
        parse_field_selector("foo=1").translate(supported)
    assert caught.value.message == message


def test_values_are_quoted_as_go_prints_them():
    assert quote('a"b\\\n\x01é') == '"a\\"b\\\\\\n\\x01é"'
