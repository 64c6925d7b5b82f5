"""The Table of HorizontalPodAutoscalers, of their autoscaling/v2 form. Pure.

Follows k8s.io/kubernetes `pkg/printers/internalversion/printers.go`, as of 1.36.
"""

from __future__ import annotations

from gateway.apimachinery.meta import JsonObject, field
from gateway.printers.cells import AGE, NAME, NONE, UNSET, listed, number_of, text, text_of
from gateway.printers.columns import Column
from gateway.printers.object_printer import ObjectPrinter
from gateway.printers.row import Cell

_UNKNOWN = "<unknown>"
_SHOWN = 2

_SOURCES = {
    "External": "external",
    "Pods": "pods",
    "Object": "object",
    "Resource": "resource",
    "ContainerResource": "containerResource",
}
"""The field that belongs to each type of metric."""


def _metric_text(spec: JsonObject, status: JsonObject) -> str:
    """Return what one metric is now and what it should be: `cpu: 12%/80%`, `3/5 (avg)`."""
    source = _SOURCES.get(str(spec.get("type")))
    if source is None:
        return "<unknown type>"
    target = field(spec, source, "target") or {}
    current = field(status, source, "current") or {}
    named = source in {"resource", "containerResource"}
    prefix = f"{text(spec, source, 'name')}: " if named else ""
    if "averageValue" in target:
        suffix = " (avg)" if source in {"external", "object"} else ""
        return f"{prefix}{current.get('averageValue', _UNKNOWN)}/{target['averageValue']}{suffix}"
    if named:
        return f"{prefix}{_percent(current, _UNKNOWN)}/{_percent(target, '<auto>')}"
    return f"{current.get('value', _UNKNOWN)}/{target.get('value')}"


def _percent(values: JsonObject, missing: str) -> str:
    utilization = values.get("averageUtilization")
    return missing if utilization is None else f"{utilization}%"


def _targets(obj: JsonObject) -> Cell:
    metrics, current = listed(field(obj, "spec", "metrics")), listed(field(obj, "status", "currentMetrics"))
    known = [*current, *({} for _ in metrics)]
    shown = ", ".join(_metric_text(spec, status) for spec, status in list(zip(metrics, known, strict=False))[:_SHOWN])
    return f"{shown} + {len(metrics) - _SHOWN} more..." if len(metrics) > _SHOWN else shown or NONE


def _reference(obj: JsonObject) -> Cell:
    return f"{text(obj, 'spec', 'scaleTargetRef', 'kind')}/{text(obj, 'spec', 'scaleTargetRef', 'name')}"


AUTOSCALERS = ObjectPrinter(
    NAME,
    (Column("Reference", description="What it scales."), _reference),
    (Column("Targets", description="What it measures, and what it aims at."), _targets),
    (Column("MinPods", description="The lower limit of replicas."), text_of("spec", "minReplicas", default=UNSET)),
    (Column("MaxPods", description="The upper limit of replicas."), number_of("spec", "maxReplicas")),
    (Column("Replicas", description="How many replicas there are."), number_of("status", "currentReplicas")),
    AGE,
)
