"""Deletes what belongs to something that is gone: the garbage collector of metadata.ownerReferences.

After kube-controller-manager's garbage collector: an object goes when none of its owners is left; an owner that is
deleted in the foreground waits for its dependents, one that orphans them lets go of them first.

Unlike it, this one deletes nothing that a label protects: admission refuses what would lead there, and cannot see
everything coming. Such an object stays, looked at again whenever it changes, and what waits for it waits on.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from admission.blockers import standing_protection
from admission.protection_labels import KNOWN_VALUES
from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.apimachinery.schema import GroupVersion
from gateway.storage.controllers.object_registry import MERGE_PATCH, ObjectRegistry
from gateway.storage.controllers.work_loop import WorkLoop
from gateway.storage.definitions import ResourceDefinition
from gateway.storage.deletion import FOREGROUND_FINALIZER, ORPHAN_FINALIZER
from gateway.storage.interface import StoredEvent, StoredMetadata, StoredObject
from gateway.storage.write_context import WriteContext
from gateway.write_request import DeleteOptions

logger = logging.getLogger(__name__)

_CONTEXT = WriteContext.internal("kube-controller-manager")


@dataclass(frozen=True, slots=True)
class Reference:
    """An object of the store: its resource and key."""

    resource: str
    key: ObjectKey

    def __str__(self) -> str:
        """Show it as log lines name objects."""
        return f"{self.resource} {self.key}"


def _owner_uids(metadata: StoredMetadata) -> set[str]:
    owners = metadata.owner_references
    return {str(owner.get("uid", "")) for owner in owners if isinstance(owner, dict)}  # what is stored may be junk


def _waits_for_dependents(metadata: StoredMetadata) -> bool:
    return bool(metadata.deletion_timestamp) and FOREGROUND_FINALIZER in metadata.finalizers


class GarbageCollector:
    """Collects the garbage of one store. Its index of dependents has one writer, the store's events."""

    def __init__(self, registry: ObjectRegistry) -> None:
        """Index what is in the store and follow its events from now on."""
        self._registry = registry
        self._dependents: defaultdict[str, set[Reference]] = defaultdict(set)
        self._spared: set[Reference] = set()
        self._work: WorkLoop[Reference] = WorkLoop("garbage collection", self._process)
        for definition in registry.stored_resources():
            for stored in registry.storage.list(definition.storage_key):
                self._index(Reference(definition.storage_key, stored.key), set(), _owner_uids(stored.metadata))
        registry.storage.listen("", self._observe)

    async def run(self) -> None:
        """Collect until cancelled; everything with an owner is looked at once, as its owner may be gone already."""
        for dependents in self._dependents.values():
            for reference in dependents:
                self._work.add(reference)
        for definition in self._registry.stored_resources():
            for stored in self._registry.storage.list(definition.storage_key):
                if stored.metadata.deletion_timestamp:
                    self._work.add(Reference(definition.storage_key, stored.key))
        await self._work.run()

    def dependents(self, owner_uid: str) -> list[tuple[ResourceDefinition, StoredObject]]:
        """Return the objects that name an owner of this uid."""
        references = self._dependents.get(owner_uid)
        if not references:  # nearly always, and asked for each of thousands of objects
            return []
        definitions = {entry.storage_key: entry for entry in self._registry.stored_resources()}
        found = []
        for reference in references:
            definition = definitions.get(reference.resource)
            stored = self._registry.storage.get(reference.resource, reference.key)
            if definition is not None and stored is not None:
                found.append((definition, stored))
        return found

    def _index(self, reference: Reference, before: set[str], now: set[str]) -> None:
        for owner in before - now:
            self._dependents[owner].discard(reference)
            if not self._dependents[owner]:
                del self._dependents[owner]
        for owner in now - before:
            self._dependents[owner].add(reference)

    def _observe(self, event: StoredEvent) -> None:
        stored = event.object
        if stored is None:
            return
        reference = Reference(event.resource, stored.key)
        metadata = stored.metadata
        before = _owner_uids(event.previous.metadata) if event.previous is not None else set()
        now = _owner_uids(metadata) if event.type != "DELETED" else set()
        self._index(reference, before, now)
        if event.type == "DELETED":
            self._spared.discard(reference)
            self._add_all(self._dependents.get(metadata.uid, ()))
        elif now != before or metadata.deletion_timestamp or reference in self._spared:
            self._work.add(reference)
            if _waits_for_dependents(metadata):
                self._add_all(self._dependents.get(metadata.uid, ()))
        if before - now:
            self._add_waiting_owners(reference, event.previous)

    def _add_all(self, references: Any) -> None:
        for reference in references:
            self._work.add(reference)

    def _add_waiting_owners(self, reference: Reference, previous: StoredObject | None) -> None:
        for owner in previous.metadata.owner_references if previous is not None else ():
            found = self.find_owner(reference.key.namespace, owner)
            if found is not None and found[1] is not None and _waits_for_dependents(found[1].metadata):
                self._work.add(Reference(found[0].storage_key, found[1].key))

    def _definition(self, resource: str) -> ResourceDefinition | None:
        return next((entry for entry in self._registry.stored_resources() if entry.storage_key == resource), None)

    def find_owner(self, namespace: str, owner: JsonObject) -> tuple[ResourceDefinition, StoredObject | None] | None:
        """Look an owner up; None when its kind is not served here, so nothing can be said about it."""
        api_version, name = owner.get("apiVersion", ""), owner.get("name", "")
        if not isinstance(api_version, str) or not isinstance(name, str):
            return None  # what is stored may be junk
        try:
            group = GroupVersion.parse(api_version).group
        except ValueError:
            return None
        kind = owner.get("kind")
        for definition in self._registry.resources():
            if definition.gvk.group != group or definition.kind != kind:
                continue
            if definition.namespaced and not namespace:
                return None  # a cluster-scoped object cannot have a namespaced owner: leave it alone
            key = ObjectKey(namespace if definition.namespaced else "", name)
            stored = self._registry.storage.get(definition.storage_key, key)
            matches = stored is not None and stored.metadata.uid == owner.get("uid")
            return definition, stored if matches else None
        return None

    async def _process(self, reference: Reference) -> None:
        definition = self._definition(reference.resource)
        stored = self._registry.storage.get(reference.resource, reference.key)
        if definition is None or stored is None:
            return
        metadata = stored.metadata
        if metadata.deletion_timestamp:
            if ORPHAN_FINALIZER in metadata.finalizers:
                await self._orphan_dependents(definition, stored)
            elif FOREGROUND_FINALIZER in metadata.finalizers and not self._blocking(metadata.uid):
                await self._remove_finalizer(definition, stored, FOREGROUND_FINALIZER)
            return
        if metadata.owner_references:
            await self._judge(definition, stored)

    async def _judge(self, definition: ResourceDefinition, stored: StoredObject) -> None:
        """Keep an object that still has an owner, without the owners that are gone; delete one that has none."""
        solid: list[JsonObject] = []
        waiting: list[JsonObject] = []
        owners = stored.metadata.owner_references
        for owner in owners:
            found = self.find_owner(stored.key.namespace, owner)
            if found is None or (found[1] is not None and not _waits_for_dependents(found[1].metadata)):
                solid.append(owner)
            elif found[1] is not None:
                waiting.append(owner)
        if solid:
            self._spared.discard(Reference(definition.storage_key, stored.key))
            if len(solid) != len(owners):
                await self._patch(definition, stored, {"ownerReferences": solid})
            return
        if self._is_spared(definition, stored):
            return
        policy = "Background"
        if waiting and self._dependents.get(stored.metadata.uid):
            policy = "Foreground"
        options = DeleteOptions(propagation_policy=policy, precondition_uid=stored.metadata.uid)
        if {ORPHAN_FINALIZER, FOREGROUND_FINALIZER} & set(stored.metadata.finalizers):
            options = DeleteOptions(precondition_uid=stored.metadata.uid)  # the object's own wish counts
        await self._registry.delete(definition, stored.key, options, _CONTEXT)

    def _is_spared(self, definition: ResourceDefinition, stored: StoredObject) -> bool:
        """Whether a label protects the object; the log says so when that saves it, once for each time."""
        reference = Reference(definition.storage_key, stored.key)
        labels = stored.metadata.labels
        protection = None
        if any(labels.get(label) in values for label, values in KNOWN_VALUES.items()):
            protection = standing_protection(definition.group_resource, definition.object(stored))
        if protection is None:
            self._spared.discard(reference)
            return False
        if reference not in self._spared:
            self._spared.add(reference)
            logger.warning("%s has no owner left and stays: %s=%s", reference, protection.label, protection.value)
        return True

    def _blocking(self, owner_uid: str) -> list[Reference]:
        """Return the dependents that an owner deleted in the foreground has to wait for."""
        return [
            reference
            for reference in self._dependents.get(owner_uid, ())
            if (stored := self._registry.storage.get(reference.resource, reference.key)) is not None
            and any(
                owner.get("uid") == owner_uid and owner.get("blockOwnerDeletion")
                for owner in stored.metadata.owner_references
            )
        ]

    async def _orphan_dependents(self, definition: ResourceDefinition, stored: StoredObject) -> None:
        owner_uid = stored.metadata.uid
        for reference in tuple(self._dependents.get(owner_uid, ())):
            dependent = self._registry.storage.get(reference.resource, reference.key)
            kind = self._definition(reference.resource)
            if dependent is None or kind is None:
                continue
            others = [owner for owner in dependent.metadata.owner_references if owner.get("uid") != owner_uid]
            await self._patch(kind, dependent, {"ownerReferences": others or None})
        await self._remove_finalizer(definition, stored, ORPHAN_FINALIZER)

    async def _remove_finalizer(self, definition: ResourceDefinition, stored: StoredObject, finalizer: str) -> None:
        others = [name for name in stored.metadata.finalizers if name != finalizer]
        await self._patch(definition, stored, {"finalizers": others or None})

    async def _patch(self, definition: ResourceDefinition, stored: StoredObject, metadata: JsonObject) -> None:
        """Patch the metadata of exactly this version."""
        patch = {"metadata": {**metadata, "resourceVersion": str(stored.revision)}}
        await self._registry.patch(definition, stored.key, MERGE_PATCH, patch, _CONTEXT)
