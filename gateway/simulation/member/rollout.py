"""The numbers of a rolling update: how many replicas each ReplicaSet of a Deployment has next. Pure.

After k8s.io/kubernetes `pkg/controller/deployment` (rolling.go, recreate.go, util/deployment_util.go), without
proportional scaling: a Deployment that is scaled during a rollout reaches the same end by the rolling rules alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.apimachinery.meta import JsonObject, field


@dataclass(frozen=True, slots=True)
class RolloutLimits:
    """How many replicas may exist at most, and must be available at least, while a Deployment is updated."""

    desired: int
    max_surge: int
    max_unavailable: int

    @property
    def most(self) -> int:
        """Replicas that may exist."""
        return self.desired + self.max_surge

    @property
    def least_available(self) -> int:
        """Replicas that must stay available."""
        return max(0, self.desired - self.max_unavailable)


@dataclass(frozen=True, slots=True)
class Replicas:
    """One ReplicaSet in numbers: what it is told to have, what it has, and what of that is available."""

    name: str
    wanted: int
    existing: int = 0
    available: int = 0


def limits(deployment: JsonObject) -> RolloutLimits:
    """Read the limits of a Deployment; percentages of the surge round up, of what may be missing down."""
    desired = int(field(deployment, "spec", "replicas") or 0)
    if recreates(deployment):
        return RolloutLimits(desired, 0, 0)
    strategy = field(deployment, "spec", "strategy", "rollingUpdate") or {}
    surge = _resolve(strategy.get("maxSurge", "25%"), desired, up=True)
    unavailable = _resolve(strategy.get("maxUnavailable", "25%"), desired, up=False)
    if not surge and not unavailable:
        unavailable = 1
    return RolloutLimits(desired, surge, min(unavailable, desired))


def recreates(deployment: JsonObject) -> bool:
    """Whether all old Pods go before the first new one comes."""
    return bool(field(deployment, "spec", "strategy", "type") == "Recreate")


def _resolve(value: int | str, desired: int, *, up: bool) -> int:
    if isinstance(value, int):
        return value
    share = int(value.removesuffix("%")) * desired / 100
    return math.ceil(share) if up else math.floor(share)


def next_new_replicas(bounds: RolloutLimits, new: Replicas, old: Sequence[Replicas], *, recreate: bool) -> int:
    """Return how many replicas the newest ReplicaSet is to have next."""
    if recreate:
        return new.wanted if any(each.wanted or each.existing for each in old) else bounds.desired
    if new.wanted >= bounds.desired:
        return bounds.desired
    room = bounds.most - new.wanted - sum(each.wanted for each in old)
    return new.wanted + max(0, min(room, bounds.desired - new.wanted))


def next_old_replicas(
    bounds: RolloutLimits, new: Replicas | None, old: Sequence[Replicas], *, recreate: bool
) -> dict[str, int]:
    """Return the replicas of those older ReplicaSets that are to have fewer; `old` begins with the oldest.

    Replicas that are not available go first: they serve nobody.
    """
    if recreate:
        return {each.name: 0 for each in old if each.wanted}
    newest = new or Replicas("", 0)
    total = newest.wanted + sum(each.wanted for each in old)
    removable = total - bounds.least_available - (newest.wanted - newest.available)
    changed = {each.name: each.wanted for each in old}
    for each in old:
        taken = max(0, min(removable, each.wanted - each.available))
        changed[each.name] -= taken
        removable -= taken
    available = newest.available + sum(each.available for each in old)
    spare = available - bounds.least_available
    for each in old:
        taken = max(0, min(spare, changed[each.name]))
        changed[each.name] -= taken
        spare -= taken
    return {each.name: changed[each.name] for each in old if changed[each.name] != each.wanted}
