"""The status of a Deployment: counts over its ReplicaSets, and the conditions Available and Progressing. Pure.

After k8s.io/kubernetes `pkg/controller/deployment` (sync.go, progress.go).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.apimachinery import meta
from gateway.apimachinery.meta import JsonObject, field
from gateway.simulation.conditions import find_condition, with_condition
from gateway.simulation.member.rollout import RolloutLimits
from gateway.storage.object_meta import parse_timestamp, timestamp

_COUNTS = ("replicas", "readyReplicas", "availableReplicas", "updatedReplicas")
_DONE = "NewReplicaSetAvailable"
_PAUSED = "DeploymentPaused"
_UPDATED = "ReplicaSetUpdated"


@dataclass(frozen=True, slots=True)
class DeploymentStatus:
    """The status to write, and in how many seconds the deadline for progress must be looked at; None for never."""

    status: JsonObject
    recheck: float | None = None


def count(obj: JsonObject, *path: str) -> int:
    """Read a whole number that may be absent."""
    return int(field(obj, *path) or 0)


def deployment_status(
    deployment: JsonObject,
    replica_sets: Sequence[JsonObject],
    newest: JsonObject | None,
    bounds: RolloutLimits,
    now: float,
) -> DeploymentStatus:
    """Return the status; `newest` is one of the ReplicaSets, or one that is only just being created."""
    before = deployment.get("status") or {}
    totals = {name: sum(count(each, "status", name) for each in replica_sets) for name in _COUNTS[:3]}
    totals["updatedReplicas"] = count(newest, "status", "replicas") if newest else 0
    wanted = sum(count(each, "spec", "replicas") for each in replica_sets)
    totals["unavailableReplicas"] = max(0, wanted - totals["availableReplicas"])
    status: JsonObject = {
        "observedGeneration": count(deployment, "metadata", "generation"),
        **{name: total for name, total in totals.items() if total},
    }
    if "collisionCount" in before:
        status["collisionCount"] = before["collisionCount"]
    available = _available(enough=totals["availableReplicas"] >= bounds.least_available)
    conditions = _set(before.get("conditions") or [], available, now)
    progressing, recheck = _progressing(deployment, newest, totals, bounds, now)
    if progressing is not None:
        conditions = _set(conditions, progressing, now)
    return DeploymentStatus({**status, "conditions": conditions}, recheck)


def _available(*, enough: bool) -> JsonObject:
    text = f"Deployment {'has' if enough else 'does not have'} minimum availability."
    reason = "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable"
    return {"type": "Available", "status": str(enough), "reason": reason, "message": text}


def _progressing(
    deployment: JsonObject, newest: JsonObject | None, totals: Mapping[str, int], bounds: RolloutLimits, now: float
) -> tuple[JsonObject | None, float | None]:
    """Return the Progressing condition to set, None to leave it as it is, and when to look again."""
    before = find_condition(field(deployment, "status", "conditions") or [], "Progressing") or {}
    if deployment["spec"].get("paused"):
        return _condition("Unknown", _PAUSED, "Deployment is paused"), None
    if newest is None:
        return None, None
    name = meta.name(newest)
    if not meta.uid(newest):
        return _condition("True", "NewReplicaSetCreated", f'Created new replica set "{name}"'), None
    if before.get("reason") == _DONE and totals["replicas"] == totals["updatedReplicas"]:
        return None, None  # what is scaled or lost after a rollout is no rollout
    if all(totals[each] == bounds.desired for each in ("replicas", "updatedReplicas", "availableReplicas")):
        return _condition("True", _DONE, f'ReplicaSet "{name}" has successfully progressed.'), None
    deadline = deployment["spec"].get("progressDeadlineSeconds")
    if _has_progressed(deployment, totals) or _begins_anew(before, deployment):
        return _condition("True", _UPDATED, f'ReplicaSet "{name}" is progressing.'), deadline
    if before.get("status") != "True" or deadline is None:
        return None, None
    left = parse_timestamp(before["lastUpdateTime"]) + deadline - now
    if left > 0:
        return None, left
    text = f'ReplicaSet "{name}" has timed out progressing.'
    return _condition("False", "ProgressDeadlineExceeded", text), None


def _has_progressed(deployment: JsonObject, totals: Mapping[str, int]) -> bool:
    """Whether more is new, less is old, or more is ready or available than the status says."""
    before = {name: count(deployment, "status", name) for name in _COUNTS}
    return (
        totals["updatedReplicas"] > before["updatedReplicas"]
        or totals["replicas"] - totals["updatedReplicas"] < before["replicas"] - before["updatedReplicas"]
        or totals["readyReplicas"] > before["readyReplicas"]
        or totals["availableReplicas"] > before["availableReplicas"]
    )


def _begins_anew(before: JsonObject, deployment: JsonObject) -> bool:
    """Whether a rollout is under way after one that was done, paused, or given up for another spec."""
    if not before or before.get("reason") in {_DONE, _PAUSED}:
        return True
    changed = count(deployment, "status", "observedGeneration") < count(deployment, "metadata", "generation")
    return before.get("status") == "False" and changed


def _condition(status: str, reason: str, message: str) -> JsonObject:
    return {"type": "Progressing", "status": status, "reason": reason, "message": message}


def _set(conditions: Sequence[JsonObject], condition: JsonObject, now: float) -> list[JsonObject]:
    """Set a condition; its update time moves when anything about it does, and with every progress."""
    before = find_condition(conditions, condition["type"])
    same = before is not None and all(before.get(key) == value for key, value in condition.items())
    if same and condition["reason"] != _UPDATED:
        return list(conditions)
    when = timestamp(now)
    return with_condition(conditions, {**condition, "lastUpdateTime": when}, when)
