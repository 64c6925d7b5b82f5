"""The values that field selectors compare, for resources that have more of them than name and namespace.

Which fields exist follows Kubernetes (`AddFieldLabelConversionFunc` and `ToSelectableFields` of each kind). Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from cache.resource_kind import ResourceKind
from gateway.apimachinery.meta import JsonObject
from gateway.storage.definitions import METADATA_LABELS, name_fields, read_name_fields
from gateway.storage.interface import FieldReader, StoredObject

_sections = msgspec.json.Decoder(dict[str, msgspec.Raw])


def as_text(value: Any) -> str:
    """Write a JSON scalar as Go's formatting does; what is absent is empty."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case _:
            return str(value)


def value_at(obj: Any, path: tuple[str, ...]) -> Any:
    """Return the value at a path of field names, None where a step is missing."""
    for step in path:
        if not isinstance(obj, dict):
            return None
        obj = obj.get(step)
    return obj


def path_reader(paths: Mapping[str, tuple[str, ...]]) -> FieldReader:
    """Return a reader of fields that stand at plain paths."""

    def read(stored: StoredObject) -> dict[str, str]:
        content: JsonObject = stored.decode()
        fields = name_fields(stored.key)
        for label, path in paths.items():
            fields[label] = as_text(value_at(content, path))
        return fields

    return read


def kind_reader(kind: ResourceKind) -> FieldReader:
    """Return a reader of the fields that the cross-cluster cache knows of a kind: one truth for both views."""
    if not kind.field_names:
        return read_name_fields

    def read(stored: StoredObject) -> dict[str, str]:
        sections = _sections.decode(stored.raw)
        values = kind.read_fields(sections, _sections.decode(sections.get("metadata", b"{}")))
        return name_fields(stored.key) | dict(zip(kind.field_names, values, strict=True))

    return read


def own_labels(*labels: str) -> dict[str, str]:
    """Return the labels of a resource that selects by these fields, beside name and namespace."""
    return {**METADATA_LABELS, **{label: label for label in labels}}
