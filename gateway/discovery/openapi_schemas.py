"""Schemas as OpenAPI documents publish them: the built-in ones with all they refer to, and those of custom kinds.

Pure. A definition is brought into its published form once and kept as JSON, because most documents repeat the same
large ones: metadata, Pod templates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupVersionKind
from gateway.apimachinery.schemas import REF, SchemaStore

SchemaOf = Callable[[GroupVersionKind], JsonObject | None]
"""Returns the schema of a kind that is not built in, None where there is none."""

_GVK = "x-kubernetes-group-version-kind"
_ANY_OBJECT = "io.k8s.api.core.v1.ConfigMap"
_ANY_LIST = "io.k8s.api.core.v1.ConfigMapList"
_COMMON_FIELDS = ("apiVersion", "kind", "metadata")


class PublishedSchemas:
    """The components of documents of one format.

    The only state that changes is the cache of definitions already encoded.

    Args:
        store: the built-in schemas.
        reference: what a `$ref` of the format begins with, for example `#/components/schemas/`.
        unions: whether the format can say `oneOf`; where it cannot, an integer or text is published as text.
    """

    def __init__(self, store: SchemaStore, reference: str, *, unions: bool = True) -> None:
        self._store = store
        self._reference = reference
        self._unions = unions
        self._encoded: dict[str, tuple[msgspec.Raw, frozenset[str]]] = {}

    def reference(self, name: str) -> JsonObject:
        """Return a node that refers to a component."""
        return {"$ref": self._reference + name}

    def builtin_name(self, gvk: GroupVersionKind) -> str | None:
        """Return the name of a built-in kind's component."""
        return self._store.name_for(gvk)

    def closure(self, names: Iterable[str]) -> dict[str, msgspec.Raw]:
        """Return the named built-in components and all they refer to, encoded, sorted by name."""
        found: dict[str, msgspec.Raw] = {}
        pending = list(names)
        while pending:
            name = pending.pop()
            if name not in found:
                found[name], refers_to = self._component(name)
                pending.extend(refers_to)
        return dict(sorted(found.items()))

    def custom_closure(self, kinds: Iterable[GroupVersionKind], schema_of: SchemaOf) -> dict[str, Any]:
        """Return the components of custom kinds and their lists, with the built-in metadata they refer to."""
        components: dict[str, Any] = {}
        refers_to: set[str] = set()
        for gvk in kinds:
            components |= self._custom_components(gvk, schema_of(gvk), refers_to)
        return components | self.closure(refers_to)

    def _custom_components(
        self, gvk: GroupVersionKind, schema: JsonObject | None, refers_to: set[str]
    ) -> dict[str, JsonObject]:
        """Publish a custom kind as an API server does: the common fields added. Without a schema any field is fine."""
        name, list_kind = custom_name(gvk), f"{gvk.kind}List"
        known: JsonObject = {"x-kubernetes-preserve-unknown-fields": True} if schema is None else schema
        own = {
            **known,
            "type": "object",
            "properties": {**known.get("properties", {}), **self._common_fields(_ANY_OBJECT, refers_to)},
            _GVK: [_gvk_entry(gvk)],
        }
        items = {"description": f"The {gvk.kind} objects.", "type": "array", "items": self.reference(name)}
        listed = {
            "description": f"{list_kind} is a list of {gvk.kind}",
            "type": "object",
            "required": ["items"],
            "properties": {**self._common_fields(_ANY_LIST, refers_to), "items": items},
            _GVK: [_gvk_entry(GroupVersionKind(gvk.group, gvk.version, list_kind))],
        }
        return {name: own, f"{name}List": listed}

    def _common_fields(self, name: str, refers_to: set[str]) -> JsonObject:
        """Return the nodes of the fields that every object has, as a built-in kind describes them."""
        properties = self._store.definition(name)["properties"]
        return {field: self._publish(properties[field], refers_to) for field in _COMMON_FIELDS}

    def _component(self, name: str) -> tuple[msgspec.Raw, frozenset[str]]:
        encoded = self._encoded.get(name)
        if encoded is None:
            refers_to: set[str] = set()
            published = self._publish(self._store.definition(name), refers_to)
            encoded = msgspec.Raw(msgspec.json.encode(published)), frozenset(refers_to)
            self._encoded[name] = encoded
        return encoded

    def _publish(self, node: Any, refers_to: set[str]) -> Any:
        """Copy a node with its references in this format; a reference keeps no neighbours, so it moves into allOf."""
        if isinstance(node, list):
            return [self._publish(item, refers_to) for item in node]
        if not isinstance(node, dict):
            return node
        reference = node.get("$ref")
        if not isinstance(reference, str):
            published = {key: self._publish(value, refers_to) for key, value in node.items()}
            if not self._unions and isinstance(published.get("oneOf"), list):
                del published["oneOf"]
                published["type"] = "string"
            return published
        name = reference.removeprefix(REF)
        refers_to.add(name)
        beside = {key: value for key, value in node.items() if key != "$ref"}
        return {**beside, "allOf": [self.reference(name)]} if beside else self.reference(name)


def custom_name(gvk: GroupVersionKind) -> str:
    """Return the name of a custom kind's component: `io.kruise.apps.v1alpha1.CloneSet`."""
    return ".".join((*reversed(gvk.group.split(".")), gvk.version, gvk.kind))


def _gvk_entry(gvk: GroupVersionKind) -> JsonObject:
    return {"group": gvk.group, "kind": gvk.kind, "version": gvk.version}
