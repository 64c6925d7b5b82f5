"""Field selectors, in Kubernetes' words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.field_selectors import ANY_FIELDS, FieldRequirement, FieldSelector, parse_field_selector
from gateway.apimachinery.label_selectors import MAX_SELECTOR


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
        ("=", {"a": "1"}, True),
        ("!=,a=1", {"a": "1"}, True),
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


def test_a_selector_has_a_greatest_length():
    assert parse_field_selector("a=" + "b" * (MAX_SELECTOR - 2)).exact("a") == "b" * (MAX_SELECTOR - 2)
    with pytest.raises(ApiError, match="no more than 16384"):
        parse_field_selector("a=" + "b" * (MAX_SELECTOR - 1))
