"""Makes an object ready to be stored: who manages which field, what the server sets itself, and whether it is valid.

The order is kube-apiserver's. Works on the served version; conversion to the stored one comes last but validation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field, replace

from gateway.apimachinery.meta import JsonObject, name
from gateway.apimachinery.patch.managed_fields import track_update
from gateway.apimachinery.patch.options import PatchOptions
from gateway.storage.catalog import ResourceCatalog
from gateway.storage.custom_resources.status import accept_names, complete_names, restore_names
from gateway.storage.defaulting.cluster_ip import allocate_cluster_ip, default_service_ip
from gateway.storage.definitions import ResourceDefinition
from gateway.storage.intake import copy_json
from gateway.storage.interface import Storage, StoredObject
from gateway.storage.object_meta import fill_system_fields, timestamp
from gateway.storage.resources import CUSTOM_RESOURCE_DEFINITIONS
from gateway.storage.strategies.strategy import prepare_changed, prepare_new
from gateway.storage.validating import validate, warn
from gateway.storage.write_context import WriteContext

_SERVICES = "services"
_DEPENDENT = frozenset({_SERVICES, CUSTOM_RESOURCE_DEFINITIONS.storage_key})
"""Resources whose objects depend on the others of theirs: Service IPs and the names of kinds are taken once."""


@dataclass(frozen=True, slots=True)
class ObjectPreparer:
    """Prepares objects of one store, in any thread: what an object depends on in the store is `beside` it already."""

    storage: Storage
    catalog: ResourceCatalog
    now: Callable[[], float]
    new_uid: Callable[[], str]
    others: Sequence[StoredObject] = ()
    others_at: int = 0
    """The revision of `others`; 0 where the object does not depend on them."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def in_turn(self, definition: ResourceDefinition, *, long: bool) -> AbstractAsyncContextManager[object]:
        """Return what is held from `beside` until the write is done, so that long writes do not outdate one another."""
        return self.turn if long and definition.storage_key in _DEPENDENT else nullcontext()

    def beside(self, definition: ResourceDefinition) -> ObjectPreparer:
        """Return a preparer for one object that knows the others of its resource, where it depends on them."""
        key = definition.storage_key
        if key not in _DEPENDENT:
            return self
        return replace(self, others=self.storage.list(key), others_at=self.storage.changed_at(key))

    def outdated(self, definition: ResourceDefinition) -> bool:
        """Whether what `beside` saw has changed since."""
        return bool(self.others_at) and self.storage.changed_at(definition.storage_key) != self.others_at

    def patch_options(self, definition: ResourceDefinition, context: WriteContext, subresource: str) -> PatchOptions:
        """Return what patching and tracking need to know of a write that happens now."""
        return PatchOptions(
            schema=definition.type_schema,
            field_manager=context.options.field_manager,
            now=timestamp(self.now()),
            subresource=subresource,
            force=bool(context.options.force),
        )

    def new(
        self, definition: ResourceDefinition, served: JsonObject, context: WriteContext, *, tracked: bool
    ) -> JsonObject:
        """Return a new object in its stored form. `tracked` says that its managedFields are up to date already.

        Raises ApiError 422.
        """
        if not tracked:
            served = track_update(None, served, self.patch_options(definition, context, ""))
        fill_system_fields(served, self.new_uid(), timestamp(self.now()))
        prepare_new(definition, served)
        return self._checked(definition, served, None, context)

    def changed(
        self,
        definition: ResourceDefinition,
        served: JsonObject,
        old: JsonObject,
        context: WriteContext,
        *,
        subresource: str,
        tracked: bool,
    ) -> JsonObject:
        """Return, in its stored form, what a write makes of `old` (served form, not changed). Raises ApiError 422."""
        changed = prepare_changed(definition, served, old, subresource)
        if not tracked:
            changed = track_update(old, changed, self.patch_options(definition, context, subresource))
        return self._checked(definition, changed, old, context, subresource)

    def _checked(
        self,
        definition: ResourceDefinition,
        served: JsonObject,
        old: JsonObject | None,
        context: WriteContext,
        subresource: str = "",
    ) -> JsonObject:
        obj = definition.to_stored(served)
        before = definition.to_stored(old) if old is not None else None
        is_crd = definition.storage_key == CUSTOM_RESOURCE_DEFINITIONS.storage_key
        if is_crd and not subresource:
            complete_names(obj)
        if definition.storage_key == _SERVICES and not subresource:
            default_service_ip(obj, before, lambda: self._free_cluster_ip(definition, obj))
        # What updates may not touch is what binding writes, so a bound Pod is judged as a whole.
        validate(definition, obj, None if subresource == "binding" else before)
        if is_crd:
            others = [stored for stored in self.others if stored.key.name != name(obj)]
            obj["status"] = copy_json(obj.get("status") or {})
            if subresource and before is not None:
                restore_names(obj, before)
            accept_names(obj, list(map(definition.object, others)), timestamp(self.now()))
        if not subresource:
            warn(definition, obj, before, context)
        return obj

    def _free_cluster_ip(self, definition: ResourceDefinition, service: JsonObject) -> str:
        taken = {definition.fields(stored)["spec.clusterIP"] for stored in self.others}
        return allocate_cluster_ip(service["metadata"]["uid"], taken)
