"""What the cache must know of a kind of member resource: how it is read, under which versions it is served.

Pods and Events are built in; other kinds are added by configuration with `ResourceKind.generic`. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cache.event_conversion import to_core, to_events_group
from cache.field_values import EVENT_FIELDS, POD_FIELDS, Sections, event_fields, no_fields, pod_fields
from gateway.apimachinery.schema import GroupVersionResource

_METADATA_LABELS = {"metadata.name": "metadata.name", "metadata.namespace": "metadata.namespace"}


def _same(raw: bytes) -> bytes:
    return raw


@dataclass(frozen=True, slots=True)
class ServedVersion:
    """One version under which a kind is served."""

    gvr: GroupVersionResource
    kind: str
    namespaced: bool = True
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
    read_fields: Callable[[Sections], tuple[str, ...]] = no_fields
    """Returns the values of `field_names`, in their order."""
    indexed_field: str = ""
    """A field that many callers select by one exact value."""

    @property
    def stored(self) -> ServedVersion:
        """The version that is read from members and kept."""
        return self.versions[0]

    @classmethod
    def generic(cls, gvr: GroupVersionResource, kind: str, *, namespaced: bool = True) -> ResourceKind:
        """A kind of which only the metadata is understood."""
        return cls((ServedVersion(gvr, kind, namespaced),))


def _own(*names: str) -> dict[str, str]:
    return {name: name for name in names}


PODS = ResourceKind(
    versions=(
        ServedVersion(
            GroupVersionResource("", "v1", "pods"),
            "Pod",
            # Kubernetes accepts status.podIPs but stores no value for it, so it only ever equals the empty string.
            field_labels=_METADATA_LABELS
            | _own(*POD_FIELDS, "status.podIPs")
            | {"spec.host": "spec.nodeName"},
        ),
    ),
    field_names=POD_FIELDS,
    read_fields=pod_fields,
    indexed_field="spec.nodeName",
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
    indexed_field="involvedObject.uid",
)

BUILT_IN_KINDS = (PODS, EVENTS)
