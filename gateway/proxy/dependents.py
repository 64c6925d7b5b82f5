"""What another API server's garbage collector could take along with an object: metadata, and no more than is needed.

Only what the collector itself can delete is listed: resources with the verbs `delete` and `list`, without Events, which
it ignores (`garbagecollector.DefaultIgnoredResources`).
"""

from __future__ import annotations

import asyncio

from admission.ownership import EVENTS, READ_METADATA, Content, dependent_kinds
from admission.protection_labels import CASCADING, KRUISE_LABEL
from admission.replicas import may_have_replicas
from gateway.apimachinery import meta
from gateway.apimachinery.errors import PathNotFound
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupResource
from gateway.clusters.upstream import Upstream
from gateway.proxy.custom_kinds import not_served, unshown_kinds
from gateway.proxy.inventory import AT_ONCE, Served, list_all, list_metadata, served_resources

_ACTIVE_KINDS = frozenset({GroupResource("", "pods"), GroupResource("", "persistentvolumeclaims")})


async def collectable(upstream: Upstream, resource: GroupResource, obj: JsonObject) -> list[Content]:
    """Return the objects among which the dependents of an object are, and theirs. Raises ApiError unless all are known.

    A namespaced object owns in its namespace, a cluster-scoped one everywhere.
    """
    kinds = dependent_kinds(resource, obj)
    if kinds is not None and not kinds:
        return []
    namespace = meta.namespace(obj)
    limit = asyncio.Semaphore(AT_ONCE)
    gone: set[GroupResource] = set()

    async def contents(one: Served) -> list[Content]:
        resource = one.resource.group_resource
        async with limit:
            try:
                objects = await _objects(upstream, one, namespace)
            except PathNotFound:
                gone.add(resource)  # since discovery: with its objects, or it is only served no more
                return []
        return [(resource, found) for found in objects]

    served = await served_resources(upstream)
    lists = await asyncio.gather(*(contents(one) for one in served if _is_collected(one, namespace, kinds)))
    if kinds is None:
        shown = {one.resource.group_resource for one in served} - gone
        gone.clear()
        for one in await unshown_kinds(upstream, shown, namespaced=bool(namespace)):
            lists.append(await contents(one))
            if gone:
                raise not_served(upstream, one.resource.group_resource)
    return [content for found in lists for content in found]


def _is_collected(served: Served, namespace: str, kinds: frozenset[GroupResource] | None) -> bool:
    resource = served.resource.group_resource
    if resource in EVENTS or not served.verbs >= {"delete", "list"}:
        return False
    if namespace and not served.namespaced:
        return False  # what has no namespace cannot be owned by what has one
    return kinds is None or resource in kinds


async def _objects(upstream: Upstream, served: Served, namespace: str) -> list[JsonObject]:
    """List a resource; whole are those for whose protection it counts whether they are active."""
    objects = await list_metadata(upstream, served, namespace, READ_METADATA)
    resource = served.resource.group_resource
    if resource not in _ACTIVE_KINDS and not may_have_replicas(resource):
        return objects
    if not any(meta.labels(obj).get(KRUISE_LABEL) == CASCADING for obj in objects):
        return objects
    selector = f"{KRUISE_LABEL}={CASCADING}"
    whole = {meta.uid(obj): obj for obj in await list_all(upstream, served.resource, namespace, labels=selector)}
    return [whole.get(meta.uid(obj), obj) for obj in objects]
