"""Times, quantities, IntOrString."""

import pytest

from gateway.apimachinery import protobuf_values as values
from gateway.apimachinery.protobuf_wire import ProtobufError, length_delimited, varint


def _decode(decode, data: bytes):
    return decode(data, 0, len(data))


@pytest.mark.parametrize(
    "text", ["2026-07-14T11:30:05Z", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59Z", "0001-01-02T00:00:00Z"]
)
def test_times_come_back(text):
    assert _decode(values.decode_time, values.encode_time(text)) == text


def test_zero_times_are_null():
    assert values.encode_time(None) == values.encode_time("0001-01-01T00:00:00Z") == b""
    assert _decode(values.decode_time, b"") is None
    assert _decode(values.decode_micro_time, b"") is None
    zero = b"\x08" + varint(-62135596800)
    assert _decode(values.decode_time, zero) is None
    assert _decode(values.decode_micro_time, zero) is None


def test_times_drop_fractions_and_zones():
    assert _decode(values.decode_time, values.encode_time("2026-07-14T13:30:05.9+02:00")) == "2026-07-14T11:30:05Z"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("2026-07-14T11:30:05.123456Z", "2026-07-14T11:30:05.123456Z"),
        ("2026-07-14T11:30:05Z", "2026-07-14T11:30:05.000000Z"),
        ("2026-07-14T11:30:05.000120999Z", "2026-07-14T11:30:05.000120Z"),
        ("0001-01-01T00:00:00.000001Z", "0001-01-01T00:00:00.000001Z"),
    ],
)
def test_micro_times_come_back(text, kept):
    assert _decode(values.decode_micro_time, values.encode_micro_time(text)) == kept


def test_micro_time_null():
    assert values.encode_micro_time(None) == b""


@pytest.mark.parametrize("wrong", ["", "now", "2026-07-14", "2026-13-14T11:30:05Z", "0001-01-01T00:00:00+23:00", 5, {}])
def test_wrong_times(wrong):
    with pytest.raises(ProtobufError, match="not an RFC3339 time"):
        values.encode_time(wrong)


def test_time_outside_of_the_calendar():
    with pytest.raises(ProtobufError, match="year range"):
        _decode(values.decode_time, b"\x08" + varint(1 << 60))


@pytest.mark.parametrize(("given_value", "kept"), [("1500m", "1500m"), (2, "2"), (0.5, "0.5"), (None, "0")])
def test_quantities(given_value, kept):
    assert _decode(values.decode_quantity, values.encode_quantity(given_value)) == kept


def test_quantity_of_an_empty_message():
    assert _decode(values.decode_quantity, b"") == "0"


@pytest.mark.parametrize("wrong", [True, [], {}])
def test_wrong_quantities(wrong):
    with pytest.raises(ProtobufError, match="not a quantity"):
        values.encode_quantity(wrong)


@pytest.mark.parametrize(("given_value", "kept"), [(80, 80), (-1, -1), ("25%", "25%"), ("", ""), (None, 0)])
def test_int_or_string(given_value, kept):
    assert _decode(values.decode_int_or_string, values.encode_int_or_string(given_value)) == kept


@pytest.mark.parametrize("wrong", [True, 1.5, 1 << 31, []])
def test_wrong_int_or_string(wrong):
    with pytest.raises(ProtobufError, match="neither an int32 nor a string"):
        values.encode_int_or_string(wrong)


def test_int_or_string_of_an_impossible_type():
    with pytest.raises(ProtobufError, match=r"impossible IntOrString\.Type"):
        _decode(values.decode_int_or_string, b"\x08\x02")


def test_wrong_wire_types():
    with pytest.raises(ProtobufError, match="wrong wireType = 2 for field 1"):
        _decode(values.decode_time, b"\x0a\x01x")
    with pytest.raises(ProtobufError, match="wrong wireType = 0 for field 1"):
        _decode(values.decode_quantity, b"\x08\x01")


def test_fields_of_a_later_version_are_passed_over():
    assert (
        _decode(values.decode_time, values.encode_time("2026-07-14T11:30:05Z") + b"\x1a\x01x") == "2026-07-14T11:30:05Z"
    )


def test_raw_json():
    assert _decode(values.decode_raw_json, values.encode_raw_json({"f:a": {}})) == {"f:a": {}}
    assert values.encode_raw_json(None) == b""
    assert _decode(values.decode_raw_json, b"") is None


@pytest.mark.parametrize("raw", [b"{", b"[" * 100_000, b'"\xff"'])
def test_broken_raw_json(raw):
    with pytest.raises(ProtobufError, match="malformed JSON"):
        _decode(values.decode_raw_json, length_delimited(b"\x0a", raw))


def test_raw_json_is_bounded_as_bodies_are():
    raw = b"[" + b"[]," * 100_000 + b"[]]"
    with pytest.raises(ProtobufError, match="too many objects and arrays"):
        values.parse_json(raw)
