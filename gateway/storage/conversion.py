"""Kinds that are served in two forms and stored in one: Events of both groups, and autoscaling/v1 beside v2.

Follows Kubernetes `pkg/apis/autoscaling/v1/conversion.go` for the fields v1 knows. Pure. Fields that only v2 has are
kept in annotations of the v1 form, as in Kubernetes, so that a v1 client that reads and writes loses nothing.
"""

from __future__ import annotations

from typing import Any

import msgspec

from cache.event_conversion import to_core, to_events_group
from gateway.apimachinery.meta import JsonObject
from gateway.storage.definitions import Conversion

_METRICS = "autoscaling.alpha.kubernetes.io/metrics"
_CURRENT_METRICS = "autoscaling.alpha.kubernetes.io/current-metrics"
_CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions"
_BEHAVIOR = "autoscaling.alpha.kubernetes.io/behavior"

_DEFAULT_CPU = 80
"""Per cent of the requested CPU that an autoscaler without any metric aims at."""


def _event_from_stored(stored: JsonObject) -> JsonObject:
    converted: JsonObject = msgspec.json.decode(to_events_group(msgspec.json.encode(stored)))
    return converted


def _event_to_stored(served: JsonObject) -> JsonObject:
    converted: JsonObject = msgspec.json.decode(to_core(msgspec.json.encode(served)))
    return converted


EVENTS = Conversion(_event_from_stored, _event_to_stored)
"""events.k8s.io/v1, stored as core/v1."""


def _cpu_utilization(metric: Any, side: str) -> int | None:
    """Return the CPU utilisation of a Resource metric, None for every other metric."""
    if not isinstance(metric, dict) or metric.get("type") != "Resource":
        return None
    resource = metric.get("resource")
    if not isinstance(resource, dict) or resource.get("name") != "cpu":
        return None
    value = resource.get(side)
    utilization = value.get("averageUtilization") if isinstance(value, dict) else None
    return utilization if isinstance(utilization, int) else None


def _split_cpu(metrics: Any, side: str) -> tuple[int | None, list[Any]]:
    """Take the first CPU utilisation out of a list of metrics: v1 has a field for it."""
    cpu: int | None = None
    others: list[Any] = []
    for metric in metrics if isinstance(metrics, list) else []:
        utilization = _cpu_utilization(metric, side)
        if utilization is not None and cpu is None:
            cpu = utilization
        else:
            others.append(metric)
    return cpu, others


def _cpu_metric(side: str, utilization: int) -> JsonObject:
    value: JsonObject = {"averageUtilization": utilization}
    if side == "target":
        value = {"type": "Utilization", **value}
    return {"type": "Resource", "resource": {"name": "cpu", side: value}}


def _autoscaler_from_stored(stored: JsonObject) -> JsonObject:
    """Turn a v2 HorizontalPodAutoscaler into v1."""
    served = {**stored, "spec": dict(stored.get("spec") or {}), "status": dict(stored.get("status") or {})}
    kept: dict[str, Any] = {}
    cpu, kept[_METRICS] = _split_cpu(served["spec"].pop("metrics", None), "target")
    if cpu is not None:
        served["spec"]["targetCPUUtilizationPercentage"] = cpu
    kept[_BEHAVIOR] = served["spec"].pop("behavior", None)
    cpu, kept[_CURRENT_METRICS] = _split_cpu(served["status"].pop("currentMetrics", None), "current")
    if cpu is not None:
        served["status"]["currentCPUUtilizationPercentage"] = cpu
    kept[_CONDITIONS] = served["status"].pop("conditions", None)
    for count in ("currentReplicas", "desiredReplicas"):
        served["status"].setdefault(count, 0)
    annotations = dict(stored["metadata"].get("annotations") or {})
    annotations |= {name: msgspec.json.encode(value).decode() for name, value in kept.items() if value}
    served["metadata"] = _with_annotations(stored["metadata"], annotations)
    return served


def _autoscaler_to_stored(served: JsonObject) -> JsonObject:
    """Turn a v1 HorizontalPodAutoscaler into v2. An annotation that cannot be read stays an annotation."""
    stored = {**served, "spec": dict(served.get("spec") or {}), "status": dict(served.get("status") or {})}
    annotations = dict(served["metadata"].get("annotations") or {})
    kept: dict[str, Any] = {}
    for name in (_METRICS, _BEHAVIOR, _CURRENT_METRICS, _CONDITIONS):
        try:
            kept[name] = msgspec.json.decode(annotations[name])
            del annotations[name]
        except (KeyError, TypeError, msgspec.DecodeError):
            kept[name] = None
    cpu = stored["spec"].pop("targetCPUUtilizationPercentage", None)
    metrics = ([_cpu_metric("target", cpu)] if cpu is not None else []) + (kept[_METRICS] or [])
    metrics = metrics or [_cpu_metric("target", _DEFAULT_CPU)]
    current = stored["status"].pop("currentCPUUtilizationPercentage", None)
    current_metrics = ([_cpu_metric("current", current)] if current is not None else []) + (
        kept[_CURRENT_METRICS] or []
    )
    stored["spec"] |= _filled(metrics=metrics, behavior=kept[_BEHAVIOR])
    stored["status"] |= _filled(currentMetrics=current_metrics, conditions=kept[_CONDITIONS])
    stored["metadata"] = _with_annotations(served["metadata"], annotations)
    return stored


def _filled(**fields: Any) -> JsonObject:
    return {name: value for name, value in fields.items() if value}


def _with_annotations(metadata: JsonObject, annotations: dict[str, Any]) -> JsonObject:
    others = {name: value for name, value in metadata.items() if name != "annotations"}
    return {**others, "annotations": annotations} if annotations else others


AUTOSCALERS = Conversion(_autoscaler_from_stored, _autoscaler_to_stored)
"""autoscaling/v1, stored as autoscaling/v2."""
