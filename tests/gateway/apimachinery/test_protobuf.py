"""The whole protobuf codec against what Kubernetes' own encoder wrote for every built-in kind."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.apimachinery import protobuf
from gateway.apimachinery.protobuf import ProtobufError, UnknownKindError
from gateway.apimachinery.protobuf_decode import type_and_message
from gateway.apimachinery.protobuf_wire import LENGTH, length_delimited, tag
from tests.gateway.apimachinery.goldens import KINDS, SAMPLES, Golden, sample


def _as_served(golden: Golden) -> Any:
    """Go prints the items of an empty list as null; kube-apiserver never sends that."""
    if "items" in golden.json and golden.json["items"] is None:
        return {**golden.json, "items": []}
    return golden.json


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("golden", SAMPLES, ids=repr)
def test_decodes_samples_as_kubernetes_prints_them(golden):
    decoded = protobuf.decode(golden.protobuf)
    assert decoded.obj == _as_served(golden)
    assert not decoded.unknown_fields


@pytest.mark.parametrize("golden", SAMPLES, ids=repr)
def test_encodes_samples_byte_for_byte(golden):
    assert protobuf.encode(golden.json) == golden.protobuf


@pytest.mark.parametrize("golden", SAMPLES, ids=repr)
def test_watch_frames_are_those_of_kubernetes(golden):
    frame = protobuf.encode_watch_event("MODIFIED", golden.protobuf)
    assert frame == len(golden.frame).to_bytes(4, "big") + golden.frame


def test_every_kind_decodes_as_kubernetes_prints_it():
    wrong = [golden for golden in KINDS if protobuf.decode(golden.protobuf).obj != _as_served(golden)]
    assert wrong == []


def test_every_kind_encodes_byte_for_byte():
    """A pointer to a zero time is null in JSON, so the hollow objects are compared without what null cannot say."""
    wrong = []
    for golden in KINDS:
        encoded = protobuf.encode(golden.json)
        again = protobuf.decode_object(encoded)
        if golden.case.endswith(" hollow"):
            if _without_nulls(again) != _without_nulls(_as_served(golden)):
                wrong.append(golden)
        elif encoded != golden.protobuf:
            wrong.append(golden)
    assert wrong == []


def test_peek_type():
    assert protobuf.peek_type(sample("apps/v1 Deployment").protobuf) == ("apps/v1", "Deployment")


def test_is_envelope():
    assert protobuf.is_envelope(sample("v1 Secret").protobuf)
    assert not protobuf.is_envelope(b"{}")


def test_is_built_in():
    assert protobuf.is_built_in("apps/v1", "Deployment")
    assert protobuf.is_built_in("apps.kruise.io/v1alpha1", "DeleteOptions")
    assert not protobuf.is_built_in("apps.kruise.io/v1alpha1", "CloneSet")


@pytest.mark.parametrize(
    "obj",
    [{"apiVersion": "apps.kruise.io/v1alpha1", "kind": "CloneSet"}, {"kind": "Pod"}, {"apiVersion": "v1"}, {}],
)
def test_kinds_without_a_message_are_refused(obj):
    with pytest.raises(UnknownKindError):
        protobuf.encode(obj)


@given(st.sampled_from(SAMPLES), st.data())
@settings(max_examples=300, deadline=None)
def test_damaged_bodies_are_read_or_refused(golden, data):
    body = bytearray(golden.protobuf)
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(body) - 1))
        body[position] = data.draw(st.integers(0, 255))
    body = body[: data.draw(st.integers(0, len(body)))]
    try:
        obj = protobuf.decode(bytes(body)).obj
    except ProtobufError:
        return
    assert obj["kind"]


@given(st.binary(max_size=200))
@example(b"\x0a" * 100)
@settings(max_examples=300, deadline=None)
def test_noise_inside_an_envelope_is_read_or_refused(noise):
    head = b"k8s\x00\x0a\x09\x0a\x02v1\x12\x03Pod\x12"
    try:
        obj = protobuf.decode(head + bytes((len(noise) & 0x7F,)) + noise).obj
    except ProtobufError:
        return
    assert obj["kind"] == "Pod"


@given(st.sampled_from(SAMPLES), st.binary(min_size=1, max_size=20))
@settings(max_examples=100, deadline=None)
def test_an_unknown_field_is_skipped_and_reported(golden, content):
    """Fields of a later Kubernetes version must not make a body unreadable, nor be lost without a word."""
    api_version, kind, message = type_and_message(golden.protobuf)
    type_meta = length_delimited(b"\x0a", api_version.encode()) + length_delimited(b"\x12", kind.encode())
    longer = message + length_delimited(tag(1023, LENGTH), content)
    decoded = protobuf.decode(b"k8s\x00" + length_delimited(b"\x0a", type_meta) + length_delimited(b"\x12", longer))
    assert decoded.unknown_fields
    assert decoded.obj == _as_served(golden)


TYPED_LISTS = [golden for golden in KINDS if golden.json.get("items") and golden.json["kind"] != "List"]


@pytest.mark.parametrize("golden", TYPED_LISTS, ids=repr)
def test_a_list_encoded_item_by_item_is_the_list(golden):
    head = {name: value for name, value in golden.json.items() if name != "items"}
    encode_item = protobuf.list_item_encoder(golden.json["apiVersion"], golden.json["kind"])
    pieces = protobuf.encode_list(head, [encode_item(item) for item in golden.json["items"]])
    assert b"".join(pieces) == protobuf.encode(golden.json)


def test_an_empty_list_is_encoded_as_one():
    head = {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "5"}}
    assert b"".join(protobuf.encode_list(head, [])) == protobuf.encode({**head, "items": []})


def test_custom_kinds_have_no_list_either():
    with pytest.raises(UnknownKindError):
        protobuf.list_item_encoder("example.io/v1", "WidgetList")
