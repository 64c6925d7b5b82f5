"""What goes along with the objects of one request, listed once for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from admission.ownership import CollectedObjects, Content, dependent_kinds
from gateway.apimachinery import meta
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupResource
from gateway.handlers.ongoing_deletions import OngoingDeletion
from gateway.handlers.write_decoding import CACHED_FROM_CLUSTER
from gateway.write_request import WriteRequest, WriteTarget

_Place = tuple[str, str, frozenset[GroupResource] | None]

_MANY = 2000
"""Objects from which their relations are worked out in a thread: below, that takes a few milliseconds."""


class DeletedTogether:
    """The objects that one request deletes, and what the garbage collector takes along with them.

    Args:
        deletion: what the request deletes, and what is being deleted at the same time.
    """

    def __init__(self, deletion: OngoingDeletion) -> None:
        self.deletion = deletion
        self._collected: dict[tuple[_Place, frozenset[str]], CollectedObjects] = {}

    async def along_with(
        self, request: WriteRequest, target: WriteTarget, obj: JsonObject, owners: Collection[str]
    ) -> list[Content]:
        """Return what goes along with some of the objects; `obj` is the one that is judged. Raises ApiError."""
        resource = request.scope.info.group_resource
        place = (
            meta.annotations(obj).get(CACHED_FROM_CLUSTER, ""),
            meta.namespace(obj),
            dependent_kinds(resource, obj),
        )
        self.deletion.of(owners)
        going = self.deletion.gone
        if (place, going) not in self._collected:
            contents = await target.collectable(request.scope, obj, going)
            self._collected[place, going] = (
                await asyncio.to_thread(CollectedObjects, going, contents)
                if len(contents) > _MANY
                else CollectedObjects(going, contents)
            )
        return self._collected[place, going].along_with(owners)
