from typing import Any

import pytest

from gateway.apimachinery.errors import ApiError, PathNotFound, forbidden, service_unavailable
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupResource
from gateway.authorization.access_review import DECISION_TTL
from gateway.authorization.authorizer import Attributes
from gateway.authorization.member_review import MemberReviews
from gateway.request import UserInfo
from tests.support.clock import FakeClock

ALICE = UserInfo("alice", groups=("dev",))
DELETE = Attributes(ALICE, "delete", api_version="v1", namespace="shop", resource="pods", name="web")
REVIEW = GroupResource("authorization.k8s.io", "selfsubjectaccessreviews")


class Member:
    title = 'member cluster "m1"'

    def __init__(self, answer: JsonObject | Exception) -> None:
        self.answer = answer
        self.asked: list[tuple[UserInfo | None, Any]] = []

    async def send_json(
        self, method: str, path: str, body: JsonObject | None, *, user: UserInfo | None = None
    ) -> JsonObject:
        assert (method, path) == ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews")
        self.asked.append((user, body))
        if isinstance(self.answer, Exception):
            raise self.answer
        return {"status": self.answer}


async def test_the_member_is_asked_in_the_callers_name() -> None:
    member = Member({"allowed": True})
    await MemberReviews(now=FakeClock()).require(member, DELETE)
    attributes = {"namespace": "shop", "verb": "delete", "version": "v1", "resource": "pods", "name": "web"}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    assert member.asked == [(ALICE, review)]


@pytest.mark.parametrize("answer", [{}, {"allowed": False}, {"allowed": "yes"}, {"denied": True}])
async def test_anything_but_a_clear_yes_refuses(answer: JsonObject) -> None:
    with pytest.raises(ApiError) as refusal:
        await MemberReviews(now=FakeClock()).require(Member(answer), DELETE)
    assert refusal.value.code == 403


async def test_the_members_reason_is_told() -> None:
    with pytest.raises(ApiError, match='in the namespace "shop": RBAC: role "x" not found'):
        await MemberReviews(now=FakeClock()).require(Member({"reason": 'RBAC: role "x" not found'}), DELETE)


async def test_a_decision_is_remembered_for_ten_seconds_and_for_its_member_alone() -> None:
    now = FakeClock()
    reviews, first, second = MemberReviews(now=now), Member({"allowed": True}), Member({"allowed": False})
    await reviews.require(first, DELETE)
    first.answer = {"allowed": False}
    await reviews.require(first, DELETE)
    with pytest.raises(ApiError):
        await reviews.require(second, DELETE)
    now.advance(DECISION_TTL)
    with pytest.raises(ApiError):
        await reviews.require(first, DELETE)
    with pytest.raises(ApiError):
        await reviews.require(first, DELETE)
    assert (len(first.asked), len(second.asked)) == (2, 1)


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (service_unavailable("away"), 503),
        (ApiError(504, "Timeout", "slow"), 504),
        (ApiError(500, "InternalError", "broken"), 503),
        (PathNotFound(), 503),
        (TimeoutError(), 503),
    ],
)
async def test_no_answer_is_no_right_and_is_not_remembered(failure: Exception, code: int) -> None:
    reviews, member = MemberReviews(now=FakeClock()), Member(failure)
    with pytest.raises(ApiError) as refusal:
        await reviews.require(member, DELETE)
    assert refusal.value.code == code
    member.answer = {"allowed": True}
    await reviews.require(member, DELETE)


async def test_who_may_not_ask_for_his_rights_is_refused_what_he_asked() -> None:
    member = Member(forbidden(REVIEW, "", 'User "alice" cannot create resource "selfsubjectaccessreviews"'))
    with pytest.raises(ApiError, match=r'^pods "web" is forbidden: User "alice" cannot delete resource "pods"'):
        await MemberReviews(now=FakeClock()).require(member, DELETE)


async def test_a_gateway_that_may_not_impersonate_says_so() -> None:
    member = Member(
        forbidden(GroupResource("", "users"), "alice", 'User "gateway" cannot impersonate resource "users"')
    )
    with pytest.raises(ApiError, match=r'^users "alice" is forbidden: User "gateway" cannot impersonate'):
        await MemberReviews(now=FakeClock()).require(member, DELETE)
