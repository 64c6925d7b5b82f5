"""Server-side apply: merge an applied configuration, own its fields, give up those no longer applied.

After KEP-555 and structured-merge-diff `merge`, with kube-apiserver's texts. What kubectl's move from client-side apply
relies on is here too: conflicts that only repeat the last-applied annotation give way, and the annotation follows.
Pure: decoded objects in and out.
"""

import json
from collections.abc import Mapping
from typing import Any

from gateway.apimachinery.errors import ApiError, apply_conflict, bad_request, cause
from gateway.apimachinery.meta import JsonObject, annotations, metadata
from gateway.apimachinery.meta import name as name_of
from gateway.apimachinery.meta import namespace as namespace_of
from gateway.apimachinery.patch.field_set import EMPTY, FieldSet, path_text
from gateway.apimachinery.patch.go_text import go_quote
from gateway.apimachinery.patch.json_value import same
from gateway.apimachinery.patch.managed_fields import (
    APPLY,
    UPDATE,
    InvalidManagedFields,
    Manager,
    Managers,
    Ownership,
    decode_managers,
    manager_of,
    ownable,
    reconcile,
    take_away,
    updated_managers,
    with_managers,
)
from gateway.apimachinery.patch.options import PatchOptions
from gateway.apimachinery.patch.typed_merge import merge, remove_fields
from gateway.apimachinery.patch.typed_schema import TypeSchema
from gateway.apimachinery.patch.typed_value import (
    Comparison,
    TypeMismatch,
    check_type,
    compare,
    field_set,
    with_leading_fields,
)
from gateway.apimachinery.patch.zero_object import zero_object
from gateway.apimachinery.schema import GroupVersion, GroupVersionKind

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
KUBECTL = "kubectl"
"""The field manager whose applies take over from kubectl's client-side apply."""
_BEFORE_FIRST_APPLY = "before-first-apply"
_ANNOTATIONS_LIMIT = 256 * 1024

Conflicts = Mapping[Manager, FieldSet]


class _ApplyConflicts(Exception):
    """Fields that other managers own and the configuration would change."""

    def __init__(self, conflicts: Conflicts) -> None:
        super().__init__()
        self.conflicts = conflicts


def server_side_apply(live: JsonObject | None, config: Any, options: PatchOptions) -> JsonObject:
    """Return the live object (None: there is none yet) with the configuration applied, managedFields up to date.

    The result is not defaulted. Raises ApiError: 400 for a configuration of another kind or one that carries
    managedFields, 409 with a FieldManagerConflict cause a field for conflicts, 500 for one that does not fit the schema
    (the code kube-apiserver answers).
    """
    _check_kind(config, options.schema.gvk)
    if metadata(config).get("managedFields") is not None:
        raise bad_request("metadata.managedFields must be nil")
    schema = options.schema
    before = live if live is not None else zero_object(schema.gvk)
    try:
        managers = decode_managers(metadata(before).get("managedFields"))
    except InvalidManagedFields:
        raise ApiError(500, "", "failed to decode managed fields") from None
    _check_types(before, config, schema)
    try:
        if not managers and live is not None:
            first = PatchOptions(schema, _BEFORE_FIRST_APPLY, options.now, options.subresource)
            managers = updated_managers({}, None, live, first)
        applied, managers = _apply_as(options, before, config, managers)
    except TypeMismatch as error:  # both fit the type; what is left of an item nobody applies any more may not
        version = schema.gvk.api_version
        text = f"failed to create field set from pruned object at version {version}: {error}"
        raise ApiError(500, "", f"failed add back owned items: {text}") from None
    if options.field_manager == KUBECTL and annotations(applied).get(LAST_APPLIED):
        applied = _with_last_applied(applied, config)
    return with_managers(applied, managers)


def _apply_as(
    options: PatchOptions, before: JsonObject, config: JsonObject, managers: Managers
) -> tuple[JsonObject, Managers]:
    try:
        return _apply(options, before, config, managers, force=options.force)
    except _ApplyConflicts as found:
        conflicts = found.conflicts
    if options.field_manager == KUBECTL and (known := _unchanged_since_last_applied(before, options.schema)):
        conflicts = {manager: fields.difference(known) for manager, fields in conflicts.items()}
        conflicts = {manager: fields for manager, fields in conflicts.items() if fields}
        if not conflicts:
            return _apply(options, before, config, managers, force=True)
    raise _conflict_error(conflicts)


def _apply(
    options: PatchOptions, before: JsonObject, config: JsonObject, managers: Managers, *, force: bool
) -> tuple[JsonObject, Managers]:
    schema = options.schema
    applier = manager_of(options, APPLY)
    managers = reconcile(managers, schema)
    last = managers[applier] if applier in managers else Ownership(EMPTY, schema.gvk.api_version)
    reset = schema.reset_fields(options.subresource)
    owned = field_set(config, schema.root).recursive_difference(reset)
    managers[applier] = Ownership(owned, schema.gvk.api_version, last.time)
    merged = _pruned(merge(before, config, schema.root), last.fields, managers, schema)
    comparison = compare(before, merged, schema.root).without(reset)
    if not force and (conflicts := _conflicts(managers, comparison, applier)):
        raise _ApplyConflicts(conflicts)
    managers = take_away(managers, comparison, applier)
    time = last.time if same(before, merged) else options.now
    managers[applier] = Ownership(ownable(owned, schema, options.subresource), schema.gvk.api_version, time)
    return merged, {manager: entry for manager, entry in managers.items() if entry.fields}


def _conflicts(managers: Managers, comparison: Comparison, applier: Manager) -> Conflicts:
    changed = comparison.modified.union(comparison.added)
    clashes = {manager: owned.fields.intersection(changed) for manager, owned in managers.items() if manager != applier}
    return {manager: fields for manager, fields in clashes.items() if fields}


def _pruned(merged: JsonObject, last: FieldSet, managers: Managers, schema: TypeSchema) -> JsonObject:
    """Remove what the applier applied last time, does not apply now, and nobody else owns."""
    if not last:
        return merged
    root = schema.root
    owned = EMPTY
    for ownership in managers.values():
        owned = owned.union(ownership.fields)
    last, owned = with_leading_fields(last, root), with_leading_fields(owned, root)
    everything = with_leading_fields(field_set(merged, root), root)

    def present(value: JsonObject) -> FieldSet:
        return with_leading_fields(field_set(value, root), root)

    # Fields below an item that goes are not gone when somebody owns them, nor when the applier never owned them.
    kept = present(remove_fields(merged, last, root))
    kept = present(remove_fields(merged, everything.difference(kept.union(owned)), root))
    pruned: JsonObject = remove_fields(merged, everything.difference(kept).intersection(last), root)
    return pruned


def _check_kind(config: Any, expected: GroupVersionKind) -> None:
    if not isinstance(config, dict):
        raise bad_request("error decoding YAML: the configuration is not an object")
    api_version, kind = config.get("apiVersion"), config.get("kind")
    version = api_version if isinstance(api_version, str) else ""
    group_version = GroupVersion.parse(version) if version.count("/") < 2 else GroupVersion("", "")
    sent = group_version.kind(kind if isinstance(kind, str) else "")
    if sent != expected:
        raise bad_request(f"invalid object type: {sent}")


def _check_types(before: JsonObject, config: JsonObject, schema: TypeSchema) -> None:
    for which, obj, allow_duplicates in (("patch", config, False), ("live", before, True)):
        try:
            check_type(obj, schema.root, allow_duplicates=allow_duplicates)
        except TypeMismatch as error:
            where = f"{namespace_of(obj)}/{name_of(obj)}; {schema.gvk}"
            raise ApiError(500, "", f"failed to create typed {which} object ({where}): {error}") from None


def _unchanged_since_last_applied(live: JsonObject, schema: TypeSchema) -> FieldSet:
    """Return the fields that client-side apply set and that still have the value it gave them."""
    try:
        last = json.loads(annotations(live).get(LAST_APPLIED, ""))
        if not isinstance(last, dict) or last.get("apiVersion") != schema.gvk.api_version:
            return EMPTY
        check_type(last, schema.root)
        comparison = compare(last, live, schema.root)
        changed = comparison.modified.union(comparison.added).union(comparison.removed)
        return field_set(last, schema.root).difference(changed)
    except (ValueError, TypeMismatch):
        return EMPTY


def _with_last_applied(obj: JsonObject, config: JsonObject) -> JsonObject:
    """Keep the annotation of client-side apply in step, so that a user can go back to it."""
    plain = {name: value for name, value in annotations(config).items() if name != LAST_APPLIED}
    meta = {name: value for name, value in metadata(config).items() if name != "annotations"}
    recorded = {**config, "metadata": {**meta, "annotations": plain} if plain else meta}
    text = json.dumps(recorded, ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n"
    updated = {**annotations(obj), LAST_APPLIED: text}
    if sum(len(name.encode()) + len(value.encode()) for name, value in updated.items()) > _ANNOTATIONS_LIMIT:
        del updated[LAST_APPLIED]
    return {**obj, "metadata": {**metadata(obj), "annotations": updated}}


def _conflict_error(conflicts: Conflicts) -> ApiError:
    ordered = sorted(conflicts.items(), key=lambda item: item[0].identifier)
    found = [(_who(manager), path_text(path)) for manager, fields in ordered for path in fields.paths()]
    causes = [cause(path, f"conflict with {who}", "FieldManagerConflict") for who, path in found]
    if len(found) == 1:
        who, path = found[0]
        return apply_conflict(f"Apply failed with 1 conflict: conflict with {who}: {path}", causes)
    lines = []
    for manager, fields in ordered:
        lines.append(f"conflicts with {_who(manager)}:")
        lines.extend(f"- {path_text(path)}" for path in fields.paths())
    return apply_conflict(f"Apply failed with {len(found)} conflicts: " + "\n".join(lines), causes)


def _who(manager: Manager) -> str:
    who = go_quote(manager.name)
    if manager.subresource:
        who = f'{who} with subresource "{manager.subresource}"'
    return f"{who} using {manager.api_version}" if manager.operation == UPDATE else who
