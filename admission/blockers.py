"""What stands in the way of deleting a namespace or a custom resource definition: its protected or running content.

Pure: it judges objects that others listed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from admission.protection_labels import Protection, protections
from admission.replicas import SPEC_REPLICAS, ReplicasUnreadable, effective_replicas, has_replicas
from gateway.apimachinery.meta import JsonObject, deletion_timestamp, field, key, name
from gateway.apimachinery.schema import GroupResource

NAMED_BLOCKERS = 20
"""Most blockers a denial names; the rest is counted."""

_PODS = GroupResource("", "pods")
_CLAIMS = GroupResource("", "persistentvolumeclaims")


@dataclass(frozen=True, slots=True, order=True)
class Blocker:
    """One object that would be taken along, and why it must not be."""

    resource: str
    name: str
    reason: str

    def __str__(self) -> str:
        """Return `deployments.apps web (label …)`."""
        return f"{self.resource} {self.name} ({self.reason})"


def protected_content(contents: Iterable[tuple[GroupResource, JsonObject]]) -> list[Blocker]:
    """Return the objects that a label protects from being taken along; those already going do not count.

    An object that Cascading protects counts while it runs.
    """
    blockers = []
    for resource, obj in contents:
        if deletion_timestamp(obj):
            continue
        if protection := standing_protection(resource, obj):
            reason = f"label {protection.label}={protection.value}"
            blockers.append(Blocker(str(resource), _qualified_name(obj), reason))
    return sorted(blockers)


def standing_protection(resource: GroupResource, obj: JsonObject) -> Protection | None:
    """Return the label that protects the object as it is now: Cascading does while the object is active."""
    for protection in protections(obj):
        if not protection.cascading or is_active(resource, obj):
            return protection
    return None


def active_content(contents: Iterable[tuple[GroupResource, JsonObject]]) -> list[Blocker]:
    """Return what runs or holds data: Pods that have not ended, workloads with replicas, bound claims."""
    return sorted(
        Blocker(str(resource), _qualified_name(obj), "active")
        for resource, obj in contents
        if not deletion_timestamp(obj) and is_active(resource, obj)
    )


def is_active(resource: GroupResource, obj: JsonObject) -> bool:
    """Whether deleting the object ends something running or loses data (OpenKruise's `Cascading`, and custom kinds)."""
    if resource == _PODS:
        return field(obj, "status", "phase") not in {"Succeeded", "Failed"}
    if resource == _CLAIMS:
        return bool(field(obj, "status", "phase") == "Bound")
    if not has_replicas(resource, obj, None):
        return False
    try:
        return effective_replicas(obj, SPEC_REPLICAS) > 0
    except ReplicasUnreadable:
        return True


def named(blockers: list[Blocker]) -> str:
    """Return the first blockers as text, and how many more there are."""
    text = ", ".join(str(blocker) for blocker in blockers[:NAMED_BLOCKERS])
    more = len(blockers) - NAMED_BLOCKERS
    return f"{text} and {more} more" if more > 0 else text


def _qualified_name(obj: JsonObject) -> str:
    return str(key(obj)) if name(obj) else "(unnamed)"
