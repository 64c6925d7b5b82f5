"""Defaults of kinds that configure: namespaces, Secrets, limits, volumes, roles, autoscalers, definitions. Pure."""

from __future__ import annotations

import base64
from typing import Any

from gateway.apimachinery.meta import JsonObject, name
from gateway.storage.defaulting.pods import default_volume_source
from gateway.storage.defaulting.reading import default, objects, part

NAMESPACE_LABEL = "kubernetes.io/metadata.name"
_RBAC_GROUP = "rbac.authorization.k8s.io"
_RBAC_SUBJECTS = ("User", "Group")
_SCALE_PERIOD_SECONDS = 15
_WEBHOOK_PORT = 443


def default_namespace(namespace: JsonObject) -> None:
    """Label a namespace with its name and call it active."""
    if name(namespace):
        part(namespace["metadata"], "labels")[NAMESPACE_LABEL] = name(namespace)
    default(part(namespace, "status"), phase="Active")


def default_secret(secret: JsonObject) -> None:
    """Give a Secret its type; text that was given as `stringData` becomes data."""
    default(secret, type="Opaque")
    text = secret.pop("stringData", None)
    if isinstance(text, dict):
        data = part(secret, "data")
        for key, value in text.items():
            data[key] = base64.b64encode(str(value).encode()).decode()


def default_limit_range(limit_range: JsonObject) -> None:
    """Derive a container's default limits and requests from its bounds."""
    for item in objects(limit_range["spec"], "limits"):
        if item.get("type") != "Container":
            continue
        limits, requests = dict(item.get("default") or {}), dict(item.get("defaultRequest") or {})
        limits = {**(item.get("max") or {}), **limits}
        requests = {**(item.get("min") or {}), **limits, **requests}
        item.update({key: value for key, value in (("default", limits), ("defaultRequest", requests)) if value})


def default_persistent_volume(volume: JsonObject) -> None:
    """Fill in a PersistentVolume."""
    default_volume_source(volume["spec"])
    default(volume["spec"], persistentVolumeReclaimPolicy="Retain", volumeMode="Filesystem")
    default(part(volume, "status"), phase="Pending")


def default_persistent_volume_claim(claim: JsonObject) -> None:
    """Fill in a PersistentVolumeClaim."""
    default(claim["spec"], volumeMode="Filesystem")
    default(part(claim, "status"), phase="Pending")


def default_storage_class(storage_class: JsonObject) -> None:
    """Fill in a StorageClass."""
    default(storage_class, reclaimPolicy="Delete", volumeBindingMode="Immediate")


def default_priority_class(priority_class: JsonObject) -> None:
    """Fill in a PriorityClass."""
    default(priority_class, preemptionPolicy="PreemptLowerPriority")


def default_role_binding(binding: JsonObject) -> None:
    """Fill in the API groups of a RoleBinding's or ClusterRoleBinding's role and subjects."""
    default(part(binding, "roleRef"), apiGroup=_RBAC_GROUP)
    for subject in objects(binding, "subjects"):
        if subject.get("kind") in _RBAC_SUBJECTS:
            default(subject, apiGroup=_RBAC_GROUP)


def default_horizontal_pod_autoscaler(autoscaler: JsonObject) -> None:
    """Fill in a HorizontalPodAutoscaler of version v2."""
    spec = autoscaler["spec"]
    default(spec, minReplicas=1)
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    behavior = spec.get("behavior")
    if isinstance(behavior, dict):
        percent = _scaling_policy("Percent", 100)
        default(part(behavior, "scaleUp"), stabilizationWindowSeconds=0, selectPolicy="Max")
        default(behavior["scaleUp"], policies=[_scaling_policy("Pods", 4), dict(percent)])
        default(part(behavior, "scaleDown"), selectPolicy="Max", policies=[percent])


def _scaling_policy(kind: str, value: int) -> JsonObject:
    return {"type": kind, "value": value, "periodSeconds": _SCALE_PERIOD_SECONDS}


def default_horizontal_pod_autoscaler_v1(autoscaler: JsonObject) -> None:
    """Fill in a HorizontalPodAutoscaler of version v1."""
    default(autoscaler["spec"], minReplicas=1)


def default_custom_resource_definition(definition: JsonObject) -> None:
    """Fill in the names a CustomResourceDefinition leaves open, its conversion, and which version is stored."""
    spec = definition["spec"]
    names = part(spec, "names")
    kind = str(names.get("kind") or "")
    default(names, singular=kind.lower())
    if kind:
        default(names, listKind=f"{kind}List")
    _default_service_port(part(spec, "conversion").get("webhook"))
    default(spec["conversion"], strategy="None")
    stored = [str(version.get("name") or "") for version in objects(spec, "versions") if version.get("storage")]
    status = part(definition, "status")
    if not status.get("storedVersions") and stored:
        status["storedVersions"] = stored[:1]


def _default_service_port(webhook: Any) -> None:
    service = (webhook.get("clientConfig") or {}).get("service") if isinstance(webhook, dict) else None
    if isinstance(service, dict):
        default(service, port=_WEBHOOK_PORT)


def default_webhooks(configuration: JsonObject) -> None:
    """Fill in a validating or mutating webhook configuration."""
    for webhook in objects(configuration, "webhooks"):
        default(webhook, failurePolicy="Fail", matchPolicy="Equivalent", timeoutSeconds=10)
        default(webhook, namespaceSelector={}, objectSelector={})
        if configuration.get("kind") == "MutatingWebhookConfiguration":
            default(webhook, reinvocationPolicy="Never")
        _default_service_port(webhook)
        for rule in objects(webhook, "rules"):
            default(rule, scope="*")
