"""Whether an object may be stored: the one entry point of this package.

Follows the validation of Kubernetes 1.36, with its texts, as far as users of kubectl meet it. Field types were checked
and defaults filled in before. Pure.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupVersionKind
from gateway.storage.validation import (
    access,
    autoscaling,
    configuration,
    jobs,
    networking,
    pods,
    services,
    workloads,
)
from gateway.storage.validation.causes import Cause, Causes
from gateway.storage.validation.custom_resources import schema_causes
from gateway.storage.validation.names import NameRule, dns_label, dns_subdomain, path_segment
from gateway.storage.validation.object_meta import validate_changed_metadata, validate_new_metadata

Validator = Callable[[JsonObject, JsonObject | None], Causes]


def _validate_pod(new: JsonObject, old: JsonObject | None) -> Causes:
    return pods.validate_new_pod(new) if old is None else pods.validate_changed_pod(new, old)


_RBAC = "rbac.authorization.k8s.io"
_VALIDATORS: dict[tuple[str, str], Validator] = {
    ("", "ConfigMap"): configuration.validate_config_map,
    ("", "Event"): configuration.validate_event,
    ("", "Namespace"): configuration.validate_namespace,
    ("", "Node"): configuration.validate_node,
    ("", "PersistentVolumeClaim"): configuration.validate_persistent_volume_claim,
    ("", "Pod"): _validate_pod,
    ("", "ResourceQuota"): configuration.validate_resource_quota,
    ("", "Secret"): configuration.validate_secret,
    ("", "Service"): services.validate_service,
    ("apps", "DaemonSet"): workloads.validate_daemon_set,
    ("apps", "Deployment"): workloads.validate_deployment,
    ("apps", "ReplicaSet"): workloads.validate_replica_set,
    ("apps", "StatefulSet"): workloads.validate_stateful_set,
    ("autoscaling", "HorizontalPodAutoscaler"): autoscaling.validate_horizontal_pod_autoscaler,
    ("batch", "CronJob"): jobs.validate_cron_job,
    ("batch", "Job"): jobs.validate_job,
    ("coordination.k8s.io", "Lease"): configuration.validate_lease,
    ("networking.k8s.io", "Ingress"): networking.validate_ingress,
    ("networking.k8s.io", "NetworkPolicy"): networking.validate_network_policy,
    ("policy", "PodDisruptionBudget"): autoscaling.validate_pod_disruption_budget,
    (_RBAC, "ClusterRole"): access.validate_cluster_role,
    (_RBAC, "ClusterRoleBinding"): access.validate_cluster_role_binding,
    (_RBAC, "Role"): access.validate_role,
    (_RBAC, "RoleBinding"): access.validate_role_binding,
}
_BARE_FINALIZERS = frozenset(
    {
        ("", "Event"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
        ("coordination.k8s.io", "Lease"),
        ("policy", "PodDisruptionBudget"),
    }
)
"""Built-in kinds whose finalizers, like those of custom resources, need no domain."""
_LABEL_NAMED = frozenset({("", "Namespace"), ("", "Service"), ("apps", "StatefulSet")})


def name_rule(gvk: GroupVersionKind) -> NameRule:
    """Return what names of a kind may look like."""
    if gvk.group == _RBAC:
        return path_segment
    return dns_label if (gvk.group, gvk.kind) in _LABEL_NAMED else dns_subdomain


def validate_object(
    gvk: GroupVersionKind,
    new: JsonObject,
    old: JsonObject | None,
    *,
    namespaced: bool = True,
    builtin: bool = True,
) -> list[Cause]:
    """Return the causes to refuse an object with, none if it is fine. `old` is None for a new object.

    Custom resources (`builtin` false) are judged by their metadata alone; their schema is for validate_custom_resource.
    """
    causes: list[Cause] = []
    domains = builtin and (gvk.group, gvk.kind) not in _BARE_FINALIZERS
    if old is None:
        causes += validate_new_metadata(new, name_rule(gvk), namespaced=namespaced, builtin=domains)
    else:
        causes += validate_changed_metadata(new, old, builtin=domains)
    validator = _VALIDATORS.get((gvk.group, gvk.kind)) if builtin else None
    if validator is not None:
        causes += validator(new, old)
    return _distinct(causes)


def validate_custom_resource(obj: JsonObject, open_api_v3_schema: JsonObject) -> list[Cause]:
    """Return the causes to refuse a custom resource with, by the structural schema of its definition's version."""
    return _distinct(list(schema_causes("", obj, open_api_v3_schema)))


def _distinct(causes: list[Cause]) -> list[Cause]:
    return list({(cause["field"], cause["message"]): cause for cause in causes}.values())
