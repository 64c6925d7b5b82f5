import pytest

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.integers import parse_integer
from gateway.apimachinery.label_selectors import parse_label_selector
from gateway.apimachinery.options import InvalidRevision, parse_list_options, parse_revision
from gateway.apimachinery.patch.json_patch import apply_json_patch
from gateway.printers.json_path import compile_path
from gateway.storage.defaulting.quantity import canonical_quantity, quantity_value
from gateway.storage.validation.numbers import amount, not_above_100_percent

LONG = "9" * 5000
"""More digits than Python reads as one number."""


@pytest.mark.parametrize("text", ["0", "-0", "007", "+12", "-12", "9" * 1000, "0" * 5000 + "7"])
def test_numbers_of_any_usual_length_are_read_exactly(text: str) -> None:
    assert parse_integer(text) == int(text.lstrip("0") if len(text) > 4300 else text)


def test_longer_ones_keep_their_sign_and_stay_out_of_range() -> None:
    assert parse_integer(LONG) > 2**64
    assert parse_integer(f"-{LONG}") < -(2**64)


@pytest.mark.parametrize("name", ["limit", "timeoutSeconds"])
def test_a_query_parameter_of_that_length_is_a_bad_request(name: str) -> None:
    with pytest.raises(ApiError) as raised:
        parse_list_options({name: LONG}, watch=False)
    assert raised.value.code == 400
    assert raised.value.message.endswith("value out of range")


def test_a_resource_version_of_that_length_is_out_of_range() -> None:
    with pytest.raises(InvalidRevision, match="value out of range"):
        parse_revision(LONG)


def test_a_label_is_not_compared_with_a_number_of_that_length() -> None:
    with pytest.raises(ApiError) as raised:
        parse_label_selector(f"a>{LONG}")
    assert raised.value.code == 400


def test_no_list_has_an_index_of_that_length() -> None:
    with pytest.raises(ApiError) as raised:
        apply_json_patch({"a": [1]}, [{"op": "remove", "path": f"/a/{LONG}"}])
    assert raised.value.code == 422


@pytest.mark.parametrize("step", [LONG, f"-{LONG}", f"{LONG}:", f"?(@.b=={LONG})"])
def test_a_column_with_a_number_of_that_length_is_empty(step: str) -> None:
    assert compile_path(f".a[{step}]")({"a": [{"b": 1}]}) == []


def test_a_percentage_of_that_length_is_above_100() -> None:
    assert list(not_above_100_percent("spec.x", f"{LONG}%"))
    assert amount(f"{LONG}%") > 100


@pytest.mark.parametrize("text", [LONG, f"{LONG}Ki", f"{LONG}m"])
def test_a_quantity_of_that_length_is_the_largest_there_is(text: str) -> None:
    assert str(canonical_quantity(text)).startswith("9223372036854775807")


def test_an_exponent_of_that_length_is_no_quantity() -> None:
    assert quantity_value(f"1E{LONG}") is None
