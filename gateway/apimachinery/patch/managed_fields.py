"""metadata.managedFields: who owns which field of an object, kept up to date by every write.

This module reads and writes the entries and tracks writes that are not applies; server_side_apply.py builds on it.
After KEP-555 and k8s.io/apimachinery `util/managedfields`. Pure: the time of a write is given.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from gateway.apimachinery.meta import JsonObject, metadata
from gateway.apimachinery.patch.field_set import EMPTY, FieldSet, InvalidFields
from gateway.apimachinery.patch.options import PatchOptions
from gateway.apimachinery.patch.typed_schema import TypeSchema
from gateway.apimachinery.patch.typed_value import Comparison, TypeMismatch, compare, reconciled
from gateway.apimachinery.patch.zero_object import zero_object

APPLY = "Apply"
UPDATE = "Update"

MAX_UPDATE_ENTRIES = 10
"""Most Update entries an object keeps; the oldest ones beyond it are merged into one."""
_OLD_UPDATES = "ancient-changes"
_SCALE = "scale"
"""The subresource whose writes leave no time: they are carried over from another object, the Scale."""

_NEVER_OWNED = FieldSet.of(
    [("f:apiVersion",), ("f:kind",), ("f:metadata",)]
    + [
        ("f:metadata", f"f:{name}")
        for name in (
            "name",
            "namespace",
            "creationTimestamp",
            "selfLink",
            "uid",
            "clusterName",
            "generation",
            "managedFields",
            "resourceVersion",
        )
    ]
)


class InvalidManagedFields(Exception):
    """Entries that cannot be read."""


@dataclass(frozen=True, slots=True)
class Manager:
    """Who owns fields. `api_version` is empty for an applier, which stays the same one when it changes versions."""

    name: str
    operation: str
    api_version: str = ""
    subresource: str = ""

    @property
    def identifier(self) -> str:
        """The text that Kubernetes orders managers by."""
        parts = {
            "manager": self.name,
            "operation": self.operation,
            "apiVersion": self.api_version,
            "subresource": self.subresource,
        }
        return json.dumps({name: value for name, value in parts.items() if value}, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Ownership:
    """What a manager owns, in the terms of which version, and since when (empty: unknown)."""

    fields: FieldSet
    api_version: str
    time: str = ""

    def without(self, fields: FieldSet) -> Ownership:
        """Return the ownership after these fields were taken away."""
        return replace(self, fields=self.fields.difference(fields))


Managers = dict[Manager, Ownership]


def manager_of(options: PatchOptions, operation: str) -> Manager:
    """Return the manager that a write acts as."""
    api_version = options.schema.gvk.api_version if operation == UPDATE else ""
    return Manager(options.field_manager or "unknown", operation, api_version, options.subresource)


def decode_managers(entries: Any) -> Managers:
    """Read metadata.managedFields; null and absent read as none. Raises InvalidManagedFields."""
    managers: Managers = {}
    for entry in entries or ():
        if not isinstance(entry, dict):
            raise InvalidManagedFields
        operation, api_version = entry.get("operation"), entry.get("apiVersion")
        if operation not in {APPLY, UPDATE} or not api_version or entry.get("fieldsType") != "FieldsV1":
            raise InvalidManagedFields
        try:
            fields = FieldSet.from_fields_v1(entry.get("fieldsV1") or {})
        except InvalidFields:
            raise InvalidManagedFields from None
        identity = "" if operation == APPLY else api_version
        manager = Manager(entry.get("manager") or "", operation, identity, entry.get("subresource") or "")
        managers[manager] = Ownership(fields, api_version, entry.get("time") or "")
    return managers


def _entry(manager: Manager, owned: Ownership) -> JsonObject:
    entry = {
        "manager": manager.name,
        "operation": manager.operation,
        "apiVersion": owned.api_version,
        "time": owned.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": owned.fields.to_fields_v1(),
        "subresource": manager.subresource,
    }
    return {name: value for name, value in entry.items() if value or name == "fieldsV1"}


def encode_managers(managers: Managers) -> list[JsonObject]:
    """Write metadata.managedFields in Kubernetes' order: appliers first, then by time and name."""

    def order(item: tuple[Manager, Ownership]) -> tuple[str, ...]:
        manager, owned = item
        return manager.operation, owned.time, manager.name, owned.api_version, manager.subresource

    return [_entry(manager, owned) for manager, owned in sorted(managers.items(), key=order)]


def with_managers(obj: JsonObject, managers: Managers) -> JsonObject:
    """Return the object with these managers and no others."""
    meta = {name: value for name, value in metadata(obj).items() if name != "managedFields"}
    if managers:
        meta["managedFields"] = encode_managers(managers)
    return {**obj, "metadata": meta}


def ownable(fields: FieldSet, schema: TypeSchema, subresource: str) -> FieldSet:
    """Leave out what nobody owns: names and the like, and what a write to this subresource cannot set."""
    return fields.recursive_difference(schema.reset_fields(subresource)).difference(_NEVER_OWNED)


def take_away(managers: Managers, comparison: Comparison, writer: Manager | None) -> Managers:
    """Return the managers after a write: all but the writer lose what it changed, added or removed.

    Whoever owns nothing any more is dropped.
    """
    taken = comparison.modified.union(comparison.added).union(comparison.removed)
    left = {manager: owned if manager == writer else owned.without(taken) for manager, owned in managers.items()}
    return {manager: owned for manager, owned in left.items() if owned.fields}


def reconcile(managers: Managers, schema: TypeSchema) -> Managers:
    """Return the managers in the terms of today's schema, where lists or maps may have become atomic."""
    return {
        manager: replace(owned, fields=reconciled(owned.fields, schema.root)) for manager, owned in managers.items()
    }


def _is_reset(entries: Any) -> bool:
    """Whether a client asks to forget all managers, which it does with an empty list or one empty entry."""
    return isinstance(entries, list) and entries in ([], [{}])


def _managers_before(old: JsonObject | None, new: JsonObject, options: PatchOptions) -> Managers:
    """Return the managers to start from: those the client sends, else those of the old object.

    Most clients know nothing of managedFields and must not lose them; some edit them on purpose. A subresource cannot.
    """
    sent = metadata(new).get("managedFields")
    candidates = [metadata(old or {}).get("managedFields")]
    if not options.subresource:
        if _is_reset(sent):
            return {}
        candidates.insert(0, sent)
    for entries in candidates:
        try:
            if managers := decode_managers(entries):
                return managers
        except InvalidManagedFields:
            continue
    return {}


def track_update(old: JsonObject | None, new: JsonObject, options: PatchOptions) -> JsonObject:
    """Return the new object with its managedFields brought up to date after a create, update or patch.

    Objects whose managers nobody tracked, or were reset, stay untracked until the first apply. Where the new object
    does not fit its type at all (validation says so later), its managedFields are dropped. Never raises.
    """
    managers = _managers_before(old, new, options)
    if old is not None and not managers:
        return with_managers(new, {})
    try:
        return with_managers(new, updated_managers(managers, old, new, options))
    except TypeMismatch:
        return with_managers(new, {})


def updated_managers(managers: Managers, old: JsonObject | None, new: JsonObject, options: PatchOptions) -> Managers:
    """Return the managers after a write that is not an apply. Raises TypeMismatch."""
    schema = options.schema
    writer = manager_of(options, UPDATE)
    before = old if old is not None else zero_object(schema.gvk)
    comparison = compare(before, new, schema.root).without(schema.reset_fields(options.subresource))
    managers = take_away(reconcile(managers, schema), comparison, None)
    gained = ownable(comparison.modified.union(comparison.added), schema, options.subresource)
    if gained:
        previous = managers[writer].fields if writer in managers else EMPTY
        time = "" if options.subresource == _SCALE else options.now
        managers[writer] = Ownership(gained.union(previous), schema.gvk.api_version, time)
    return _capped(managers)


def _capped(managers: Managers) -> Managers:
    """Merge the oldest Update entries of one version into one, until not too many are left."""
    updates = [manager for manager in managers if manager.operation == UPDATE]
    excess = len(updates) - MAX_UPDATE_ENTRIES
    if excess <= 0:
        return managers
    capped = dict(managers)
    oldest: dict[str, Manager] = {}
    for manager in sorted(updates, key=lambda manager: (managers[manager].time, manager.identifier)):
        version = managers[manager].api_version
        if version not in oldest:
            oldest[version] = manager
            continue
        if excess == 0:
            break
        bucket = Manager(_OLD_UPDATES, UPDATE, version)
        first = capped.pop(oldest[version]) if bucket not in capped else capped[bucket]
        merged = capped.pop(manager).fields.union(first.fields)
        capped[bucket] = Ownership(merged, version, managers[manager].time)
        oldest[version] = bucket
        excess -= 1
    return capped
