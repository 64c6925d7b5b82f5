"""Filling in what an object leaves open: the one entry point of this package.

Follows the `defaults.go` of each API group of Kubernetes 1.36. Pure; what a registry allocates or counts (addresses,
generation, uid) is not a default.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.patch.json_value import deep_copy
from gateway.apimachinery.schema import GroupVersionKind
from gateway.storage.defaulting import configuration, networking, pods, workloads
from gateway.storage.defaulting.json_form import normalise

Defaulter = Callable[[JsonObject], None]


def _default_template(template: JsonObject) -> None:
    pods.default_pod_template(template.get("template"))


_RBAC = "rbac.authorization.k8s.io/v1"
_DEFAULTERS: dict[tuple[str, str], Defaulter] = {
    ("v1", "Endpoints"): networking.default_endpoints,
    ("v1", "LimitRange"): configuration.default_limit_range,
    ("v1", "Namespace"): configuration.default_namespace,
    ("v1", "PersistentVolume"): configuration.default_persistent_volume,
    ("v1", "PersistentVolumeClaim"): configuration.default_persistent_volume_claim,
    ("v1", "Pod"): pods.default_pod,
    ("v1", "PodTemplate"): _default_template,
    ("v1", "ReplicationController"): workloads.default_replication_controller,
    ("v1", "Secret"): configuration.default_secret,
    ("v1", "Service"): networking.default_service,
    ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"): configuration.default_webhooks,
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"): configuration.default_webhooks,
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"): configuration.default_custom_resource_definition,
    ("apps/v1", "DaemonSet"): workloads.default_daemon_set,
    ("apps/v1", "Deployment"): workloads.default_deployment,
    ("apps/v1", "ReplicaSet"): workloads.default_replica_set,
    ("apps/v1", "StatefulSet"): workloads.default_stateful_set,
    ("autoscaling/v1", "HorizontalPodAutoscaler"): configuration.default_horizontal_pod_autoscaler_v1,
    ("autoscaling/v2", "HorizontalPodAutoscaler"): configuration.default_horizontal_pod_autoscaler,
    ("batch/v1", "CronJob"): workloads.default_cron_job,
    ("batch/v1", "Job"): workloads.default_job,
    ("discovery.k8s.io/v1", "EndpointSlice"): networking.default_endpoint_slice,
    ("networking.k8s.io/v1", "IngressClass"): networking.default_ingress_class,
    ("networking.k8s.io/v1", "NetworkPolicy"): networking.default_network_policy,
    (_RBAC, "ClusterRoleBinding"): configuration.default_role_binding,
    (_RBAC, "RoleBinding"): configuration.default_role_binding,
    ("scheduling.k8s.io/v1", "PriorityClass"): configuration.default_priority_class,
    ("storage.k8s.io/v1", "StorageClass"): configuration.default_storage_class,
}


def default_object(gvk: GroupVersionKind, obj: JsonObject) -> JsonObject:
    """Bring an object of a built-in kind into its JSON form with its defaults, in place, and return it.

    Field types were checked before. Kinds that are not built in are left as they are.
    """
    normalise(gvk, obj)
    defaulter = _DEFAULTERS.get((gvk.api_version, gvk.kind))
    if defaulter is not None:
        defaulter(obj)
    return obj


def default_custom_resource(obj: JsonObject, open_api_v3_schema: JsonObject) -> JsonObject:
    """Fill in the `default` values of a structural schema, in place, and return the object.

    A null where the schema allows none is taken for absent (apiextensions `structural/defaulting`).
    """
    _default_by_schema(obj, open_api_v3_schema)
    return obj


def _default_by_schema(value: Any, schema: JsonObject) -> None:
    if isinstance(value, dict):
        properties: JsonObject = schema.get("properties") or {}
        others = schema.get("additionalProperties")
        for name in list(value):
            child = properties.get(name, others)
            if value[name] is None and isinstance(child, dict) and not child.get("nullable"):
                del value[name]
                if name not in properties and "default" in child:
                    value[name] = deep_copy(child["default"])
        for name, child in properties.items():
            if "default" in child and name not in value:
                value[name] = deep_copy(child["default"])
        for name, child_value in value.items():
            child = properties.get(name, others)
            if isinstance(child, dict):
                _default_by_schema(child_value, child)
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        items = schema["items"]
        for index, entry in enumerate(value):
            if entry is None and not items.get("nullable") and "default" in items:
                value[index] = deep_copy(items["default"])
            _default_by_schema(value[index], items)
