"""The API registry of one embedded server: every resource it serves, read and written with Kubernetes' meaning.

The one door to the store for handlers, write targets and our own controllers. Composes the parts beside it and adds
nothing but their order; `run` carries the controllers that finish what writes begin.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import uuid4
from weakref import WeakSet

from gateway.apimachinery.errors import not_found, service_unavailable
from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.apimachinery.options import ListOptions, list_revision
from gateway.apimachinery.schema import GroupVersionKind, GroupVersionResource
from gateway.storage.catalog import ResourceCatalog
from gateway.storage.computing import held_warnings
from gateway.storage.controllers.bootstrap import create_system_namespaces
from gateway.storage.controllers.custom_resource_cleanup import CustomResourceCleanup
from gateway.storage.controllers.event_expiry import EventExpiry
from gateway.storage.controllers.garbage_collector import GarbageCollector
from gateway.storage.controllers.namespaces import NamespaceController
from gateway.storage.creates import ObjectCreator
from gateway.storage.definitions import ResourceDefinition
from gateway.storage.deletes import ObjectDeleter
from gateway.storage.interface import Storage, StorageError, StoredEvent, StoredObject
from gateway.storage.pod_actions import PodActions
from gateway.storage.preparing import ObjectPreparer
from gateway.storage.reads import ListResult, RegistryWatch, open_watch, read_list
from gateway.storage.resources import CUSTOM_RESOURCE_DEFINITIONS
from gateway.storage.revision import check_not_too_large
from gateway.storage.selection import Selection
from gateway.storage.write_context import Deleted, WriteContext, Written
from gateway.storage.writes import ObjectWriter
from gateway.write_request import DeleteOptions


@contextmanager
def _storage_failures() -> Iterator[None]:
    """Say in the API's words that the store cannot do its work."""
    try:
        yield
    except StorageError as error:
        raise service_unavailable(str(error)) from error


class Registry:
    """All resources of one embedded API server.

    Args:
        storage: where the objects are; the registry is its only writer.
        resources: the built-in resources to serve (resources.py).
        now: seconds since the epoch.
        root_ca: PEM of the CA that clients inside a cluster would trust, published in every namespace; "" publishes
            none.
        new_uid: makes the uid of a new object.
    """

    def __init__(
        self,
        storage: Storage,
        resources: Sequence[ResourceDefinition],
        *,
        now: Callable[[], float],
        root_ca: str = "",
        new_uid: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        """Read the custom resource definitions; `start` makes the registry ready to serve."""
        self._storage = storage
        self._catalog = ResourceCatalog(storage, resources)
        preparer = ObjectPreparer(storage, self._catalog, now, new_uid)
        self._creator = ObjectCreator(storage, preparer)
        self._writer = ObjectWriter(storage, preparer, self._creator)
        self._deleter = ObjectDeleter(storage, now)
        self._watches: WeakSet[RegistryWatch] = WeakSet()
        self._namespaces = NamespaceController(self, root_ca=root_ca, now=now)
        self.garbage_collector = GarbageCollector(self)
        self._controllers = (
            self._namespaces,
            self.garbage_collector,
            CustomResourceCleanup(self),
            EventExpiry(self, now),
        )
        storage.listen(CUSTOM_RESOURCE_DEFINITIONS.storage_key, self._end_watches_of_removed)

    @property
    def storage(self) -> Storage:
        """The store below."""
        return self._storage

    @property
    def generation(self) -> int:
        """Grows with every change of what is served: discovery and OpenAPI read again then."""
        return self._catalog.generation

    def resources(self) -> Sequence[ResourceDefinition]:
        """Return every resource at every version that is served now."""
        return tuple(self._catalog)

    def stored_resources(self) -> Sequence[ResourceDefinition]:
        """Return every stored resource once, also custom ones that are not served now."""
        return self._catalog.stored()

    def find(self, gvr: GroupVersionResource) -> ResourceDefinition | None:
        """Return the definition of a resource at a version, None when it is not served."""
        return self._catalog.find(gvr)

    def find_kind(self, gvk: GroupVersionKind) -> ResourceDefinition | None:
        """Return the definition of a kind at a version, None when it is not served."""
        return self._catalog.find_kind(gvk)

    async def start(self) -> None:
        """Make what every API server has from the start: the system namespaces with their content."""
        await create_system_namespaces(self)
        await self._namespaces.provision_all()

    async def run(self) -> None:
        """Run the controllers until cancelled."""
        async with asyncio.TaskGroup() as group:
            for controller in self._controllers:
                group.create_task(controller.run())

    async def get(self, definition: ResourceDefinition, key: ObjectKey, *, resource_version: str = "") -> StoredObject:
        """Return an object. Raises ApiError: 404, 400 for an unreadable resourceVersion, 504 for a future one."""
        check_not_too_large(list_revision(resource_version), self._storage.revision)
        stored = self._storage.get(definition.storage_key, key)
        if stored is None:
            raise not_found(definition.group_resource, key.name)
        return stored

    async def list(self, definition: ResourceDefinition, namespace: str, options: ListOptions) -> ListResult:
        """List objects of a namespace, of all for "". Raises ApiError: 400, 410, 504."""
        with _storage_failures():
            return await read_list(self._storage, Selection.of(definition, namespace, options), options)

    async def watch(self, definition: ResourceDefinition, namespace: str, options: ListOptions) -> RegistryWatch:
        """Watch objects of a namespace, of all for "".

        Raises ApiError: 400 and 422 as HTTP errors; 410 and 504, which belong inside the stream.
        """
        with _storage_failures():
            watch = await open_watch(self._storage, Selection.of(definition, namespace, options), options)
        self._watches.add(watch)
        return watch

    async def create(
        self, definition: ResourceDefinition, namespace: str, obj: JsonObject, context: WriteContext
    ) -> JsonObject:
        """Create an object and return it. Raises ApiError."""
        with _storage_failures(), held_warnings(context) as held:
            return await self._creator.create(definition, namespace, obj, held)

    async def update(
        self,
        definition: ResourceDefinition,
        key: ObjectKey,
        obj: JsonObject,
        context: WriteContext,
        *,
        subresource: str = "",
    ) -> Written:
        """Replace an object, or the part of it that a subresource writes. Raises ApiError, PreconditionLost."""
        with _storage_failures(), held_warnings(context) as held:
            return await self._writer.update(definition, key, obj, held, subresource)

    async def patch(
        self,
        definition: ResourceDefinition,
        key: ObjectKey,
        media_type: str,
        patch: Any,
        context: WriteContext,
        *,
        subresource: str = "",
    ) -> Written:
        """Patch an object or a subresource; a server-side apply may create it. Raises ApiError, PreconditionLost."""
        with _storage_failures(), held_warnings(context) as held:
            return await self._writer.patch(definition, key, media_type, patch, held, subresource)

    async def delete(
        self, definition: ResourceDefinition, key: ObjectKey, options: DeleteOptions, context: WriteContext
    ) -> Deleted:
        """Delete an object, or begin to. Raises ApiError, PreconditionLost."""
        with _storage_failures():
            return await self._deleter.delete(definition, key, options, context)

    def pod_actions(self, definition: ResourceDefinition) -> PodActions:
        """Return what binds and evicts Pods; `definition` is that of Pods."""
        return PodActions(definition, self._writer, self._deleter)

    def _end_watches_of_removed(self, event: StoredEvent) -> None:
        """End the watches of custom resources that are served no more, as their definition is gone."""
        if event.type != "DELETED":
            return
        for watch in tuple(self._watches):
            if self._catalog.by_storage_key(watch.resource) is None:
                watch.close()
