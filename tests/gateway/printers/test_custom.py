from typing import Any

import pytest

from gateway.apimachinery.meta import JsonObject
from gateway.printers.custom import CustomPrinter
from gateway.storage.definitions import PrinterColumn
from tests.gateway.printers.goldens import finished, sections


def cell(kind: str, obj: JsonObject, now: float = 0) -> Any:
    printer = CustomPrinter([PrinterColumn("X", kind, ".x")])
    return finished(printer.prepare(sections(obj)), now, "w")["cells"][1]


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        ("string", "a", "a"),
        ("string", 5, "5"),
        ("string", True, "true"),
        ("string", None, "<no value>"),
        ("string", {"b": 1, "a": []}, '{"a":[],"b":1}'),
        ("integer", 5, 5),
        ("integer", 5.9, 5),
        ("integer", "5", None),
        ("integer", True, None),
        ("number", 0.5, 0.5),
        ("number", False, None),
        ("boolean", True, True),
        ("boolean", "true", None),
        ("date", "1970-01-01T00:00:00Z", "10s"),
        ("date", "", "<unknown>"),
        ("date", "soon", "<invalid>"),
        ("date", 5, None),
        ("password", "x", None),
    ],
)
def test_cells_are_of_their_columns_type(kind: str, value: Any, shown: Any) -> None:
    assert cell(kind, {"x": value}, 10) == shown


def test_a_value_that_is_not_there_is_no_cell() -> None:
    assert cell("string", {}) is None


def test_without_columns_the_age_is_shown() -> None:
    printer = CustomPrinter([])
    row = printer.prepare(sections({"metadata": {"creationTimestamp": "1970-01-01T00:00:00Z"}}))
    assert [(column.name, column.type) for column in printer.columns] == [("Name", "string"), ("Age", "date")]
    assert finished(row, 60, "w")["cells"] == ["w", "60s"]


def test_a_column_without_a_description_shows_its_path() -> None:
    columns = CustomPrinter([PrinterColumn("A", "string", ".a"), PrinterColumn("B", "string", ".b", description="b")])
    described = [column.description for column in columns.columns[1:]]
    assert described == ["Custom resource definition column (in JSONPath format): .a", "b"]
