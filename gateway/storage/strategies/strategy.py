"""The strategy of a resource: what a write may set, and what makes its generation grow. Pure.

After the strategies of k8s.io/kubernetes `pkg/registry` and apiextensions-apiserver `registry/customresource`.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from gateway.apimachinery.meta import JsonObject
from gateway.storage.definitions import ResourceDefinition
from gateway.storage.object_meta import carry_system_fields
from gateway.storage.strategies.daemon_sets import prepare_changed_daemon_set, prepare_new_daemon_set
from gateway.storage.strategies.jobs import prepare_new_job
from gateway.storage.strategies.namespaces import finalize, prepare_changed_namespace, prepare_new_namespace
from gateway.storage.strategies.pods import add_ephemeral_containers, prepare_new_pod

_NEW = {
    "namespaces": prepare_new_namespace,
    "pods": prepare_new_pod,
    "jobs.batch": prepare_new_job,
    "daemonsets.apps": prepare_new_daemon_set,
}
_CHANGED = {"namespaces": prepare_changed_namespace, "daemonsets.apps": prepare_changed_daemon_set}
_TYPE_FIELDS = ("kind", "apiVersion")


def prepare_new(definition: ResourceDefinition, obj: JsonObject) -> None:
    """Make an object whose system fields are set ready to be stored, in place."""
    rules = definition.rules
    if definition.has_status:
        obj.pop("status", None)
        if rules.initial_status is not None:
            obj["status"] = deepcopy(dict(rules.initial_status))
    if rules.generation != "none":
        obj["metadata"]["generation"] = 1
    if prepare := _NEW.get(definition.storage_key):
        prepare(obj)


def prepare_changed(
    definition: ResourceDefinition, obj: JsonObject, old: JsonObject, subresource: str = ""
) -> JsonObject:
    """Return the object that a write to a resource or to one of its subresources may make of `old`."""
    match subresource:
        case "status":
            changed = _status_of(definition, obj, old)
        case "finalize":
            changed = _keep_own_metadata(finalize(obj, old), obj)
        case "binding":
            changed = obj
        case "ephemeralcontainers":
            changed = _keep_own_metadata(add_ephemeral_containers(obj, old), obj)
        case _:
            changed = obj
            if definition.has_status:
                _set(changed, "status", old.get("status"))
    carry_system_fields(changed, old)
    if not subresource and (prepare := _CHANGED.get(definition.storage_key)):
        prepare(changed, old)
    if subresource not in {"status", "binding"} and _raises_generation(definition, changed, old):
        changed["metadata"]["generation"] = (old["metadata"].get("generation") or 0) + 1
    return changed


def _status_of(definition: ResourceDefinition, obj: JsonObject, old: JsonObject) -> JsonObject:
    """Return the stored object with the written status, and with what of its metadata may be written with it."""
    metadata = dict(obj["metadata"])
    for name in definition.rules.status_keeps:
        _set(metadata, name, old["metadata"].get(name))
    changed = {**old, "metadata": metadata}
    _set(changed, "status", obj.get("status"))
    return changed


def _keep_own_metadata(old: JsonObject, obj: JsonObject) -> JsonObject:
    """Return a copy of the stored object that has, of the written metadata, only who manages which field."""
    metadata = dict(old["metadata"])
    for name in ("managedFields", "resourceVersion"):
        if name in obj["metadata"]:
            metadata[name] = obj["metadata"][name]
    return {**old, "metadata": metadata}


def _raises_generation(definition: ResourceDefinition, obj: JsonObject, old: JsonObject) -> bool:
    rules = definition.rules
    match rules.generation:
        case "spec":
            grows = obj.get("spec") != old.get("spec")
        case "content":
            grows = _content(obj) != _content(old)
        case _:
            return False
    if rules.generation_counts_annotations:
        grows = grows or (obj["metadata"].get("annotations") or {}) != (old["metadata"].get("annotations") or {})
    return grows


def _content(obj: JsonObject) -> JsonObject:
    return {name: value for name, value in obj.items() if name not in {*_TYPE_FIELDS, "metadata"}}


def _set(obj: JsonObject, name: str, value: Any) -> None:
    if value is None:
        obj.pop(name, None)
    else:
        obj[name] = value
