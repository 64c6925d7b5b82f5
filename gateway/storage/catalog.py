"""Which resources a store serves now: the built-in ones and those its CustomResourceDefinitions add.

Follows the definitions synchronously with their commits, so a custom resource can be used in the moment its definition
was acknowledged. One writer: the storage's events, in the event loop.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from gateway.apimachinery.schema import GroupVersionKind, GroupVersionResource
from gateway.storage.custom_resources.definition import served_definitions, unserved_definition
from gateway.storage.definitions import ResourceDefinition
from gateway.storage.interface import Storage, StoredEvent, StoredObject
from gateway.storage.resources import CUSTOM_RESOURCE_DEFINITIONS

logger = logging.getLogger(__name__)


class ResourceCatalog:
    """The resources of one store. `generation` grows with every change of what is served."""

    def __init__(self, storage: Storage, builtin: Sequence[ResourceDefinition]) -> None:
        """Read the definitions in the store and follow them from now on."""
        self.generation = 1
        self._builtin = tuple(builtin)
        self._custom: dict[str, list[ResourceDefinition]] = {}
        self._unserved: dict[str, ResourceDefinition] = {}
        key = CUSTOM_RESOURCE_DEFINITIONS.storage_key
        for stored in storage.list(key):
            self._take(stored)
        self._index()
        storage.listen(key, self._follow)

    def __iter__(self) -> Iterator[ResourceDefinition]:
        yield from self._builtin
        for definitions in self._custom.values():
            yield from definitions

    def find(self, gvr: GroupVersionResource) -> ResourceDefinition | None:
        """Return the definition of a resource at a version."""
        return self._by_resource.get(gvr)

    def find_kind(self, gvk: GroupVersionKind) -> ResourceDefinition | None:
        """Return the definition of a kind at a version."""
        return self._by_kind.get(gvk)

    def stored(self) -> Sequence[ResourceDefinition]:
        """Return one definition for each stored resource, in the version nearest to how it is stored.

        Among them are custom resources that are not served: their objects are stored all the same.
        """
        return [*self._by_storage_key.values(), *self._unserved.values()]

    def by_storage_key(self, key: str) -> ResourceDefinition | None:
        """Return a definition of a stored resource that is served."""
        return self._by_storage_key.get(key)

    def _follow(self, event: StoredEvent) -> None:
        if event.object is None:
            return
        if event.type == "DELETED":
            self._custom.pop(event.object.key.name, None)
            self._unserved.pop(event.object.key.name, None)
        else:
            self._take(event.object)
        self._index()
        self.generation += 1

    def _take(self, stored: StoredObject) -> None:
        """Take over what a stored definition adds; one that cannot be understood adds nothing and harms no other."""
        name = stored.key.name
        self._custom[name] = []
        self._unserved.pop(name, None)
        try:
            crd = CUSTOM_RESOURCE_DEFINITIONS.object(stored)
            self._custom[name] = served_definitions(crd)
            if not self._custom[name]:
                self._unserved[name] = unserved_definition(crd)
        except (KeyError, TypeError, AttributeError, ValueError, StopIteration):
            logger.exception("the CustomResourceDefinition %s cannot be understood and is not served", name)

    def _index(self) -> None:
        self._by_resource = {definition.gvr: definition for definition in self}
        self._by_kind = {definition.gvk: definition for definition in self}
        self._by_storage_key: dict[str, ResourceDefinition] = {}
        for definition in self:
            if definition.conversion is None:
                self._by_storage_key.setdefault(definition.storage_key, definition)
