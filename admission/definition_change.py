"""Which replica counts a changed CustomResourceDefinition takes from its objects, or out of sight. Pure.

A field that a schema no longer knows is pruned from every object as soon as it is read: a scale-down of all of them in
one write, without touching one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from admission.custom_definition import keeps, scale_paths, served_versions, shares_fields, storage_version
from admission.replica_fields import ReplicaField
from admission.replicas import SPEC_REPLICAS, ReplicasPath
from gateway.apimachinery.meta import JsonObject


@dataclass(frozen=True, slots=True)
class LostCount:
    """A replica count of the objects as `version` has shown them until now, and how it goes."""

    version: str
    field: ReplicaField
    how: str


def lost_counts(old: JsonObject, new: JsonObject) -> list[LostCount]:
    """Return every replica count that objects have under the old definition and lose under the new one."""
    declared = scale_paths(old)
    counts = [LostCount(version, ReplicaField(path, own=True), "") for version, path in declared.items()]
    counts += [
        LostCount(version, ReplicaField(SPEC_REPLICAS, own=False), "")
        for version in served_versions(old)
        if declared.get(version) != SPEC_REPLICAS
    ]
    return [
        LostCount(count.version, count.field, how) for count in counts for how in _losses(old, new, count, declared)
    ]


def _losses(old: JsonObject, new: JsonObject, count: LostCount, declared: dict[str, ReplicasPath]) -> Iterator[str]:
    version, path = count.version, count.field.path
    if version not in served_versions(new):
        if count.field.own and not _declared_elsewhere(new, path):
            yield f"version {version} is no longer served, and no other declares the scale path {count.field}"
    else:
        if count.field.own and scale_paths(new).get(version) != declared[version]:
            yield f"version {version} no longer declares the scale path {count.field}"
        if keeps(old, version, path) and not keeps(new, version, path):
            yield f"the schema of version {version} no longer knows {count.field}"
            return
    stored = storage_version(new)
    if stored != version and _drops(new, stored, path) and not _drops(old, storage_version(old), path):
        yield f"objects are stored as {stored}, whose schema does not know {count.field}"
    for added in served_versions(new).keys() - served_versions(old).keys() - {stored}:
        if _drops(new, added, path):
            yield f"whatever is written as {added}, which is new, loses {count.field}, which its schema does not know"


def _declared_elsewhere(definition: JsonObject, path: ReplicasPath) -> bool:
    """Whether a served version still guards the count: at the same path, or wherever a webhook converts it to."""
    paths = scale_paths(definition).values()
    return path in paths if shares_fields(definition) else bool(paths)


def _drops(definition: JsonObject, version: str, path: ReplicasPath) -> bool:
    """Whether a count is lost when an object of another version is written or stored as this one."""
    return shares_fields(definition) and not keeps(definition, version, path)
