"""A member as a place to write to: the caller's right comes before everything the gateway reads there with its own.

A write itself is sent as the caller and needs no question. What admission looks at beforehand is read with the
gateway's right; that such an object exists, or what it holds, is nothing for a caller whom the member would refuse.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.apimachinery.schema import GroupResource
from gateway.authorization.authorizer import request_attributes
from gateway.authorization.member_review import MemberReviews
from gateway.clusters.registry import ClusterRegistry
from gateway.clusters.upstream import Upstream
from gateway.proxy.write_target import UpstreamWriteTarget
from gateway.request_scope import RequestScope


class MemberWriteTarget(UpstreamWriteTarget):
    """Writes of one request at one member.

    Args:
        upstream: the member.
        scope: the request as the member is to judge it: a deletecollection stays one for each of its objects.
        reviews: asks the member.
    """

    def __init__(self, upstream: Upstream, scope: RequestScope, reviews: MemberReviews) -> None:
        super().__init__(upstream)
        self._scope = scope
        self._reviews = reviews

    async def permit(self) -> None:
        """Raise ApiError unless the member allows the caller what he asks: 403, or 503 when it does not answer."""
        await self._reviews.require(self._upstream, request_attributes(self._scope.user, self._scope.info))

    async def read(self, scope: RequestScope, key: ObjectKey) -> JsonObject | None:
        """Read, once that is permitted."""
        await self.permit()
        return await super().read(scope, key)

    async def list(
        self, scope: RequestScope, namespace: str, label_selector: str, field_selector: str
    ) -> Sequence[JsonObject]:
        """List, once that is permitted."""
        await self.permit()
        return await super().list(scope, namespace, label_selector, field_selector)

    async def namespace_contents(self, namespace: str) -> Sequence[tuple[GroupResource, JsonObject]]:
        """List a namespace, once that is permitted."""
        await self.permit()
        return await super().namespace_contents(namespace)

    async def collectable(
        self, scope: RequestScope, obj: JsonObject, owners: Collection[str]
    ) -> Sequence[tuple[GroupResource, JsonObject]]:
        """List what could go along, once that is permitted."""
        await self.permit()
        return await super().collectable(scope, obj, owners)

    async def instances(self, group: str, resource: str, version: str = "") -> Sequence[JsonObject]:
        """List a custom resource, once that is permitted."""
        await self.permit()
        return await super().instances(group, resource, version)

    async def definition(self, resource: GroupResource) -> JsonObject | None:
        """Read a definition, once that is permitted."""
        await self.permit()
        return await super().definition(resource)


class MemberTargets:
    """The members as places to write to.

    Args:
        clusters: how they are reached.
        reviews: what they decided about callers.
    """

    def __init__(self, clusters: ClusterRegistry, reviews: MemberReviews) -> None:
        self._clusters = clusters
        self._reviews = reviews

    def at(self, cluster: str, scope: RequestScope) -> MemberWriteTarget:
        """Return where a request goes at one member. Raises ApiError 404 and 503 as ClusterRegistry.upstream does."""
        return MemberWriteTarget(self._clusters.upstream(cluster), scope, self._reviews)
