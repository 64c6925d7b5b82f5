"""Events of the simulated components as core/v1 objects. Pure.

Named as client-go's `tools/record` names them: the object's name with a number behind it.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.apimachinery import meta
from gateway.apimachinery.meta import JsonObject
from gateway.storage.object_meta import timestamp

NORMAL = "Normal"
WARNING = "Warning"


@dataclass(frozen=True, slots=True)
class Source:
    """Who reports: a component, and the node it runs on where it runs on one."""

    component: str
    host: str = ""


@dataclass(frozen=True, slots=True)
class Happening:
    """What happened to an object; `field_path` names the part of it, such as `spec.containers{web}`."""

    type: str
    reason: str
    message: str
    field_path: str = ""


def object_reference(obj: JsonObject, field_path: str = "") -> JsonObject:
    """Return the involvedObject of an Event about an object."""
    reference = {
        "kind": obj["kind"],
        "namespace": meta.namespace(obj),
        "name": meta.name(obj),
        "uid": meta.uid(obj),
        "apiVersion": obj["apiVersion"],
        "resourceVersion": meta.resource_version(obj),
        "fieldPath": field_path,
    }
    return {name: value for name, value in reference.items() if value}


def build_event(obj: JsonObject, happening: Happening, source: Source, now: float, number: int) -> JsonObject:
    """Return a new Event; `number` makes its name unique. Events about cluster-scoped objects live in `default`."""
    when = timestamp(now)
    reporter = {"component": source.component, "host": source.host}
    return {
        "kind": "Event",
        "apiVersion": "v1",
        "metadata": {"name": f"{meta.name(obj)}.{number:x}", "namespace": meta.namespace(obj) or "default"},
        "involvedObject": object_reference(obj, happening.field_path),
        "reason": happening.reason,
        "message": happening.message,
        "type": happening.type,
        "source": {name: value for name, value in reporter.items() if value},
        "firstTimestamp": when,
        "lastTimestamp": when,
        "count": 1,
        "eventTime": None,
        "reportingComponent": source.component,
        "reportingInstance": source.host,
    }
