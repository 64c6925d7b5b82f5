"""Creating objects: names, the namespace that must be there, and what is refused because it exists already."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.apimachinery.errors import ApiError, PathNotFound, already_exists, cause, conflict, forbidden, not_found
from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.apimachinery.schema import GroupResource
from gateway.storage.computing import compute
from gateway.storage.definitions import ResourceDefinition
from gateway.storage.intake import copy_json, read_body
from gateway.storage.interface import Change, RevisionMismatch, Storage, StoredObject
from gateway.storage.names import ATTEMPTS, generate_name
from gateway.storage.object_meta import check_namespace
from gateway.storage.preparing import ObjectPreparer
from gateway.storage.stored_size import encode_bounded
from gateway.storage.write_context import WriteContext

_NAMESPACES = GroupResource("", "namespaces")
_TRIES = 5
"""Times an object is made again because others that it depends on changed meanwhile."""


@dataclass(frozen=True, slots=True)
class _Made:
    """A new object in its stored form, and encoded for storing unless the write is only tried."""

    obj: JsonObject
    value: bytes | None


@dataclass(frozen=True, slots=True)
class ObjectCreator:
    """Creates objects of one store."""

    storage: Storage
    preparer: ObjectPreparer

    async def create(
        self, definition: ResourceDefinition, namespace: str, obj: JsonObject, context: WriteContext
    ) -> JsonObject:
        """Create an object and return it as served.

        Raises ApiError: 404 for a namespace that does not exist, 403 for one that is ending, 409 for a name in use, or
        422.
        """

        def read() -> JsonObject:
            body = read_body(definition, obj, context)
            check_namespace(body, namespace)
            return body

        body = await compute(read, long=context.long)
        prefix = body["metadata"].get("generateName")
        if body["metadata"].get("name") or not prefix:
            return await self._create_named(definition, body, context)
        for attempt in range(ATTEMPTS):
            named = copy_json(body)
            named["metadata"]["name"] = generate_name(prefix)
            try:
                return await self._create_named(definition, named, context)
            except ApiError as error:
                if error.reason != "AlreadyExists" or attempt == ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _create_named(
        self, definition: ResourceDefinition, body: JsonObject, context: WriteContext
    ) -> JsonObject:
        wanted_version = body["metadata"].get("resourceVersion")
        key = ObjectKey(body["metadata"].get("namespace") or "", body["metadata"].get("name") or "")
        self._check_may_create(definition, key)
        async with self.preparer.in_turn(definition, long=context.long):
            made = await self._make(definition, key, body, context, tracked=False)
            if wanted_version:
                raise ApiError(500, "", "resourceVersion should not be set on objects to be created")
            stored = self.storage.get(definition.storage_key, key)
            created = await self._write(definition, key, made, context) if stored is None else None
        if created is None:
            raise _exists(definition, stored, body["metadata"])
        return created

    async def create_by_update(
        self,
        definition: ResourceDefinition,
        key: ObjectKey,
        served: JsonObject,
        context: WriteContext,
        *,
        tracked: bool,
    ) -> JsonObject | None:
        """Create what an update or an apply found missing; None when somebody else created it meanwhile."""
        self._check_may_create(definition, key)
        async with self.preparer.in_turn(definition, long=context.long):
            made = await self._make(definition, key, served, context, tracked=tracked)
            return await self._write(definition, key, made, context)

    async def _make(
        self,
        definition: ResourceDefinition,
        key: ObjectKey,
        served: JsonObject,
        context: WriteContext,
        *,
        tracked: bool,
    ) -> _Made:
        """Work the new object out. That may take a while: what allows the create is looked at once more behind it."""
        for _ in range(_TRIES):
            preparer = self.preparer.beside(definition)

            def work(preparer: ObjectPreparer = preparer) -> _Made:
                # What depends on others may be made more than once, each time of the same.
                own = copy_json(served) if preparer.others_at else served
                obj = preparer.new(definition, own, context, tracked=tracked)
                return _Made(obj, None if context.options.dry_run else encode_bounded(obj, applied=tracked))

            made = await compute(work, long=context.long)
            self._check_may_create(definition, key)
            if not preparer.outdated(definition):
                return made
        raise conflict(definition.group_resource, key.name)

    async def _write(
        self, definition: ResourceDefinition, key: ObjectKey, made: _Made, context: WriteContext
    ) -> JsonObject | None:
        if made.value is None:
            return definition.from_stored(made.obj)
        try:
            event = await self.storage.write(Change(definition.storage_key, key, 0, made.value))
        except RevisionMismatch:
            return None
        written = event.object
        if written is None:
            return None
        return await compute(lambda: definition.object(written), long=context.long)

    def _check_may_create(self, definition: ResourceDefinition, key: ObjectKey) -> None:
        """Refuse creates where nothing may be created any more, or yet (the NamespaceLifecycle admission plugin)."""
        current = self.preparer.catalog.find(definition.gvr)
        if current is None:
            raise PathNotFound
        if current.terminating:
            text = "create not allowed while custom resource definition is terminating"
            raise forbidden(definition.group_resource, key.name, text)
        if not definition.namespaced:
            return
        namespace = self.storage.get(str(_NAMESPACES), ObjectKey("", key.namespace))
        if namespace is None:
            raise not_found(_NAMESPACES, key.namespace)
        if namespace.metadata.deletion_timestamp:
            text = f"unable to create new content in namespace {key.namespace} because it is being terminated"
            ending = cause(
                "metadata.namespace", f"namespace {key.namespace} is being terminated", "NamespaceTerminating"
            )
            raise forbidden(definition.group_resource, key.name, text, causes=[ending])


def _exists(definition: ResourceDefinition, stored: StoredObject | None, metadata: JsonObject) -> ApiError:
    error = already_exists(definition.group_resource, metadata["name"])
    message, details = error.message, error.details
    if metadata.get("generateName"):
        message = f"{message}, the server was not able to generate a unique name for the object"
        details = {**details, "retryAfterSeconds": 1}
    if stored is not None and stored.metadata.deletion_timestamp:
        message = f"object is being deleted: {message}"
    return ApiError(error.code, error.reason, message, details=details)
