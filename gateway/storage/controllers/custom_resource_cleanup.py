"""Deletes the objects of a custom resource whose definition is deleted, then lets the definition go."""

from __future__ import annotations

import logging

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import ObjectKey
from gateway.storage.controllers.object_registry import MERGE_PATCH, ObjectRegistry
from gateway.storage.controllers.work_loop import WorkLoop
from gateway.storage.custom_resources.status import CLEANUP_FINALIZER
from gateway.storage.interface import Change, RevisionMismatch, StorageError, StoredEvent, StoredObject
from gateway.storage.resources import CUSTOM_RESOURCE_DEFINITIONS
from gateway.storage.write_context import WriteContext
from gateway.write_request import DeleteOptions

logger = logging.getLogger(__name__)

_CONTEXT = WriteContext.internal("kube-apiserver")


class CustomResourceCleanup:
    """Ends the custom resource definitions of one store."""

    def __init__(self, registry: ObjectRegistry) -> None:
        """Follow the store's events from now on."""
        self._registry = registry
        self._resource = CUSTOM_RESOURCE_DEFINITIONS.storage_key
        self._work: WorkLoop[str] = WorkLoop("custom resource clean-up", self._process)
        registry.storage.listen("", self._observe)

    async def run(self) -> None:
        """Clean up until cancelled."""
        for stored in self._registry.storage.list(self._resource):
            self._work.add(stored.key.name)
        await self._work.run()

    def _observe(self, event: StoredEvent) -> None:
        if event.object is None:
            return
        if event.resource == self._resource:
            self._work.add(event.object.key.name)
        elif event.type == "DELETED" and self._registry.storage.get(self._resource, ObjectKey("", event.resource)):
            self._work.add(event.resource)

    async def _process(self, name: str) -> None:
        crd = self._registry.storage.get(self._resource, ObjectKey("", name))
        if crd is None or not crd.metadata.deletion_timestamp or CLEANUP_FINALIZER not in crd.metadata.finalizers:
            return
        resource = crd.key.name  # a definition is named after its resource
        for stored in self._registry.storage.list(resource):
            if not stored.metadata.deletion_timestamp:
                await self._delete(resource, stored)
        if not self._registry.storage.list(resource):
            await self._release(crd)

    async def _delete(self, resource: str, stored: StoredObject) -> None:
        served = [entry for entry in self._registry.resources() if entry.storage_key == resource]
        try:
            if served:
                await self._registry.delete(served[0], stored.key, DeleteOptions(), _CONTEXT)
            else:  # no version is served, so nobody is left to heed finalizers
                await self._registry.storage.write(Change(resource, stored.key, stored.revision, None))
        except RevisionMismatch:
            self._work.add(resource)
        except (ApiError, StorageError) as error:
            if not isinstance(error, ApiError) or error.code != 404:
                raise
        except Exception:
            logger.exception("%s %s cannot be deleted", resource, stored.key)

    async def _release(self, crd: StoredObject) -> None:
        others = [name for name in crd.metadata.finalizers if name != CLEANUP_FINALIZER]
        patch = {"metadata": {"finalizers": others or None, "resourceVersion": str(crd.revision)}}
        await self._registry.patch(CUSTOM_RESOURCE_DEFINITIONS, crd.key, MERGE_PATCH, patch, _CONTEXT)
