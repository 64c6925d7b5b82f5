"""Listing and watching one resource of the embedded store, for the cross-cluster cache.

Implements the cache's port (cache/lister_watcher.py) without HTTP: Events recorded in the federation store join the
members' in the merged view this way.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator

from cache.lister_watcher import Expired, NotServed, Unavailable
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.options import ListOptions
from gateway.apimachinery.schema import GroupVersionResource
from gateway.storage.definitions import ResourceDefinition
from gateway.storage.interface import StoredEvent
from gateway.storage.registry import Registry

_BOOKMARK_PERIOD = 30.0


class EmbeddedListerWatcher:
    """One resource of an embedded store, all namespaces."""

    def __init__(self, registry: Registry, resource: GroupVersionResource) -> None:
        """Bind a registry to one of its resources."""
        self._registry = registry
        self._resource = resource

    def _definition(self) -> ResourceDefinition:
        definition = self._registry.find(self._resource)
        if definition is None:
            raise NotServed(f"the store has no {self._resource.resource}")
        return definition

    async def list(self, *, limit: int, continue_token: str) -> bytes:
        """Return one page. Raises ListWatchError."""
        definition = self._definition()
        try:
            page = await self._registry.list(definition, "", ListOptions(limit=limit, continue_token=continue_token))
        except ApiError as error:
            raise _refusal(error) from error
        metadata = {"resourceVersion": page.resource_version, "continue": page.continue_token}
        head = {"kind": definition.list_kind, "apiVersion": definition.gvk.api_version, "metadata": metadata}
        items = b",".join(definition.item_bytes(stored) for stored in page.items)
        return json.dumps(head).encode()[:-1] + b',"items":[' + items + b"]}"

    async def watch(self, *, resource_version: str, timeout_seconds: int) -> AsyncGenerator[bytes, None]:
        """Yield `b""` once the watch has begun, then JSON lines. Raises ListWatchError."""
        definition = self._definition()
        options = ListOptions(watch=True, resource_version=resource_version, allow_watch_bookmarks=True)
        try:
            watch = await self._registry.watch(definition, "", options)
        except ApiError as error:
            raise _refusal(error) from error
        end = asyncio.get_running_loop().time() + timeout_seconds
        try:
            yield b""
            while (left := end - asyncio.get_running_loop().time()) > 0:
                try:
                    async with asyncio.timeout(min(left, _BOOKMARK_PERIOD)):
                        batch = await watch.next_batch()
                except TimeoutError:
                    yield _bookmark(definition, watch.bookmark_revision())
                    continue
                if not batch:
                    return
                yield b"".join(_line(definition, event) for event in batch if event.object is not None)
        finally:
            watch.close()


def _line(definition: ResourceDefinition, event: StoredEvent) -> bytes:
    body = definition.object_bytes(event.object) if event.object is not None else b"null"
    return b'{"type":"%s","object":%s}\n' % (event.type.encode(), body)


def _bookmark(definition: ResourceDefinition, revision: int) -> bytes:
    obj = {
        "kind": definition.kind,
        "apiVersion": definition.gvk.api_version,
        "metadata": {"resourceVersion": str(revision)},
    }
    return json.dumps({"type": "BOOKMARK", "object": obj}).encode() + b"\n"


def _refusal(error: ApiError) -> Expired | Unavailable:
    return Expired(error.message) if error.code == 410 else Unavailable(error.message)
