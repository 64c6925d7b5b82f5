"""A CustomResourceDefinition goes on serving a kind while objects of it are protected from deletion.

What is not served cannot be listed, so nobody could say any more what the deletion of the definition, of a namespace or
of an owner takes along. Judged is every write of the definition and of its status that unserves it.
"""

from __future__ import annotations

from typing import Final

from admission.attributes import Attributes
from admission.blockers import named, protected_content
from admission.config import DeleteProtectionConfig
from admission.definition_service import may_have_objects, resource_of, serves
from admission.lookup import ObjectLookup
from admission.ownership import DEFINITIONS
from admission.plugin import Verdict
from admission.plugins.delete_protection import CONTENT_UNKNOWN_RULE
from admission.replica_change import touches_spec
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject, deletion_timestamp

UNSERVED_RULE = "DefinitionUnservesProtectedObjects"


class DefinitionService:
    """The plugin. Without state."""

    name: Final = "DefinitionService"

    def __init__(self, config: DeleteProtectionConfig) -> None:
        self._config = config

    def handles(self, attributes: Attributes) -> bool:
        """Whether the write may change what a definition serves; its metadata and its deletion do not."""
        if not self._config.enabled or attributes.verb not in {"update", "patch"}:
            return False
        if attributes.resource.group_resource != DEFINITIONS:
            return False
        return attributes.subresource == "status" or (not attributes.subresource and touches_spec(attributes))

    async def validate(self, attributes: Attributes, lookup: ObjectLookup) -> Verdict:
        """Compare what is served before and after; objects are listed only where that is the last of them."""
        old = await lookup.old()
        if old is None or deletion_timestamp(old) or not may_have_objects(old):
            return Verdict.allow()
        new = await lookup.new()
        if not may_have_objects(new):
            message = "its status would say that it never had objects, which the server alone can know"
            return Verdict.deny(CONTENT_UNKNOWN_RULE, f"{message}; leave storedVersions, names and conditions to it")
        if not serves(old) or serves(new):
            return Verdict.allow()
        return await self._unserved(old, lookup)

    async def _unserved(self, old: JsonObject, lookup: ObjectLookup) -> Verdict:
        resource = resource_of(old)
        try:
            objects = await lookup.instances(resource.group, resource.resource)
        except ApiError as error:
            why = f"its custom resources could not be listed: {error.message}"
            return Verdict.deny(
                CONTENT_UNKNOWN_RULE, f"{why}; it is served on while it is unknown whether any is protected"
            )
        if blockers := protected_content((resource, obj) for obj in objects):
            message = f"{resource} would not be served any more, while objects of it are protected: {named(blockers)}"
            return Verdict.deny(UNSERVED_RULE, f"{message}; remove those labels first")
        return Verdict.allow()
