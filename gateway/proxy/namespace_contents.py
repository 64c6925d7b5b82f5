"""What a namespace of another API server holds, of every kind: read with the gateway's own right, always live."""

from __future__ import annotations

import asyncio

from gateway.apimachinery.errors import PathNotFound
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupResource
from gateway.clusters.upstream import Upstream
from gateway.proxy.custom_kinds import not_served, unshown_kinds
from gateway.proxy.inventory import AT_ONCE, Served, list_all, served_resources


async def namespace_contents(upstream: Upstream, namespace: str) -> list[tuple[GroupResource, JsonObject]]:
    """Return every object of every resource in a namespace. Raises ApiError unless all could be listed.

    That includes the objects of custom kinds that are not served: where there may be any, the whole is not known.
    """
    limit = asyncio.Semaphore(AT_ONCE)
    gone: set[GroupResource] = set()

    async def contents(one: Served) -> list[tuple[GroupResource, JsonObject]]:
        resource = one.resource.group_resource
        async with limit:
            try:
                objects = await list_all(upstream, one.resource, namespace)
            except PathNotFound:
                gone.add(resource)  # since discovery: with its objects, or it is only served no more
                return []
        return [(resource, obj) for obj in objects]

    served = await served_resources(upstream)
    lists = await asyncio.gather(*(contents(one) for one in served if one.namespaced and one.listable))
    shown = {one.resource.group_resource for one in served} - gone
    gone.clear()
    for one in await unshown_kinds(upstream, shown, namespaced=True):
        lists.append(await contents(one))
        if gone:
            raise not_served(upstream, one.resource.group_resource)
    return [entry for entries in lists for entry in entries]
