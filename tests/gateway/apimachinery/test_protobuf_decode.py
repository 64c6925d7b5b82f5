"""Decoding what is odd or hostile; the honest bodies are in test_protobuf.py."""

import struct

import pytest

from gateway.apimachinery import protobuf
from gateway.apimachinery.protobuf import ProtobufError, UnknownKindError
from gateway.apimachinery.protobuf_wire import length_delimited, tag, varint


def _field(number: int, payload: bytes) -> bytes:
    return length_delimited(tag(number, 2), payload)


def _number(number: int, value: int) -> bytes:
    return tag(number, 0) + varint(value)


def _envelope(api_version: str, kind: str, body: bytes) -> bytes:
    type_meta = _field(1, api_version.encode()) + _field(2, kind.encode())
    return b"k8s\x00" + _field(1, type_meta) + _field(2, body)


def _decode(body: bytes, kind: str = "Deployment", api_version: str = "apps/v1"):
    return protobuf.decode(_envelope(api_version, kind, body)).obj


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "empty data"),
        (b"{}", r"expected prefix \[107 56 115 0\]"),
        (b"k8s\x00", "empty body"),
        (b"k8s\x00\x0a\x05", "unexpected EOF"),
        (b"k8s\x00\x12\x00", "'Kind' is missing"),
        (_envelope("", "Pod", b""), "'apiVersion' is missing"),
        (b"k8s\x00" + _field(1, _field(1, b"\xff")), "not valid UTF-8"),
        (b"k8s\x00\x08\x01", "wrong wireType"),
    ],
)
def test_broken_envelopes(data, problem):
    with pytest.raises(ProtobufError, match=problem):
        protobuf.decode(data)


def test_kinds_that_are_not_built_in():
    with pytest.raises(
        UnknownKindError, match=r'no kind "CloneSet" is registered for version "apps\.kruise\.io/v1alpha1"'
    ):
        protobuf.decode(_envelope("apps.kruise.io/v1alpha1", "CloneSet", b""))


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (_field(2, _field(2, b"\x0a\x03\x08")), "unexpected EOF"),
        (_field(2, b"\x08"), "unexpected EOF"),
        (_field(2, b"\x08\x80"), "unexpected EOF"),
        (_field(2, _field(1, b"x")), "wrong wireType = 2 for field replicas"),
        (_number(2, 1), "wrong wireType = 0 for field spec"),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "integer overflow"),
        (_field(1, _field(1, b"\xff\xfe")), "not valid UTF-8"),
        (_field(1, _field(11, _number(1, 1))), "wrong wireType = 0 for field labels"),
        (b"\x00\x00", "illegal tag 0"),
        (b"\xfb\x3f", "illegal wireType 3"),
    ],
)
def test_broken_messages(body, problem):
    with pytest.raises(ProtobufError, match=problem):
        _decode(body)


def test_a_field_may_not_reach_out_of_its_message():
    inner = _field(1, b"name") + b"\x12\x50"  # generateName of 80 bytes inside a shorter metadata
    with pytest.raises(ProtobufError, match="unexpected EOF"):
        _decode(_field(1, inner) + _field(2, b"\x00" * 100))


def test_a_varint_may_not_reach_out_of_its_message():
    with pytest.raises(ProtobufError, match="unexpected EOF"):
        _decode(_field(2, b"\x08\x81") + b"\x01")


def test_pieces_of_a_message_are_merged_so_that_nothing_hides():
    """Go merges a message that comes twice; reading only the last piece would let a scale-down pass unseen."""
    obj = _decode(_field(2, _number(1, 0)) + _field(2, _number(7, 1)))
    assert obj["spec"]["replicas"] == 0
    assert obj["spec"]["paused"] is True


def test_the_last_of_two_scalars_wins_also_when_it_is_zero():
    obj = _decode(_field(1, _field(1, b"a") + _field(1, b"") + _number(7, 5) + _number(7, 0)))
    assert obj["metadata"] == {}
    obj = _decode(_field(2, _number(1, 5) + _number(1, 3)))
    assert obj["spec"]["replicas"] == 3


def test_values_with_a_form_of_their_own_may_not_come_in_pieces():
    surge = _field(1, _number(1, 0) + _number(2, 5))
    rolling = _field(2, surge + surge)
    with pytest.raises(ProtobufError, match="maxUnavailable comes in more than one piece"):
        _decode(_field(2, _field(4, rolling)))


def test_lists_of_numbers_may_be_packed():
    unpacked = _decode(_field(2, _field(14, _number(4, 1) + _number(4, 300))), "Pod", "v1")
    packed = _decode(_field(2, _field(14, _field(4, varint(1) + varint(300)))), "Pod", "v1")
    assert packed["spec"]["securityContext"]["supplementalGroups"] == [1, 300]
    assert packed == unpacked


def test_a_packed_list_may_not_reach_out_of_itself():
    with pytest.raises(ProtobufError, match="unexpected EOF"):
        _decode(_field(2, _field(14, b"\x22\x01\x80" + b"\x01")), "Pod", "v1")


def test_map_entries_may_lack_key_or_value():
    obj = _decode(_field(1, _field(11, b"") + _field(11, _field(1, b"a"))))
    assert obj["metadata"]["labels"] == {"": "", "a": ""}


def test_unknown_fields_of_map_entries_are_reported():
    body = _field(1, _field(11, _field(1, b"a") + _field(9, b"x")))
    decoded = protobuf.decode(_envelope("apps/v1", "Deployment", body))
    assert decoded.unknown_fields
    assert decoded.obj["metadata"]["labels"] == {"a": ""}


def _crd_schema(schema: bytes) -> bytes:
    return _field(2, _field(7, _field(4, _field(1, schema))))


def _decode_crd(schema: bytes):
    obj = _decode(_crd_schema(schema), "CustomResourceDefinition", "apiextensions.k8s.io/v1")
    return obj["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def test_floats():
    assert _decode_crd(tag(9, 1) + struct.pack("<d", 2.5)) == {"maximum": 2.5}
    whole = _decode_crd(tag(9, 1) + struct.pack("<d", 1000.0))["maximum"]
    assert (whole, type(whole)) == (1000, int)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_floats_that_json_cannot_say(value):
    with pytest.raises(ProtobufError, match="unsupported value"):
        _decode_crd(tag(9, 1) + struct.pack("<d", value))


def test_a_float_that_is_cut_off():
    crd = _crd_schema(tag(9, 1) + b"xx")
    with pytest.raises(ProtobufError, match="unexpected EOF"):
        _decode(crd, "CustomResourceDefinition", "apiextensions.k8s.io/v1")


def test_nesting_is_bounded():
    schema = b""
    for _ in range(300):
        schema = _field(28, schema)  # not: {not: {…}}
    with pytest.raises(ProtobufError, match="too deeply"):
        _decode_crd(schema)


def test_empty_messages_are_bounded():
    """Two bytes on the wire become a dictionary each."""
    with pytest.raises(ProtobufError, match="too many messages"):
        _decode(_field(2, b"\x12\x00" * 300_000), "Pod", "v1")


def test_raw_extensions_may_hold_an_envelope():
    config_map = _envelope("v1", "ConfigMap", _field(1, _field(1, b"c")))
    obj = _decode(_field(2, _field(1, config_map)) + _field(2, _field(1, b'{"a":1}')), "List", "v1")
    assert obj["items"] == [{"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "c"}}, {"a": 1}]


def test_envelopes_in_envelopes_are_bounded():
    data = _envelope("v1", "ConfigMap", b"")
    for _ in range(400):
        data = _envelope("v1", "List", _field(2, _field(1, data)))
    with pytest.raises(ProtobufError, match="too deeply"):
        protobuf.decode(data)


def test_what_is_empty_is_printed_as_kubernetes_prints_it():
    assert _decode(b"", "Pod", "v1") == {
        "kind": "Pod", "apiVersion": "v1", "metadata": {}, "spec": {"containers": None}, "status": {},
    }  # fmt: skip
    assert _decode(b"", "PodList", "v1") == {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": []}


def test_objects_do_not_share_their_empty_parts():
    first, second = _decode(b"", "PodList", "v1"), _decode(b"", "PodList", "v1")
    first["items"].append(1)
    first["metadata"]["a"] = 1
    assert second == {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": []}
