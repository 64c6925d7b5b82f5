"""Tables that a real kube-apiserver made of the objects in testdata/objects.yaml, and ours of the same objects.

Recorded by tests/tools/record_table_goldens.py.
"""

from __future__ import annotations

import functools
import json
import lzma
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupResource, GroupVersionResource
from gateway.printers.columns import Column
from gateway.printers.printer import StoredPrinter, stored_printer
from gateway.printers.row import PreparedRow
from gateway.storage.definitions import PrinterColumn
from tests.support.table_samples import RealTable

GOLDENS = Path(__file__).parent / "testdata" / "tables.jsonl.xz"


@dataclass(frozen=True)
class Resource:
    """What the printers need to know of a resource."""

    gvr: GroupVersionResource
    columns: tuple[PrinterColumn, ...] = ()


def save(tables: Sequence[RealTable]) -> None:
    """Keep what was recorded."""
    lines = "".join(json.dumps(asdict(table), ensure_ascii=False) + "\n" for table in tables)
    GOLDENS.write_bytes(lzma.compress(lines.encode(), preset=9))


@functools.cache
def recorded() -> Mapping[str, RealTable]:
    """Read what was recorded, by resource."""
    tables = {}
    for line in lzma.decompress(GOLDENS.read_bytes()).splitlines():
        fields = json.loads(line)
        fields["resource"] = GroupResource(**fields["resource"])
        table = RealTable(**fields)
        tables[str(table.resource)] = table
    return tables


def printer_of(table: RealTable) -> StoredPrinter:
    """Return our printer of a recorded resource."""
    columns = tuple(
        PrinterColumn(
            column["name"], column["type"], column["jsonPath"], column.get("format", ""), column.get("description", ""),
            column.get("priority", 0),
        )
        for column in table.custom_columns or ()
    )  # fmt: skip
    gvr = GroupVersionResource(table.resource.group, "v1", table.resource.resource)
    return stored_printer(Resource(gvr, columns))


def sections(obj: JsonObject) -> dict[str, msgspec.Raw]:
    """Return an object as printers take it."""
    return msgspec.json.decode(msgspec.json.encode(obj), type=dict[str, msgspec.Raw])


def finished(row: PreparedRow, now: float, name: str = "", cluster: str = "") -> JsonObject:
    """Return a row as it is sent."""
    inside = row.finish(now, msgspec.json.encode(name), msgspec.json.encode(cluster))
    decoded: JsonObject = msgspec.json.decode(b"{" + inside + b"}")
    return decoded


def facts(columns: Sequence[Column]) -> list[tuple[str, str, str, int]]:
    """Return what of column definitions must be as Kubernetes has it: all but the descriptions."""
    return [(column.name, column.type, column.format, column.priority) for column in columns]


def differences(table: RealTable) -> list[str]:
    """Compare ours with the real Table, column by column and cell by cell; nothing is no difference."""
    printer = printer_of(table)
    real_columns = [Column(**column) for column in table.columns]
    if facts(printer.columns) != facts(real_columns):
        return [f"{table.resource}: columns {facts(printer.columns)} are {facts(real_columns)} in Kubernetes"]
    found = []
    for real in table.rows:
        name = real["object"]["metadata"]["name"]
        prepared = printer.prepare(sections(real["object"]))
        ours = [finished(prepared, now, name) for now in (table.before, table.after)]
        wanted = {field: real[field] for field in ("cells", "conditions") if field in real}
        if wanted not in ours:
            found.append(f"{table.resource} {name}: {ours[0]} is {wanted} in Kubernetes")
    return found
