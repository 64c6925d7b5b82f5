"""Varints, tags and fields, also malformed ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.apimachinery import protobuf_wire as wire
from gateway.apimachinery.protobuf_wire import ProtobufError


@given(st.integers(-(1 << 63), (1 << 64) - 1))
def test_varints_come_back(value):
    encoded = wire.varint(value)
    assert wire.read_varint(encoded, 0) == (value % (1 << 64), len(encoded))


@given(st.integers(-(1 << 63), (1 << 63) - 1))
def test_signed64(value):
    assert wire.signed64(wire.read_varint(wire.varint(value), 0)[0]) == value


def test_signed32_takes_the_low_bits_as_go_does():
    assert wire.signed32(wire.read_varint(wire.varint(-7), 0)[0]) == -7
    assert wire.signed32(0x1_0000_0003) == 3
    assert wire.signed32(0x8000_0000) == -(1 << 31)


def test_varint_without_end():
    with pytest.raises(ProtobufError, match="integer overflow"):
        wire.read_varint(b"\xff" * 11, 0)


def test_scan_yields_every_field():
    data = b"\x08\x96\x01" + b"\x12\x02hi" + b"\x19" + b"x" * 8 + b"\x25" + b"x" * 4
    assert list(wire.scan(data, 0, len(data))) == [(0x08, 1, 3), (0x12, 5, 7), (0x19, 8, 16), (0x25, 17, 21)]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"\x0a\x05hi", "unexpected EOF"),
        (b"\x0a", "unexpected EOF"),
        (b"\x08\x80", "unexpected EOF"),
        (b"\x80", "unexpected EOF"),
        (b"\x19xx", "unexpected EOF"),
        (b"\x25xx", "unexpected EOF"),
        (b"\x0b", "illegal wireType 3"),
        (b"\x0c", "illegal wireType 4"),
        (b"\x0f", "illegal wireType 7"),
        (b"\x02\x00", "illegal tag 0"),
    ],
)
def test_malformed_fields(data, problem):
    with pytest.raises(ProtobufError, match=problem):
        list(wire.scan(data, 0, len(data)))


def test_length_delimited():
    assert wire.length_delimited(wire.tag(16, wire.LENGTH), b"hi") == b"\x82\x01\x02hi"


def test_a_field_number_that_go_would_cut_short_is_refused():
    tag = (1 << 35) | (2 << 3) | 2
    with pytest.raises(ProtobufError, match="above 32 bits"):
        wire.skip_field(b"\x00", 0, tag)


def test_a_message_of_a_few_fields_has_not_thousands():
    assert len(list(wire.scan(b"\x0a\x00" * 1000, 0, 2000))) == 1000
    with pytest.raises(wire.ProtobufError, match="too many"):
        list(wire.scan(b"\x0a\x00" * 1001, 0, 2002))
