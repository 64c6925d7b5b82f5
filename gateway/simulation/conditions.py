"""Conditions of a status as values: one entry a type, a transition time that moves only with its status. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.apimachinery.meta import JsonObject


def find_condition(conditions: Iterable[JsonObject], kind: str) -> JsonObject | None:
    """Return the condition of a type, None when there is none."""
    return next((entry for entry in conditions if entry.get("type") == kind), None)


def with_condition(conditions: Sequence[JsonObject], condition: JsonObject, now: str) -> list[JsonObject]:
    """Return the conditions with one of them set, in the order they had."""
    before = find_condition(conditions, condition["type"])
    same = before is not None and before.get("status") == condition["status"]
    since = before.get("lastTransitionTime") if same and before is not None else now
    entry = {**condition, "lastTransitionTime": since}
    if before is None:
        return [*conditions, entry]
    return [entry if one is before else one for one in conditions]
