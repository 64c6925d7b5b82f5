"""Removing the fields a schema does not know, and naming them (KEP-571, structural schemas).

Works for the structural schema of a custom resource and, through the store of built-in schemas, for built-in kinds.
Pure. Follows k8s.io/apiextensions-apiserver `apiserver/schema/pruning`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupVersionKind
from gateway.apimachinery.schemas import Schema, builtin_schemas

_TYPE_FIELDS = frozenset({"apiVersion", "kind", "metadata"})
_OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_EMBEDDED = "x-kubernetes-embedded-resource"


class _Pruner:
    """One walk over an object; `unknown` collects the paths of what it removed."""

    def __init__(self, resolve: Callable[[Schema], Schema]) -> None:
        self._resolve = resolve
        self.unknown: list[str] = []

    def prune(self, value: Any, node: Schema | None, path: str, *, embedded: bool = False) -> None:
        if isinstance(value, dict):
            self._prune_object(value, self._resolve(node) if node is not None else None, path, embedded)
        elif isinstance(value, list):
            items = self._resolve(node).get("items") if node is not None else None
            if node is not None and self._keeps_unknown(self._resolve(node)) and items is None:
                return
            for index, entry in enumerate(value):
                self.prune(entry, items, f"{path}[{index}]")

    def _prune_object(self, value: JsonObject, node: Schema | None, path: str, embedded: bool) -> None:
        schema = node or {}
        embedded = embedded or bool(schema.get(_EMBEDDED))
        properties = schema.get("properties") or {}
        additional = schema.get("additionalProperties")
        keeps = self._keeps_unknown(schema)
        for name in list(value):
            inner = f"{path}.{name}" if path else name
            if embedded and name in _TYPE_FIELDS:
                continue
            if name in properties:
                self.prune(value[name], properties[name], inner)
            elif additional:
                self.prune(value[name], additional if isinstance(additional, dict) else None, inner)
            elif not keeps:
                del value[name]
                self.unknown.append(inner)

    @staticmethod
    def _keeps_unknown(schema: Schema) -> bool:
        return bool(schema.get(_PRESERVE))


def prune_custom_resource(obj: JsonObject, schema: Schema | None) -> list[str]:
    """Remove unknown fields in place and return their paths; without a schema only metadata is looked at."""
    pruner = _Pruner(lambda node: node)
    pruner.prune(obj, schema if schema is not None else {_PRESERVE: True}, "", embedded=True)
    metadata = obj.get("metadata")
    if isinstance(metadata, dict):
        pruner.unknown += _prune_metadata(metadata)
    return sorted(pruner.unknown)


def prune_value(value: Any, schema: Schema) -> list[str]:
    """Remove the unknown fields of a value in place and return their paths."""
    pruner = _Pruner(lambda node: node)
    pruner.prune(value, schema, "")
    return pruner.unknown


def prune_builtin(obj: JsonObject, gvk: GroupVersionKind) -> None:
    """Remove in place the fields a built-in kind does not have; kinds without a schema stay as they are."""
    schemas = builtin_schemas()
    schema = schemas.schema_for(gvk)
    if schema is not None:
        _Pruner(schemas.resolve).prune(obj, schema, "")


def _prune_metadata(metadata: JsonObject) -> list[str]:
    schemas = builtin_schemas()
    pruner = _Pruner(schemas.resolve)
    pruner.prune(metadata, schemas.definition(_OBJECT_META), "metadata")
    return pruner.unknown
