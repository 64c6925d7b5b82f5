"""The status of a federated Deployment, made of those of its members. Pure.

Written so that `kubectl rollout status` ends when, and only when, every member has finished.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.apimachinery import meta
from gateway.apimachinery.meta import JsonObject, field
from gateway.simulation.conditions import find_condition, with_condition
from gateway.simulation.propagation.division import GENERATION_ANNOTATION
from gateway.storage.object_meta import timestamp

_COUNTS = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas")
_DONE = "NewReplicaSetAvailable"


def aggregated_status(deployment: JsonObject, parts: Mapping[str, JsonObject | None], now: float) -> JsonObject:
    """Return the status of a Deployment; `parts` is what each member has of it, None for nothing yet."""
    before = deployment.get("status") or {}
    present = {name: part for name, part in parts.items() if part is not None}
    generation = deployment["metadata"].get("generation") or 0
    observed = before.get("observedGeneration") or 0
    if len(present) == len(parts) and all(_follows(part, generation) for part in present.values()):
        observed = generation
    totals = {name: sum(int(field(part, "status", name) or 0) for part in present.values()) for name in _COUNTS}
    conditions = before.get("conditions") or []
    for condition in (_available(present, complete=len(present) == len(parts)), _progressing(present)):
        if condition is not None:
            conditions = _set(conditions, condition, now)
    counted = {name: number for name, number in {"observedGeneration": observed, **totals}.items() if number}
    return {**counted, **({"conditions": conditions} if conditions else {})}


def _follows(part: JsonObject, generation: int) -> bool:
    """Whether a member has the present generation of the federated object, and its controller has seen that."""
    observed = field(part, "status", "observedGeneration") or 0
    made_from = meta.annotations(part).get(GENERATION_ANNOTATION)
    return made_from == str(generation) and observed >= (part["metadata"].get("generation") or 0)


def _conditions(parts: Mapping[str, JsonObject], kind: str) -> dict[str, JsonObject]:
    found = {name: find_condition(field(part, "status", "conditions") or [], kind) for name, part in parts.items()}
    return {name: condition for name, condition in found.items() if condition is not None}


def _available(parts: Mapping[str, JsonObject], *, complete: bool) -> JsonObject | None:
    conditions = _conditions(parts, "Available")
    if not conditions:
        return None
    lacking = {name: each for name, each in conditions.items() if each.get("status") != "True"}
    if lacking or not complete or len(conditions) < len(parts):
        return _condition("Available", "False", "MinimumReplicasUnavailable", lacking)
    return _condition("Available", "True", "MinimumReplicasAvailable", conditions)


def _progressing(parts: Mapping[str, JsonObject]) -> JsonObject | None:
    """Return the worst of the members' conditions: failed, then paused, then under way, then done."""
    conditions = _conditions(parts, "Progressing")
    for status in ("False", "Unknown", "True"):
        chosen = {
            name: each
            for name, each in conditions.items()
            if each.get("status") == status and (status != "True" or each.get("reason") != _DONE)
        }
        if chosen:
            reason = str(next(iter(chosen.values())).get("reason") or "")
            return _condition("Progressing", status, reason, chosen)
    return _condition("Progressing", "True", _DONE, conditions) if conditions else None


def _condition(kind: str, status: str, reason: str, members: Mapping[str, JsonObject]) -> JsonObject:
    text = " ".join(f"{name}: {each.get('message', '')}" for name, each in members.items())
    return {"type": kind, "status": status, "reason": reason, "message": text}


def _set(conditions: Sequence[JsonObject], condition: JsonObject, now: float) -> list[JsonObject]:
    """Set a condition; its update time moves when anything about it does."""
    before = find_condition(conditions, condition["type"])
    if before is not None and all(before.get(key) == value for key, value in condition.items()):
        return list(conditions)
    return with_condition(conditions, {**condition, "lastUpdateTime": timestamp(now)}, timestamp(now))
