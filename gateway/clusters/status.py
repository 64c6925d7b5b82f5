"""A member's health in the shapes people and programs read: the status of its Cluster object, and `fleetgate clusters`.

Pure. Karmada writes the status itself where its controllers run; elsewhere the registry writes what is built here.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.apimachinery import meta
from gateway.apimachinery.meta import JsonObject
from gateway.clusters.health import ClusterHealth

STATUS_API_VERSION = "fleetgate.io/v1alpha1"
_HEALTHY = "the API server answers and is ready"


@dataclass(frozen=True, slots=True)
class CopyState:
    """What the cross-cluster cache says of a member."""

    synced: bool
    stale_since: float | None
    """Seconds since the epoch; None while fresh."""
    objects: Mapping[str, int]
    """How many there are, by resource."""
    unreadable: Mapping[str, str]
    """Why a resource that is cached by configuration cannot be read."""


def timestamp(seconds: float) -> str:
    """Write seconds since the epoch as Kubernetes writes times: RFC 3339, UTC, whole seconds."""
    return datetime.datetime.fromtimestamp(int(seconds), datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def ready_condition(health: ClusterHealth) -> JsonObject:
    """Return the Ready condition (metav1.Condition) that the health amounts to."""
    status = {True: "True", False: "False", None: "Unknown"}[health.ready]
    return {
        "type": "Ready",
        "status": status,
        "reason": health.reason,
        "message": health.message or _HEALTHY,
        "lastTransitionTime": timestamp(health.since),
    }


def updated_cluster(cluster: JsonObject, health: ClusterHealth) -> JsonObject | None:
    """Return the Cluster object with its status brought up to date, or None when it says so already.

    Only the Ready condition and the version are ours; everything else in the status stays.
    """
    status = dict(meta.field(cluster, "status") or {})
    conditions = [entry for entry in status.get("conditions") or [] if isinstance(entry, dict)]
    wanted = ready_condition(health)
    current = next((entry for entry in conditions if entry.get("type") == "Ready"), None)
    if current is not None and current.get("status") == wanted["status"]:
        wanted["lastTransitionTime"] = current.get("lastTransitionTime") or wanted["lastTransitionTime"]
    version = health.version or status.get("kubernetesVersion") or ""
    if current == wanted and status.get("kubernetesVersion", "") == version:
        return None
    status["conditions"] = [*(entry for entry in conditions if entry.get("type") != "Ready"), wanted]
    if version:
        status["kubernetesVersion"] = version
    return {**cluster, "status": status}


def member_status(
    name: str, *, origin: str, endpoint: str, health: ClusterHealth, copy: CopyState, now: float
) -> JsonObject:
    """Return one item of the list that `GET /fleetgate/v1alpha1/clusters` answers."""
    item: dict[str, Any] = {
        "name": name,
        "origin": origin,
        "endpoint": endpoint,
        "ready": health.ready,
        "reason": health.reason,
        "message": health.message,
        "version": health.version,
        "lastContact": None if health.last_contact is None else timestamp(health.last_contact),
        "synced": copy.synced,
        "staleSeconds": None if copy.stale_since is None else max(0, int(now - copy.stale_since)),
        "objects": dict(copy.objects),
        "unreadable": dict(copy.unreadable),
    }
    return item


def status_list(items: list[JsonObject]) -> JsonObject:
    """Return the list that `GET /fleetgate/v1alpha1/clusters` answers."""
    return {"apiVersion": STATUS_API_VERSION, "kind": "ClusterStatusList", "items": items}
