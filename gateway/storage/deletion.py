"""What a delete does to an object: remove it, mark it and wait, or nothing more than was already done. Pure.

After k8s.io/apiserver `registry/rest/delete.go` (grace periods) and `registry/generic/registry/store.go` (finalizers);
namespaces and custom resource definitions have a life after their first delete, as in their own registries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gateway.apimachinery.errors import conflict, field_error, forbidden, invalid
from gateway.apimachinery.meta import JsonObject, field, finalizers, resource_version, uid
from gateway.apimachinery.schema import GroupResource
from gateway.storage.custom_resources.status import CLEANUP_FINALIZER, set_condition
from gateway.storage.definitions import ResourceDefinition
from gateway.storage.object_meta import mark_deleting, parse_timestamp, timestamp
from gateway.storage.strategies.namespaces import IMMORTAL_NAMESPACES, is_finalized
from gateway.write_request import DeleteOptions

ORPHAN_FINALIZER = "orphan"
"""The garbage collector is to take the object out of its dependents' owners before it goes."""

FOREGROUND_FINALIZER = "foregroundDeletion"
"""The garbage collector is to delete the dependents before the object goes."""

_GARBAGE_FINALIZERS = frozenset({ORPHAN_FINALIZER, FOREGROUND_FINALIZER})
_POLICIES = ("Foreground", "Background", "Orphan")
_FINISHED_PHASES = frozenset({"Failed", "Succeeded"})


@dataclass(frozen=True, slots=True)
class DeletePlan:
    """The outcome: `obj` is the object as it is stored ("update"), was last ("remove"), or already is ("nothing")."""

    action: Literal["remove", "update", "nothing"]
    obj: JsonObject


def check_delete_options(options: DeleteOptions) -> None:
    """Raises ApiError 422 for a propagation policy that does not exist or is given in two ways."""
    policy = options.propagation_policy
    if not policy:
        return
    supported = ", ".join(f'"{name}"' for name in (*_POLICIES, "nil"))
    if options.orphan_dependents is not None:
        message = f'Invalid value: "{policy}": orphanDependents and deletionPropagation cannot be both set'
        fault = field_error("FieldValueInvalid", "propagationPolicy", message)
    elif policy not in _POLICIES:
        message = f'Unsupported value: "{policy}": supported values: {supported}'
        fault = field_error("FieldValueNotSupported", "propagationPolicy", message)
    else:
        return
    raise invalid("meta.k8s.io", "DeleteOptions", "", [fault])


def check_delete_preconditions(definition: ResourceDefinition, obj: JsonObject, options: DeleteOptions) -> None:
    """Raises ApiError 409 when the client wants to delete another object or version than this one."""
    wanted_uid, wanted_version = options.precondition_uid, options.precondition_resource_version
    # kube-apiserver names the kind here, not the resource.
    resource, name = GroupResource(definition.gvr.group, definition.kind), obj["metadata"]["name"]
    if wanted_uid is not None and wanted_uid != uid(obj):
        text = f"the UID in the precondition ({wanted_uid}) does not match the UID in record ({uid(obj)})."
        raise conflict(resource, name, f"{text} The object might have been deleted and then recreated")
    if wanted_version is not None and wanted_version != resource_version(obj):
        text = (
            f"the ResourceVersion in the precondition ({wanted_version}) does not match the ResourceVersion in record"
        )
        raise conflict(resource, name, f"{text} ({resource_version(obj)}). The object might have been modified")


def check_immortal(definition: ResourceDefinition, name: str) -> None:
    """Raises ApiError 403 for the namespaces without which nothing works."""
    if definition.storage_key == "namespaces" and name in IMMORTAL_NAMESPACES:
        raise forbidden(definition.group_resource, name, "this namespace may not be deleted")


def plan_deletion(definition: ResourceDefinition, obj: JsonObject, options: DeleteOptions, now: float) -> DeletePlan:
    """Decide what a delete does; `obj` is the caller's own and may come back changed."""
    first = "deletionTimestamp" not in obj["metadata"]
    if definition.storage_key == "namespaces" and (first or not is_finalized(obj)):
        return _plan_namespace(definition, obj, options, now) if first else DeletePlan("nothing", obj)
    if definition.storage_key == "customresourcedefinitions.apiextensions.k8s.io" and first:
        return _plan_custom_resource_definition(obj, now)
    grace: int | None = None
    if definition.rules.graceful:
        grace = _grace_period(obj, options)
        if grace is None and _is_waiting(obj):
            return DeletePlan("nothing", obj)
    changed_finalizers = _finalizers_after(definition, obj, options)
    unchanged = changed_finalizers == finalizers(obj)
    _set_finalizers(obj, changed_finalizers)
    if grace is not None:
        _shorten_or_mark(obj, now, grace)
    elif changed_finalizers:
        if not first and unchanged and obj["metadata"].get("deletionGracePeriodSeconds") == 0:
            return DeletePlan("nothing", obj)
        mark_deleting(obj, now, 0)
    return DeletePlan("update" if changed_finalizers or grace else "remove", obj)


def _is_waiting(obj: JsonObject) -> bool:
    metadata = obj["metadata"]
    return "deletionTimestamp" in metadata and bool(metadata.get("deletionGracePeriodSeconds"))


def _grace_period(obj: JsonObject, options: DeleteOptions) -> int | None:
    """Return the seconds a Pod is given, None when this delete changes nothing about them."""
    wanted = options.grace_period_seconds
    if wanted is not None and wanted < 0:
        wanted = 1
    if "deletionTimestamp" in obj["metadata"]:
        given = obj["metadata"].get("deletionGracePeriodSeconds") or 0
        return wanted if wanted is not None and wanted < given else None
    if not field(obj, "spec", "nodeName") or field(obj, "status", "phase") in _FINISHED_PHASES:
        return 0
    if wanted is None:
        wanted = field(obj, "spec", "terminationGracePeriodSeconds") or 0
    return 1 if wanted < 0 else wanted


def _shorten_or_mark(obj: JsonObject, now: float, grace: int) -> None:
    metadata = obj["metadata"]
    existing = metadata.get("deletionTimestamp")
    if not existing:
        mark_deleting(obj, now, grace)
        return
    moved = parse_timestamp(existing) - (metadata.get("deletionGracePeriodSeconds") or 0) + grace
    if moved < now:
        moved, grace = now, min(grace, 1)
    metadata["deletionTimestamp"] = timestamp(moved)
    metadata["deletionGracePeriodSeconds"] = grace


def _finalizers_after(definition: ResourceDefinition, obj: JsonObject, options: DeleteOptions) -> list[str]:
    """Return the finalizers with those of the garbage collector as the options, the object or the kind want them."""
    existing = finalizers(obj)
    others = [name for name in existing if name not in _GARBAGE_FINALIZERS]
    if not definition.rules.collects_garbage:
        return others
    wanted = ""
    if options.orphan_dependents is not None:
        wanted = ORPHAN_FINALIZER if options.orphan_dependents else ""
    elif options.propagation_policy:
        wanted = {"Orphan": ORPHAN_FINALIZER, "Foreground": FOREGROUND_FINALIZER}.get(options.propagation_policy, "")
    elif chosen := [name for name in existing if name in _GARBAGE_FINALIZERS]:
        wanted = chosen[0]
    elif definition.rules.orphans_dependents:
        wanted = ORPHAN_FINALIZER
    if not wanted:
        return others
    return existing if [name for name in existing if name in _GARBAGE_FINALIZERS] == [wanted] else [*others, wanted]


def _set_finalizers(obj: JsonObject, names: list[str]) -> None:
    if names:
        obj["metadata"]["finalizers"] = names
    else:
        obj["metadata"].pop("finalizers", None)


def _plan_namespace(definition: ResourceDefinition, obj: JsonObject, options: DeleteOptions, now: float) -> DeletePlan:
    """Let the namespace end: its content is deleted first."""
    _set_finalizers(obj, _finalizers_after(definition, obj, options))
    obj["metadata"]["deletionTimestamp"] = timestamp(now)
    obj["status"] = {**(obj.get("status") or {}), "phase": "Terminating"}
    return DeletePlan("update", obj)


def _plan_custom_resource_definition(obj: JsonObject, now: float) -> DeletePlan:
    """Hold the definition until its objects are gone."""
    obj["metadata"]["deletionTimestamp"] = timestamp(now)
    names = finalizers(obj)
    _set_finalizers(obj, names if CLEANUP_FINALIZER in names else [*names, CLEANUP_FINALIZER])
    message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
    pending = {"status": "True", "reason": "InstanceDeletionPending", "message": message}
    set_condition(obj, {"type": "Terminating", **pending}, timestamp(now))
    return DeletePlan("update", obj)


def should_remove(definition: ResourceDefinition, obj: JsonObject, old: JsonObject) -> bool:
    """Whether an update took away the last thing that held an object which was deleted before."""
    if finalizers(obj) or "deletionTimestamp" not in old["metadata"]:
        return False
    if definition.storage_key == "namespaces" and not is_finalized(obj):
        return False
    return not old["metadata"].get("deletionGracePeriodSeconds")


def deleted_status(definition: ResourceDefinition, obj: JsonObject) -> JsonObject:
    """Return the Status that a finished delete answers with; `kind` is the resource, as kube-apiserver has it."""
    details = {
        "name": obj["metadata"]["name"],
        "group": definition.gvr.group,
        "kind": definition.gvr.resource,
        "uid": uid(obj),
    }
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {name: value for name, value in details.items() if value},
    }
