"""What the controllers need of the registry. Owned here, so that the registry can own the controllers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.apimachinery.schema import GroupVersionResource
from gateway.storage.definitions import ResourceDefinition
from gateway.storage.interface import Storage
from gateway.storage.write_context import Deleted, WriteContext, Written
from gateway.write_request import DeleteOptions

MERGE_PATCH = "application/merge-patch+json"


class ObjectRegistry(Protocol):
    """The registry as its controllers see it."""

    @property
    def storage(self) -> Storage:
        """The store below."""
        ...

    def resources(self) -> Sequence[ResourceDefinition]:
        """Return every resource at every version that is served now."""
        ...

    def stored_resources(self) -> Sequence[ResourceDefinition]:
        """Return every stored resource once, also custom ones that are not served now."""
        ...

    def find(self, gvr: GroupVersionResource) -> ResourceDefinition | None:
        """Return the definition of a resource at a version."""
        ...

    async def create(
        self, definition: ResourceDefinition, namespace: str, obj: JsonObject, context: WriteContext
    ) -> JsonObject:
        """Create an object."""
        ...

    async def update(
        self,
        definition: ResourceDefinition,
        key: ObjectKey,
        obj: JsonObject,
        context: WriteContext,
        *,
        subresource: str = "",
    ) -> Written:
        """Replace an object or a part of it."""
        ...

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
        """Patch an object or a part of it."""
        ...

    async def delete(
        self, definition: ResourceDefinition, key: ObjectKey, options: DeleteOptions, context: WriteContext
    ) -> Deleted:
        """Delete an object, or begin to."""
        ...
