"""The garbage collector takes nothing that a label protects: neither by its owners being changed nor by their deletion.

An object whose owners are gone is deleted by nobody's request. So, while it is protected, nobody gives it owners; and
what owns it is deleted only if that leaves it behind (`--cascade=orphan`).
"""

from __future__ import annotations

from typing import Final

from admission.attributes import Attributes
from admission.blockers import named, protected_content
from admission.config import DeleteProtectionConfig
from admission.lookup import ObjectLookup
from admission.ownership import DEFINITIONS, may_lose_its_owners, orphans_dependents, waits_to_orphan
from admission.plugin import Verdict
from admission.plugins.delete_protection import NAMESPACES, content_unknown, deletes, is_active_here
from admission.protection_labels import Protection, protections
from admission.replica_change import Effect, apply_leaves_alone, replica_change
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject, deletion_timestamp, field, metadata, uid
from gateway.apimachinery.patch.patch import APPLY_PATCH

CHANGED_RULE = "OwnerReferencesOfProtectedObject"
DEPENDENTS_RULE = "OwnerOfProtectedObjects"

_FIELD = ("metadata", "ownerReferences")


class OwnerProtection:
    """The plugin. Without state."""

    name: Final = "OwnerProtection"

    def __init__(self, config: DeleteProtectionConfig) -> None:
        self._config = config

    def handles(self, attributes: Attributes) -> bool:
        """Whether something is deleted, or may get other owners."""
        return self._config.enabled and (deletes(attributes) or _may_give_owners(attributes))

    async def validate(self, attributes: Attributes, lookup: ObjectLookup) -> Verdict:
        """Judge a deletion by what goes along, another write by the owners it leaves."""
        old = await lookup.old()
        if old is None:
            return Verdict.allow()
        if deletes(attributes):
            return await self._deletion(attributes, old, lookup)
        return await self._change(attributes, old, lookup)

    async def _deletion(self, attributes: Attributes, old: JsonObject, lookup: ObjectLookup) -> Verdict:
        if deletion_timestamp(old) and not waits_to_orphan(old):
            return Verdict.allow()
        if orphans_dependents(attributes, old):
            return Verdict.allow()
        owners = {uid(old)}
        definition = attributes.resource.group_resource == DEFINITIONS
        try:
            if definition:
                group, plural = str(field(old, "spec", "group")), str(field(old, "spec", "names", "plural"))
                owners |= {uid(instance) for instance in await lookup.instances(group, plural)}
            blockers = protected_content(await lookup.taken_along(owners - {""}))
        except ApiError as error:
            return content_unknown(f"the objects it owns could not be listed: {error.message}")
        if not blockers:
            return Verdict.allow()
        message = f"its deletion would take protected objects along that it owns: {named(blockers)}"
        orphan = "" if definition else ", or leave them behind (--cascade=orphan)"
        return Verdict.deny(DEPENDENTS_RULE, f"{message}; remove those labels first{orphan}")

    async def _change(self, attributes: Attributes, old: JsonObject, lookup: ObjectLookup) -> Verdict:
        if deletion_timestamp(old) or not protections(old):
            return Verdict.allow()
        if attributes.patch_type == APPLY_PATCH and apply_leaves_alone(old, attributes, _FIELD):
            return Verdict.allow()
        protection = await _standing(attributes, old, lookup)
        if protection is None:
            return Verdict.allow()
        new = (attributes.obj or {}) if attributes.verb == "update" else await lookup.new()
        if not may_lose_its_owners(old, new):
            return Verdict.allow()
        message = "its ownerReferences may not be changed, because the garbage collector could delete it then"
        return Verdict.deny(CHANGED_RULE, f"{message}. {protection.lifting}")


def _may_give_owners(attributes: Attributes) -> bool:
    """Whether a write may leave an object with other owners; taking all of them away is harmless."""
    if attributes.subresource == "scale":
        return False
    if attributes.verb == "update":
        return bool(metadata(attributes.obj or {}).get("ownerReferences"))
    if attributes.verb != "patch":
        return False
    change = replica_change(attributes, _FIELD)
    if attributes.patch_type == APPLY_PATCH:
        return True  # what it leaves out, it may give up: the managed fields tell
    return change.effect is not Effect.UNTOUCHED and not (change.effect is Effect.SET and change.value is None)


async def _standing(attributes: Attributes, obj: JsonObject, lookup: ObjectLookup) -> Protection | None:
    """Return the label that protects the object now; namespaces and definitions always count as being in use."""
    for protection in protections(obj):
        if not protection.cascading or attributes.resource.group_resource in {NAMESPACES, DEFINITIONS}:
            return protection
        if await is_active_here(attributes.resource, obj, lookup):
            return protection
    return None
