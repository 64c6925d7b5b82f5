"""Which members a caller sees, by what the store's authorizer says of Clusters."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from cache.watcher import everyone
from gateway.apimachinery.errors import ApiError, service_unavailable
from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.apimachinery.schema import GroupVersionResource
from gateway.authorization.access_review import DECISION_TTL, AccessReviewAuthorizer
from gateway.authorization.caller_rights import AuthorizedRights
from gateway.authorization.cluster_visibility import EveryClusterVisible, NamedClusters, VisibleByRight
from gateway.clusters.cluster import CLUSTERS
from gateway.request import UserInfo
from tests.support.clock import FakeClock

ALICE = UserInfo("alice", groups=("dev",))
MEMBERS = ("m1", "m2", "m3")


class Rights:
    """What alice may get; an empty name is all of them."""

    def __init__(self, *names: str) -> None:
        self.names = set(names)
        self.asked: list[str] = []
        self.at_once = self.most_at_once = 0
        self.fails: Callable[[str], bool] = lambda _: False

    async def may(self, user: UserInfo, verb: str, resource: GroupVersionResource, key: ObjectKey) -> bool:
        assert (user, verb, resource, key.namespace) == (ALICE, "get", CLUSTERS, "")
        self.asked.append(key.name)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        if self.fails(key.name):
            raise service_unavailable("the store is away")
        return key.name in self.names


async def seen(rights: Rights, members: Sequence[str] = MEMBERS) -> object:
    return await VisibleByRight(rights).visible(ALICE, lambda: members)


async def test_everybody_sees_every_member_where_rights_do_not_tell_them_apart() -> None:
    assert await EveryClusterVisible().visible(ALICE, lambda: MEMBERS) is everyone


async def test_the_right_to_all_clusters_is_asked_for_first_and_is_enough() -> None:
    rights = Rights("")
    assert await seen(rights) is everyone
    assert rights.asked == [""]


async def test_otherwise_each_member_counts() -> None:
    rights = Rights("m1", "m3", "gone")
    assert await seen(rights) == NamedClusters(frozenset({"m1", "m3"}))
    assert rights.asked == ["", *MEMBERS]


async def test_nobody_sees_a_member_without_a_right() -> None:
    visible = await VisibleByRight(Rights()).visible(ALICE, lambda: MEMBERS)
    assert not any(map(visible, MEMBERS))
    assert visible(""), "what the store holds is seen by whoever may read it there"


async def test_a_member_that_joined_meanwhile_is_not_seen_by_name() -> None:
    visible = await VisibleByRight(Rights("m1", "m4")).visible(ALICE, lambda: MEMBERS)
    assert not visible("m4")


@pytest.mark.parametrize("which", ["", "m2"])
async def test_an_answer_that_is_missing_is_an_error_and_no_smaller_view(which: str) -> None:
    rights = Rights("m1", "m2")
    rights.fails = lambda name: name == which
    with pytest.raises(ApiError, match="the store is away") as refusal:
        await seen(rights)
    assert refusal.value.code == 503


async def test_the_store_is_not_stormed() -> None:
    rights = Rights()
    await seen(rights, [f"m{number}" for number in range(100)])
    assert len(rights.asked) == 101
    assert rights.most_at_once <= 16


class Store:
    """A remote store; allows one cluster by name."""

    def __init__(self) -> None:
        self.away = False
        self.asked = 0

    async def send_json(self, _method: str, _path: str, body: JsonObject | None) -> JsonObject:
        self.asked += 1
        if self.away:
            raise service_unavailable("no route to it")
        name = (body or {})["spec"]["resourceAttributes"].get("name")
        return {"status": {"allowed": name == "m1"}}


async def test_a_remote_store_that_is_away_is_believed_as_long_as_its_answers_last() -> None:
    store, clock = Store(), FakeClock()
    visibility = VisibleByRight(AuthorizedRights(AccessReviewAuthorizer(store, now=clock)))
    expected = NamedClusters(frozenset({"m1"}))
    assert await visibility.visible(ALICE, lambda: MEMBERS) == expected
    store.away = True
    clock.advance(DECISION_TTL - 1)
    assert await visibility.visible(ALICE, lambda: MEMBERS) == expected
    assert store.asked == 4
    clock.advance(2)
    with pytest.raises(ApiError) as refusal:
        await visibility.visible(ALICE, lambda: MEMBERS)
    assert refusal.value.code == 503
