from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from gateway.apimachinery.codec import encode_json
from gateway.printers import member_columns
from gateway.printers.member_columns import MemberColumnsPrinter
from gateway.storage.definitions import PrinterColumn

NOW = 1_700_000_600.0
SIZE = PrinterColumn("Size", "string", ".spec.size")
PRICE = PrinterColumn("Price", "integer", ".spec.price", priority=1)
COLOUR = PrinterColumn("Colour", "string", ".spec.colour")
WEIGHT_AS_SIZE = PrinterColumn("Size", "integer", ".spec.weight")
AGE = PrinterColumn("Age", "date", ".metadata.creationTimestamp")


@dataclass
class Cached:
    name: str
    cluster: str
    rv: int
    raw: bytes
    cells: Any = None
    row: Any = None

    @property
    def key(self) -> str:
        return f"default/{self.name}"


def cached(cluster: str, name: str = "t", rv: int = 1, **spec: Any) -> Cached:
    annotations = {"resource.karmada.io/cached-from-cluster": cluster}
    metadata = {"name": name, "annotations": annotations, "creationTimestamp": "2023-11-14T22:13:20Z"}
    return Cached(name, cluster, rv, encode_json({"metadata": metadata, "spec": spec}))


def names(printer: MemberColumnsPrinter) -> list[str]:
    return [column.name for column in printer.columns]


def cells(printer: MemberColumnsPrinter, obj: Cached, now: float = NOW) -> Any:
    return msgspec.json.decode(b"{" + printer.row(obj, now) + b"}")["cells"]


def test_one_set_of_columns() -> None:
    printer = MemberColumnsPrinter({"m1": (SIZE, AGE, PRICE)})
    assert names(printer) == ["Name", "Size", "Age", "Cluster", "Price"]
    assert [column.priority for column in printer.columns] == [0, 0, 0, 0, 1]
    assert cells(printer, cached("m1", size="L", price=3)) == ["t", "L", "10m", "m1", 3]


def test_columns_of_several_members_are_joined_by_name_in_the_order_of_the_first() -> None:
    printer = MemberColumnsPrinter({"m2": (COLOUR, WEIGHT_AS_SIZE), "m1": (SIZE, AGE)})
    assert names(printer) == ["Name", "Size", "Age", "Cluster", "Colour"]
    assert cells(printer, cached("m1", size="L", colour="red", weight=7)) == ["t", "L", "10m", "m1", "<none>"]
    assert cells(printer, cached("m2", rv=2, size="L", colour="red", weight=7)) == ["t", 7, "<none>", "m2", "red"]


def test_the_age_is_that_of_the_moment() -> None:
    printer = MemberColumnsPrinter({"m1": (AGE,)})
    obj = cached("m1")
    assert cells(printer, obj) == ["t", "10m", "m1"]
    assert cells(printer, obj, NOW + 3600) == ["t", "70m", "m1"]


@pytest.mark.parametrize("columns", [{}, {"m1": ()}])
def test_without_columns_name_and_age_are_shown(columns: dict[str, tuple[PrinterColumn, ...]]) -> None:
    printer = MemberColumnsPrinter(columns)
    assert names(printer) == ["Name", "Age", "Cluster"]
    assert cells(printer, cached("m1")) == ["t", "10m", "m1"]


def test_without_an_age_the_cluster_comes_last() -> None:
    assert names(MemberColumnsPrinter({"m1": (SIZE, PRICE)})) == ["Name", "Size", "Price", "Cluster"]


def test_a_member_that_does_not_tell_is_shown_by_the_columns_of_the_first_that_does() -> None:
    printer = MemberColumnsPrinter({"m3": (COLOUR,), "m2": (SIZE,)})
    assert cells(printer, cached("m1", size="L", colour="red")) == ["t", "L", "<none>", "m1"]


def test_a_row_is_prepared_once_for_each_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(member_columns, "_ROWS", 2)
    printer = MemberColumnsPrinter({"m1": (SIZE,)})
    prepared: list[Any] = []
    prepare = printer.prepare

    def counted(sections: Any) -> Any:
        prepared.append(sections)
        return prepare(sections)

    monkeypatch.setattr(printer, "prepare", counted)
    for _ in range(3):
        assert cells(printer, cached("m1", "a", 1, size="L")) == ["a", "L", "m1"]
    assert len(prepared) == 1
    assert cells(printer, cached("m1", "a", 2, size="M")) == ["a", "M", "m1"]
    for name in ("b", "c", "a"):
        assert cells(printer, cached("m1", name, 2, size="M")) == [name, "M", "m1"]
    assert len(prepared) == 5


def test_odd_objects_are_printed() -> None:
    printer = MemberColumnsPrinter({"m1": (SIZE, AGE)})
    assert cells(printer, Cached("t", "m1", 1, b'{"metadata":{"name":"t","annotations":7},"spec":[1]}')) == [
        "t",
        None,
        None,
        "m1",
    ]
