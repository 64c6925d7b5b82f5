"""What a resource is: its names, verbs and subresources, the rules its writes follow, and how its objects are served.

Pure data. The built-in resources are listed in resources.py; custom resources are derived from their CRD in
custom_resources/. One stored resource may be served under several definitions: versions, or two groups.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal

import msgspec

from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.apimachinery.patch.typed_schema import TypeSchema, builtin_type, custom_type
from gateway.apimachinery.schema import GroupResource, GroupVersionKind, GroupVersionResource
from gateway.storage.defaulting.defaulting import default_custom_resource
from gateway.storage.interface import FieldReader, StoredObject

METADATA_LABELS: Mapping[str, str] = MappingProxyType(
    {"metadata.name": "metadata.name", "metadata.namespace": "metadata.namespace"}
)
"""The field-selector labels of every resource."""


@dataclass(frozen=True, slots=True)
class SubresourceDefinition:
    """A subresource: the kind its bodies have and the verbs it takes."""

    kind: GroupVersionKind
    verbs: tuple[str, ...]


STATUS_VERBS = ("get", "patch", "update")


def written_apart(gvk: GroupVersionKind, *, status: bool, scale: bool) -> dict[str, SubresourceDefinition]:
    """The subresources by which the status and the replica count of a kind are written, where it has them."""
    found = {}
    if status:
        found["status"] = SubresourceDefinition(gvk, STATUS_VERBS)
    if scale:
        found["scale"] = SubresourceDefinition(GroupVersionKind("autoscaling", "v1", "Scale"), STATUS_VERBS)
    return found


@dataclass(frozen=True, slots=True)
class PrinterColumn:
    """A column of `kubectl get` that a custom resource declares (additionalPrinterColumns)."""

    name: str
    type: str
    json_path: str
    format: str = ""
    description: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class ScalePaths:
    """Where a scalable object keeps its replica counts and its selector, as tuples of field names."""

    spec_replicas: tuple[str, ...] = ("spec", "replicas")
    status_replicas: tuple[str, ...] = ("status", "replicas")
    label_selector: tuple[str, ...] = ("spec", "selector")
    selector_is_text: bool = False
    """Custom resources keep the selector serialised; built-ins as a LabelSelector or, ReplicationController, a map."""


OWN_METADATA = ("labels", "annotations", "finalizers", "ownerReferences")
"""What of metadata is its writers' to set, beside the record of who they are."""


@dataclass(frozen=True, slots=True)
class WriteRules:
    """How kube-apiserver's strategy of the resource treats a write (k8s.io/kubernetes `pkg/registry`)."""

    create_on_update: bool = False
    """A PUT may create the object."""
    unconditional_update: bool = True
    """An update without a resourceVersion overwrites whatever is there."""
    returns_deleted: bool = False
    """A delete answers with the object instead of a Status."""
    generation: Literal["none", "constant", "spec", "content"] = "none"
    """What makes metadata.generation grow: nothing, nothing but it starts at 1, a change of spec, of anything."""
    generation_counts_annotations: bool = False
    initial_status: Mapping[str, Any] | None = None
    """The status a new object has when the status is not its writers' to set."""
    status_keeps: tuple[str, ...] = ()
    """What of its metadata a write of the status leaves alone."""
    graceful: bool = False
    """A delete waits for the object's grace period."""
    orphans_dependents: bool = False
    """Dependents are orphaned by a delete that names no propagation policy."""
    collects_garbage: bool = True
    """Propagation policies are honoured."""
    time_to_live: float = 0.0
    """Seconds after its last write at which an object expires; 0 is never."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """A served version that differs from the stored one; both ways take objects without kind and apiVersion."""

    from_stored: Callable[[JsonObject], JsonObject]
    to_stored: Callable[[JsonObject], JsonObject]


def name_fields(key: ObjectKey) -> dict[str, str]:
    """The field values every object has."""
    fields = {"metadata.name": key.name}
    if key.namespace:
        fields["metadata.namespace"] = key.namespace
    return fields


def read_name_fields(stored: StoredObject) -> dict[str, str]:
    """Read the fields of resources that can be selected by name and namespace only."""
    return name_fields(stored.key)


@dataclass(frozen=True, eq=False)
class ResourceDefinition:
    """One resource at one version, as it is served."""

    gvr: GroupVersionResource
    kind: str
    list_kind: str
    namespaced: bool
    singular: str
    verbs: tuple[str, ...]
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: Mapping[str, SubresourceDefinition] = field(default_factory=dict)
    builtin: bool = True
    rules: WriteRules = WriteRules()
    scale: ScalePaths | None = None
    stored_as: GroupVersionKind | None = None
    """The kind objects are stored as, where it is not the served one."""
    stored_resource: GroupResource | None = None
    conversion: Conversion | None = None
    field_labels: Mapping[str, str] = field(default_factory=lambda: METADATA_LABELS)
    """Labels that field selectors may use, and the field each one means."""
    read_fields: FieldReader = read_name_fields
    schema: JsonObject | None = None
    """The openAPIV3Schema of a custom resource."""
    stored_schema: JsonObject | None = None
    """The schema of the version custom resources are stored in, where that is another one: its defaults count too."""
    columns: tuple[PrinterColumn, ...] = ()
    deprecation_warning: str = ""
    """What every request to a deprecated version is warned with."""
    unevaluated_rules: bool = False
    """The schema holds CEL rules (x-kubernetes-validations), which this store cannot evaluate."""
    terminating: bool = False
    """The custom resource is being removed: no more creates."""

    def __repr__(self) -> str:
        """Name the resource and version."""
        return f"ResourceDefinition({self.group_resource} {self.gvr.version})"

    @cached_property
    def _head(self) -> bytes:
        """The start of every complete object."""
        return msgspec.json.encode({"kind": self.kind, "apiVersion": self.gvk.api_version})[:-1] + b","

    @cached_property
    def type_schema(self) -> TypeSchema:
        """How objects of the resource merge."""
        builtin = builtin_type(self.gvk) if self.builtin else None
        return builtin or custom_type(self.gvk, self.schema, status_subresource=self.has_status)

    @property
    def gvk(self) -> GroupVersionKind:
        """The kind that is served."""
        return self.gvr.group_version.kind(self.kind)

    @property
    def group_resource(self) -> GroupResource:
        """The resource without its version, as errors name it."""
        return self.gvr.group_resource

    @property
    def storage_key(self) -> str:
        """The name of the resource in the Storage."""
        return str(self.stored_resource or self.group_resource)

    @property
    def storage_kind(self) -> GroupVersionKind:
        """The kind that objects are validated and stored as."""
        return self.stored_as or self.gvk

    @property
    def has_status(self) -> bool:
        """Whether the status is written through its own subresource."""
        return "status" in self.subresources

    def _served(self, stored: StoredObject) -> bytes:
        if self.conversion is None:
            return stored.raw
        return msgspec.json.encode(self.conversion.from_stored(stored.decode()))

    def object_bytes(self, stored: StoredObject) -> bytes:
        """Return the complete JSON object, kind and apiVersion first."""
        return self._head + self._served(stored)[1:]

    def item_bytes(self, stored: StoredObject) -> bytes:
        """Return the object as it stands in a List: built-ins without kind and apiVersion, custom resources with."""
        return self._served(stored) if self.builtin else self.object_bytes(stored)

    def object(self, stored: StoredObject) -> JsonObject:
        """Return the decoded object with kind and apiVersion: a fresh tree, the caller's own."""
        return self.from_stored(stored.decode())

    def to_stored(self, served: JsonObject) -> JsonObject:
        """Return a served object as it is validated and stored."""
        content = {name: value for name, value in served.items() if name not in {"kind", "apiVersion"}}
        if self.conversion is not None:
            content = self.conversion.to_stored(content)
        if self.stored_schema is not None:
            content = default_custom_resource(deepcopy(content), self.stored_schema)
        return {"kind": self.storage_kind.kind, "apiVersion": self.storage_kind.api_version, **content}

    def from_stored(self, obj: JsonObject) -> JsonObject:
        """Return an object in its stored form as it is served."""
        content = {name: value for name, value in obj.items() if name not in {"kind", "apiVersion"}}
        if self.conversion is not None:
            content = self.conversion.from_stored(content)
        return {"kind": self.kind, "apiVersion": self.gvk.api_version, **content}

    def fields(self, stored: StoredObject) -> Mapping[str, str]:
        """Return the field-selector values of an object."""
        return stored.fields(self.read_fields)
