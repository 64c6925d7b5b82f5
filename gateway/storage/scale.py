"""The scale subresource: an autoscaling/v1 Scale read from an object, and its replicas put back. Pure."""

from __future__ import annotations

from typing import Any

from gateway.apimachinery import label_selectors
from gateway.apimachinery.errors import field_error, internal_error, invalid
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupVersionResource
from gateway.storage.definitions import ResourceDefinition, ScalePaths
from gateway.storage.field_readers import value_at

SCALES = ResourceDefinition(
    GroupVersionResource("autoscaling", "v1", "scales"),
    "Scale",
    "ScaleList",
    namespaced=True,
    singular="scale",
    verbs=(),
)
"""Stands for the kind where bodies are read; Scales are served below what they scale only."""
SCALE = SCALES.gvk

_METADATA = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def selector_text(selector: Any) -> str:
    """Write a LabelSelector, or a plain map of labels, as the selector string that clients list Pods with.

    Raises ValueError for a LabelSelector that cannot be read.
    """
    if not isinstance(selector, dict):
        return ""
    plain = all(isinstance(value, str) for value in selector.values())
    return label_selectors.selector_text({"matchLabels": selector} if plain else selector)


def scale_of(definition: ResourceDefinition, obj: JsonObject) -> JsonObject:
    """Return the Scale of an object. Raises ApiError 500 when a custom resource has no replica count."""
    paths = definition.scale or ScalePaths()
    replicas = value_at(obj, paths.spec_replicas)
    if replicas is None and not definition.builtin:
        raise internal_error(f'the spec replicas field ".{".".join(paths.spec_replicas)}" does not exist')
    status: JsonObject = {"replicas": _count(value_at(obj, paths.status_replicas))}
    selector = value_at(obj, paths.label_selector) if paths.label_selector else None
    text = selector if paths.selector_is_text and isinstance(selector, str) else selector_text(selector)
    if text:
        status["selector"] = text
    return {
        "kind": SCALE.kind,
        "apiVersion": SCALE.api_version,
        "metadata": {name: obj["metadata"][name] for name in _METADATA if name in obj["metadata"]},
        "spec": {"replicas": count} if (count := _count(replicas)) else {},
        "status": status,
    }


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def with_replicas(definition: ResourceDefinition, obj: JsonObject, scale: JsonObject) -> JsonObject:
    """Return the object with the replicas of a Scale and the resourceVersion that it demands; `obj` stays as it is.

    The Scale is one that was read as an object of SCALES. Raises ApiError 422 for a count that cannot be.
    """
    replicas = value_at(scale, ("spec", "replicas")) or 0
    if replicas < 0 and definition.builtin:
        message = f"Invalid value: {replicas}: must be greater than or equal to 0"
        name = str(obj["metadata"].get("name") or "")
        raise invalid(SCALE.group, SCALE.kind, name, [field_error("FieldValueInvalid", "spec.replicas", message)])
    paths = definition.scale or ScalePaths()
    changed = _with_value(obj, paths.spec_replicas, replicas)
    version = scale["metadata"].get("resourceVersion") or ""
    return {**changed, "metadata": {**changed["metadata"], "resourceVersion": version}}


def _with_value(obj: Any, path: tuple[str, ...], value: Any) -> Any:
    inner = obj if isinstance(obj, dict) else {}
    return {**inner, path[0]: _with_value(inner.get(path[0]), path[1:], value)} if path else value
