"""Deleting objects: carries out what deletion.py decides, under the same optimistic locking as every write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.apimachinery.errors import conflict, not_found
from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.storage.definitions import ResourceDefinition
from gateway.storage.deletion import (
    check_delete_options,
    check_delete_preconditions,
    check_immortal,
    deleted_status,
    plan_deletion,
)
from gateway.storage.interface import Change, RevisionMismatch, Storage, encode_value
from gateway.storage.write_context import Deleted, WriteContext
from gateway.storage.writes import WRITE_ATTEMPTS, check_precondition
from gateway.write_request import DeleteOptions


@dataclass(frozen=True, slots=True)
class ObjectDeleter:
    """Deletes objects of one store."""

    storage: Storage
    now: Callable[[], float]

    async def delete(
        self, definition: ResourceDefinition, key: ObjectKey, options: DeleteOptions, context: WriteContext
    ) -> Deleted:
        """Delete an object, or begin to.

        Raises ApiError: 404, 409 when the client's preconditions fail, 403 for immortal namespaces, 422 for bad
        options; PreconditionLost.
        """
        check_delete_options(options)
        check_immortal(definition, key.name)
        for _ in range(WRITE_ATTEMPTS):
            stored = self.storage.get(definition.storage_key, key)
            if stored is None:
                raise not_found(definition.group_resource, key.name)
            served = definition.object(stored)
            check_delete_preconditions(definition, served, options)
            check_precondition(context, stored)
            plan = plan_deletion(definition, definition.to_stored(served), options, self.now())
            if plan.action == "nothing":
                return Deleted(definition.from_stored(plan.obj), finished=False)
            removed = plan.action == "remove"
            if context.options.dry_run:
                return self._answer(definition, plan.obj, removed)
            value = None if removed else encode_value(plan.obj)
            try:
                event = await self.storage.write(Change(definition.storage_key, key, stored.revision, value))
            except RevisionMismatch:
                continue
            plan.obj["metadata"]["resourceVersion"] = str(event.revision)
            return self._answer(definition, plan.obj, removed)
        raise conflict(definition.group_resource, key.name)

    @staticmethod
    def _answer(definition: ResourceDefinition, obj: JsonObject, removed: bool) -> Deleted:
        if removed and not definition.rules.returns_deleted:
            return Deleted(deleted_status(definition, obj), finished=True)
        return Deleted(definition.from_stored(obj), finished=removed)
