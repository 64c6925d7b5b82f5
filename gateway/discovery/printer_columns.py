"""The columns that a member's CustomResourceDefinition declares for `kubectl get`, by version.

Read with the gateway's own right. A member that does not tell is no fault: its objects are shown by the columns that
other members declare, or by name and age.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from gateway.apimachinery.errors import ApiError, PathNotFound
from gateway.apimachinery.meta import JsonObject, field
from gateway.apimachinery.schema import GroupResource
from gateway.clusters.upstream import Upstream
from gateway.storage.definitions import PrinterColumn

Columns = tuple[PrinterColumn, ...]
ColumnsByVersion = Mapping[str, Columns]

_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_UNTOLD = frozenset({403, 404})


async def read_columns(upstream: Upstream, resource: GroupResource, *, timeout: float) -> ColumnsByVersion | None:
    """Return what a member declares; None when it does not say: no such definition, or no right to read it.

    Raises ApiError when it cannot be asked.
    """
    try:
        path = f"{_DEFINITIONS}/{quote(str(resource), safe='')}"
        return parse_columns(await upstream.get_json(path, timeout=timeout))
    except PathNotFound:
        return None
    except ApiError as error:
        if error.code in _UNTOLD:
            return None
        raise


def parse_columns(definition: JsonObject) -> ColumnsByVersion:
    """Return the columns of each version. What cannot be understood is left out: members may say anything."""
    versions = field(definition, "spec", "versions")
    return {
        version["name"]: _columns(version.get("additionalPrinterColumns"))
        for version in (versions if isinstance(versions, list) else ())
        if isinstance(version, dict) and isinstance(version.get("name"), str)
    }


def _columns(declared: Any) -> Columns:
    entries = declared if isinstance(declared, list) else ()
    return tuple(_column(entry) for entry in entries if isinstance(entry, dict) and _is_column(entry))


def _is_column(entry: JsonObject) -> bool:
    return all(isinstance(entry.get(name), str) for name in ("name", "type", "jsonPath"))


def _column(entry: JsonObject) -> PrinterColumn:
    priority = entry.get("priority")
    return PrinterColumn(
        entry["name"],
        entry["type"],
        entry["jsonPath"],
        str(entry.get("format") or ""),
        str(entry.get("description") or ""),
        priority if isinstance(priority, int) else 0,
    )
