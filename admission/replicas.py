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

_WITHOUT_REPLICAS = {
    "": """bindings componentstatuses configmaps endpoints events limitranges namespaces nodes persistentvolumeclaims
        persistentvolumes pods podtemplates resourcequotas secrets serviceaccounts services""",
    "admissionregistration.k8s.io": """mutatingadmissionpolicies mutatingadmissionpolicybindings
        mutatingwebhookconfigurations validatingadmissionpolicies validatingadmissionpolicybindings
        validatingwebhookconfigurations""",
    "apiextensions.k8s.io": "customresourcedefinitions",
    "apiregistration.k8s.io": "apiservices",
    "apps": "controllerrevisions daemonsets",
    "authentication.k8s.io": "selfsubjectreviews tokenreviews",
    "authorization.k8s.io": """localsubjectaccessreviews selfsubjectaccessreviews selfsubjectrulesreviews
        subjectaccessreviews""",
    "autoscaling": "horizontalpodautoscalers",
    "batch": "cronjobs jobs",
    "certificates.k8s.io": "certificatesigningrequests clustertrustbundles podcertificaterequests",
    "coordination.k8s.io": "leasecandidates leases",
    "discovery.k8s.io": "endpointslices",
    "events.k8s.io": "events",
    "flowcontrol.apiserver.k8s.io": "flowschemas prioritylevelconfigurations",
    "internal.apiserver.k8s.io": "storageversions",
    "networking.k8s.io": "ingressclasses ingresses ipaddresses networkpolicies servicecidrs",
    "node.k8s.io": "runtimeclasses",
    "policy": "poddisruptionbudgets",
    "rbac.authorization.k8s.io": "clusterrolebindings clusterroles rolebindings roles",
    "resource.k8s.io": """deviceclasses devicetaintrules resourceclaims resourceclaimtemplates
        resourcepoolstatusrequests resourceslices""",
    "scheduling.k8s.io": "priorityclasses",
    "storage.k8s.io": """csidrivers csinodes csistoragecapacities storageclasses volumeattachments
        volumeattributesclasses""",
    "storagemigration.k8s.io": "storageversionmigrations",
}
WITHOUT_REPLICAS = frozenset(
    GroupResource(group, resource) for group, resources in _WITHOUT_REPLICAS.items() for resource in resources.split()
)
"""Built-in resources without a replica count. Any other may have one, whatever its group: definitions and aggregated
APIs use groups of Kubernetes, too. One that is missing here costs a look at its objects, never a protection."""

WORKLOAD_DEFAULT = 1
"""What a workload without a number gets (k8s.io/api `apps/v1`); custom ones follow that."""

SCALE_DEFAULT = 0
"""What an autoscaling/v1 Scale without a number means: its field is a plain integer, not a pointer."""


class ReplicasUnreadable(ValueError):
    """There is something in the place of the replica count, and it is no whole number."""


def may_have_replicas(resource: GroupResource) -> bool:
    """Whether objects of the resource can have a replica count."""
    return resource not in WITHOUT_REPLICAS


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
    if resource in WITHOUT_REPLICAS:
        return False
    try:
        return read_replicas(obj, SPEC_REPLICAS) is not None
    except ReplicasUnreadable:
        return False
