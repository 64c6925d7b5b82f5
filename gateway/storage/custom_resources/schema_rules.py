"""Whether an openAPIV3Schema is structural: every field has a type, nothing hides behind anyOf and its kin.

Pure; after k8s.io/apiextensions-apiserver `apiserver/schema/validation.go`. Only what is structural can be pruned and
defaulted, so what is not is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

from gateway.apimachinery.errors import field_error
from gateway.storage.custom_resources.pruning import prune_value
from gateway.storage.validation.custom_resources import schema_causes
from gateway.storage.validation.patterns import PatternWork, TooMuchWork

_TYPES = frozenset({"array", "boolean", "integer", "number", "object", "string"})
_PLACES = {"root": "at the root", "items": "for specified array items", "field": "for specified object fields"}
_LIST_TYPES = ("atomic", "set", "map")
_MAP_TYPES = ("atomic", "granular")
_JUNCTORS = ("allOf", "anyOf", "oneOf")
_STRUCTURE = ("description", "type", "title", "default", "nullable", "additionalProperties")
_EXTENSIONS = (
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
)
_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
_FORBIDDEN_KEYWORDS = ("definitions", "dependencies", "deprecated", "discriminator", "id", "patternProperties", "$ref")

Cause = dict[str, str]


def _forbidden(path: str, detail: str) -> Cause:
    return field_error("FieldValueForbidden", path, f"Forbidden: {detail}")


def _required(path: str, detail: str) -> Cause:
    return field_error("FieldValueRequired", path, f"Required value: {detail}")


def _unsupported(path: str, value: str, known: Sequence[str]) -> Cause:
    listed = ", ".join(f'"{name}"' for name in known)
    return field_error("FieldValueNotSupported", path, f'Unsupported value: "{value}": supported values: {listed}')


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _invalid(path: str, value: Any, detail: str) -> Cause:
    text = f'"{value}"' if isinstance(value, str) else str(value).lower()
    return field_error("FieldValueInvalid", path, f"Invalid value: {text}: {detail}")


def structural_faults(schema: dict[str, Any], path: str, work: PatternWork | None = None) -> list[Cause]:
    """Return what keeps a schema from being structural, in a stable order.

    `work` is what is left for patterns, where one definition has several schemas.
    """
    work = PatternWork() if work is None else work
    faults = (
        *_pattern_faults(schema, path, work),
        *_node_faults(schema, path, "root", work),
        *_root_faults(schema, path),
    )
    return sorted(faults, key=lambda cause: (cause["field"], cause["message"]))


def _node_faults(node: dict[str, Any], path: str, place: str, work: PatternWork) -> Iterator[Cause]:
    yield from _type_faults(node, path, place)
    for keyword in _FORBIDDEN_KEYWORDS:
        if node.get(keyword):
            yield _forbidden(f"{path}.{keyword}", f"{keyword} is not supported")
    if node.get("uniqueItems"):
        yield _forbidden(f"{path}.uniqueItems", "uniqueItems cannot be set to true since the runtime complexity "
                         "becomes quadratic")  # fmt: skip
    if node.get("properties") and node.get("additionalProperties"):
        yield _forbidden(f"{path}.additionalProperties", "additionalProperties and properties are mutual exclusive")
    if place == "root" and node.get("additionalProperties"):
        yield _forbidden(f"{path}.additionalProperties", "must not be used at the root")
    yield from _default_faults(node, path, work)
    yield from _list_faults(node, path)
    yield from _junctor_faults(node, path)
    for name, child in (node.get("properties") or {}).items():
        yield from _node_faults(child, f"{path}.properties[{name}]", "field", work)
    if isinstance(child := node.get("items"), dict):
        yield from _node_faults(child, f"{path}.items", "items", work)
    if isinstance(child := node.get("additionalProperties"), dict):
        yield from _node_faults(child, f"{path}.additionalProperties", "field", work)


def _type_faults(node: dict[str, Any], path: str, place: str) -> Iterator[Cause]:
    kind = node.get("type") or ""
    untyped = node.get("x-kubernetes-int-or-string") or node.get("x-kubernetes-preserve-unknown-fields")
    if node.get("x-kubernetes-embedded-resource") and kind != "object":
        yield _required(f"{path}.type", "must be object if x-kubernetes-embedded-resource is true")
    elif not kind and not untyped:
        yield _required(f"{path}.type", f"must not be empty {_PLACES[place]}")
    elif kind and kind not in _TYPES:
        yield _unsupported(f"{path}.type", kind, sorted(_TYPES))
    elif place == "root" and kind and kind != "object":
        yield _invalid(f"{path}.type", kind, "must be object at the root")
    if node.get("items") and isinstance(node["items"], list):
        yield _forbidden(f"{path}.items", "items must be a schema object and not an array")
    elif kind == "array" and not isinstance(node.get("items"), dict):
        yield _required(f"{path}.items", "must be specified")
    if (
        node.get("x-kubernetes-embedded-resource")
        and not node.get("properties")
        and not node.get("x-kubernetes-preserve-unknown-fields")
    ):
        needed = "if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
        yield _required(f"{path}.properties", f"must not be empty {needed}")


def _default_faults(node: dict[str, Any], path: str, work: PatternWork) -> Iterator[Cause]:
    """A default is a value like any other: one of the schema, with the schema's fields only."""
    if (default := node.get("default")) is None:
        return
    kept = deepcopy(default)
    if isinstance(kept, dict | list) and prune_value(kept, node):
        yield field_error(
            "FieldValueInvalid", f"{path}.default", f"Invalid value: {_json(default)}: must not have unknown fields"
        )
    for cause in schema_causes("", default, node, work):
        inner = f"{path}.default.{cause['field']}" if cause["field"] else f"{path}.default"
        yield {**cause, "field": inner}


def _root_faults(schema: dict[str, Any], path: str) -> Iterator[Cause]:
    """What every object has is not the schema's to say."""
    properties = schema.get("properties") or {}
    for name in ("apiVersion", "kind"):
        kind = (properties.get(name) or {}).get("type")
        if name in properties and kind != "string":
            yield _invalid(f"{path}.properties[{name}].type", kind or "", "must be string")
    metadata = properties.get("metadata") or {}
    if "default" in metadata:
        yield _forbidden(f"{path}.properties[metadata].default", "must not be set in top-level metadata")
    said = {name for name, value in metadata.items() if value}
    names = (metadata.get("properties") or {}).keys()
    if not said <= {"type", "properties", "default"} or not names <= {"name", "generateName"}:
        detail = "must not specify anything other than name and generateName, but metadata is implicitly specified"
        yield _forbidden(f"{path}.properties[metadata]", detail)


def _pattern_faults(schema: dict[str, Any], path: str, work: PatternWork) -> Iterator[Cause]:
    for where, pattern in _patterns(schema, path):
        try:
            fault = work.fault(pattern)
        except TooMuchWork:
            yield _forbidden(where, "the patterns of the definition are too large, all together")
            return
        if fault:
            yield _invalid(where, pattern, f"must be a valid regular expression, but isn't: {fault}")


def _patterns(node: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    if pattern := node.get("pattern"):
        yield f"{path}.pattern", pattern
    for below, child in _children(node):
        yield from _patterns(child, path + below)


def _children(node: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the schemas that stand directly in a schema, each with the rest of its path."""
    for name, child in (node.get("properties") or {}).items():
        yield f".properties[{name}]", child
    for keyword in ("items", "additionalProperties", "not"):
        if isinstance(child := node.get(keyword), dict):
            yield f".{keyword}", child
    for junctor in _JUNCTORS:
        for index, branch in enumerate(node.get(junctor) or []):
            yield f".{junctor}[{index}]", branch


def _list_faults(node: dict[str, Any], path: str) -> Iterator[Cause]:
    """Lists of type map and set need what identifies their entries (KEP-555)."""
    list_type = node.get("x-kubernetes-list-type")
    keys = node.get("x-kubernetes-list-map-keys") or []
    if list_type and node.get("type") != "array":
        yield _invalid(f"{path}.type", node.get("type") or "", "must be array if x-kubernetes-list-type is specified")
    if list_type == "map" and not keys:
        yield _required(f"{path}.x-kubernetes-list-map-keys", "must not be empty if x-kubernetes-list-type is map")
    if keys and list_type != "map":
        yield _invalid(
            f"{path}.x-kubernetes-list-type", list_type or "", "must be map if x-kubernetes-list-map-keys is non-empty"
        )
    if list_type not in {None, "", *_LIST_TYPES}:
        yield _unsupported(f"{path}.x-kubernetes-list-type", str(list_type), _LIST_TYPES)
    if (map_type := node.get("x-kubernetes-map-type")) not in {None, "", *_MAP_TYPES}:
        yield _unsupported(f"{path}.x-kubernetes-map-type", str(map_type), _MAP_TYPES)
    if not isinstance(items := node.get("items"), dict):
        return
    if list_type == "set":
        yield from _set_item_faults(items, f"{path}.items")
    if list_type != "map":
        return
    if items.get("type") != "object":
        detail = "must be object if parent array's x-kubernetes-list-type is map"
        yield _invalid(f"{path}.items.type", items.get("type") or "", detail)
    properties = items.get("properties") or {}
    for index, key in enumerate(keys):
        if key not in properties:
            yield _invalid(f"{path}.x-kubernetes-list-map-keys[{index}]", key, "must be a property of the items")
        elif key not in (items.get("required") or []) and "default" not in properties[key]:
            detail = (
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
            )
            yield _required(f"{path}.items.properties[{key}].default", detail)


def _set_item_faults(items: dict[str, Any], path: str) -> Iterator[Cause]:
    if items.get("nullable"):
        yield _forbidden(f"{path}.nullable", "cannot be nullable when x-kubernetes-list-type is set")
    if items.get("type") == "object" and items.get("x-kubernetes-map-type") != "atomic":
        detail = "Invalid value: null: must be atomic as item of a list with x-kubernetes-list-type=set"
        yield field_error("FieldValueInvalid", f"{path}.x-kubernetes-map-type", detail)


def _junctor_faults(node: dict[str, Any], path: str) -> Iterator[Cause]:
    """Under a junctor only value validation may stand, and only for fields that stand outside as well."""
    int_or_string = bool(node.get("x-kubernetes-int-or-string"))
    for junctor in _JUNCTORS:
        branches = node.get(junctor) or []
        if int_or_string and (branches == _INT_OR_STRING or _is_wrapped_pattern(branches)):
            continue
        for index, branch in enumerate(branches):
            yield from _validation_faults(branch, node, f"{path}.{junctor}[{index}]")
    if isinstance(negated := node.get("not"), dict):
        yield from _validation_faults(negated, node, f"{path}.not")


def _is_wrapped_pattern(branches: list[Any]) -> bool:
    return bool(branches) and isinstance(branches[0], dict) and branches[0].get("anyOf") == _INT_OR_STRING


def _validation_faults(node: dict[str, Any], outside: dict[str, Any], path: str) -> Iterator[Cause]:
    for keyword in _STRUCTURE:
        if node.get(keyword):
            yield _forbidden(f"{path}.{keyword}", "must be empty to be structural")
    for keyword in _EXTENSIONS:
        if node.get(keyword):
            yield _forbidden(f"{path}.{keyword}", "must be false to be structural")
    known = outside.get("properties") or {}
    for name, child in (node.get("properties") or {}).items():
        inner = f"{path}.properties[{name}]"
        if name not in known:
            yield _required(f"{path.rsplit('.', 1)[0]}.properties[{name}]", f"because it is defined in {inner}")
        else:
            yield from _validation_faults(child, known[name], inner)
    if isinstance(items := node.get("items"), dict) and isinstance(outer := outside.get("items"), dict):
        yield from _validation_faults(items, outer, f"{path}.items")
    for junctor in _JUNCTORS:
        for index, branch in enumerate(node.get(junctor) or []):
            yield from _validation_faults(branch, outside, f"{path}.{junctor}[{index}]")
    if isinstance(negated := node.get("not"), dict):
        yield from _validation_faults(negated, outside, f"{path}.not")
