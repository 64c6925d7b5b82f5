"""Writes of federated objects, with what the members hold in a namespace in view.

A namespace that is deleted in the federation takes the members' Pods along; the rules must see those as well.
Everything else is the federation store's own target.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence

import msgspec

from cache.merged_resource import MergedResource
from cache.watcher import Visible, everyone
from gateway.apimachinery import meta
from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.apimachinery.options import ListOptions
from gateway.apimachinery.schema import GroupResource
from gateway.apimachinery.turns import in_turns
from gateway.request_scope import RequestScope
from gateway.write_request import Precondition, WriteRequest, WriteResult, WriteTarget


class FederationWriteTarget:
    """The federation store's write port, whose namespaces hold the members' Pods too."""

    def __init__(self, store: WriteTarget, pods: MergedResource, visible: Callable[[], Awaitable[Visible]]) -> None:
        """Put the cached Pods beside a store; `visible` tells which members the caller may see."""
        self._store = store
        self._pods = pods
        self._visible = visible

    async def read(self, scope: RequestScope, key: ObjectKey) -> JsonObject | None:
        """Read at the store."""
        return await self._store.read(scope, key)

    async def list(
        self, scope: RequestScope, namespace: str, label_selector: str, field_selector: str
    ) -> Sequence[JsonObject]:
        """List at the store."""
        return await self._store.list(scope, namespace, label_selector, field_selector)

    async def preview(self, request: WriteRequest) -> JsonObject:
        """Ask the store."""
        return await self._store.preview(request)

    async def apply(self, request: WriteRequest, precondition: Precondition | None) -> WriteResult:
        """Write at the store."""
        return await self._store.apply(request, precondition)

    async def namespace_contents(self, namespace: str) -> Sequence[tuple[GroupResource, JsonObject]]:
        """Return what the store holds in a namespace, and the Pods that members run in it.

        Those of members that the caller does not see stand in the way too, but without their names. Raises ApiError,
        also when nobody can say which members there are, or which the caller sees.
        """
        visible = await self._visible()
        contents = list(await self._store.namespace_contents(namespace))
        resource = self._pods.served.gvr.group_resource
        seen = await self._pods.list(namespace, ListOptions(), visible=visible)
        contents += [(resource, msgspec.json.decode(self._pods.object(pod))) async for pod in in_turns(seen.items)]
        if visible is not everyone:
            pods = await self._pods.list(namespace, ListOptions())
            hidden = (self._pods.object(pod) for pod in pods.items if not visible(pod.cluster))
            contents += [(resource, _nameless(msgspec.json.decode(obj))) for obj in hidden]
        return contents

    async def collectable(
        self, scope: RequestScope, obj: JsonObject, owners: Collection[str]
    ) -> Sequence[tuple[GroupResource, JsonObject]]:
        """List at the store: its garbage collector knows nothing of members."""
        return await self._store.collectable(scope, obj, owners)

    async def instances(self, group: str, resource: str, version: str = "") -> Sequence[JsonObject]:
        """List a custom resource at the store."""
        return await self._store.instances(group, resource, version)

    async def definition(self, resource: GroupResource) -> JsonObject | None:
        """Ask the store."""
        return await self._store.definition(resource)


def _nameless(obj: JsonObject) -> JsonObject:
    metadata = {name: value for name, value in meta.metadata(obj).items() if name != "name"}
    return {**obj, "metadata": metadata}
