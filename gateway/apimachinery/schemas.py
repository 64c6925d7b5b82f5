"""The JSON schemas of the built-in kinds, as the package `kubernetes-validate` ships them, ready to be walked.

Used by strategic merge patch and server-side apply (how lists merge), OpenAPI documents and explain. Definitions are
read once, on first use, and each is brought into OpenAPI v3's shape when it is first touched. Nodes are shared: never
change one. Unknown and wrongly typed fields are found by `strict`, which knows the Go types as well.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.apimachinery.schema import GroupVersionKind

Schema = dict[str, Any]
"""One node of a schema."""

REF: Final = "#/$defs/"
"""What every `$ref` begins with; the name of a definition follows."""

_SHIPPED: Final = "kubernetes-json-schema/v1.36.0-local/_definitions.json"
_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1."
_FREE_FORM: Final = frozenset({"io.k8s.apimachinery.pkg.runtime.RawExtension", _META + "FieldsV1"})
_INT_OR_STRING: Final = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
# Keys of list items that may be left out; the shipped schemas carry no defaults, merging needs these two.
_KEY_DEFAULTS: Final = {
    "io.k8s.api.core.v1.ContainerPort": {"protocol": "TCP"},
    "io.k8s.api.core.v1.ServicePort": {"protocol": "TCP"},
}


@dataclass(frozen=True, slots=True)
class MergeRule:
    """How strategic merge patch treats a list or an object; empty values mean the schema says nothing."""

    patch_strategies: frozenset[str]
    """Of "merge", "replace", "retainKeys"."""
    patch_merge_key: str
    """Which field of the items identifies them."""


def merge_rule(node: Schema) -> MergeRule:
    """Return the rule at a node as `field` or `items` gave it."""
    strategies = node.get("x-kubernetes-patch-strategy", "")
    return MergeRule(
        patch_strategies=frozenset(strategies.split(",") if strategies else ()),
        patch_merge_key=node.get("x-kubernetes-patch-merge-key", ""),
    )


class SchemaStore:
    """Schemas by definition name and by kind.

    The only state that changes is the cache of definitions already brought into shape.
    """

    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self._shipped = definitions
        self._ready: dict[str, Schema] = {}
        self._names: dict[GroupVersionKind, str] = {}
        for name, definition in definitions.items():
            for entry in definition.get("x-kubernetes-group-version-kind", ()):
                self._names[GroupVersionKind(entry["group"], entry["version"], entry["kind"])] = name

    def __repr__(self) -> str:
        return f"SchemaStore({len(self._shipped)} definitions, {len(self._names)} kinds)"

    def kinds(self) -> Sequence[GroupVersionKind]:
        """Every kind that has a schema, sorted."""
        return sorted(self._names)

    def names(self) -> Sequence[str]:
        """The name of every definition."""
        return list(self._shipped)

    def name_for(self, gvk: GroupVersionKind) -> str | None:
        """Return the name of a kind's definition, for example `io.k8s.api.apps.v1.Deployment`."""
        return self._names.get(gvk)

    def schema_for(self, gvk: GroupVersionKind) -> Schema | None:
        """Return the schema of a kind's objects, None for a kind that is not built in."""
        name = self._names.get(gvk)
        return None if name is None else self.definition(name)

    def definition(self, name: str) -> Schema:
        """Return a definition by its name. Raises KeyError for an unknown one."""
        ready = self._ready.get(name)
        if ready is None:
            ready = self._ready[name] = _prepare(name, self._shipped[name])
        return ready

    def resolve(self, node: Schema) -> Schema:
        """Return what a node refers to, or the node itself when it is no reference."""
        reference: str | None = node.get("$ref")
        return node if reference is None else self.definition(reference.removeprefix(REF))

    def field(self, node: Schema, name: str) -> Schema | None:
        """Return the unresolved node of an object's field or a map's value, None where the schema knows none."""
        resolved = self.resolve(node)
        found: Schema | None = resolved.get("properties", {}).get(name)
        if found is not None:
            return found
        values = resolved.get("additionalProperties")
        return values if isinstance(values, dict) else None

    def items(self, node: Schema) -> Schema | None:
        """Return the unresolved node of a list's items, None where the schema knows none."""
        found: Schema | None = self.resolve(node).get("items")
        return found


def _prepare(name: str, shipped: Schema) -> Schema:
    if name in _FREE_FORM:
        return {**_in_openapi_shape(shipped), "x-kubernetes-preserve-unknown-fields": True}
    if name == _INT_OR_STRING:
        return {**_in_openapi_shape(shipped), "format": "int-or-string"}
    ready = _in_openapi_shape(shipped)
    for field, default in _KEY_DEFAULTS.get(name, {}).items():
        ready["properties"][field]["default"] = default
    if "x-kubernetes-group-version-kind" in shipped:
        for field in ("apiVersion", "kind"):
            ready["properties"].get(field, {}).pop("enum", None)
    return ready


def _in_openapi_shape(node: Schema) -> Schema:
    """Copy a node; the package's `["string", "null"]` becomes `"string"`, as Kubernetes publishes it."""
    ready: Schema = {}
    for key, value in node.items():
        if key == "type" and isinstance(value, list):
            ready[key] = next(entry for entry in value if entry != "null")
        elif key == "properties":
            ready[key] = {name: _in_openapi_shape(child) for name, child in value.items()}
        elif key in ("items", "additionalProperties") and isinstance(value, dict):
            ready[key] = _in_openapi_shape(value)
        elif key == "oneOf":
            ready[key] = [_in_openapi_shape(child) for child in value]
        else:
            ready[key] = value
    return ready


class _Shipped(msgspec.Struct, frozen=True):
    definitions: dict[str, Schema] = msgspec.field(name="$defs")


@functools.cache
def builtin_schemas() -> SchemaStore:
    """The schemas of Kubernetes 1.36, read on first use."""
    spec = importlib.util.find_spec("kubernetes_validate")  # found, not imported: it would import a validator
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("the package kubernetes-validate is not installed")
    data = Path(spec.submodule_search_locations[0], _SHIPPED).read_bytes()
    return SchemaStore(msgspec.json.decode(data, type=_Shipped).definitions)
