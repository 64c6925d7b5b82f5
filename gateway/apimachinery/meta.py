"""Reading the metadata of a Kubernetes object kept as plain JSON.

Objects stay plain dicts everywhere (Kubernetes' Unstructured); these functions are the tolerant readers. Wrong shapes
read as absent, because validation is done elsewhere and a reader must not crash on what a member sends.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

JsonObject = dict[str, Any]


class ObjectKey(msgspec.Struct, frozen=True, order=True, gc=False):
    """Where an object lives inside its resource; namespace is empty for cluster-scoped objects."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """Return `namespace/name`, or the bare name of a cluster-scoped object."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


def metadata(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the object's metadata, or an empty mapping."""
    value = obj.get("metadata")
    return value if isinstance(value, dict) else {}


def _text(obj: Mapping[str, Any], field: str) -> str:
    value = metadata(obj).get(field)
    return value if isinstance(value, str) else ""


def name(obj: Mapping[str, Any]) -> str:
    """Return metadata.name or an empty string."""
    return _text(obj, "name")


def namespace(obj: Mapping[str, Any]) -> str:
    """Return metadata.namespace or an empty string."""
    return _text(obj, "namespace")


def uid(obj: Mapping[str, Any]) -> str:
    """Return metadata.uid or an empty string."""
    return _text(obj, "uid")


def resource_version(obj: Mapping[str, Any]) -> str:
    """Return metadata.resourceVersion or an empty string."""
    return _text(obj, "resourceVersion")


def deletion_timestamp(obj: Mapping[str, Any]) -> str:
    """Return metadata.deletionTimestamp or an empty string for an object that is not being deleted."""
    return _text(obj, "deletionTimestamp")


def key(obj: Mapping[str, Any]) -> ObjectKey:
    """Return the object's namespace and name."""
    return ObjectKey(namespace(obj), name(obj))


def _texts(obj: Mapping[str, Any], field: str) -> dict[str, str]:
    value = metadata(obj).get(field)
    if not isinstance(value, dict):
        return {}
    return {key: text for key, text in value.items() if isinstance(text, str)}


def labels(obj: Mapping[str, Any]) -> dict[str, str]:
    """Return the object's labels; entries that are not strings are left out."""
    return _texts(obj, "labels")


def annotations(obj: Mapping[str, Any]) -> dict[str, str]:
    """Return the object's annotations; entries that are not strings are left out."""
    return _texts(obj, "annotations")


def finalizers(obj: Mapping[str, Any]) -> list[str]:
    """Return the object's finalizers."""
    value = metadata(obj).get("finalizers")
    return [entry for entry in value if isinstance(entry, str)] if isinstance(value, list) else []


def owner_references(obj: Mapping[str, Any]) -> list[JsonObject]:
    """Return the object's owner references that are objects."""
    value = metadata(obj).get("ownerReferences")
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def field(obj: Mapping[str, Any], *path: str) -> Any:
    """Return the value at a path of object keys, or None where any step is missing or not an object."""
    value: Any = obj
    for step in path:
        if not isinstance(value, dict):
            return None
        value = value.get(step)
    return value
