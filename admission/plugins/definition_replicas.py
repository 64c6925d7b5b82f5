"""A CustomResourceDefinition keeps the replica counts of its objects while they ask for replicas.

Dropping a scale path or a served version that has one, or a schema that prunes the number, scales every object down or
takes it from under the rules without a write to any of them. It is judged as if each were scaled to zero.
"""

from __future__ import annotations

from typing import Final

from admission.attributes import Attributes
from admission.blockers import Blocker, named
from admission.config import ScaleDownPolicy
from admission.definition_change import LostCount, lost_counts
from admission.lookup import ObjectLookup
from admission.plugin import Verdict
from admission.plugins.scale_down_protection import ALLOW_ANNOTATION, step_refusal
from admission.replica_change import touches_spec
from admission.replicas import ReplicasUnreadable
from gateway.apimachinery import meta
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.schema import GroupResource

LOST_RULE = "DefinitionLosesReplicas"
UNKNOWN_RULE = "ReplicasUnknown"

DEFINITIONS = GroupResource("apiextensions.k8s.io", "customresourcedefinitions")


class DefinitionReplicas:
    """The plugin. Without state."""

    name: Final = "DefinitionReplicas"

    def __init__(self, policy: ScaleDownPolicy) -> None:
        self._policy = policy

    def handles(self, attributes: Attributes) -> bool:
        """Whether the write may change what a definition says of its objects."""
        if not self._policy.enabled or attributes.verb not in {"update", "patch"} or attributes.subresource:
            return False
        return attributes.resource.group_resource == DEFINITIONS and touches_spec(attributes)

    async def validate(self, attributes: Attributes, lookup: ObjectLookup) -> Verdict:
        """Compare the definition with what the write makes of it; objects are read only where something is lost."""
        old = await lookup.old()
        if old is None or meta.deletion_timestamp(old) or _lifted(old):
            return Verdict.allow()
        lost = lost_counts(old, await lookup.new())
        group, plural = meta.field(old, "spec", "group"), meta.field(old, "spec", "names", "plural")
        resource = GroupResource(str(group), str(plural))
        for version in sorted({count.version for count in lost}):
            try:
                objects = await lookup.instances(resource.group, resource.resource, version)
            except ApiError as error:
                why = f"the replicas of its custom resources could not be read: {error.message}"
                return Verdict.deny(UNKNOWN_RULE, f"{why}; it is not changed while it is unknown what they lose")
            for count in (count for count in lost if count.version == version):
                if blockers := [blocker for obj in objects if (blocker := self._blocker(resource, obj, count))]:
                    reason = f"{count.how}, while objects ask for replicas there: {named(sorted(blockers))}"
                    lifting = f'set the annotation {ALLOW_ANNOTATION}: "true" on the definition'
                    return Verdict.deny(LOST_RULE, f"{reason}; to allow it, first {lifting}")
        return Verdict.allow()

    def _blocker(self, resource: GroupResource, obj: meta.JsonObject, count: LostCount) -> Blocker | None:
        """Return an object that would not be allowed to be scaled to zero."""
        if meta.deletion_timestamp(obj) or _lifted(obj):
            return None
        name = str(meta.key(obj))
        try:
            replicas = count.field.count(obj)
        except ReplicasUnreadable:
            return Blocker(str(resource), name, "not readable") if count.field.own else None
        if not replicas or step_refusal(replicas, 0, self._policy) is None:
            return None
        return Blocker(str(resource), name, f"{replicas} replicas")


def _lifted(obj: meta.JsonObject) -> bool:
    return meta.annotations(obj).get(ALLOW_ANNOTATION) == "true"
