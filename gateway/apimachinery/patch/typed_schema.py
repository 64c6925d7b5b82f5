"""How objects of one kind merge: the view of a schema that server-side apply needs.

Built-in kinds take it from schemas.py, custom resources from the structural schema of their CustomResourceDefinition,
or, without one, deduce it from the values. Follows k8s.io/kube-openapi `schemaconv` and structured-merge-diff `schema`.
Pure and lazy: a node is understood when it is first asked for, because schemas of built-in kinds are recursive.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.patch.field_set import EMPTY, FieldSet
from gateway.apimachinery.schema import GroupVersionKind
from gateway.apimachinery.schemas import REF, Schema, SchemaStore, builtin_schemas

ABSENT: Any = type("Absent", (), {"__repr__": lambda self: "ABSENT"})()
"""What stands for a value that is not there, which is something else than null."""

_OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_SCALARS = {"integer": "numeric", "number": "numeric", "boolean": "boolean"}
_ZEROS = {"string": "", "integer": 0}
_RAW_EXTENSION = f"{REF}io.k8s.apimachinery.pkg.runtime.RawExtension"


@dataclass(frozen=True, slots=True)
class ListType:
    """How a list merges: whole when atomic, else item by item: by `keys`, or by value when there are none (a set)."""

    item: TypeRef
    atomic: bool = True
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MapType:
    """How an object or map merges. `fields` are declared; `element` is the type of any other, None to forbid others."""

    fields: Mapping[str, TypeRef]
    element: TypeRef | None
    atomic: bool = False
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def member(self, name: str) -> TypeRef | None:
        """Return the type of a member, or None when the schema does not know it."""
        return self.fields.get(name, self.element)


@dataclass(frozen=True, slots=True)
class Atom:
    """The forms a value may take. `scalar` is `string`, `numeric`, `boolean`, `untyped` (any scalar) or "" (none)."""

    scalar: str = ""
    list_type: ListType | None = None
    map_type: MapType | None = None

    def deduced(self, value: Any) -> Atom:
        """Narrow to the one form that fits the value; null and misfits stay as wide as the schema is."""
        if value is ABSENT or value is None:
            return self
        if isinstance(value, dict):
            return Atom(map_type=self.map_type) if self.map_type and (self.scalar or self.list_type) else self
        if isinstance(value, list):
            return Atom(list_type=self.list_type) if self.list_type and (self.scalar or self.map_type) else self
        return Atom(scalar=self.scalar) if self.scalar and (self.list_type or self.map_type) else self


class TypeRef:
    """A node of the schema, understood on first use: what builds the atom is called once."""

    def __init__(self, build: Callable[[], Atom]) -> None:
        self._build = build

    @functools.cached_property
    def atom(self) -> Atom:
        """The forms a value at this place may take."""
        return self._build()


def _untyped(*, maps_merge: bool) -> TypeRef:
    """A place for anything. Lists there are always replaced whole; maps merge when the type is deduced from values."""

    def build() -> Atom:
        element = DEDUCED if maps_merge else UNTYPED
        return Atom("untyped", ListType(UNTYPED), MapType({}, element, atomic=not maps_merge))

    return TypeRef(build)


UNTYPED = _untyped(maps_merge=False)
DEDUCED = _untyped(maps_merge=True)


class _Reader:
    """Turns nodes of JSON schemas into types."""

    def __init__(self, schemas: SchemaStore) -> None:
        self._schemas = schemas
        self._named: dict[tuple[str, str], TypeRef] = {}

    def named(self, reference: str, map_type: str) -> TypeRef:
        key = reference, map_type
        if key not in self._named:
            self._named[key] = TypeRef(lambda: self._definition(reference, map_type))
        return self._named[key]

    def _definition(self, reference: str, map_type: str) -> Atom:
        node = self._schemas.resolve({"$ref": reference})
        atom = self._read(node, map_type, keep_unknown=False)
        if not atom.map_type:
            return atom
        # Required fields of Go structs have the zero value when they are left out, also as keys of list items.
        zeros = {
            name: _ZEROS[node["properties"][name]["type"]]
            for name in node.get("required") or ()
            if node["properties"][name].get("type") in _ZEROS
        }
        return replace(atom, map_type=replace(atom.map_type, defaults={**zeros, **atom.map_type.defaults}))

    def type_of(self, node: Schema, *, keep_unknown: bool = False) -> TypeRef:
        map_type = str(node.get("x-kubernetes-map-type", ""))
        reference = node.get("$ref", "")
        if reference == _RAW_EXTENSION:
            return UNTYPED
        if reference:
            return self.named(reference, map_type)
        return TypeRef(lambda: self._read(node, map_type, keep_unknown))

    def _read(self, node: Schema, map_type: str, keep_unknown: bool) -> Atom:
        keep_unknown = keep_unknown or node.get("x-kubernetes-preserve-unknown-fields") is True
        schema_type = node.get("type")
        if schema_type == "object":
            return Atom(map_type=self._map(node, map_type, keep_unknown))
        if schema_type == "array":
            return Atom(list_type=self._list(node, keep_unknown))
        if schema_type == "string":
            return Atom("string" if node.get("format", "") in {"", "byte"} else "untyped")
        if schema_type in _SCALARS:
            return Atom(_SCALARS[schema_type])
        # IntOrString and Quantity are any scalar; what has no type at all takes any form.
        if "oneOf" in node and "x-kubernetes-int-or-string" not in node:
            return Atom("untyped")
        return Atom("untyped", self._list(node, keep_unknown), self._map(node, map_type, keep_unknown))

    def _map(self, node: Schema, map_type: str, keep_unknown: bool) -> MapType:
        properties: Mapping[str, Schema] = node.get("properties") or {}
        if node.get("x-kubernetes-embedded-resource") is True:
            properties = {**properties, **_OBJECT_PROPERTIES}
        additional = node.get("additionalProperties")
        element: TypeRef | None = None
        if isinstance(additional, dict):
            element = self.type_of(additional, keep_unknown=keep_unknown)
        elif additional is True or (additional is None and (keep_unknown or not properties)):
            element = DEDUCED
        return MapType(
            {name: self.type_of(child, keep_unknown=keep_unknown) for name, child in properties.items()},
            element,
            atomic=(map_type or node.get("x-kubernetes-map-type")) == "atomic",
            defaults={name: child["default"] for name, child in properties.items() if "default" in child},
        )

    def _list(self, node: Schema, keep_unknown: bool) -> ListType:
        items = node.get("items")
        item = self.type_of(items, keep_unknown=keep_unknown) if isinstance(items, dict) else UNTYPED
        list_type = node.get("x-kubernetes-list-type")
        if list_type == "map":
            return ListType(item, atomic=False, keys=tuple(node.get("x-kubernetes-list-map-keys") or ()))
        return ListType(item, atomic=list_type != "set")


_OBJECT_PROPERTIES: Mapping[str, Schema] = {
    "apiVersion": {"type": "string"},
    "kind": {"type": "string"},
    "metadata": {"$ref": REF + _OBJECT_META},
}

_STATUS_SUBRESOURCE = "status"
_STATUS = FieldSet.of([("f:status",)])
_RESET_BY_STATUS = {
    "Deployment": FieldSet.of([("f:spec",), ("f:metadata", "f:labels")]),
    "Pod": FieldSet.of([("f:spec",), ("f:metadata", "f:deletionTimestamp"), ("f:metadata", "f:ownerReferences")]),
}
_SPEC = FieldSet.of([("f:spec",)])
_SPEC_AND_METADATA = FieldSet.of([("f:spec",), ("f:metadata",)])


@dataclass(frozen=True, slots=True)
class TypeSchema:
    """How objects of one kind merge.

    Only `builtin` kinds have strategic merge patch. `status_subresource` says whether `status` is written apart.
    """

    gvk: GroupVersionKind
    root: TypeRef
    builtin: bool
    status_subresource: bool = True

    def reset_fields(self, subresource: str) -> FieldSet:
        """Return the fields that a write to the subresource ("" for the object itself) cannot set, so never owns."""
        if subresource == _STATUS_SUBRESOURCE:
            return _RESET_BY_STATUS.get(self.gvk.kind, _SPEC) if self.builtin else _SPEC_AND_METADATA
        return _STATUS if self.status_subresource else EMPTY


@functools.cache
def _builtin_reader() -> _Reader:
    return _Reader(builtin_schemas())


@functools.cache
def builtin_type(gvk: GroupVersionKind) -> TypeSchema | None:
    """Return how a built-in kind merges, or None when the kind is not built in."""
    name = builtin_schemas().name_for(gvk)
    return TypeSchema(gvk, _builtin_reader().named(REF + name, ""), builtin=True) if name else None


def custom_type(
    gvk: GroupVersionKind, open_api_v3_schema: JsonObject | None, *, status_subresource: bool = True
) -> TypeSchema:
    """Return how a custom resource merges.

    `open_api_v3_schema` is the structural schema of the CustomResourceDefinition's version; with None the types are
    deduced from the values: objects merge, lists are replaced whole.
    """
    if open_api_v3_schema is None:
        return TypeSchema(gvk, DEDUCED, builtin=False, status_subresource=status_subresource)
    properties = {**(open_api_v3_schema.get("properties") or {}), **_OBJECT_PROPERTIES}
    root = _builtin_reader().type_of({**open_api_v3_schema, "properties": properties})
    return TypeSchema(gvk, root, builtin=False, status_subresource=status_subresource)
