"""What a plugin may look at beside the write itself. gateway/handlers implements it over the write's target.

Plugins pull only what they need, so a write nobody is interested in costs no extra request. Everything is live and read
with the gateway's own right; nothing of it may end up in an answer beyond names the rule has to name.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupResource


class ObjectLookup(Protocol):
    """Live objects. Every method raises ApiError when it cannot know: then nothing may be decided in favour."""

    async def old(self) -> JsonObject | None:
        """Return the main-resource object as it stands, None when there is none.

        Read once per decision. Having asked for it makes its version the precondition of the write.
        """
        ...

    async def old_at(self, version: str) -> JsonObject | None:
        """Return the same object as another version of its API shows it, None when that shows none."""
        ...

    async def new(self) -> JsonObject:
        """Return what the write would answer, from a dry run as the caller: a Scale for /scale, else the object."""
        ...

    async def namespace_contents(self, namespace: str) -> Sequence[tuple[GroupResource, JsonObject]]:
        """Return everything in a namespace; Pods, claims and workloads whole, of others at least the metadata."""
        ...

    async def taken_along(self, owners: Collection[str]) -> Sequence[tuple[GroupResource, JsonObject]]:
        """Return what the garbage collector would take along with objects of these uids, directly or through others.

        Counted as going with them is everything else that the same request deletes. Of each at least the metadata is
        returned, of Pods, claims and workloads under Cascading protection the whole.
        """
        ...

    async def instances(self, group: str, resource: str, version: str = "") -> Sequence[JsonObject]:
        """Return every object of a custom resource, whole: as the named version shows it, else as any does."""
        ...

    async def definition(self, resource: GroupResource) -> JsonObject | None:
        """Return the CustomResourceDefinition of a resource, None when it is not a custom resource."""
        ...
