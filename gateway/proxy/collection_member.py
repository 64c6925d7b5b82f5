"""Deleting one object of a deletecollection at another API server, as the deletecollection that it is. Pure.

A caller who may delete a collection need not be allowed to delete an object by its name. So each object is asked for as
a collection of one, under its preconditions, which API servers check for every object of a collection.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from gateway.apimachinery.errors import not_found
from gateway.apimachinery.meta import JsonObject
from gateway.request import upstream_path
from gateway.write_request import WriteRequest

_ESCAPED = str.maketrans({"\\": "\\\\", ",": "\\,", "=": "\\="})
"""What means something inside a field selector (apimachinery `fields.EscapeValue`)."""


def collection_of_one(request: WriteRequest, query: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Return the path of the collection, and the query that leaves of it the object alone."""
    info = request.scope.info
    path = info.path.rstrip("/").rpartition("/")[0]
    selector = f"metadata.name={request.name.translate(_ESCAPED)}"
    return upstream_path(replace(info, path=path)), {**query, "fieldSelector": selector}


def only_member(request: WriteRequest, answer: JsonObject | None) -> JsonObject:
    """Return the object that was deleted, as a list holds it. Raises ApiError 404 when there was none to delete."""
    items = (answer or {}).get("items")
    if not isinstance(items, list) or not items or not isinstance(items[0], dict):
        raise not_found(request.scope.info.group_resource, request.name)
    return items[0]
