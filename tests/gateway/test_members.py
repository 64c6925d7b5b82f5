import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cache.multi_cluster_cache import MultiClusterCache
from gateway.apimachinery.errors import ApiError, service_unavailable
from gateway.apimachinery.schema import GroupVersionResource
from gateway.authorization.authorizer import Attributes, Decision, Outcome
from gateway.authorization.caller_rights import AuthorizedRights
from gateway.clusters.health import NOT_READY, READY, ClusterHealth
from gateway.clusters.members import Member, Origin
from gateway.clusters.registry import ClusterRegistry
from gateway.discovery.resource_name import parse_resource_name
from gateway.member_kinds import MemberKinds
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


async def notes(known: Known, answer: Outcome | ApiError | None, kinds: MemberKinds | None = None) -> list[str]:
    cache = cast("MultiClusterCache", Copies())
    members = Members(cast("ClusterRegistry", known), cache, lambda: 0.0, kinds=kinds)
    authorizer = Scripted(answer)
    found = await members.notes(AuthorizedRights(authorizer), ALICE)
    expected = Attributes(ALICE, "list", api_group="cluster.karmada.io", api_version="v1alpha1", resource="clusters")
    assert authorizer.asked == [expected]
    return [f"{note.name} {note.text}" for note in found]


class Kinds:
    """What Members asks of the kinds that are cached by configuration."""

    found: Mapping[str, GroupVersionResource] = {}
    resources = SimpleNamespace(missing=[parse_resource_name("jobs.batch")])

    def unreadable(self) -> dict[str, dict[str, str]]:
        return {"m1": {"nodes": "403 nodes is forbidden"}}


async def test_what_of_the_configured_kinds_cannot_be_read_is_said_and_nobody_is_unwell_for_it() -> None:
    kinds = cast("MemberKinds", Kinds())
    assert await notes(TWO, Outcome.ALLOW, kinds) == [
        "cluster/m1 ok, but nodes cannot be read: 403 nodes is forbidden",
        "cluster/m2 not ready: its disk is full",
        "resource/jobs.batch no member is known to serve it",
    ]
    assert await notes(TWO, Outcome.DENY, kinds) == ["clusters 1 of 2 ok"]


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
