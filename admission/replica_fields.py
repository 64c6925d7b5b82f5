"""In which fields of an object a replica count may stand. Pure.

A built-in workload has one. A custom kind has one for each scale path that a served version declares, because whoever
may write one version may write them all; and `spec.replicas` beside them, where a number stands there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from admission.custom_definition import keeps, scale_paths, shares_fields
from admission.replicas import (
    SPEC_REPLICAS,
    WORKLOAD_DEFAULT,
    WORKLOADS,
    ReplicasPath,
    ReplicasUnreadable,
    read_replicas,
)
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupVersionResource


@dataclass(frozen=True, slots=True)
class ReplicaField:
    """One replica count of an object. `own`: the very one of the version in hand, so leaving it out means a default."""

    path: ReplicasPath
    own: bool

    def __str__(self) -> str:
        """Return the path as a definition writes it."""
        return f".{'.'.join(self.path)}"

    def count(self, obj: JsonObject) -> int | None:
        """Return the replicas it asks for, None when it asks for nothing. Raises ReplicasUnreadable."""
        number = read_replicas(obj, self.path)
        return WORKLOAD_DEFAULT if number is None and self.own else number


def replica_fields(
    resource: GroupVersionResource, definition: JsonObject | None, obj: JsonObject
) -> tuple[ReplicaField, ...]:
    """Return the replica counts of an object as the version `resource` names shows it, that version's own first."""
    if resource.group_resource in WORKLOADS:
        return (ReplicaField(SPEC_REPLICAS, own=True),)
    paths = scale_paths(definition)
    own = paths.get(resource.version)
    others = [path for path in sorted({*paths.values(), SPEC_REPLICAS}) if path != own]
    found = [ReplicaField(own, own=True)] if own else []
    return (*found, *(ReplicaField(path, own=False) for path in others if _has_number(obj, path)))


def fields_dropped(resource: GroupVersionResource, definition: JsonObject | None) -> dict[str, ReplicaField]:
    """Return, by the version that declares it, each replica count that any write of `resource`'s version loses.

    Versions share their fields, yet the schema of this one does not know that of the other.
    """
    if definition is None or not shares_fields(definition):
        return {}
    return {
        version: ReplicaField(path, own=True)
        for version, path in scale_paths(definition).items()
        if version != resource.version and not keeps(definition, resource.version, path)
    }


def runs(obj: JsonObject, fields: Iterable[ReplicaField]) -> bool:
    """Whether any of the counts asks for replicas, or cannot be read and might."""
    try:
        return any((field.count(obj) or 0) > 0 for field in fields)
    except ReplicasUnreadable:
        return True


def _has_number(obj: JsonObject, path: ReplicasPath) -> bool:
    try:
        return read_replicas(obj, path) is not None
    except ReplicasUnreadable:
        return False
