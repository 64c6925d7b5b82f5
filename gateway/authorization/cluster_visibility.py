"""Which member clusters a caller sees in the merged view: all of them, or those he may `get` as Clusters of the store.

The store's authorizer decides, and remembers for as long as it does for requests. It is asked for all Clusters first,
and for each by its name only then. What cannot be asked is an error: a view without a member that the caller may see
would pass for whole. What the federation store itself holds is always seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from admission.rights import CallerRights
from cache.watcher import Visible
from cache.watcher import everyone as every_cluster
from gateway.apimachinery.meta import ObjectKey
from gateway.apimachinery.schema import GroupVersionResource
from gateway.request import UserInfo

ALL, BY_CLUSTER_RIGHT = "All", "ByClusterRight"
MODES = (ALL, BY_CLUSTER_RIGHT)

_CLUSTERS = GroupVersionResource("cluster.karmada.io", "v1alpha1", "clusters")
_ASKED_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class NamedClusters:
    """The visibility of a caller who sees the members of these names, and what the store holds. Equal by its names."""

    names: frozenset[str]

    def __call__(self, cluster: str) -> bool:
        """Whether he sees the objects of a member."""
        return not cluster or cluster in self.names


class ClusterVisibility(Protocol):
    """Decides what a caller sees."""

    by_caller: bool
    """Whether callers see different members at all."""

    async def visible(self, user: UserInfo, members: Callable[[], Iterable[str]]) -> Visible:
        """Return which members a caller sees. Raises ApiError when nobody can say."""
        ...


class EveryClusterVisible:
    """Whoever may read a merged resource sees it of every member."""

    by_caller = False

    async def visible(self, _user: UserInfo, _members: Callable[[], Iterable[str]]) -> Visible:
        """Return that all are."""
        return every_cluster


class VisibleByRight:
    """Who may `get` Clusters sees every member, who may `get` some by name sees those.

    Args:
        rights: the rights of callers at the federation store.
    """

    by_caller = True

    def __init__(self, rights: CallerRights) -> None:
        """Ask nothing yet."""
        self._rights = rights
        self._asking = asyncio.Semaphore(_ASKED_AT_ONCE)

    async def visible(self, user: UserInfo, members: Callable[[], Iterable[str]]) -> Visible:
        """Ask the store. Raises ApiError unless it could be asked for every member."""
        if await self._may_get(user, ""):
            return every_cluster
        names = list(members())
        try:
            async with asyncio.TaskGroup() as tasks:
                asked = [tasks.create_task(self._may_get(user, name)) for name in names]
        except* Exception as errors:
            raise _first(errors) from None
        return NamedClusters(frozenset(name for name, task in zip(names, asked, strict=True) if task.result()))

    async def _may_get(self, user: UserInfo, name: str) -> bool:
        async with self._asking:
            return await self._rights.may(user, "get", _CLUSTERS, ObjectKey("", name))


def _first(errors: BaseExceptionGroup[Exception]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
