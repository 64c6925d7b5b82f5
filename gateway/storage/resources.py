"""The built-in resources that an embedded store serves: a table of facts, as kube-apiserver 1.36 has them.

The federation store serves FEDERATION_RESOURCES; a simulated member has Pods and Nodes too. Kinds that are not here are
answered with a 404: nothing is accepted that would only be kept and never acted upon, such as webhook configurations.
"""

from __future__ import annotations

from typing import Any

from cache.resource_kind import EVENTS as EVENT_KIND
from cache.resource_kind import POD_LABELS_OF_KUBERNETES, ResourceKind
from cache.resource_kind import PODS as POD_KIND
from gateway.apimachinery.schema import GroupResource, GroupVersion, GroupVersionKind
from gateway.storage import conversion
from gateway.storage.cluster_schema import CLUSTER_COLUMNS, CLUSTER_SCHEMA
from gateway.storage.definitions import (
    OWN_METADATA,
    STATUS_VERBS,
    ResourceDefinition,
    ScalePaths,
    SubresourceDefinition,
    WriteRules,
    written_apart,
)
from gateway.storage.field_readers import kind_reader

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")

EVENT_TIME_TO_LIVE = 3600.0
"""Seconds an Event is kept after its last write (kube-apiserver's --event-ttl)."""


_NO_RULES = WriteRules()


def _resource(
    api_version: str, resource: str, kind: str, *short_names: str, rules: WriteRules = _NO_RULES, **more: Any
) -> ResourceDefinition:
    """One row; `more` is what else ResourceDefinition has.

    What begins with a status has a subresource to write it, and what can be scaled one for that, beside its own. Fields
    are selected by as in the cross-cluster cache.
    """
    group_version = GroupVersion.parse(api_version)
    gvr, gvk = group_version.resource(resource), group_version.kind(kind)
    apart = written_apart(gvk, status=rules.initial_status is not None, scale="scale" in more)
    selectable = ResourceKind.generic(gvr, kind)
    row = {
        "namespaced": True,
        "singular": kind.lower(),
        "verbs": VERBS,
        "short_names": short_names,
        "rules": rules,
        "field_labels": selectable.stored.field_labels,
        "read_fields": kind_reader(selectable),
        **more,
        "subresources": dict(sorted((more.get("subresources", {}) | apart).items())),  # as discovery lists them
    }
    return ResourceDefinition(gvr, kind, f"{kind}List", **row)


_ALL = ("all",)
_POD = GroupVersionKind("", "v1", "Pod")
_DELETE_RETURNS = WriteRules(returns_deleted=True)
_PUT_CREATES = WriteRules(create_on_update=True)

_CORE = (
    _resource(
        "v1", "namespaces", "Namespace", "ns",
        namespaced=False,
        verbs=tuple(verb for verb in VERBS if verb != "deletecollection"),
        rules=WriteRules(initial_status={"phase": "Active"}, returns_deleted=True),
        subresources={"finalize": SubresourceDefinition(GroupVersionKind("", "v1", "Namespace"), ("update",))},
    ),
    _resource("v1", "configmaps", "ConfigMap", "cm"),
    _resource("v1", "secrets", "Secret"),
    _resource(
        "v1", "serviceaccounts", "ServiceAccount", "sa",
        rules=_DELETE_RETURNS,
        subresources={
            "token": SubresourceDefinition(GroupVersionKind("authentication.k8s.io", "v1", "TokenRequest"), ("create",))
        },
    ),
    _resource(
        "v1", "services", "Service", "svc",
        categories=_ALL,
        rules=WriteRules(initial_status={"loadBalancer": {}}, create_on_update=True, returns_deleted=True),
    ),
    _resource(
        "v1", "endpoints", "Endpoints", "ep",
        rules=_PUT_CREATES,
        deprecation_warning="v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
    ),
    _resource("v1", "limitranges", "LimitRange", "limits", rules=_PUT_CREATES),
    _resource(
        "v1", "resourcequotas", "ResourceQuota", "quota",
        rules=WriteRules(initial_status={}, returns_deleted=True),
    ),
    _resource(
        "v1", "persistentvolumeclaims", "PersistentVolumeClaim", "pvc",
        rules=WriteRules(initial_status={"phase": "Pending"}, returns_deleted=True),
    ),
    _resource(
        "v1", "persistentvolumes", "PersistentVolume", "pv",
        namespaced=False,
        rules=WriteRules(initial_status={"phase": "Pending"}, returns_deleted=True),
    ),
    _resource("v1", "podtemplates", "PodTemplate", rules=WriteRules(generation="content", returns_deleted=True)),
    _resource(
        "v1", "replicationcontrollers", "ReplicationController", "rc",
        categories=_ALL,
        rules=WriteRules(initial_status={"replicas": 0}, generation="spec", orphans_dependents=True),
        scale=ScalePaths(),
    ),
)  # fmt: skip

_EVENT_RULES = WriteRules(create_on_update=True, collects_garbage=False, time_to_live=EVENT_TIME_TO_LIVE)
_read_event_fields = kind_reader(EVENT_KIND)
_EVENTS = (
    _resource(
        "v1", "events", "Event", "ev",
        rules=_EVENT_RULES,
        field_labels=EVENT_KIND.versions[0].field_labels,
        read_fields=_read_event_fields,
    ),
    _resource(
        "events.k8s.io/v1", "events", "Event", "ev",
        rules=_EVENT_RULES,
        stored_as=GroupVersionKind("", "v1", "Event"),
        stored_resource=GroupResource("", "events"),
        conversion=conversion.EVENTS,
        field_labels=EVENT_KIND.versions[1].field_labels,
        read_fields=_read_event_fields,
    ),
)  # fmt: skip

_DAEMON_COUNTS = {"currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0}
_APPS = (
    _resource("apps/v1", "controllerrevisions", "ControllerRevision"),
    _resource(
        "apps/v1", "deployments", "Deployment", "deploy",
        categories=_ALL,
        rules=WriteRules(
            initial_status={}, generation="spec", generation_counts_annotations=True, status_keeps=("labels",)
        ),
        scale=ScalePaths(),
    ),
    _resource(
        "apps/v1", "daemonsets", "DaemonSet", "ds",
        categories=_ALL,
        rules=WriteRules(initial_status=_DAEMON_COUNTS, generation="spec"),
    ),
    _resource(
        "apps/v1", "replicasets", "ReplicaSet", "rs",
        categories=_ALL,
        rules=WriteRules(initial_status={"replicas": 0}, generation="spec"),
        scale=ScalePaths(),
    ),
    _resource(
        "apps/v1", "statefulsets", "StatefulSet", "sts",
        categories=_ALL,
        rules=WriteRules(initial_status={"replicas": 0, "availableReplicas": 0}, generation="spec"),
        scale=ScalePaths(),
    ),
    _resource(
        "batch/v1", "jobs", "Job",
        categories=_ALL,
        rules=WriteRules(initial_status={}, generation="spec", orphans_dependents=True),
    ),
    _resource(
        "batch/v1", "cronjobs", "CronJob", "cj",
        categories=_ALL,
        rules=WriteRules(initial_status={}, generation="spec"),
    ),
    _resource(
        "autoscaling/v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", "hpa",
        categories=_ALL,
        rules=WriteRules(initial_status={"desiredReplicas": 0}),
    ),
    _resource(
        "autoscaling/v1", "horizontalpodautoscalers", "HorizontalPodAutoscaler", "hpa",
        categories=_ALL,
        rules=WriteRules(initial_status={"currentReplicas": 0, "desiredReplicas": 0}),
        stored_as=GroupVersionKind("autoscaling", "v2", "HorizontalPodAutoscaler"),
        conversion=conversion.AUTOSCALERS,
    ),
)  # fmt: skip

_DISRUPTION_COUNTS = {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}
_POLICY_AND_NETWORK = (
    _resource(
        "policy/v1", "poddisruptionbudgets", "PodDisruptionBudget", "pdb",
        rules=WriteRules(initial_status=_DISRUPTION_COUNTS, generation="spec", unconditional_update=False),
    ),
    _resource(
        "networking.k8s.io/v1", "ingresses", "Ingress", "ing",
        rules=WriteRules(initial_status={"loadBalancer": {}}, generation="spec"),
    ),
    _resource(
        "networking.k8s.io/v1", "networkpolicies", "NetworkPolicy", "netpol",
        rules=WriteRules(generation="spec"),
    ),
    _resource(
        "networking.k8s.io/v1", "ingressclasses", "IngressClass",
        namespaced=False,
        rules=WriteRules(generation="spec"),
    ),
    _resource("discovery.k8s.io/v1", "endpointslices", "EndpointSlice", rules=WriteRules(generation="content")),
    _resource(
        "coordination.k8s.io/v1", "leases", "Lease",
        rules=WriteRules(create_on_update=True, unconditional_update=False),
    ),
    _resource(
        "scheduling.k8s.io/v1", "priorityclasses", "PriorityClass", "pc",
        namespaced=False,
        rules=WriteRules(generation="constant"),
    ),
    _resource("storage.k8s.io/v1", "storageclasses", "StorageClass", "sc", namespaced=False, rules=_DELETE_RETURNS),
)  # fmt: skip

_RBAC_GROUP = "rbac.authorization.k8s.io/v1"
_RBAC = (
    _resource(_RBAC_GROUP, "roles", "Role", rules=_PUT_CREATES),
    _resource(_RBAC_GROUP, "rolebindings", "RoleBinding", rules=_PUT_CREATES),
    _resource(_RBAC_GROUP, "clusterroles", "ClusterRole", namespaced=False, rules=_PUT_CREATES),
    _resource(_RBAC_GROUP, "clusterrolebindings", "ClusterRoleBinding", namespaced=False, rules=_PUT_CREATES),
)

CUSTOM_RESOURCE_DEFINITIONS = _resource(
    "apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition", "crd", "crds",
    namespaced=False,
    categories=("api-extensions",),
    rules=WriteRules(
        initial_status={}, generation="spec", unconditional_update=False, status_keeps=OWN_METADATA
    ),
)  # fmt: skip

CLUSTERS = _resource(
    "cluster.karmada.io/v1alpha1", "clusters", "Cluster",
    namespaced=False,
    rules=WriteRules(initial_status={}, generation="spec", status_keeps=OWN_METADATA),
    builtin=False,
    schema=CLUSTER_SCHEMA,
    columns=CLUSTER_COLUMNS,
)  # fmt: skip
"""Member clusters, as Karmada writes them down. Not a kind of Kubernetes, so it goes by a schema as custom ones do."""

PODS = _resource(
    "v1", "pods", "Pod", "po",
    categories=_ALL,
    rules=WriteRules(
        initial_status={"phase": "Pending"},
        generation="spec",
        returns_deleted=True,
        graceful=True,
        status_keeps=("ownerReferences",),
    ),
    subresources={
        "attach": SubresourceDefinition(GroupVersionKind("", "v1", "PodAttachOptions"), ("create", "get")),
        "binding": SubresourceDefinition(GroupVersionKind("", "v1", "Binding"), ("create",)),
        "ephemeralcontainers": SubresourceDefinition(_POD, STATUS_VERBS),
        "eviction": SubresourceDefinition(GroupVersionKind("policy", "v1", "Eviction"), ("create",)),
        "exec": SubresourceDefinition(GroupVersionKind("", "v1", "PodExecOptions"), ("create", "get")),
        "log": SubresourceDefinition(_POD, ("get",)),
        "portforward": SubresourceDefinition(GroupVersionKind("", "v1", "PodPortForwardOptions"), ("create", "get")),
    },
    field_labels=POD_LABELS_OF_KUBERNETES,
    read_fields=kind_reader(POD_KIND),
)  # fmt: skip

NODES = _resource(
    "v1", "nodes", "Node", "no",
    namespaced=False,
    rules=WriteRules(initial_status={}),
)  # fmt: skip

FEDERATION_RESOURCES: tuple[ResourceDefinition, ...] = (
    *_CORE, *_EVENTS, *_APPS, *_POLICY_AND_NETWORK, *_RBAC, CUSTOM_RESOURCE_DEFINITIONS, CLUSTERS,
)  # fmt: skip
"""What the federation store serves."""

MEMBER_RESOURCES: tuple[ResourceDefinition, ...] = (
    *_CORE, PODS, NODES, *_EVENTS, *_APPS, *_POLICY_AND_NETWORK, *_RBAC, CUSTOM_RESOURCE_DEFINITIONS,
)  # fmt: skip
"""What a simulated member cluster serves."""
