from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from gateway.apimachinery.meta import ObjectKey
from gateway.apimachinery.schema import GroupResource, GroupVersionResource
from gateway.printers.events import COLUMNS as EVENT_COLUMNS
from gateway.printers.pods import COLUMNS as POD_COLUMNS
from gateway.printers.printer import (
    MERGED_EVENT_PRINTER,
    MERGED_POD_PRINTER,
    MERGED_PRINTERS,
    merged_printer,
    stored_printer,
)
from gateway.printers.served import CLUSTER_ANNOTATION
from gateway.storage.definitions import PrinterColumn
from gateway.storage.interface import StoredObject
from tests.gateway.printers.goldens import Resource, finished, recorded, sections


@dataclass
class Cached:
    name: str
    cluster: str
    cells: Any
    row: Any = msgspec.UNSET


def decoded(inside: bytes) -> Any:
    return msgspec.json.decode(b"{" + inside + b"}")


def test_the_cluster_of_a_pod_stands_behind_its_age() -> None:
    names = [column.name for column in MERGED_POD_PRINTER.columns]
    assert names[3:7] == ["Restarts", "Age", "Cluster", "IP"]
    assert MERGED_POD_PRINTER.columns[5].priority == 0
    row = MERGED_POD_PRINTER.row(Cached("web", "m1", MERGED_POD_PRINTER.prepare(sections({}))), 0)
    assert decoded(row)["cells"][:7] == ["web", "0/0", "", "0", "<unknown>", "m1", "<none>"]


def test_many_rows_are_those_of_each() -> None:
    def cached(number: int, *, named: bool = True) -> Cached:
        name, cluster = f"web-{number}", f"m{number % 3}"
        annotations = {CLUSTER_ANNOTATION: cluster}
        created = f"2026-01-05T08:{number % 60:02}:00Z"
        metadata = {"name": name, "creationTimestamp": created, "annotations": annotations} if named else {}
        row = MERGED_POD_PRINTER.prepare(sections({"metadata": metadata}))
        return Cached(name, cluster, row, row if number % 2 else msgspec.UNSET)

    objects = [*map(cached, range(200)), cached(200, named=False), *map(cached, range(201, 300))]
    found = list(MERGED_POD_PRINTER.rows(objects, 1_780_000_000.0))
    assert found == [MERGED_POD_PRINTER.row(each, 1_780_000_000.0) for each in objects]
    assert [decoded(row)["cells"][0] for row in found] == [f"web-{number}" for number in range(300)]


NAMED = {"name": "web", "annotations": {CLUSTER_ANNOTATION: "m1"}}
ODD_PODS = [
    {},
    {"metadata": NAMED, "status": 7},
    {"metadata": NAMED, "spec": None},
    {"metadata": []},
    {"metadata": {"name": 5, "creationTimestamp": "2026-01-05T08:00:00Z"}},
    {"metadata": NAMED | {"annotations": None}},
    {"metadata": NAMED | {"annotations": {CLUSTER_ANNOTATION: 5}}, "status": {"phase": "Failed"}},
    {"metadata": NAMED | {"creationTimestamp": "yesterday"}, "status": {"reason": '50% \u00e9"\\'}},
]


def real_pods() -> list[Any]:
    objects = [row["object"] for row in recorded()["pods"].rows]
    named = [obj | {"metadata": obj["metadata"] | {"annotations": {CLUSTER_ANNOTATION: "m1"}}} for obj in objects]
    assert len(named) > 20
    return named


@pytest.mark.parametrize("now", [1_767_600_100.0, 1_800_000_000.0])
def test_a_pod_that_is_read_in_one_go_has_the_row_of_its_sections(now: float) -> None:
    for pod in [*real_pods(), *ODD_PODS]:
        at_once = MERGED_POD_PRINTER.render(msgspec.json.encode(pod))
        parted = MERGED_POD_PRINTER.prepare(sections(pod))
        assert at_once.finish(now, b'"n"', b'"c"') == parted.finish(now, b'"n"', b'"c"'), pod


def test_real_pods_are_read_in_one_go() -> None:
    whole = MERGED_POD_PRINTER.read_at_once
    assert whole is not None
    assert [pod for pod in real_pods() if whole(msgspec.json.encode(pod)) is None] == []


def test_the_cluster_of_an_event_stands_before_its_message() -> None:
    names = [column.name for column in MERGED_EVENT_PRINTER.columns]
    assert names[5:8] == ["Source", "Cluster", "Message"]
    row = MERGED_EVENT_PRINTER.row(Cached("e", "m1", MERGED_EVENT_PRINTER.prepare(sections({"message": "m"}))), 0)
    assert decoded(row)["cells"][5:8] == ["", "m1", "m"]


@pytest.mark.parametrize("printer", MERGED_PRINTERS.values())
def test_merged_rows_have_a_cell_a_column(printer: Any) -> None:
    for obj in ({}, {"status": 5, "count": "x"}):
        assert len(finished(printer.prepare(sections(obj)), 0)["cells"]) == len(printer.columns)


def printer_for(group: str, resource: str, *columns: PrinterColumn) -> Any:
    return stored_printer(Resource(GroupVersionResource(group, "v1", resource), columns))


def test_each_kind_has_its_printer() -> None:
    assert printer_for("", "pods").columns is POD_COLUMNS
    assert printer_for("", "events").columns is printer_for("events.k8s.io", "events").columns is EVENT_COLUMNS
    assert [column.name for column in printer_for("apps", "statefulsets").columns][:3] == ["Name", "Ready", "Age"]
    custom = printer_for("example.io", "widgets", PrinterColumn("Size", "integer", ".size"))
    assert [column.name for column in custom.columns] == ["Name", "Size"]


def test_a_stored_object_is_rendered_once() -> None:
    printer = printer_for("", "configmaps")
    raw = b'{"metadata":{"name":"c","creationTimestamp":"1970-01-01T00:00:00Z"},"data":{"a":"b"}}'
    stored = StoredObject(ObjectKey("default", "c"), 1, raw, 0.0)
    assert decoded(printer.row(stored, 5)) == {"cells": ["c", 1, "5s"]}
    kept = stored.cells
    assert decoded(printer.row(stored, 65)) == {"cells": ["c", 1, "65s"]}
    assert stored.cells is kept


def test_two_versions_of_a_custom_resource_keep_their_own_columns() -> None:
    raw = b'{"metadata":{"name":"w"},"spec":{"size":3,"color":"red"}}'
    stored = StoredObject(ObjectKey("default", "w"), 1, raw, 0.0)
    size = printer_for("example.io", "widgets", PrinterColumn("Size", "integer", ".spec.size"))
    color = printer_for("example.io", "widgets", PrinterColumn("Color", "string", ".spec.color"))
    assert decoded(size.row(stored, 0)) == {"cells": ["w", 3]}
    assert decoded(color.row(stored, 0)) == {"cells": ["w", "red"]}
    assert decoded(size.row(stored, 0)) == {"cells": ["w", 3]}


def test_a_definition_has_one_printer() -> None:
    definition = Resource(GroupVersionResource("example.io", "v1", "widgets"))
    assert stored_printer(definition) is stored_printer(definition)


def test_kinds_of_kubernetes_have_the_cluster_behind_their_age_or_last() -> None:
    nodes = merged_printer(GroupResource("", "nodes"))
    assert nodes is not None
    assert nodes.built_in
    assert [column.name for column in nodes.columns][:7] == [
        "Name",
        "Status",
        "Roles",
        "Age",
        "Cluster",
        "Version",
        "Internal-IP",
    ]
    metadata = {"name": "n1", "annotations": {CLUSTER_ANNOTATION: "m1"}}
    node = Cached("n1", "m1", nodes.prepare(sections({"metadata": metadata})))
    assert decoded(nodes.row(node, 0))["cells"][:5] == ["n1", "Unknown", "<none>", "<unknown>", "m1"]
    roles = merged_printer(GroupResource("rbac.authorization.k8s.io", "roles"))
    assert roles is not None
    assert [column.name for column in roles.columns] == ["Name", "Created At", "Cluster"]


def test_pods_have_their_own_merged_printer_and_custom_kinds_none() -> None:
    assert merged_printer(GroupResource("", "pods")) is MERGED_POD_PRINTER
    assert merged_printer(GroupResource("apps.kruise.io", "clonesets")) is None
