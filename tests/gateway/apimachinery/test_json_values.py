"""JSON values: numbers that are slow elsewhere, and how many containers are too many."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.apimachinery import json_values
from gateway.apimachinery.json_values import MAX_CONTAINERS, decode_value, has_too_many_containers


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_are_those_of_python(number: float) -> None:
    assert decode_value(json.dumps(number)) == number


def test_every_float_is_read_by_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """The decoder's own way takes 20 us for a number like 1e308, so that none may come to it."""
    text = b'[1e308, -1.5, {"a": 1E-300}, 0.1, 12, "1e5"]'
    read: list[str] = []

    def noted(number: str) -> float:
        read.append(number)
        return float(number)

    monkeypatch.setattr(json_values, "float", noted, raising=False)
    decode_value(text)
    assert read == ["1e308", "-1.5", "1E-300", "0.1"]


@pytest.mark.parametrize("number", ["1e309", "-1e400", "1" * 5000, "0e" + "9" * 30 + "x", "NaN", "Infinity"])
def test_numbers_without_a_value(number: str) -> None:
    with pytest.raises(ValueError, match=r"JSON|number|range|Integer"):
        decode_value(f'{{"a":[{number}]}}')


@pytest.mark.parametrize(
    ("text", "too_many"),
    [
        ("[" + ",".join(["{}"] * (MAX_CONTAINERS - 1)) + "]", False),
        ("[" + ",".join(["{}"] * MAX_CONTAINERS) + "]", True),
        ("[" * (MAX_CONTAINERS + 1), True),
        (json.dumps(["[" * 100_001, '"{' * 100_001, "\\[" * 50_000]), False),
        (json.dumps({"{" * 60: ["[]"] * 100_000}), False),
        (json.dumps({"\\": [["]\\"]] * 100_000}), True),
        ('"' + "[" * 100_001, False),  # no JSON
        ('["' + '\\"[' * 1_000_000, False),  # nor this; each quote could begin a string
    ],
)
def test_containers_are_counted_outside_of_strings(text: str, *, too_many: bool) -> None:
    assert has_too_many_containers(text.encode()) is too_many
