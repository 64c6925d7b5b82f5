"""The rights of callers as admission asks for them (admission/rights.py), answered by the store's authorizer."""

from __future__ import annotations

from gateway.apimachinery.meta import ObjectKey
from gateway.apimachinery.schema import GroupVersionResource
from gateway.authorization.authorizer import Attributes, Authorizer
from gateway.request import UserInfo


class AuthorizedRights:
    """Asks the authorizer that every request of the caller passes too."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    async def may(self, user: UserInfo, verb: str, resource: GroupVersionResource, key: ObjectKey) -> bool:
        """Whether a user may do that with one object; an empty name means all of them. Raises ApiError."""
        decision = await self._authorizer.authorize(
            Attributes(
                user=user,
                verb=verb,
                api_group=resource.group,
                api_version=resource.version,
                namespace=key.namespace,
                resource=resource.resource,
                name=key.name,
            )
        )
        return decision.allowed
