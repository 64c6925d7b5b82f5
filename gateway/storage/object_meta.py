"""The part of metadata that belongs to the server: set on create, carried over on update, changed by deletes. Pure.

After k8s.io/apiserver `registry/rest` (BeforeCreate, BeforeUpdate) and `registry/generic/registry/store.go`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from gateway.apimachinery.errors import bad_request
from gateway.apimachinery.meta import JsonObject, ObjectKey

_NAMESPACE_MISMATCH = "the namespace of the provided object does not match the namespace sent on the request"


def timestamp(now: float) -> str:
    """Write seconds since the epoch as Kubernetes writes times."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_timestamp(text: str) -> float:
    """Read an RFC 3339 time. Raises ValueError."""
    return datetime.fromisoformat(text).timestamp()


def check_namespace(obj: JsonObject, namespace: str) -> None:
    """Put the object into the namespace of the request. Raises ApiError 400 when it names another one."""
    metadata = obj["metadata"]
    named = metadata.get("namespace")
    if named and named != namespace:
        raise bad_request(_NAMESPACE_MISMATCH)
    if namespace:
        metadata["namespace"] = namespace
    else:
        metadata.pop("namespace", None)


def check_name(obj: JsonObject, key: ObjectKey) -> None:
    """Check that an object is the one its URL names. Raises ApiError 400."""
    named = obj["metadata"].get("name")
    if not named:
        raise bad_request(f"the name of the object ({key.name} based on URL) was undeterminable: name must be provided")
    if named != key.name:
        raise bad_request(f"the name of the object ({named}) does not match the name on the URL ({key.name})")
    check_namespace(obj, key.namespace)


def fill_system_fields(obj: JsonObject, uid: str, now: str) -> None:
    """Give a new object what only the server can give it, and take what it cannot have."""
    metadata = obj["metadata"]
    for name in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion"):
        metadata.pop(name, None)
    metadata["uid"] = uid
    metadata["creationTimestamp"] = now


def carry_system_fields(obj: JsonObject, old: JsonObject) -> None:
    """Give an updated object what an update cannot change; a different uid is left for validation to refuse."""
    metadata, before = obj["metadata"], old["metadata"]
    for name in ("uid", "deletionGracePeriodSeconds"):
        if not metadata.get(name) and name in before:
            metadata[name] = before[name]
    for name in ("creationTimestamp", "deletionTimestamp"):
        if name in before:
            metadata[name] = before[name]
    metadata.pop("selfLink", None)
    _set(metadata, "generation", before.get("generation"))


def _set(metadata: JsonObject, name: str, value: Any) -> None:
    if value is None:
        metadata.pop(name, None)
    else:
        metadata[name] = value


def mark_deleting(obj: JsonObject, now: float, grace_seconds: int) -> None:
    """Set the deletion fields, as the first delete of an object that stays for a while does."""
    metadata = obj["metadata"]
    if "deletionTimestamp" not in metadata and metadata.get("generation"):
        metadata["generation"] += 1
    existing = metadata.get("deletionTimestamp")
    when = now + grace_seconds
    if not existing or parse_timestamp(existing) > when:
        metadata["deletionTimestamp"] = timestamp(when)
    metadata["deletionGracePeriodSeconds"] = grace_seconds
