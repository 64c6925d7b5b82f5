"""An object that a label protects is not deleted, nor taken along by the deletion of what holds it.

Judged are DELETE, every object of a deletecollection, eviction, the namespace with its content and the custom resource
definition with its objects. What is already terminating passes. It reads through the lookup only.
"""

from __future__ import annotations

from typing import Final

from admission.attributes import Attributes
from admission.blockers import active_content, is_active, named, protected_content
from admission.config import DeleteProtectionConfig
from admission.lookup import ObjectLookup
from admission.plugin import Verdict
from admission.protection_labels import KNOWN_VALUES, Protection, protections, unknown_value_warnings
from admission.replica_fields import replica_fields, runs
from admission.replicas import SPEC_REPLICAS, WORKLOADS, may_have_replicas
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject, deletion_timestamp, field, labels
from gateway.apimachinery.patch.patch import JSON_PATCH
from gateway.apimachinery.schema import GroupResource, GroupVersionResource

PROTECTED_RULE = "DeletionProtected"
NAMESPACE_RULE = "NamespaceHasProtectedContent"
DEFINITION_RULE = "DefinitionHasProtectedObjects"
CONTENT_UNKNOWN_RULE = "ContentUnknown"

NAMESPACES = GroupResource("", "namespaces")
DEFINITIONS = GroupResource("apiextensions.k8s.io", "customresourcedefinitions")


class DeleteProtection:
    """The plugin. Without state."""

    name: Final = "DeleteProtection"

    def __init__(self, config: DeleteProtectionConfig) -> None:
        self._config = config

    def handles(self, attributes: Attributes) -> bool:
        """Whether something may be deleted, or labelled with a protection that does not protect."""
        if not self._config.enabled:
            return False
        return deletes(attributes) or bool(unknown_value_warnings(_labels_set(attributes)))

    async def validate(self, attributes: Attributes, lookup: ObjectLookup) -> Verdict:
        """Judge one deletion; other writes are only warned about."""
        if not deletes(attributes):
            return Verdict.allow(warnings=tuple(unknown_value_warnings(_labels_set(attributes))))
        obj = await lookup.old()
        if obj is None or deletion_timestamp(obj):
            return Verdict.allow()
        resource = attributes.resource.group_resource
        always = [protection for protection in protections(obj) if not protection.cascading]
        if always:
            return Verdict.deny(PROTECTED_RULE, always[0].lifting)
        if resource == NAMESPACES:
            verdict = await self._namespace(attributes.name, obj, lookup)
        elif resource == DEFINITIONS:
            verdict = await self._definition(obj, lookup)
        else:
            verdict = await self._workload(attributes, obj, lookup)
        if not verdict.allowed:
            return verdict
        return Verdict.allow(warnings=tuple(unknown_value_warnings(labels(obj))))

    async def _namespace(self, namespace: str, obj: JsonObject, lookup: ObjectLookup) -> Verdict:
        try:
            contents = await lookup.namespace_contents(namespace)
        except ApiError as error:
            return content_unknown(f"the content of the namespace could not be listed: {error.message}")
        if blockers := protected_content(contents):
            message = f"its deletion would take protected objects along: {named(blockers)}; remove those labels first"
            return Verdict.deny(NAMESPACE_RULE, message)
        for protection in protections(obj):
            if blockers := active_content(contents):
                return _cascading(protection, f"it still has active content: {named(blockers)}")
        return Verdict.allow()

    async def _definition(self, obj: JsonObject, lookup: ObjectLookup) -> Verdict:
        group, plural = field(obj, "spec", "group"), field(obj, "spec", "names", "plural")
        resource = GroupResource(str(group), str(plural))
        try:
            contents = [(resource, instance) for instance in await lookup.instances(resource.group, resource.resource)]
        except ApiError as error:
            return content_unknown(f"its custom resources could not be listed: {error.message}")
        if blockers := protected_content(contents):
            message = f"its deletion would take protected objects along: {named(blockers)}; remove those labels first"
            return Verdict.deny(DEFINITION_RULE, message)
        for protection in protections(obj):
            if contents:
                return _cascading(protection, f"{len(contents)} custom resources still exist")
        return Verdict.allow()

    async def _workload(self, attributes: Attributes, obj: JsonObject, lookup: ObjectLookup) -> Verdict:
        """Cascading: refused while it has replicas, or as a Pod or claim while it is in use."""
        for protection in protections(obj):
            if await is_active_here(attributes.resource, obj, lookup):
                replicas = field(obj, *SPEC_REPLICAS)
                return _cascading(protection, f"it still has {replicas} replicas" if replicas else "it is still active")
        return Verdict.allow()


async def is_active_here(resource: GroupVersionResource, obj: JsonObject, lookup: ObjectLookup) -> bool:
    """Whether the object runs or holds data; a custom kind is read where its scale paths say. Raises ApiError."""
    group_resource = resource.group_resource
    if is_active(group_resource, obj):
        return True
    if group_resource in WORKLOADS or not may_have_replicas(group_resource):
        return False
    definition = await lookup.definition(group_resource)
    return runs(obj, replica_fields(resource, definition, obj))


def deletes(attributes: Attributes) -> bool:
    """Whether the write is the deletion of one object, by whichever name."""
    if attributes.verb == "delete":
        return not attributes.subresource
    return attributes.verb == "create" and attributes.subresource == "eviction"


def _cascading(protection: Protection, why: str) -> Verdict:
    return Verdict.deny(PROTECTED_RULE, f"{why} ({protection.label}={protection.value}). {protection.lifting}")


def content_unknown(why: str) -> Verdict:
    """Refuse a deletion of which it is not known what goes with it."""
    return Verdict.deny(CONTENT_UNKNOWN_RULE, f"{why}; nothing is deleted while it is unknown what would go along")


def _labels_set(attributes: Attributes) -> dict[str, object]:
    """Return the protecting labels that the write gives a value, as far as it says so itself: enough for a warning."""
    if attributes.patch_type == JSON_PATCH and isinstance(attributes.patch, list):
        paths = {f"/metadata/labels/{key.replace('/', '~1')}": key for key in KNOWN_VALUES}
        return {
            paths[operation["path"]]: operation.get("value")
            for operation in attributes.patch
            if isinstance(operation, dict) and operation.get("path") in paths
        }
    written = attributes.patch if isinstance(attributes.patch, dict) else attributes.obj
    return dict(labels(written)) if written else {}
