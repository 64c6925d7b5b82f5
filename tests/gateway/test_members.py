import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cache.multi_cluster_cache import MultiClusterCache
from gateway.apimachinery.errors import ApiError, service_unavailable
from gateway.authorization.authorizer import Attributes, Decision, Outcome
from gateway.authorization.caller_rights import AuthorizedRights
from gateway.clusters.health import NOT_READY, READY, ClusterHealth
from gateway.clusters.members import Member, Origin
from gateway.clusters.registry import ClusterRegistry
from gateway.members import Members
from gateway.request import UserInfo

ALICE = UserInfo("alice")


class Scripted:
    """An authorizer with one answer; None for one that never answers."""

    def __init__(self, answer: Outcome | ApiError | None) -> None:
        self._answer = answer
        self.asked: list[Attributes] = []

    async def authorize(self, attributes: Attributes) -> Decision:
        self.asked.append(attributes)
        if self._answer is None:
            await asyncio.Event().wait()
        if isinstance(self._answer, ApiError):
            raise self._answer
        return Decision(self._answer or Outcome.DENY)


class Known:
    """What Members asks a registry for."""

    def __init__(self, *members: Member, unknown: str = "") -> None:
        self._members = members
        self._unknown = unknown

    def require_known(self) -> None:
        if self._unknown:
            raise service_unavailable(self._unknown)

    def members(self) -> tuple[Member, ...]:
        return self._members


class Copies:
    """What Members asks a cache for: everything was read."""

    def clusters(self) -> list[Any]:
        return [SimpleNamespace(name=name, synced=True, stale_since=None) for name in ("m1", "m2")]

    def resource(self, _: object) -> None:
        return None


def member(name: str, *, ready: bool = True) -> Member:
    health = ClusterHealth(
        ready=ready, reason=READY if ready else NOT_READY, message="" if ready else "its disk is full"
    )
    return Member(name, Origin.STORE, None, health)


async def notes(known: Known, answer: Outcome | ApiError | None) -> list[str]:
    members = Members(cast("ClusterRegistry", known), cast("MultiClusterCache", Copies()), lambda: 0.0)
    authorizer = Scripted(answer)
    found = await members.notes(AuthorizedRights(authorizer), ALICE)
    expected = Attributes(ALICE, "list", api_group="cluster.karmada.io", api_version="v1alpha1", resource="clusters")
    assert authorizer.asked == [expected]
    return [f"{note.name} {note.text}" for note in found]


TWO = Known(member("m1"), member("m2", ready=False))


async def test_who_may_list_clusters_sees_each() -> None:
    assert await notes(TWO, Outcome.ALLOW) == ["cluster/m1 ok", "cluster/m2 not ready: its disk is full"]


@pytest.mark.parametrize("answer", [Outcome.DENY, Outcome.NO_OPINION, service_unavailable("the store is away")])
async def test_others_see_how_many_are_well(answer: Outcome | ApiError) -> None:
    assert await notes(TWO, answer) == ["clusters 1 of 2 ok"]


async def test_a_store_that_is_silent_does_not_hold_up_health(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.members._RIGHTS_TIMEOUT", 0.01)
    async with asyncio.timeout(30):
        assert await notes(TWO, None) == ["clusters 1 of 2 ok"]


async def test_members_that_are_not_known_yet() -> None:
    known = Known(unknown="the member clusters are not known yet: no route to store.example")
    assert await notes(known, Outcome.ALLOW) == [
        "clusters the member clusters are not known yet: no route to store.example"
    ]
    assert await notes(known, Outcome.DENY) == ["clusters not known yet"]
