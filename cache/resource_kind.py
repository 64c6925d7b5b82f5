"""What the cache must know of a kind of member resource: how it is read, under which versions it is served.

Pods and Events are built in; other kinds are added by configuration with `ResourceKind.generic`. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cache.event_conversion import to_core, to_events_group
from cache.field_values import (
    EVENT_FIELDS,
    POD_FIELDS,
    Field,
    FieldReader,
    event_fields,
    field_reader,
    no_fields,
    pod_fields,
)
from cache.indexed_fields import INVOLVED_UID, NODE_NAME, WORKLOAD, IndexedField
from gateway.apimachinery.schema import GroupResource, GroupVersionResource

_METADATA_LABELS = {"metadata.name": "metadata.name", "metadata.namespace": "metadata.namespace"}


def _same(raw: bytes) -> bytes:
    return raw


@dataclass(frozen=True, slots=True)
class ServedVersion:
    """One version under which a kind is served."""

    gvr: GroupVersionResource
    kind: str
    field_labels: Mapping[str, str] = field(default_factory=lambda: _METADATA_LABELS)
    """Labels that field selectors of this version may use, and the field each one means."""
    from_stored: Callable[[bytes], bytes] = _same
    """Turns an object as it is kept (without kind and apiVersion) into this version."""
    to_stored: Callable[[bytes], bytes] = _same

    @property
    def api_version(self) -> str:
        """The apiVersion of served objects."""
        return self.gvr.group_version.api_version

    @property
    def list_kind(self) -> str:
        """The kind of a list of these objects."""
        return f"{self.kind}List"


@dataclass(frozen=True, slots=True)
class ResourceKind:
    """A kind that is cached from members. Objects are read and kept in the first of its versions."""

    versions: tuple[ServedVersion, ...]
    field_names: tuple[str, ...] = ()
    """Fields with values of their own, beside metadata.name and metadata.namespace."""
    read_fields: FieldReader = no_fields
    """Returns the values of `field_names`, in their order."""
    indexed_fields: tuple[IndexedField, ...] = ()
    """Fields of these that many callers select by."""

    @property
    def stored(self) -> ServedVersion:
        """The version that is read from members and kept."""
        return self.versions[0]

    @classmethod
    def generic(cls, gvr: GroupVersionResource, kind: str) -> ResourceKind:
        """Any kind: of those of Kubernetes itself the fields are known that selectors may use, of others name only."""
        labels, fields = _SELECTABLE.get(gvr.group_resource, (_METADATA_LABELS, ()))
        names = tuple(field.name for field in fields)
        served = ServedVersion(gvr, kind, field_labels={**labels, **{name: name for name in names}})
        return cls((served,), names, field_reader(fields))


_NAME_LABEL = {"metadata.name": "metadata.name"}
_SELECTABLE: Mapping[GroupResource, tuple[Mapping[str, str], tuple[Field, ...]]] = {
    GroupResource("", "nodes"): (
        _NAME_LABEL,
        (Field("spec.unschedulable", ("spec", "unschedulable"), "false"),),
    ),
    GroupResource("", "namespaces"): (_NAME_LABEL, (Field("status.phase", ("status", "phase")),)),
    GroupResource("", "secrets"): (_METADATA_LABELS, (Field("type", ("type",)),)),
    GroupResource("", "services"): (
        _METADATA_LABELS,
        (Field("spec.clusterIP", ("spec", "clusterIP")), Field("spec.type", ("spec", "type"))),
    ),
    GroupResource("", "replicationcontrollers"): (
        _METADATA_LABELS,
        (Field("status.replicas", ("status", "replicas"), "0"),),
    ),
    GroupResource("batch", "jobs"): (
        _METADATA_LABELS,
        (Field("status.successful", ("status", "succeeded"), "0"),),
    ),
    GroupResource("certificates.k8s.io", "certificatesigningrequests"): (
        _NAME_LABEL,
        (Field("spec.signerName", ("spec", "signerName")),),
    ),
}
"""By resource the labels of its metadata and its own fields, where Kubernetes has a rule of its own (each API group's
`conversion.go`, AddFieldLabelConversionFunc). ReplicaSets have none in apps/v1: there it refuses `status.replicas`."""


def _own(*names: str) -> dict[str, str]:
    return {name: name for name in names}


POD_LABELS_OF_KUBERNETES = (
    # Kubernetes accepts status.podIPs but stores no value for it, so it only ever equals the empty string.
    _METADATA_LABELS
    | _own(*(name for name in POD_FIELDS if name != WORKLOAD.name), "status.podIPs")
    | {"spec.host": "spec.nodeName"}
)
"""The labels of Pods at one cluster, where nothing is known of the field that is our own."""

PODS = ResourceKind(
    versions=(
        ServedVersion(
            GroupVersionResource("", "v1", "pods"),
            "Pod",
            field_labels=POD_LABELS_OF_KUBERNETES | _own(WORKLOAD.name),
        ),
    ),
    field_names=POD_FIELDS,
    read_fields=pod_fields,
    indexed_fields=(NODE_NAME, WORKLOAD),
)  # fmt: skip

_REGARDING = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")

EVENTS = ResourceKind(
    versions=(
        ServedVersion(
            GroupVersionResource("", "v1", "events"), "Event", field_labels=_METADATA_LABELS | _own(*EVENT_FIELDS)
        ),
        ServedVersion(
            GroupVersionResource("events.k8s.io", "v1", "events"),
            "Event",
            field_labels=_METADATA_LABELS
            | {f"regarding.{name}": f"involvedObject.{name}" for name in _REGARDING}
            | {"reportingController": "reportingComponent"}
            | _own("reason", "source", "type"),
            from_stored=to_events_group,
            to_stored=to_core,
        ),
    ),
    field_names=EVENT_FIELDS,
    read_fields=event_fields,
    indexed_fields=(INVOLVED_UID,),
)

BUILT_IN_KINDS = (PODS, EVENTS)
