"""No write takes more replicas away than the policy allows, by whichever route it comes.

Judged are effective replicas, old against new: over PUT, every patch type, /scale, a server-side apply that gives the
field up, and for custom kinds at the scale path of every served version. What a workload may lose is decided by
`step_refusal`, a plain function of two numbers. Reads go through the lookup only; nothing here knows HTTP.
"""

from __future__ import annotations

from typing import Final

from admission.attributes import Attributes
from admission.config import ScaleDownPolicy
from admission.lookup import ObjectLookup
from admission.plugin import Verdict
from admission.replica_change import Effect, apply_leaves_alone, replica_change, touches_spec
from admission.replica_fields import fields_dropped, replica_fields
from admission.replicas import (
    SCALE_DEFAULT,
    SPEC_REPLICAS,
    WORKLOAD_DEFAULT,
    WORKLOADS,
    ReplicasPath,
    ReplicasUnreadable,
    effective_replicas,
    may_have_replicas,
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
DROPPED_RULE = "ReplicasDropped"


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
        definition = await self._definition(attributes, lookup)
        try:
            changes = await self._changes(attributes, lookup, old, definition)
            refusal = await self._dropping(attributes, lookup, definition)
        except ReplicasUnreadable as error:
            changes, refusal = [], (UNREADABLE_RULE, f"{error}; give a whole number")
        recorded = (
            {REPLICAS_AUDIT_KEY: ", ".join(f"{before} -> {after}" for before, after in changes)} if changes else {}
        )
        refusals = [step_refusal(before, after, self._policy) for before, after in changes]
        refusal = next((found for found in refusals if found is not None), refusal)
        if refusal is None or meta.annotations(old).get(ALLOW_ANNOTATION) == "true":
            return Verdict.allow(annotations=recorded)
        rule, reason = refusal
        if rule == UNREADABLE_RULE:
            return Verdict.deny(rule, reason)
        message = f'{reason}; to allow it, first set the annotation {ALLOW_ANNOTATION}: "true" on the object'
        return Verdict.deny(rule, message, annotations=recorded)

    async def _definition(self, attributes: Attributes, lookup: ObjectLookup) -> meta.JsonObject | None:
        resource = attributes.resource.group_resource
        return None if resource in WORKLOADS else await lookup.definition(resource)

    async def _changes(
        self, attributes: Attributes, lookup: ObjectLookup, old: meta.JsonObject, definition: meta.JsonObject | None
    ) -> list[tuple[int, int]]:
        """Return each replica count that the write changes, before and after. Raises ReplicasUnreadable."""
        fields = replica_fields(attributes.resource, definition, old)
        if attributes.subresource == "scale":
            fields = fields[:1]  # the other counts are not in a Scale
        changes = []
        for field in fields:
            before = field.count(old)
            after = await self._replicas_after(attributes, lookup, old, field.path)
            if before is not None and after is not None and after != before:
                changes.append((before, after))
        return changes

    async def _dropping(
        self, attributes: Attributes, lookup: ObjectLookup, definition: meta.JsonObject | None
    ) -> tuple[str, str] | None:
        """Refuse to write through a version whose schema prunes the replica count of another one."""
        for version, field in fields_dropped(attributes.resource, definition).items():
            stored = await lookup.old_at(version)
            count = field.count(stored) if stored is not None else None
            if count and step_refusal(count, 0, self._policy) is not None:
                through = f"writing it as {attributes.resource.version} drops {field}, by which {version} asks for"
                return DROPPED_RULE, f"{through} {count} replicas: write it as {version}"
        return None

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
