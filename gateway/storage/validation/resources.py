"""Rules for amounts of resources: requests and limits of containers, quotas.

After Kubernetes `pkg/apis/core/v1/validation`. Quantities are canonical already (see defaulting). Pure.
"""

from __future__ import annotations

from typing import Any

from gateway.apimachinery.label_names import label_key
from gateway.apimachinery.meta import JsonObject
from gateway.storage.defaulting.quantity import quantity_value
from gateway.storage.validation.causes import NEGATIVE, Causes, invalid_value, invalid_values, required

_HUGE_PAGES = "hugepages-"
_CONTAINER_RESOURCES = frozenset({"cpu", "memory", "ephemeral-storage"})
_UNQUALIFIED = "must be a standard resource type or fully qualified"
_INTEGER_RESOURCES = frozenset(
    {"pods", "services", "replicationcontrollers", "resourcequotas", "secrets", "configmaps", "persistentvolumeclaims",
     "services.nodeports", "services.loadbalancers"}
)  # fmt: skip
_QUOTA_RESOURCES = (
    _INTEGER_RESOURCES
    | _CONTAINER_RESOURCES
    | {f"{side}.{name}" for side in ("requests", "limits") for name in _CONTAINER_RESOURCES}
    | {"storage", "requests.storage"}
)


def validate_container_resources(path: str, container: JsonObject) -> Causes:
    """Judge what a container requests and is limited to."""
    resources = container.get("resources")
    if not isinstance(resources, dict):
        return
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for name, amount in limits.items():
        yield from _validate_amount(f"{path}.resources.limits[{name}]", name, amount)
    for name, amount in requests.items():
        yield from _validate_amount(f"{path}.resources.requests[{name}]", name, amount)
        yield from _validate_request(f"{path}.resources", name, amount, limits)


def _validate_request(path: str, name: str, amount: Any, limits: JsonObject) -> Causes:
    if name not in limits:
        if not _may_be_overcommitted(name):
            yield required(f"{path}.limits", "Limit must be set for non overcommitable resources")
        return
    requested, limit = quantity_value(amount), quantity_value(limits[name])
    if requested is None or limit is None:
        return
    if requested != limit and not _may_be_overcommitted(name):
        yield invalid_value(f"{path}.requests", amount, f"must be equal to {name} limit of {limits[name]}")
    elif requested > limit:
        yield invalid_value(f"{path}.requests", amount, f"must be less than or equal to {name} limit of {limits[name]}")


def _is_native(name: str) -> bool:
    return "/" not in name or "kubernetes.io/" in name


def _may_be_overcommitted(name: str) -> bool:
    return _is_native(name) and not name.startswith(_HUGE_PAGES)


def _validate_amount(path: str, name: str, amount: Any) -> Causes:
    yield from invalid_values(path, name, label_key(name))
    if "/" not in name and name not in _CONTAINER_RESOURCES and not name.startswith(_HUGE_PAGES):
        if name not in _QUOTA_RESOURCES:
            yield invalid_value(path, name, _UNQUALIFIED)
        yield invalid_value(path, name, "must be a standard resource for containers")
    yield from validate_quantity(path, amount, whole=not _is_native(name))


def validate_quantity(path: str, amount: Any, *, whole: bool = False) -> Causes:
    """Refuse a negative amount, or one with a fraction where there can be none."""
    value = quantity_value(amount)
    if value is None:
        return
    if value < 0:
        yield invalid_value(path, str(amount), NEGATIVE)
    if whole and value != int(value):
        yield invalid_value(path, str(amount), "must be an integer")


def validate_quota(path: str, hard: Any) -> Causes:
    """Judge the limits of a ResourceQuota."""
    for name, amount in hard.items() if isinstance(hard, dict) else ():
        at = f"{path}[{name}]"
        yield from invalid_values(at, name, label_key(name))
        if (
            "/" not in name
            and name not in _QUOTA_RESOURCES
            and not name.removeprefix("requests.").startswith(_HUGE_PAGES)
        ):
            yield invalid_value(at, name, _UNQUALIFIED)
            yield invalid_value(at, name, "must be a standard resource for quota")
        yield from validate_quantity(at, amount, whole=name in _INTEGER_RESOURCES or name.startswith("count/"))
