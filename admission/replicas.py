"""How many replicas an object asks for: the effective number, whatever the kind and whatever was left out. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupResource

ReplicasPath = tuple[str, ...]
"""The object keys that lead to the replica count, for example `("spec", "replicas")`."""

SPEC_REPLICAS: ReplicasPath = ("spec", "replicas")

WORKLOADS = frozenset(
    {
        GroupResource("", "replicationcontrollers"),
        GroupResource("apps", "deployments"),
        GroupResource("apps", "replicasets"),
        GroupResource("apps", "statefulsets"),
    }
)
"""Built-in resources with `spec.replicas`; all default it to 1."""

BUILTIN_GROUPS = frozenset(
    {
        "",
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "apps",
        "authentication.k8s.io",
        "authorization.k8s.io",
        "autoscaling",
        "batch",
        "certificates.k8s.io",
        "coordination.k8s.io",
        "discovery.k8s.io",
        "events.k8s.io",
        "flowcontrol.apiserver.k8s.io",
        "internal.apiserver.k8s.io",
        "networking.k8s.io",
        "node.k8s.io",
        "policy",
        "rbac.authorization.k8s.io",
        "resource.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
        "storagemigration.k8s.io",
    }
)
"""Groups kube-apiserver serves itself. Of theirs only WORKLOADS have replicas; resources of any other group may."""

WORKLOAD_DEFAULT = 1
"""What a workload without a number gets (k8s.io/api `apps/v1`); custom ones follow that."""

SCALE_DEFAULT = 0
"""What an autoscaling/v1 Scale without a number means: its field is a plain integer, not a pointer."""


class ReplicasUnreadable(ValueError):
    """There is something in the place of the replica count, and it is no whole number."""


def may_have_replicas(resource: GroupResource) -> bool:
    """Whether objects of the resource can have a replica count."""
    return resource in WORKLOADS or resource.group not in BUILTIN_GROUPS


def parse_scale_path(text: str) -> ReplicasPath:
    """Read `specReplicasPath`: a dotted path of keys, `.spec.replicas` (apiextensions allows no list or filter)."""
    return tuple(text.lstrip(".").split("."))


def read_replicas(obj: Mapping[str, Any], path: ReplicasPath) -> int | None:
    """Return the number as it stands, None when it is left out or null. Raises ReplicasUnreadable."""
    value: Any = obj
    for step in path:
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise ReplicasUnreadable(f"{'.'.join(path)} cannot be read: {step} is not in an object")
        value = value.get(step)
    return replica_number(value)


def replica_number(value: Any) -> int | None:
    """Return a JSON value as a replica count, None for null. Raises ReplicasUnreadable for anything but a number."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        raise ReplicasUnreadable(f"the replica count is {value!r}, which is no whole number")
    return int(value)


def effective_replicas(obj: JsonObject, path: ReplicasPath, *, default: int = WORKLOAD_DEFAULT) -> int:
    """Return the replicas an object asks for, the default when it gives no number. Raises ReplicasUnreadable."""
    number = read_replicas(obj, path)
    return default if number is None else number


def has_replicas(resource: GroupResource, obj: JsonObject, path: ReplicasPath | None) -> bool:
    """Whether a replica count scales the object: a workload, a declared scale path, or a number where one stands."""
    if resource in WORKLOADS or path is not None:
        return True
    if resource.group in BUILTIN_GROUPS:
        return False
    try:
        return read_replicas(obj, SPEC_REPLICAS) is not None
    except ReplicasUnreadable:
        return False
