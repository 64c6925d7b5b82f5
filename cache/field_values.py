"""The values that field selectors compare, read out of encoded objects: Pods, Events, and plain paths of other kinds.

Which fields exist and where they come from follows Kubernetes `pkg/apis/core/selection.go`, but for the workloads of
Pods, which are our own. Pure. Objects of members are not ours to validate: where a section has an unexpected shape, its
fields read as empty.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec

from cache.workloads import WORKLOAD_FIELD, workload_chain

Sections = Mapping[str, msgspec.Raw]
"""The fields of an object, or those of its metadata, values still encoded."""
FieldReader = Callable[[Sections, Sections], tuple[str, ...]]
"""Reads the values of a kind's fields out of an object's top-level fields, without its metadata, and those of that."""

POD_FIELDS = (
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.nominatedNodeName",
    WORKLOAD_FIELD,
)
EVENT_FIELDS = (
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
)


class _PodIP(msgspec.Struct, gc=False):
    ip: str | None = None


class _PodSpec(msgspec.Struct, gc=False, rename="camel"):
    node_name: str | None = None
    restart_policy: str | None = None
    scheduler_name: str | None = None
    service_account_name: str | None = None
    host_network: bool | None = None


class _PodStatus(msgspec.Struct, gc=False, rename="camel"):
    phase: str | None = None
    pod_ip: str | None = msgspec.field(name="podIP", default=None)
    pod_ips: list[_PodIP] | None = msgspec.field(name="podIPs", default=None)
    nominated_node_name: str | None = None


class _Reference(msgspec.Struct, gc=False, rename="camel"):
    kind: str | None = None
    namespace: str | None = None
    name: str | None = None
    uid: str | None = None
    api_version: str | None = None
    resource_version: str | None = None
    field_path: str | None = None


class _Source(msgspec.Struct, gc=False):
    component: str | None = None


_pod_spec = msgspec.json.Decoder(_PodSpec | None)
_pod_status = msgspec.json.Decoder(_PodStatus | None)
_reference = msgspec.json.Decoder(_Reference | None)
_source = msgspec.json.Decoder(_Source | None)
_text = msgspec.json.Decoder(str | None)
_NO_SPEC, _NO_STATUS = _PodSpec(), _PodStatus()
_T = TypeVar("_T")


def _read(decoder: msgspec.json.Decoder[_T | None], sections: Sections, name: str) -> _T | None:
    section = sections.get(name)
    if section is None:
        return None
    try:
        return decoder.decode(section)
    except msgspec.ValidationError:
        return None


def _shared(text: str | None) -> str:
    """Keep one copy of a value that many objects have."""
    return sys.intern(text) if text else ""


def pod_fields(sections: Sections, metadata: Sections) -> tuple[str, ...]:
    """Return the values of POD_FIELDS in that order."""
    spec = _read(_pod_spec, sections, "spec") or _NO_SPEC
    status = _read(_pod_status, sections, "status") or _NO_STATUS
    address = status.pod_ips[0].ip if status.pod_ips else status.pod_ip
    shared = sys.intern  # one copy of values that many objects have
    return (
        shared(spec.node_name or ""),
        shared(spec.restart_policy or ""),
        shared(spec.scheduler_name or ""),
        shared(spec.service_account_name or ""),
        "true" if spec.host_network else "false",
        shared(status.phase or ""),
        address or "",
        shared(status.nominated_node_name or ""),
        shared(workload_chain(metadata)),
    )


def event_fields(sections: Sections, metadata: Sections) -> tuple[str, ...]:
    """Return the values of EVENT_FIELDS of a core/v1 Event in that order."""
    involved = _read(_reference, sections, "involvedObject") or _Reference()
    source = _read(_source, sections, "source") or _Source()
    reporter = _read(_text, sections, "reportingComponent")
    return (
        _shared(involved.kind),
        _shared(involved.namespace),
        _shared(involved.name),
        _shared(involved.uid),
        _shared(involved.api_version),
        involved.resource_version or "",
        _shared(involved.field_path),
        _shared(_read(_text, sections, "reason")),
        _shared(reporter),
        _shared(source.component or reporter),
        _shared(_read(_text, sections, "type")),
    )


def no_fields(sections: Sections, metadata: Sections) -> tuple[str, ...]:
    """Return no values: kinds that can be selected by name and namespace only."""
    return ()


class Field(NamedTuple):
    """A field at a plain path; `absent` is what it reads as where there is nothing."""

    name: str
    path: tuple[str, ...]
    absent: str = ""


_anything = msgspec.json.Decoder(Any)


def field_reader(fields: Sequence[Field]) -> FieldReader:
    """Return what reads the values of some fields, in that order."""
    if not fields:
        return no_fields

    def read(sections: Sections, metadata: Sections) -> tuple[str, ...]:
        return tuple(_shared(_value(sections, field) or field.absent) for field in fields)

    return read


def _value(sections: Sections, field: Field) -> str:
    """Write a scalar as Go's formatting does; anything else reads as empty."""
    section = sections.get(field.path[0])
    value: Any = None if section is None else _anything.decode(section)
    for step in field.path[1:]:
        value = value.get(step) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (str, int)) else ""
