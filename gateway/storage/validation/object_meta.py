"""Rules for metadata, which are the same in every kind but for the name.

After k8s.io/apimachinery `api/validation/objectmeta.go`. Pure.
"""

from typing import Any

from gateway.apimachinery.label_names import label_key, label_value
from gateway.apimachinery.meta import JsonObject, annotations, finalizers, labels, metadata, owner_references
from gateway.apimachinery.schema import GroupVersion
from gateway.storage.validation.causes import (
    Causes,
    forbidden,
    invalid_value,
    invalid_values,
    not_negative,
    required,
    too_long,
    unchanged,
)
from gateway.storage.validation.names import NameRule, dns_label, masked

ANNOTATIONS_LIMIT = 256 * 1024
"""Most bytes all annotations of an object may have together, keys and values."""

_ORPHAN = "orphan"
_FOREGROUND = "foregroundDeletion"
_STANDARD_FINALIZERS = frozenset({"kubernetes", _ORPHAN, _FOREGROUND})
_IMMUTABLE = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")
_EMPTY: dict[str, Any] = {"name": "", "namespace": "", "uid": ""}


def validate_new_metadata(obj: JsonObject, name_rule: NameRule, *, namespaced: bool, builtin: bool) -> Causes:
    """Judge the metadata of a new object, whose name is final."""
    meta = metadata(obj)
    generate_name, name, namespace = (str(meta.get(field) or "") for field in ("generateName", "name", "namespace"))
    if generate_name:
        yield from invalid_values("metadata.generateName", generate_name, masked(name_rule)(generate_name))
    if name:
        yield from invalid_values("metadata.name", name, name_rule(name))
    else:
        yield required("metadata.name", "name or generateName is required")
    if not namespaced:
        if namespace:
            yield forbidden("metadata.namespace", "not allowed on this type")
    elif namespace:
        yield from invalid_values("metadata.namespace", namespace, dns_label(namespace))
    else:
        yield required("metadata.namespace")
    yield from not_negative("metadata.generation", meta.get("generation"))
    yield from _validate_common(obj)
    yield from _validate_finalizers(obj)
    if builtin:
        yield from _validate_finalizer_names(obj)


def validate_changed_metadata(new: JsonObject, old: JsonObject, *, builtin: bool) -> Causes:
    """Judge the metadata of a changed object."""
    new_meta, old_meta = metadata(new), metadata(old)
    if old_meta.get("deletionTimestamp"):
        added = sorted(set(finalizers(new)) - set(finalizers(old)))
        if added:
            found = ", ".join(f'"{name}"' for name in added)
            yield forbidden(
                "metadata.finalizers",
                "no new finalizers can be added if the object is being deleted, found new finalizers "
                f"[]string{{{found}}}",
            )
    if (new_meta.get("generation") or 0) < (old_meta.get("generation") or 0):
        yield invalid_value("metadata.generation", new_meta.get("generation") or 0, "must not be decremented")
    for field in _IMMUTABLE:
        empty = _EMPTY.get(field)
        yield from unchanged(f"metadata.{field}", new_meta.get(field) or empty, old_meta.get(field) or empty)
    yield from _validate_common(new)
    yield from _validate_finalizers(new)
    if builtin:
        yield from _validate_finalizer_names(new)


def _validate_common(obj: JsonObject) -> Causes:
    yield from validate_labels("metadata.labels", labels(obj))
    yield from validate_annotations("metadata.annotations", annotations(obj))
    yield from _validate_owners(owner_references(obj))


def validate_labels(path: str, values: Any) -> Causes:
    """Judge keys and values of labels, or of anything that selects by them."""
    for key, value in values.items() if isinstance(values, dict) else ():
        yield from invalid_values(path, key, label_key(key))
        yield from invalid_values(path, str(value), label_value(str(value)))


def validate_annotations(path: str, values: Any) -> Causes:
    """Judge keys of annotations and their size; case does not matter in their keys."""
    entries: dict[str, Any] = values if isinstance(values, dict) else {}
    for key in entries:
        yield from invalid_values(path, key, label_key(key.lower()))
    if sum(len(key.encode()) + len(str(value).encode()) for key, value in entries.items()) > ANNOTATIONS_LIMIT:
        yield too_long(path, ANNOTATIONS_LIMIT)


def _validate_owners(owners: list[JsonObject]) -> Causes:
    path = "metadata.ownerReferences"
    controller = ""
    for owner in owners:
        api_version, kind, name = (str(owner.get(field) or "") for field in ("apiVersion", "kind", "name"))
        group_version = GroupVersion.parse(api_version) if api_version.count("/") < 2 else GroupVersion("", "")
        if not group_version.version:
            yield invalid_value(f"{path}.apiVersion", api_version, "version must not be empty")
        for field in ("kind", "name", "uid"):
            if not owner.get(field):
                yield invalid_value(f"{path}.{field}", "", "must not be empty")
        if (api_version, kind) == ("v1", "Event"):
            yield invalid_value(path, owner, "/v1, Kind=Event is disallowed from being an owner")
        if owner.get("controller"):
            this = f"{kind}/{name}"
            if controller:
                yield invalid_value(
                    path,
                    owners,
                    'Only one reference can have Controller set to true. Found "true" in references for '
                    f"{controller} and {this}",
                )
            controller = controller or this


def _validate_finalizers(obj: JsonObject) -> Causes:
    path = "metadata.finalizers"
    names = finalizers(obj)
    for name in names:
        yield from invalid_values(path, name, label_key(name))
    if _ORPHAN in names and _FOREGROUND in names:
        yield invalid_value(path, names, f"finalizer {_ORPHAN} and {_FOREGROUND} cannot be both set")


def _validate_finalizer_names(obj: JsonObject) -> Causes:
    for index, name in enumerate(finalizers(obj)):
        yield from validate_finalizer_name(f"metadata.finalizers[{index}]", name)


def validate_finalizer_name(path: str, name: str) -> Causes:
    """Refuse a finalizer without a domain that is none of Kubernetes' own."""
    if "/" not in name and name not in _STANDARD_FINALIZERS:
        yield invalid_value(path, name, "name is neither a standard finalizer name nor is it fully qualified")
