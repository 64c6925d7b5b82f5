from gateway.printers.cells import NAME
from gateway.printers.columns import Column
from gateway.printers.object_printer import ObjectPrinter
from tests.gateway.printers.goldens import finished, sections

PRINTER = ObjectPrinter(
    NAME,
    (Column("Bad"), lambda obj: obj["missing"]["deeper"]),
    (Column("Good"), lambda obj: obj["good"]),
)


def test_a_cell_that_cannot_be_made_spoils_no_other() -> None:
    row = PRINTER.prepare(sections({"metadata": {"name": "x"}, "good": "fine"}))
    assert finished(row, 0, "x") == {"cells": ["x", "<unknown>", "fine"]}


def test_columns_stand_in_the_order_of_the_cells() -> None:
    assert [column.name for column in PRINTER.columns] == ["Name", "Bad", "Good"]
