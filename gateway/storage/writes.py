"""Creates, updates and patches of a resource, with kube-apiserver's order of steps and its optimistic locking.

A change is computed from the current version and written on the condition that it is still the current one; where it
is not, the change is computed again, so a patch without a resourceVersion never sees a conflict. After k8s.io/apiserver
`registry/generic/registry/store.go`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from gateway.apimachinery.errors import ApiError, conflict, field_error, invalid, not_found
from gateway.apimachinery.integers import parse_integer
from gateway.apimachinery.meta import JsonObject, ObjectKey, resource_version, uid
from gateway.apimachinery.patch.patch import APPLY_PATCH, JSON_PATCH, apply_patch
from gateway.storage.computing import compute, is_long
from gateway.storage.creates import ObjectCreator
from gateway.storage.definitions import ResourceDefinition
from gateway.storage.deletion import should_remove
from gateway.storage.intake import copy_json, read_body, read_patched
from gateway.storage.interface import Change, RevisionMismatch, Storage, StoredObject
from gateway.storage.object_meta import check_name
from gateway.storage.preparing import ObjectPreparer
from gateway.storage.scale import SCALES, scale_of, with_replicas
from gateway.storage.stored_size import encode_bounded
from gateway.storage.write_context import WriteContext, Written
from gateway.write_request import PreconditionLost

WRITE_ATTEMPTS = 100
"""Times a change is computed again because another write came first; then the client is told of the conflict."""

LARGE_WRITE_ATTEMPTS = 5
"""The same for what is worked out apart, as often as kube-apiserver patches again: each time may take seconds."""

MakeChange = Callable[[JsonObject | None], JsonObject]
"""Makes the served object that is wanted from a copy of the one there is, or from None."""


def check_precondition(context: WriteContext, stored: StoredObject | None) -> None:
    """Raises PreconditionLost when the object is not the one that admission judged."""
    wanted = context.precondition
    if wanted is None:
        return
    if stored is None or wanted.resource_version not in {"", str(stored.revision)}:
        raise PreconditionLost
    if wanted.uid and wanted.uid != stored.metadata.uid:
        raise PreconditionLost


def same_content(obj: JsonObject, stored: StoredObject) -> bool:
    """Whether an object in its stored form says exactly what is stored."""
    return _canonical(obj) == _canonical(stored.decode())


def _canonical(obj: JsonObject) -> bytes:
    content = {name: value for name, value in obj.items() if name not in {"kind", "apiVersion"}}
    metadata = {name: value for name, value in obj["metadata"].items() if name != "resourceVersion"}
    return msgspec.json.encode({**content, "metadata": metadata}, order="deterministic")


@dataclass(frozen=True, slots=True)
class _Changed:
    """What a change makes of an object, in its stored form; without a value it is removed, if anything is stored."""

    obj: JsonObject
    stores: bool
    value: bytes | None = None


@dataclass(frozen=True, slots=True)
class ObjectWriter:
    """Updates and patches objects of one store."""

    storage: Storage
    preparer: ObjectPreparer
    creator: ObjectCreator

    async def update(
        self, definition: ResourceDefinition, key: ObjectKey, obj: JsonObject, context: WriteContext, subresource: str
    ) -> Written:
        """Replace an object, or the part of it that a subresource may write. Raises ApiError, PreconditionLost."""
        if subresource == "scale":
            return await self._update_scale(definition, key, obj, context)
        body = await compute(lambda: read_body(definition, obj, context), long=context.long)
        check_name(body, key)

        def change(old: JsonObject | None) -> JsonObject:
            if old is None:
                if subresource or not definition.rules.create_on_update:
                    raise not_found(definition.group_resource, key.name)
            else:
                _check_uid(definition, key, body, old)
            return copy_json(body)

        return await self.change(definition, key, change, context, subresource=subresource)

    async def patch(
        self,
        definition: ResourceDefinition,
        key: ObjectKey,
        media_type: str,
        patch: Any,
        context: WriteContext,
        subresource: str,
    ) -> Written:
        """Patch an object or a subresource of it. Raises ApiError, PreconditionLost."""
        if subresource == "scale":
            return await self._patch_scale(definition, key, media_type, patch, context)
        options = self.preparer.patch_options(definition, context, subresource)
        applied = media_type == APPLY_PATCH
        if media_type == JSON_PATCH and _multiplies(patch):
            context = replace(context, long=True)

        def change(old: JsonObject | None) -> JsonObject:
            if old is None and (subresource or not applied):
                raise not_found(definition.group_resource, key.name)
            patched = apply_patch(media_type, old, patch, options)
            obj = read_patched(definition, copy_json(patched), media_type, patch, context)
            check_name(obj, key)
            if old is None and (wanted := uid(obj)):
                text = f"uid mismatch: the provided object specified uid {wanted}, and no existing object was found"
                raise conflict(definition.group_resource, key.name, text)
            return obj

        return await self.change(definition, key, change, context, subresource=subresource, tracked=applied)

    async def _update_scale(
        self, definition: ResourceDefinition, key: ObjectKey, obj: JsonObject, context: WriteContext
    ) -> Written:
        body = read_body(SCALES, obj, context)
        check_name(body, key)

        def change(old: JsonObject | None) -> JsonObject:
            if old is None:
                raise not_found(definition.group_resource, key.name)
            _check_uid(definition, key, body, old)
            return with_replicas(definition, old, body)

        return await self._change_scale(definition, key, change, context)

    async def _patch_scale(
        self, definition: ResourceDefinition, key: ObjectKey, media_type: str, patch: Any, context: WriteContext
    ) -> Written:
        options = self.preparer.patch_options(SCALES, context, "scale")

        def change(old: JsonObject | None) -> JsonObject:
            if old is None:
                raise not_found(definition.group_resource, key.name)
            patched = apply_patch(media_type, scale_of(definition, old), patch, options)
            scale = read_patched(SCALES, copy_json(patched), media_type, patch, context)
            check_name(scale, key)
            return with_replicas(definition, old, scale)

        return await self._change_scale(definition, key, change, context)

    async def _change_scale(
        self, definition: ResourceDefinition, key: ObjectKey, change: MakeChange, context: WriteContext
    ) -> Written:
        written = await self.change(definition, key, change, context, subresource="scale")
        return Written(scale_of(definition, written.obj))

    async def change(
        self,
        definition: ResourceDefinition,
        key: ObjectKey,
        make: MakeChange,
        context: WriteContext,
        *,
        subresource: str,
        tracked: bool = False,
    ) -> Written:
        """Write what `make` makes of the object, as often as it takes to write it over exactly what it was made of.

        `tracked` says that the managedFields of what is made are up to date. Raises ApiError, PreconditionLost.
        """
        for attempt in range(1, WRITE_ATTEMPTS + 1):
            stored = self.storage.get(definition.storage_key, key)
            long = context.long or (stored is not None and is_long(stored.raw))
            if stored is None:
                wanted = await compute(lambda: make(None), long=long)
                check_precondition(context, stored)
                created = await self.creator.create_by_update(definition, key, wanted, context, tracked=tracked)
                if created is not None:
                    return Written(created, created=True)
            else:
                async with self.preparer.in_turn(definition, long=long):
                    written = await self._replace(
                        definition, stored, make, context, subresource=subresource, tracked=tracked
                    )
                if written is not None:
                    return written
                check_precondition(context, self.storage.get(definition.storage_key, key))
            if long and attempt >= LARGE_WRITE_ATTEMPTS:
                break
        raise conflict(definition.group_resource, key.name)

    async def _replace(
        self,
        definition: ResourceDefinition,
        stored: StoredObject,
        make: MakeChange,
        context: WriteContext,
        *,
        subresource: str,
        tracked: bool,
    ) -> Written | None:
        """Store a changed object, or remove it when nothing holds it any more; None when another write came first."""
        preparer = self.preparer.beside(definition)

        def work() -> _Changed:
            wanted = make(definition.object(stored))
            _check_version(definition, stored.key, wanted, stored)
            check_precondition(context, stored)
            old = definition.object(stored)
            obj = preparer.changed(definition, wanted, old, context, subresource=subresource, tracked=tracked)
            removed = should_remove(definition, obj, definition.to_stored(old))
            obj["metadata"]["resourceVersion"] = str(stored.revision)
            if context.options.dry_run or (not removed and same_content(obj, stored)):
                return _Changed(obj, stores=False)
            return _Changed(obj, stores=True, value=None if removed else encode_bounded(obj, applied=tracked))

        changed = await compute(work, long=context.long or is_long(stored.raw))
        if preparer.outdated(definition):
            return None
        if not changed.stores:
            return Written(definition.from_stored(changed.obj))
        change = Change(definition.storage_key, stored.key, stored.revision, changed.value)
        try:
            event = await self.storage.write(change)
        except RevisionMismatch:
            return None
        written = event.object
        if changed.value is None or written is None:
            return Written(definition.from_stored(changed.obj))
        return Written(await compute(lambda: definition.object(written), long=is_long(written.raw)))


def _multiplies(patch: Any) -> bool:
    """Whether a JSON patch may make much of a little: each copy may double what is there."""
    return any(isinstance(step, dict) and step.get("op") == "copy" for step in patch if isinstance(patch, list))


def _check_uid(definition: ResourceDefinition, key: ObjectKey, body: JsonObject, old: JsonObject) -> None:
    """Raises ApiError 409 when the body names another object than the one that is there."""
    wanted = uid(body)
    if wanted and wanted != uid(old):
        path = "/".join(part for part in (definition.gvr.resource, key.namespace, key.name) if part)
        raise conflict(
            definition.group_resource,
            key.name,
            f"StorageError: invalid object, Code: 4, Key: /registry/{path}, ResourceVersion: 0, AdditionalErrorMsg: "
            f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {uid(old)}",
        )


def _check_version(definition: ResourceDefinition, key: ObjectKey, wanted: JsonObject, stored: StoredObject) -> None:
    """Hold the client to the version it changes. Raises ApiError: 409, 422 for none, 500 for an unreadable one."""
    version = resource_version(wanted)
    if version in {"", "0"}:
        if definition.rules.unconditional_update:
            return
        message = "Invalid value: 0: must be specified for an update"
        fault = field_error("FieldValueInvalid", "metadata.resourceVersion", message)
        raise invalid(definition.gvr.group, definition.gvr.resource, key.name, [fault])
    if not version.isascii() or not version.isdigit():
        raise ApiError(500, "", f'strconv.ParseUint: parsing "{version}": invalid syntax')
    if parse_integer(version) != stored.revision:
        raise conflict(definition.group_resource, key.name)
