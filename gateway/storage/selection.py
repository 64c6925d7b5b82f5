"""Which objects a list or watch is about: namespace, labels and fields. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway.apimachinery.field_selectors import FieldSelector
from gateway.apimachinery.label_selectors import LabelSelector
from gateway.apimachinery.options import ListOptions
from gateway.storage.definitions import ResourceDefinition
from gateway.storage.interface import StoredEvent, StoredObject


@dataclass(frozen=True, slots=True)
class Selection:
    """The objects of one resource that a caller asked for; "" is every namespace."""

    definition: ResourceDefinition
    namespace: str
    labels: LabelSelector
    fields: FieldSelector

    @classmethod
    def of(cls, definition: ResourceDefinition, namespace: str, options: ListOptions) -> Selection:
        """Read the selection of list options. Raises ApiError 400 for a field that cannot be selected by."""
        fields = options.field_selector.translate(definition.field_labels)
        return cls(definition, namespace, options.label_selector, fields)

    @property
    def everything(self) -> bool:
        """Whether no selector restricts the objects of the namespace."""
        return self.labels.empty and self.fields.empty

    @property
    def name(self) -> str | None:
        """The one name that can match, where the fields demand one."""
        return self.fields.exact("metadata.name")

    def matches(self, stored: StoredObject) -> bool:
        """Whether an object is selected."""
        if self.namespace and stored.key.namespace != self.namespace:
            return False
        if not self.labels.empty and not self.labels.matches(stored.metadata.labels):
            return False
        return self.fields.empty or self.fields.matches(self.definition.fields(stored))

    def event(self, event: StoredEvent) -> StoredEvent | None:
        """Return what an event means to someone who sees only selected objects, None when it means nothing.

        An object that enters the selection is ADDED; one that leaves it is DELETED, with its last selected content
        under the new revision (k8s.io/apiserver `storage/cacher/cache_watcher.go`).
        """
        stored, previous = event.object, event.previous
        if stored is None or (self.namespace and stored.key.namespace != self.namespace):
            return None
        if self.everything:
            return event
        now = event.type != "DELETED" and self.matches(stored)
        before = previous is not None and self.matches(previous)
        if now:
            return event if before or event.type == "ADDED" else replace(event, type="ADDED")
        if not before or previous is None:
            return None
        return replace(event, type="DELETED", object=previous.at(event.revision, stored.written_at))
