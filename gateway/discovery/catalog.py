"""The catalog: what this gateway serves now, kept in step with its store, and every discovery document of it.

Joins a source (what the store has), the merged kinds (what the members have) and the allow-list. The surface and its
documents are one immutable snapshot that is replaced whole; `snapshot` is the only place that does so.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.apimachinery.errors import service_unavailable
from gateway.apimachinery.meta import JsonObject
from gateway.discovery.allow_list import AllowList
from gateway.discovery.documents import DiscoveryDocuments
from gateway.discovery.merged_kinds import MERGED_RESOURCES
from gateway.discovery.sources import DiscoverySource
from gateway.discovery.surface import ApiResource, ApiSurface, served_surface
from gateway.request import RequestInfo

DOCUMENT_AGE = 0.1
"""Seconds a document may lag behind the store: kubectl reads /api and /apis at once, and they share one look."""


class Catalog:
    """What is served.

    Args:
        source: what the store has.
        allow_list: what of it is served.
        merged: resources that live in the members.
    """

    def __init__(
        self,
        source: DiscoverySource,
        *,
        allow_list: AllowList,
        merged: Sequence[ApiResource] = MERGED_RESOURCES,
    ) -> None:
        self._source = source
        self._allow_list = allow_list
        self._merged = tuple(merged)
        self._generation = -1
        self._documents = DiscoveryDocuments(ApiSurface())

    @property
    def synced(self) -> bool:
        """Whether the store was read at least once; before that only the merged kinds are served."""
        return self._source.synced

    @property
    def version(self) -> JsonObject | None:
        """The /version document, None as long as the store has not told its own."""
        return self._source.version

    @property
    def surface(self) -> ApiSurface:
        """What is served as far as is known; never asks the store."""
        return self.documents.surface

    @property
    def documents(self) -> DiscoveryDocuments:
        """The current snapshot: the surface with its documents."""
        generation = self._source.generation
        if generation != self._generation:
            surface = served_surface(self._source.groups(), self._allow_list, self._merged)
            self._documents, self._generation = DiscoveryDocuments(surface), generation
        return self._documents

    async def fresh_documents(self) -> DiscoveryDocuments:
        """Return the snapshot after asking the store, so that a resource it has just got is in it."""
        await self._source.refresh(max_age=DOCUMENT_AGE)
        return self.documents

    async def surface_for(self, info: RequestInfo) -> ApiSurface:
        """Return the surface to dispatch a request with.

        When it does not know the resource, the store is asked again first: a definition that was created a moment ago
        is usable at once, and nothing is refused on old knowledge.

        Raises ApiError 503 for an unknown resource while the store was never read, or its version cannot be read now:
        nobody may take it for gone.
        """
        if info.cluster or self.surface.find(info.group_version_resource) is not None:
            return self.surface
        await self._source.refresh()
        if not self._source.synced:
            raise service_unavailable("what the federation store serves is not known yet", retry_after_seconds=1)
        surface = self.surface
        version = surface.version(info.group_version)
        if version is not None and version.stale and surface.find(info.group_version_resource) is None:
            raise service_unavailable(f"what serves {info.group_version.api_version} cannot be reached")
        return surface
