"""What a write does to a replica count, told from the write alone wherever that is certain. Pure.

Certain means: no API server could read it otherwise. Everything else is UNCERTAIN, and then the write is tried out at
the store (ObjectLookup.new) instead of being guessed: directives of strategic patches, moves of JSON patch, fields that
a server-side apply gives up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from admission.attributes import Attributes
from admission.replicas import ReplicasPath
from gateway.apimachinery.meta import JsonObject, metadata
from gateway.apimachinery.patch.patch import APPLY_PATCH, JSON_PATCH, STRATEGIC_MERGE_PATCH


class Effect(Enum):
    """What happens to the field."""

    UNCERTAIN = auto()
    UNTOUCHED = auto()
    SET = auto()


@dataclass(frozen=True, slots=True)
class ReplicaChange:
    """The effect, and for SET the JSON value the field gets; None when it is removed."""

    effect: Effect = Effect.UNCERTAIN
    value: Any = None


UNCERTAIN = ReplicaChange()
UNTOUCHED = ReplicaChange(Effect.UNTOUCHED)

JsonPointer = tuple[str, ...]

_UNREADABLE: JsonPointer = ("",)
_PLAIN_OPERATIONS = frozenset({"add", "replace", "remove"})
_TWO_PLACE_OPERATIONS = frozenset({"move", "copy"})
_MISSING = object()
_ELEMENT_ORDER = "$setElementOrder/"


def replica_change(attributes: Attributes, path: ReplicasPath) -> ReplicaChange:
    """Return what the write does to the value at `path` of the object it addresses (for /scale: of the Scale)."""
    if attributes.verb == "update":
        return _assigned(attributes.obj or {}, path)
    patch = attributes.patch
    if attributes.patch_type == JSON_PATCH:
        return _json_patch(patch, path) if isinstance(patch, list) else UNCERTAIN
    if not isinstance(patch, dict):
        return UNCERTAIN
    if attributes.patch_type == APPLY_PATCH:
        applied = _assigned(patch, path)
        return applied if applied.effect is Effect.SET and applied.value is not None else UNCERTAIN
    return _merge_patch(patch, path, strategic=attributes.patch_type == STRATEGIC_MERGE_PATCH)


def touches_spec(attributes: Attributes) -> bool:
    """Whether the write may change anything beside metadata and status: for kinds whose scale path is not known yet."""
    patch = attributes.patch
    if attributes.verb != "patch" or attributes.patch_type == APPLY_PATCH:
        return True
    if isinstance(patch, dict):
        return any(key not in {"apiVersion", "kind", "metadata", "status"} for key in patch)
    if attributes.patch_type != JSON_PATCH or not isinstance(patch, list):
        return True
    changed = [pointer for operation in patch for pointer in _pointers(operation)]
    return any(not pointer or pointer[0] not in {"metadata", "status"} for pointer in changed)


def apply_leaves_alone(obj: JsonObject, attributes: Attributes, path: ReplicasPath) -> bool:
    """Whether a server-side apply surely does not change the field of a live built-in object.

    So it is when the configuration does not name the field and its manager does not own it, hence cannot give it up. It
    does not hold for custom kinds: there a whole `spec` may be declared atomic and be replaced.
    """
    if _names(attributes.patch, path):
        return False
    entries = metadata(obj).get("managedFields")
    if not isinstance(entries, list) or not entries:
        return False
    return not any(_may_own(entry, attributes.field_manager, path) for entry in entries)


def _names(configuration: Any, path: ReplicasPath) -> bool:
    """Whether the field or something that is no object above it is given; null is a statement, too."""
    for step in path:
        if not isinstance(configuration, dict):
            return True
        if step not in configuration:
            return False
        configuration = configuration[step]
    return True


def _may_own(entry: Any, manager: str, path: ReplicasPath) -> bool:
    """Whether an entry of managedFields says, or being unreadable might say, that the manager applied the field."""
    if not isinstance(entry, dict):
        return True
    if entry.get("operation") != "Apply" or entry.get("manager") != manager:
        return False
    fields = entry.get("fieldsV1")
    for step in path:
        if not isinstance(fields, dict):
            return True
        if f"f:{step}" not in fields:
            return False
        fields = fields[f"f:{step}"]
    return True


def _assigned(obj: Mapping[str, Any], path: ReplicasPath) -> ReplicaChange:
    """The field of a whole object: leaving it out removes it."""
    value: Any = obj
    for step in path:
        if value is None:
            return ReplicaChange(Effect.SET)
        if not isinstance(value, Mapping):
            return UNCERTAIN
        value = value.get(step)
    return ReplicaChange(Effect.SET, value)


def _merge_patch(patch: Mapping[str, Any], path: ReplicasPath, *, strategic: bool) -> ReplicaChange:
    """RFC 7386; a strategic merge patch does the same to a scalar unless a directive stands on the way."""
    value: Any = patch
    for step in path:
        if value is None:
            return ReplicaChange(Effect.SET)
        if not isinstance(value, Mapping):
            return UNCERTAIN
        if strategic and any(key.startswith("$") and not key.startswith(_ELEMENT_ORDER) for key in value):
            return UNCERTAIN
        value = value.get(step, _MISSING)
        if value is _MISSING:
            return UNTOUCHED
    return ReplicaChange(Effect.SET, value)


def _json_patch(patch: Sequence[Any], path: ReplicasPath) -> ReplicaChange:
    """RFC 6902, operations in order. Only plain additions, replacements and removals are certain."""
    change = UNTOUCHED
    for operation in patch:
        pointers = _pointers(operation)
        if _UNREADABLE in pointers:
            return UNCERTAIN
        if any(_on_the_way(pointer, path) for pointer in pointers):
            change = _operation(operation, pointers[0], path)
            if change is UNCERTAIN:
                return UNCERTAIN
    return change


def _operation(operation: Mapping[str, Any], pointer: JsonPointer, path: ReplicasPath) -> ReplicaChange:
    if len(pointer) > len(path) or operation["op"] not in _PLAIN_OPERATIONS:
        return UNCERTAIN
    if operation["op"] == "remove":
        return ReplicaChange(Effect.SET)
    if "value" not in operation:
        return UNCERTAIN
    value, rest = operation["value"], path[len(pointer) :]
    if not rest:
        return ReplicaChange(Effect.SET, value)
    return _assigned(value, rest) if isinstance(value, Mapping) else UNCERTAIN


def _pointers(operation: Any) -> list[JsonPointer]:
    """Return the places an operation changes or takes from, `path` first; none for a test.

    kube-apiserver's library ignores whatever stands before the first slash, so a pointer that does not start with one
    must not be read literally: it is _UNREADABLE, like any operation unknown here.
    """
    op = operation.get("op") if isinstance(operation, dict) else None
    if op == "test":
        return []
    if op in _PLAIN_OPERATIONS:
        return [_pointer(operation.get("path"))]
    if op in _TWO_PLACE_OPERATIONS:
        return [_pointer(operation.get("path")), _pointer(operation.get("from"))]
    return [_UNREADABLE]


def _pointer(text: Any) -> JsonPointer:
    if text == "":
        return ()
    if not isinstance(text, str) or not text.startswith("/"):
        return _UNREADABLE
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in text[1:].split("/"))


def _on_the_way(pointer: tuple[str, ...], path: ReplicasPath) -> bool:
    """Whether writing at the pointer can change the value at the path: it is the path, above it or below it."""
    shorter = min(len(pointer), len(path))
    return pointer[:shorter] == path[:shorter]
