import pytest

from gateway.discovery.printer_columns import parse_columns
from gateway.storage.definitions import PrinterColumn


def test_columns_by_version() -> None:
    size = {"name": "Size", "type": "string", "jsonPath": ".spec.size", "format": "byte", "description": "How large."}
    price = {"name": "Price", "type": "integer", "jsonPath": ".spec.price", "priority": 1}
    versions = [{"name": "v1", "additionalPrinterColumns": [size, price]}, {"name": "v2"}]
    assert parse_columns({"spec": {"versions": versions}}) == {
        "v1": (
            PrinterColumn("Size", "string", ".spec.size", "byte", "How large."),
            PrinterColumn("Price", "integer", ".spec.price", priority=1),
        ),
        "v2": (),
    }


@pytest.mark.parametrize(
    "definition",
    [{}, {"spec": None}, {"spec": {"versions": {}}}, {"spec": {"versions": ["v1", {"name": 1}, None]}}],
)
def test_what_is_no_definition_declares_nothing(definition: dict[str, object]) -> None:
    assert parse_columns(definition) == {}


def test_columns_that_cannot_be_understood_are_left_out() -> None:
    columns = [
        7,
        {"name": "A"},
        {"name": "B", "type": "string", "jsonPath": 1},
        {"name": "C", "type": "t", "jsonPath": ".c"},
    ]
    parsed = parse_columns({"spec": {"versions": [{"name": "v1", "additionalPrinterColumns": columns}]}})
    assert [column.name for column in parsed["v1"]] == ["C"]
