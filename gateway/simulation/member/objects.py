"""The objects of a member as one of its components reads and writes them: plain objects in, conflicts raised.

A write carries the resourceVersion it was decided on, so a decision about an older state is refused with 409 and made
again by the component's work loop.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.apimachinery import meta
from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.apimachinery.schema import GroupVersion
from gateway.storage.definitions import ResourceDefinition
from gateway.storage.interface import StoredObject
from gateway.storage.registry import Registry
from gateway.storage.write_context import WriteContext
from gateway.write_request import DeleteOptions


def definition(registry: Registry, api_version: str, resource: str) -> ResourceDefinition:
    """Return a resource that every member serves. Raises LookupError."""
    found = registry.find(GroupVersion.parse(api_version).resource(resource))
    if found is None:
        raise LookupError(f"the member does not serve {resource} of {api_version}")
    return found


class MemberObjects:
    """One resource of a member, used by one component."""

    def __init__(self, registry: Registry, api_version: str, resource: str, component: str) -> None:
        """`component` is the field manager of its writes."""
        self.definition = definition(registry, api_version, resource)
        self._registry = registry
        self._context = WriteContext.internal(component)

    @property
    def resource(self) -> str:
        """The name under which the store reports events of the resource."""
        return self.definition.storage_key

    def get(self, key: ObjectKey) -> JsonObject | None:
        """Return an object, None when there is none."""
        stored = self._registry.storage.get(self.resource, key)
        return self.definition.object(stored) if stored is not None else None

    def stored(self, namespace: str = "") -> Iterator[StoredObject]:
        """Return the objects of a namespace, of all for "", still encoded."""
        yield from self._registry.storage.list(self.resource, namespace)

    async def create(self, obj: JsonObject) -> JsonObject:
        """Create an object. Raises ApiError."""
        return await self._registry.create(self.definition, meta.namespace(obj), obj, self._context)

    async def update(self, obj: JsonObject) -> JsonObject:
        """Replace an object. Raises ApiError."""
        return (await self._registry.update(self.definition, meta.key(obj), obj, self._context)).obj

    async def update_status(self, obj: JsonObject, status: JsonObject) -> JsonObject:
        """Write an object's status. Raises ApiError."""
        changed = {**obj, "status": status}
        written = await self._registry.update(
            self.definition, meta.key(obj), changed, self._context, subresource="status"
        )
        return written.obj

    async def delete(self, key: ObjectKey, *, uid: str | None = None, grace_period_seconds: int | None = None) -> None:
        """Delete an object; one that is gone, or became another one, is no error. Raises ApiError for all else."""
        options = DeleteOptions(grace_period_seconds=grace_period_seconds, precondition_uid=uid)
        if self._registry.storage.get(self.resource, key) is not None:
            await self._registry.delete(self.definition, key, options, self._context)


def controller_of(stored: StoredObject) -> JsonObject | None:
    """Return the owner reference of an object's controller."""
    owners = stored.metadata.owner_references
    return next((owner for owner in owners if isinstance(owner, dict) and owner.get("controller")), None)
