"""No write takes more replicas away than the policy allows, by whichever route it comes.

Judged are effective replicas, old against new: over PUT, every patch type, /scale, a server-side apply that gives the
field up, and for custom kinds through their scale path. What a workload may lose is decided by `step_refusal`, a plain
function of two numbers. Reads go through the lookup only; nothing here knows HTTP.
"""

from __future__ import annotations

from typing import Final

from admission.attributes import Attributes
from admission.config import ScaleDownPolicy
from admission.lookup import ObjectLookup
from admission.plugin import Verdict
from admission.replica_change import Effect, apply_leaves_alone, replica_change, touches_spec
from admission.replicas import (
    SCALE_DEFAULT,
    SPEC_REPLICAS,
    WORKLOAD_DEFAULT,
    WORKLOADS,
    ReplicasPath,
    ReplicasUnreadable,
    effective_replicas,
    has_replicas,
    may_have_replicas,
    parse_scale_path,
    replica_number,
)
from gateway.apimachinery import meta
from gateway.apimachinery.patch.patch import APPLY_PATCH

ALLOW_ANNOTATION = "fleetgate.io/allow-scale-down"
"""Set to "true" on the live object it lifts the rule. The write that scales cannot set it for itself: two writes are
two decisions, and both stand in the audit log."""

REPLICAS_AUDIT_KEY = "audit.fleetgate.io/replicas"

FLOOR_RULE = "ScaleDownFloor"
STEP_RULE = "ScaleDownStep"
UNREADABLE_RULE = "ReplicasUnreadable"


def step_refusal(old: int, new: int, policy: ScaleDownPolicy) -> tuple[str, str] | None:
    """Return the rule that refuses to go from `old` to `new` replicas, and why; None when that is allowed."""
    if new >= old:
        return None
    if new < policy.floor:
        allowed = "is not scaled to zero" if policy.floor == 1 else f"keeps at least {policy.floor} replicas"
        return FLOOR_RULE, f"scaling from {old} to {new} replicas is refused: a workload {allowed}"
    taken = old - new
    if policy.max_step is not None and taken > policy.max_step:
        limit = f"one step takes away at most {policy.max_step} replicas"
        return STEP_RULE, f"scaling from {old} to {new} replicas is refused: {limit}"
    if old >= policy.percent_from and taken * 100 > old * policy.max_step_percent:
        limit = f"one step takes away at most {policy.max_step_percent}% of {policy.percent_from} or more replicas"
        return STEP_RULE, f"scaling from {old} to {new} replicas is refused: {limit}"
    return None


class ScaleDownProtection:
    """The plugin. Without state."""

    name: Final = "ScaleDownProtection"

    def __init__(self, policy: ScaleDownPolicy) -> None:
        self._policy = policy

    def handles(self, attributes: Attributes) -> bool:
        """Whether the write may lower a replica count."""
        if not self._policy.enabled or attributes.verb not in {"update", "patch"}:
            return False
        if attributes.subresource == "scale":
            return True
        resource = attributes.resource.group_resource
        if attributes.subresource or not may_have_replicas(resource):
            return False
        if resource in WORKLOADS:
            return replica_change(attributes, SPEC_REPLICAS).effect is not Effect.UNTOUCHED
        return touches_spec(attributes)

    async def validate(self, attributes: Attributes, lookup: ObjectLookup) -> Verdict:
        """Compare the live object with what the write makes of it."""
        old = await lookup.old()
        if old is None or meta.deletion_timestamp(old):
            return Verdict.allow()
        lifted = meta.annotations(old).get(ALLOW_ANNOTATION) == "true"
        path = await self._path(attributes, lookup)
        if not has_replicas(attributes.resource.group_resource, old, path):
            return Verdict.allow()
        try:
            before = effective_replicas(old, path or SPEC_REPLICAS)
            after = await self._replicas_after(attributes, lookup, old, path or SPEC_REPLICAS)
        except ReplicasUnreadable as error:
            if lifted:
                return Verdict.allow()
            return Verdict.deny(UNREADABLE_RULE, f"{error}; give a whole number")
        if after is None or after == before:
            return Verdict.allow()
        recorded = {REPLICAS_AUDIT_KEY: f"{before} -> {after}"}
        refusal = step_refusal(before, after, self._policy)
        if refusal is None or lifted:
            return Verdict.allow(annotations=recorded)
        rule, reason = refusal
        message = f'{reason}; to allow it, first set the annotation {ALLOW_ANNOTATION}: "true" on the object'
        return Verdict.deny(rule, message, annotations=recorded)

    async def _path(self, attributes: Attributes, lookup: ObjectLookup) -> ReplicasPath | None:
        if attributes.resource.group_resource in WORKLOADS:
            return SPEC_REPLICAS
        declared = await lookup.scale_path(attributes.resource)
        return parse_scale_path(declared) if declared else None

    async def _replicas_after(
        self, attributes: Attributes, lookup: ObjectLookup, old: meta.JsonObject, path: ReplicasPath
    ) -> int | None:
        """Return the effective replicas after the write, None when it leaves them alone."""
        scale = attributes.subresource == "scale"
        path = SPEC_REPLICAS if scale else path
        default = SCALE_DEFAULT if scale else WORKLOAD_DEFAULT
        change = replica_change(attributes, path)
        if change.effect is Effect.UNTOUCHED:
            return None
        builtin = attributes.resource.group_resource in WORKLOADS
        default_known = scale or builtin  # a custom resource definition may default to any number
        if change.effect is Effect.SET and (change.value is not None or default_known):
            number = replica_number(change.value)
            return default if number is None else number
        applied = attributes.patch_type == APPLY_PATCH and not scale
        if applied and builtin and apply_leaves_alone(old, attributes, path):
            return None
        return effective_replicas(await lookup.new(), path, default=default)
