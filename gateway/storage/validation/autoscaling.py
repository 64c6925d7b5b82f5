"""Rules for kinds that bound how many Pods there are: autoscalers and disruption budgets.

After Kubernetes `pkg/apis/autoscaling/validation` and `policy/validation`. Pure.
"""

from __future__ import annotations

from gateway.apimachinery.meta import JsonObject
from gateway.storage.defaulting.reading import objects
from gateway.storage.validation.causes import Causes, forbidden, invalid_value, invalid_values, one_of, required
from gateway.storage.validation.label_selectors import validate_label_selector
from gateway.storage.validation.names import path_segment
from gateway.storage.validation.numbers import not_above_100_percent, number_or_percentage

_EVICTION_POLICIES = ("AlwaysAllow", "IfHealthyBudget")


def validate_horizontal_pod_autoscaler(new: JsonObject, _old: JsonObject | None) -> Causes:
    """Judge a HorizontalPodAutoscaler."""
    spec = new["spec"]
    lowest, highest = spec.get("minReplicas"), spec.get("maxReplicas") or 0
    to_zero = any(metric.get("type") in {"Object", "External"} for metric in objects(spec, "metrics"))
    if lowest is not None and lowest < 1:
        yield invalid_value("spec.minReplicas", lowest, "must be greater than or equal to 1")
    if highest == 0:
        yield required("spec.maxReplicas", "must be set and greater than 0")
    elif highest < 0:
        yield invalid_value("spec.maxReplicas", highest, "must be greater than or equal to 1")
    if lowest is not None and highest < lowest:
        yield invalid_value("spec.maxReplicas", highest, "must be greater than or equal to `minReplicas`")
    yield from _validate_target(spec.get("scaleTargetRef") or {})
    if lowest == 0 and not to_zero:
        detail = "must specify at least one Object or External metric to support scaling to zero replicas"
        yield forbidden("spec.metrics", detail)


def _validate_target(target: JsonObject) -> Causes:
    path = "spec.scaleTargetRef"
    for part in ("kind", "name"):
        text = str(target.get(part) or "")
        if text:
            yield from invalid_values(f"{path}.{part}", text, path_segment(text))
        else:
            yield required(f"{path}.{part}")
    if not target.get("apiVersion"):
        yield invalid_value(f"{path}.apiVersion", "", "apiVersion must specify API group")


def validate_pod_disruption_budget(new: JsonObject, _old: JsonObject | None) -> Causes:
    """Judge a PodDisruptionBudget."""
    spec = new["spec"]
    available, unavailable = spec.get("minAvailable"), spec.get("maxUnavailable")
    if available is not None and unavailable is not None:
        shown = {
            "MinAvailable": available,
            "Selector": spec.get("selector"),
            "MaxUnavailable": unavailable,
            "UnhealthyPodEvictionPolicy": spec.get("unhealthyPodEvictionPolicy"),
        }
        yield invalid_value("spec", shown, "minAvailable and maxUnavailable cannot be both set")
    for name, value in (("minAvailable", available), ("maxUnavailable", unavailable)):
        yield from number_or_percentage(f"spec.{name}", value)
        yield from not_above_100_percent(f"spec.{name}", value)
    yield from validate_label_selector("spec.selector", spec.get("selector"))
    if spec.get("unhealthyPodEvictionPolicy") is not None:
        yield from one_of("spec.unhealthyPodEvictionPolicy", spec["unhealthyPodEvictionPolicy"], _EVICTION_POLICIES)
