"""What the garbage collector of the embedded store could take along with some objects, found in its own index."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection

from admission.ownership import Content
from admission.protection_labels import CASCADING, KRUISE_LABEL
from gateway.apimachinery.meta import JsonObject
from gateway.storage.controllers.garbage_collector import GarbageCollector
from gateway.storage.definitions import ResourceDefinition
from gateway.storage.interface import StoredObject

_AT_ONCE = 200
"""Objects looked at before others get their turn: a few milliseconds."""


async def collectable(collector: GarbageCollector, namespace: str, owners: Collection[str]) -> list[Content]:
    """Return all that names one of the owners, what names that and so on, and the other owners of all these.

    Each has its kind and metadata; whole is what Cascading protects. With a namespace, that of the owners, only what is
    in it counts: elsewhere a reference to them means nothing.
    """
    found: dict[str, Content] = {}
    asked: set[str] = set()
    pending = list(owners)
    followed = set(pending)
    seen = 0
    while pending:
        seen += 1
        if seen % _AT_ONCE == 0:
            await asyncio.sleep(0)
        for definition, stored in collector.dependents(pending.pop()):
            uid = stored.metadata.uid
            if namespace and stored.key.namespace != namespace:
                continue
            if uid not in followed:
                followed.add(uid)
                pending.append(uid)
                found[uid] = (definition.group_resource, _shown(definition, stored))
                _add_owners(collector, stored, found, asked)
            seen += 1
            if seen % _AT_ONCE == 0:
                await asyncio.sleep(0)
    return list(found.values())


def _add_owners(collector: GarbageCollector, stored: StoredObject, found: dict[str, Content], asked: set[str]) -> None:
    for reference in stored.metadata.owner_references:
        question = json.dumps([stored.key.namespace, reference])
        if question in asked:
            continue
        asked.add(question)
        owner = collector.find_owner(stored.key.namespace, reference)
        if owner is not None and owner[1] is not None:
            found.setdefault(owner[1].metadata.uid, (owner[0].group_resource, _shown(owner[0], owner[1])))


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
