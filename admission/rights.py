"""What a plugin may ask about the caller: his rights at the federation store. gateway/authorization implements it.

A rule needs it where a write makes the gateway do something with its own right that the caller might not do himself.
"""

from __future__ import annotations

from typing import Protocol

from gateway.apimachinery.meta import ObjectKey
from gateway.apimachinery.schema import GroupVersionResource
from gateway.request import UserInfo


class CallerRights(Protocol):
    """The rights of callers, live as the store's authorizers see them."""

    async def may(self, user: UserInfo, verb: str, resource: GroupVersionResource, key: ObjectKey) -> bool:
        """Whether a user may do that with one object. Raises ApiError when nobody can say: then nothing is allowed."""
        ...
