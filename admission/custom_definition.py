"""What a CustomResourceDefinition says about the replica counts of its objects, version by version. Pure.

With conversion `None` (apiextensions' default) all versions share the same fields, so the scale path of every served
version is live in every object; and a version whose schema does not know a field drops it with each write, because
the API server prunes what it converts (apiextensions-apiserver `schemaCoercingConverter`).
"""

from __future__ import annotations

from typing import Any

from admission.replicas import ReplicasPath, parse_scale_path
from gateway.apimachinery.meta import JsonObject, field

_PRESERVE = "x-kubernetes-preserve-unknown-fields"


def versions(definition: JsonObject) -> dict[str, JsonObject]:
    """Return every version by its name."""
    listed = field(definition, "spec", "versions")
    found = [version for version in listed if isinstance(version, dict)] if isinstance(listed, list) else []
    return {str(version.get("name")): version for version in found}


def served_versions(definition: JsonObject) -> dict[str, JsonObject]:
    """Return the versions objects can be read and written in."""
    return {name: version for name, version in versions(definition).items() if version.get("served")}


def storage_version(definition: JsonObject) -> str:
    """Return the version objects are stored in, empty when none is marked."""
    return next((name for name, version in versions(definition).items() if version.get("storage")), "")


def scale_paths(definition: JsonObject | None) -> dict[str, ReplicasPath]:
    """Return where each served version's scale subresource finds the replica count; nothing without a definition."""
    if definition is None:
        return {}
    declared = {
        name: field(version, "subresources", "scale", "specReplicasPath")
        for name, version in served_versions(definition).items()
    }
    return {name: parse_scale_path(text) for name, text in declared.items() if isinstance(text, str) and text}


def shares_fields(definition: JsonObject) -> bool:
    """Whether a field means the same in all versions: nothing but apiVersion is converted."""
    return bool(field(definition, "spec", "conversion", "strategy") != "Webhook")


def keeps(definition: JsonObject, version: str, path: ReplicasPath) -> bool:
    """Whether objects of a version keep what stands at the path, instead of having it pruned."""
    if field(definition, "spec", "preserveUnknownFields") is True:
        return True
    schema: Any = field(versions(definition).get(version) or {}, "schema", "openAPIV3Schema")
    for step in path:
        if not isinstance(schema, dict):
            return False
        properties, additional = schema.get("properties"), schema.get("additionalProperties")
        if isinstance(properties, dict) and step in properties:
            schema = properties[step]
        elif isinstance(additional, dict):
            schema = additional
        else:
            return bool(additional or schema.get(_PRESERVE))
    return True
