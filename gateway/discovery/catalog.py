"""The catalog: what this gateway serves now, kept in step with its store, and every discovery document of it.

Joins a source (what the store has), the merged kinds (what the members have) and the allow-list. The surface and its
documents are one immutable snapshot that is replaced whole; `snapshot` is the only place that does so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gateway.apimachinery.errors import service_unavailable
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupResource
from gateway.discovery.allow_list import AllowList
from gateway.discovery.documents import DiscoveryDocuments
from gateway.discovery.merged_kinds import MERGED_RESOURCES
from gateway.discovery.resource_name import ResourceName
from gateway.discovery.sources import DiscoverySource
from gateway.discovery.surface import ApiResource, ApiSurface, served_surface
from gateway.request import RequestInfo

DOCUMENT_AGE = 0.1
"""Seconds a document may lag behind the store: kubectl reads /api and /apis at once, and they share one look."""


class ResourcesOfMembers(Protocol):
    """What the members serve of the resources that are cached by configuration (member_resources.py)."""

    @property
    def generation(self) -> int:
        """Grows with every change of `resources`."""
        ...

    @property
    def resources(self) -> Sequence[ApiResource]:
        """What was found."""
        ...

    @property
    def missing(self) -> Sequence[ResourceName]:
        """What was not found."""
        ...

    @property
    def all_asked(self) -> bool:
        """Whether every member could be read at least once."""
        ...

    async def look(self) -> None:
        """Look for what was not found, unless that was done a moment ago. Never takes long."""
        ...


class Catalog:
    """What is served.

    Args:
        source: what the store has.
        allow_list: what of it is served.
        merged: resources that live in the members, whoever they are.
        members: further ones, as the members tell.
    """

    def __init__(
        self,
        source: DiscoverySource,
        *,
        allow_list: AllowList,
        merged: Sequence[ApiResource] = MERGED_RESOURCES,
        members: ResourcesOfMembers | None = None,
    ) -> None:
        self._source = source
        self._allow_list = allow_list
        self._merged = tuple(merged)
        self._members = members
        self._generation = (-1, -1)
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
        members = self._members
        generation = (self._source.generation, members.generation if members else 0)
        if generation != self._generation:
            merged = (*self._merged, *members.resources) if members else self._merged
            surface = served_surface(self._source.groups(), self._allow_list, merged, self._awaited())
            self._documents, self._generation = DiscoveryDocuments(surface), generation
        return self._documents

    def _awaited(self) -> frozenset[GroupResource]:
        missing = self._members.missing if self._members else ()
        return frozenset(resource for name in missing for resource in name.group_resources)

    async def fresh_documents(self) -> DiscoveryDocuments:
        """Return the snapshot after asking the store, so that a resource it has just got is in it."""
        await self._source.refresh(max_age=DOCUMENT_AGE)
        return self.documents

    async def surface_for(self, info: RequestInfo) -> ApiSurface:
        """Return the surface to dispatch a request with.

        When it does not know the resource, the store is asked again first: a definition that was created a moment ago
        is usable at once, in a member as well, and nothing is refused on old knowledge.

        Raises ApiError 503 for an unknown resource while the store was never read, or its version cannot be read now,
        or while not every member was asked for it: nobody may take it for gone.
        """
        surface = self.surface
        if info.cluster or surface.find(info.group_version_resource) is not None:
            return surface
        if self._members and not self._members.all_asked and info.group_resource in self._awaited():
            message = f"whether a member cluster serves {info.group_resource} is not known yet"
            raise service_unavailable(message, retry_after_seconds=1)
        if self._members and info.group_resource in self._awaited():
            await self._members.look()
        await self._source.refresh()
        if not self._source.synced:
            raise service_unavailable("what the federation store serves is not known yet", retry_after_seconds=1)
        surface = self.surface
        version = surface.version(info.group_version)
        if version is not None and version.stale and surface.find(info.group_version_resource) is None:
            raise service_unavailable(f"what serves {info.group_version.api_version} cannot be reached")
        return surface
