"""What callers are told of members where their rights decide which they see."""

from collections.abc import Callable, Coroutine
from typing import Any, cast

import pytest

from cache.multi_cluster_cache import MultiClusterCache
from cache.watcher import everyone
from gateway.apimachinery.errors import ApiError, service_unavailable
from gateway.authorization.authorizer import Attributes, Decision, Outcome
from gateway.authorization.caller_rights import AuthorizedRights
from gateway.authorization.cluster_visibility import NamedClusters, VisibleByRight
from gateway.clusters.members import ChangeKind, ClusterChange
from gateway.clusters.registry import ClusterRegistry
from gateway.members import Members
from gateway.request import parse_request_info
from gateway.request_scope import RequestScope
from tests.gateway.test_members import ALICE, Copies, Known, member

SCOPE = RequestScope(parse_request_info("GET", "/api/v1/pods", {}), ALICE, ALICE, "id")


class Registry(Known):
    """A registry that tells of changes."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.listeners: list[Callable[[ClusterChange], Coroutine[Any, Any, None]]] = []

    def on_change(self, listener: Callable[[ClusterChange], Coroutine[Any, Any, None]]) -> None:
        self.listeners.append(listener)


class May:
    """An authorizer that lets alice get the Clusters of these names, and list none."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.away = False

    async def authorize(self, attributes: Attributes) -> Decision:
        if self.away:
            raise service_unavailable("the store is away")
        allowed = attributes.verb == "get" and attributes.name in self.names
        return Decision(Outcome.ALLOW if allowed else Outcome.DENY)


def fleet(authorizer: May | None, *, unknown: str = "") -> Members:
    registry: Any = Registry(member("m1"), member("m2", ready=False), unknown=unknown)
    cache: Any = Copies()
    more: dict[str, Any] = {} if authorizer is None else {"visibility": VisibleByRight(AuthorizedRights(authorizer))}
    return Members(cast("ClusterRegistry", registry), cast("MultiClusterCache", cache), lambda: 0.0, **more)


async def notes(authorizer: May) -> list[str]:
    found = await fleet(authorizer).notes(AuthorizedRights(authorizer), ALICE)
    return [f"{note.name} {note.text}" for note in found]


async def test_every_member_is_seen_unless_it_is_configured() -> None:
    assert await fleet(None).visible(SCOPE) is everyone


async def test_the_members_that_the_caller_may_get_are_seen() -> None:
    assert await fleet(May("m2", "elsewhere")).visible(SCOPE) == NamedClusters(frozenset({"m2"}))


async def test_nothing_is_seen_before_the_members_are_known() -> None:
    with pytest.raises(ApiError, match="not yet") as refusal:
        await fleet(May("m1"), unknown="not yet").visible(SCOPE)
    assert refusal.value.code == 503


@pytest.mark.parametrize(
    ("names", "told"), [(("m1",), "1 of 1 ok"), (("m2",), "0 of 1 ok"), ((), "0 of 0 ok"), (("",), "1 of 2 ok")]
)
async def test_health_counts_what_is_seen(names: tuple[str, ...], told: str) -> None:
    assert await notes(May(*names)) == [f"clusters {told}"]


async def test_health_counts_nothing_while_nobody_can_say_what_is_seen() -> None:
    authorizer = May("m1")
    authorizer.away = True
    assert await notes(authorizer) == ["clusters not known now"]


@pytest.mark.parametrize(("authorizer", "times"), [(May(), 1), (None, 0)])
async def test_views_change_with_the_members_only_where_callers_differ(authorizer: May | None, times: int) -> None:
    members = fleet(authorizer)
    told: list[str] = []
    members.on_views(lambda: told.append("changed"))
    for listener in cast("Registry", members.registry).listeners:
        await listener(ClusterChange(ChangeKind.REMOVED, "m1"))
    assert len(told) == times
