"""The embedded store as a source of Cluster objects and their Secrets (the port is in source.py)."""

from __future__ import annotations

from collections.abc import AsyncIterator

from gateway.apimachinery import meta
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.apimachinery.options import ListOptions
from gateway.apimachinery.schema import GroupVersionResource
from gateway.clusters.cluster import CLUSTERS, SecretReference
from gateway.clusters.source import ClustersNotServed
from gateway.storage.registry import Registry
from gateway.storage.write_context import WriteContext

_SECRETS = GroupVersionResource("", "v1", "secrets")
_FIELD_MANAGER = "fleetgate"


class EmbeddedClusterSource:
    """The embedded store in this process."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def list_clusters(self) -> tuple[list[JsonObject], str]:
        """List in the embedded store."""
        definition = self._registry.find(CLUSTERS)
        if definition is None:
            raise ClustersNotServed
        listed = await self._registry.list(definition, "", ListOptions())
        return [definition.object(stored) for stored in listed.items], listed.resource_version

    async def watch_clusters(self, resource_version: str) -> AsyncIterator[tuple[str, JsonObject]]:
        """Watch in the embedded store."""
        definition = self._registry.find(CLUSTERS)
        if definition is None:
            raise ClustersNotServed
        watch = await self._registry.watch(definition, "", ListOptions(watch=True, resource_version=resource_version))
        try:
            while batch := await watch.next_batch():
                for event in batch:
                    if event.object is not None:
                        yield event.type, definition.object(event.object)
        finally:
            watch.close()

    async def read_secret(self, reference: SecretReference) -> JsonObject | None:
        """Read in the embedded store."""
        definition = self._registry.find(_SECRETS)
        if definition is None:
            return None
        try:
            stored = await self._registry.get(definition, ObjectKey(reference.namespace, reference.name))
        except ApiError as error:
            if error.code == 404:
                return None
            raise
        return definition.object(stored)

    async def owns_status(self) -> bool:
        """Nobody else writes it here."""
        return True

    async def write_status(self, cluster: JsonObject) -> None:
        """Write in the embedded store."""
        definition = self._registry.find(CLUSTERS)
        if definition is not None:
            key = ObjectKey("", meta.name(cluster))
            context = WriteContext.internal(_FIELD_MANAGER)
            await self._registry.update(definition, key, cluster, context, subresource="status")
