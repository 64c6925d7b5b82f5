"""Members declared by Cluster objects in a store: follows these, and writes their status where that is ours to do.

What follows from the declarations is the registry's. An outage of the store changes nothing: what was read last holds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping

from gateway.apimachinery import meta
from gateway.apimachinery.errors import ApiError, PathNotFound
from gateway.apimachinery.meta import JsonObject
from gateway.clusters.health import ClusterHealth
from gateway.clusters.members import Declaration, declare_cluster
from gateway.clusters.source import ClustersNotServed, ClusterSource, SourceLost
from gateway.clusters.status import updated_cluster

_RETRY_FIRST = 1.0
_RETRY_LIMIT = 30.0
_NOT_SERVED_INTERVAL = 10.0
"""Seconds between looks at a store that has no Cluster objects, or shows us none."""

_log = logging.getLogger(__name__)


class StoredMembers:
    """The Cluster objects as they were read last.

    Args:
        source: where they are kept.
        secret_namespaces: where the Secrets that they name may stand; others are never read.
        optional: whether there may be members without them, so that no right to read them is as good as none of them.
        jitter: a number in [0, 1), to spread retries.
    """

    def __init__(
        self,
        source: ClusterSource,
        *,
        secret_namespaces: Collection[str],
        optional: bool,
        jitter: Callable[[], float],
    ) -> None:
        self._source = source
        self._secret_namespaces = frozenset(secret_namespaces)
        self._optional = optional
        self._jitter = jitter
        self._objects: dict[str, JsonObject] = {}
        self.declarations: Mapping[str, Declaration] = {}
        self.unread = "the federation store has not answered yet"
        """Why nothing is known, until something is."""

    async def follow(self, changed: Callable[[], Awaitable[None]]) -> None:
        """Keep `declarations` as they are in the store until cancelled, and await `changed` whenever they were read."""
        delay = _RETRY_FIRST
        while True:
            try:
                items, resource_version = await self._source.list_clusters()
                self._objects = {meta.name(item): item for item in items}
                await self._declare(changed)
                delay = _RETRY_FIRST
                async for kind, obj in self._source.watch_clusters(resource_version):
                    self._observe(kind, obj)
                    await self._declare(changed)
            except ClustersNotServed:
                self._objects = {}
                await self._declare(changed)
                await self._pause(_NOT_SERVED_INTERVAL)
            except SourceLost:
                await self._pause(_RETRY_FIRST)
            except ApiError as error:
                if error.code == 403 and self._optional:  # the gateway was given no right to look for members here
                    await self._declare(changed)
                    await self._pause(_NOT_SERVED_INTERVAL)
                    continue
                self.unread = error.message
                _log.warning("Cluster objects cannot be read, keeping the members known: %s", error.message)
                await self._pause(delay)
                delay = min(delay * 2, _RETRY_LIMIT)

    def _observe(self, kind: str, obj: JsonObject) -> None:
        if kind == "DELETED":
            self._objects.pop(meta.name(obj), None)
        elif kind in {"ADDED", "MODIFIED"}:
            self._objects[meta.name(obj)] = obj

    async def _declare(self, changed: Callable[[], Awaitable[None]]) -> None:
        declarations = [
            declare_cluster(obj, self._secret_namespaces)
            for obj in self._objects.values()
            if not meta.deletion_timestamp(obj)
        ]
        self.declarations = {declaration.name: declaration for declaration in declarations}
        await changed()

    async def report(self, name: str, health: ClusterHealth) -> None:
        """Write a Cluster object's status, where there is one and no Karmada controller does."""
        obj = self._objects.get(name)
        changed = updated_cluster(obj, health) if obj is not None else None
        if changed is None:
            return
        try:
            if await self._source.owns_status():
                await self._source.write_status(changed)
        except (ApiError, PathNotFound) as error:
            _log.info("the status of Cluster %r was not written: %s", name, error)

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds * (0.8 + 0.4 * self._jitter()))
