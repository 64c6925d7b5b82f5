"""The rights of callers for tests of the rules: what is listed is allowed, and what was asked is kept."""

from __future__ import annotations

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import ObjectKey
from gateway.apimachinery.schema import GroupVersionResource
from gateway.request import UserInfo


class ScriptedRights:
    """A CallerRights. `allowed` are names such as `get secrets karmada-cluster/m1`; an error in its place is raised."""

    def __init__(self, *allowed: str, error: ApiError | None = None) -> None:
        self._allowed = set(allowed)
        self._error = error
        self.asked: list[str] = []

    async def may(self, user: UserInfo, verb: str, resource: GroupVersionResource, key: ObjectKey) -> bool:
        asked = f"{verb} {resource.group_resource} {key}"
        self.asked.append(f"{user.name}: {asked}")
        if self._error is not None:
            raise self._error
        return asked in self._allowed
