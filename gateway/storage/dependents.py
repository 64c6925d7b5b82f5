"""What the garbage collector of the embedded store could take along with an object, without reading objects whole."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from admission.ownership import EVENTS, Content
from admission.protection_labels import CASCADING, KRUISE_LABEL
from gateway.apimachinery.meta import JsonObject
from gateway.storage.definitions import ResourceDefinition
from gateway.storage.interface import Storage, StoredObject

_AT_ONCE = 1000
"""Objects looked at before others get their turn: two milliseconds when none was read before."""


async def collectable(storage: Storage, resources: Sequence[ResourceDefinition], namespace: str) -> list[Content]:
    """Return what is in a namespace, "" for everything: kind and metadata, whole what Cascading protects.

    Events are left out: nothing owns them, and there are many.
    """
    found: list[Content] = []
    seen = 0
    for definition in resources:
        if definition.group_resource in EVENTS or (namespace and not definition.namespaced):
            continue
        for stored in storage.list(definition.storage_key, namespace):
            found.append((definition.group_resource, _shown(definition, stored)))
            seen += 1
            if seen % _AT_ONCE == 0:
                await asyncio.sleep(0)
    return found


def _shown(definition: ResourceDefinition, stored: StoredObject) -> JsonObject:
    metadata = stored.metadata
    if metadata.labels.get(KRUISE_LABEL) == CASCADING:
        return definition.object(stored)
    shown = {
        "name": stored.key.name,
        "namespace": stored.key.namespace,
        "uid": metadata.uid,
        "labels": metadata.labels,
        "ownerReferences": metadata.owner_references,
        "deletionTimestamp": metadata.deletion_timestamp,
    }
    return {"kind": definition.kind, "metadata": shown}
