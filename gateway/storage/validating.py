"""Whether an object may be stored: the checks of its kind, its schema and its scale paths, as one 422. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.apimachinery.errors import field_error, invalid
from gateway.apimachinery.meta import JsonObject, finalizers, name
from gateway.apimachinery.patch.go_text import go_type, go_value
from gateway.storage.custom_resources.definition import has_rules
from gateway.storage.custom_resources.validation import definition_faults
from gateway.storage.definitions import ResourceDefinition
from gateway.storage.field_readers import value_at
from gateway.storage.resources import CUSTOM_RESOURCE_DEFINITIONS
from gateway.storage.validation.validation import validate_custom_resource, validate_object
from gateway.storage.write_context import WriteContext

_MAX_REPLICAS = 2**31 - 1
_STANDARD_FINALIZERS = frozenset({"orphan", "foregroundDeletion", "kubernetes"})

Cause = dict[str, str]


def validate(definition: ResourceDefinition, obj: JsonObject, old: JsonObject | None) -> None:
    """Check an object in its stored form; `old` is the one it replaces. Raises ApiError 422 with every fault."""
    gvk = definition.storage_kind
    is_crd = definition.storage_key == CUSTOM_RESOURCE_DEFINITIONS.storage_key
    causes = list(validate_object(gvk, obj, old, namespaced=definition.namespaced, builtin=definition.builtin))
    if is_crd:
        causes += definition_faults(obj, old)
    if definition.schema is not None:
        causes += validate_custom_resource(obj, definition.schema)
    if not definition.builtin:
        causes += _scale_faults(definition, obj)
    if causes:
        raise invalid(gvk.group, gvk.kind, name(obj), causes)


def _scale_faults(definition: ResourceDefinition, obj: JsonObject) -> Iterator[Cause]:
    if definition.scale is None:
        return
    for path in (definition.scale.spec_replicas, definition.scale.status_replicas):
        count = value_at(obj, path)
        where = f".{'.'.join(path)}"
        if unreadable := _accessor_problem(obj, path):
            yield field_error("FieldValueInvalid", where, f"Invalid value: 0: {unreadable}")
        elif count is None:
            continue
        elif count < 0:
            message = f"Invalid value: {count}: should be a non-negative integer"
            yield field_error("FieldValueInvalid", where, message)
        elif count > _MAX_REPLICAS:
            message = f"Invalid value: {count}: should be less than or equal to {_MAX_REPLICAS}"
            yield field_error("FieldValueInvalid", where, message)


def _accessor_problem(obj: JsonObject, path: tuple[str, ...]) -> str:
    """Say why there is no count at a path, as the accessors of unstructured objects do; "" also where it is absent."""
    value: Any = obj
    for depth, step in enumerate(path):
        if not isinstance(value, dict):
            return _accessor_error(path[: depth + 1], value, "map[string]interface{}")
        value = value.get(step)
        if value is None:
            return ""
    return "" if type(value) is int else _accessor_error(path, value, "int64")


def _accessor_error(path: tuple[str, ...], value: Any, expected: str) -> str:
    found = f"{go_value(value)} is of the type {go_type(value)}"
    return f".{'.'.join(path)} accessor error: {found}, expected {expected}"


def warn(definition: ResourceDefinition, obj: JsonObject, old: JsonObject | None, context: WriteContext) -> None:
    """Say what a client should know about a write that is about to be done."""
    if definition.storage_key == CUSTOM_RESOURCE_DEFINITIONS.storage_key and has_rules(obj["spec"]["versions"]):
        context.warn(f"x-kubernetes-validations: the CEL rules of {name(obj)} will not be evaluated by this store")
    if definition.builtin:
        return
    if definition.unevaluated_rules:
        resource = definition.group_resource
        context.warn(f"x-kubernetes-validations: the CEL rules of {resource} are not evaluated by this store")
    before = finalizers(old) if old is not None else []
    for finalizer in finalizers(obj):
        if finalizer in before or "/" in finalizer or finalizer in _STANDARD_FINALIZERS:
            continue
        including = " including a path (/)" if "." in finalizer else ""
        context.warn(
            f'metadata.finalizers: "{finalizer}": prefer a domain-qualified finalizer name{including} to avoid '
            "accidental conflicts with other finalizer writers"
        )
