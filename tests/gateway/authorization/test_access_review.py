import asyncio
from typing import Any

import pytest

from gateway.apimachinery.errors import ApiError, PathNotFound, service_unavailable
from gateway.apimachinery.meta import JsonObject
from gateway.authorization import access_review
from gateway.authorization.access_review import (
    CACHE_SIZE,
    COMPLAINT_PERIOD,
    DECISION_TTL,
    LONGEST_CACHED,
    AccessReviewAuthorizer,
    decision_of,
    review_of,
)
from gateway.authorization.authorizer import Attributes, Decision, Outcome
from gateway.request import UserInfo
from tests.support.clock import FakeClock

ALICE = UserInfo("alice", "u-1", ("dev",), {"team": ("a", "b")})
GET = Attributes(ALICE, "get", api_group="apps", api_version="v1", namespace="shop", resource="deployments", name="web")


class FakeStore:
    """Answers access reviews as a test wants, and remembers them."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.reviews: list[JsonObject] = []

    async def send_json(self, method: str, path: str, body: JsonObject | None) -> JsonObject:
        assert (method, path) == ("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews")
        assert body is not None
        self.reviews.append(body)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BaseException):
            raise answer
        if answer is None:
            await asyncio.sleep(1000)
        found: JsonObject = answer
        return found


def status(**fields: Any) -> JsonObject:
    return {"status": fields}


def test_the_question_names_everything() -> None:
    review = review_of(
        Attributes(
            ALICE,
            "list",
            True,
            "apps",
            "v1",
            "shop",
            "deployments",
            "scale",
            "web",
            field_selector="a=b",
            label_selector="c",
        )
    )
    assert review["spec"] == {
        "user": "alice",
        "uid": "u-1",
        "groups": ["dev"],
        "extra": {"team": ["a", "b"]},
        "resourceAttributes": {
            "namespace": "shop",
            "verb": "list",
            "group": "apps",
            "version": "v1",
            "resource": "deployments",
            "subresource": "scale",
            "name": "web",
            "fieldSelector": {"rawSelector": "a=b"},
            "labelSelector": {"rawSelector": "c"},
        },
    }


def test_a_path_is_asked_about_as_one() -> None:
    review = review_of(Attributes(UserInfo("bob"), "get", False, path="/x"))
    assert review["spec"] == {"user": "bob", "groups": [], "nonResourceAttributes": {"path": "/x", "verb": "get"}}


@pytest.mark.parametrize(
    ("answer", "decision"),
    [
        (status(allowed=True, reason="r"), Decision(Outcome.ALLOW, "r")),
        (status(allowed=False, reason="r"), Decision(Outcome.NO_OPINION, "r")),
        (status(allowed=False, denied=True), Decision(Outcome.DENY)),
        (status(allowed="true"), Decision(Outcome.NO_OPINION)),
        (status(allowed=1), Decision(Outcome.NO_OPINION)),
        (status(), Decision(Outcome.NO_OPINION)),
        ({"status": "allowed"}, Decision(Outcome.NO_OPINION)),
        ({}, Decision(Outcome.NO_OPINION)),
        ({"allowed": True}, Decision(Outcome.NO_OPINION)),
    ],
)
def test_only_a_clear_yes_allows(answer: JsonObject, decision: Decision) -> None:
    assert decision_of(answer) == decision


@pytest.mark.parametrize("allowed", [True, False])
async def test_a_decision_is_reused_for_a_while(allowed: bool) -> None:
    clock, store = FakeClock(), FakeStore(status(allowed=allowed), status(allowed=not allowed))
    authorizer = AccessReviewAuthorizer(store, now=clock)
    assert (await authorizer.authorize(GET)).allowed is allowed
    clock.advance(DECISION_TTL - 0.1)
    assert (await authorizer.authorize(GET)).allowed is allowed
    assert len(store.reviews) == 1
    clock.advance(0.2)
    assert (await authorizer.authorize(GET)).allowed is not allowed
    assert DECISION_TTL == 10


@pytest.mark.parametrize(
    "other",
    [
        Attributes(
            ALICE, "get", api_group="apps", api_version="v1", namespace="shop", resource="deployments", name="x"
        ),
        Attributes(UserInfo("alice", "u-1", ("dev",), {"team": ("a",)}), "get", resource="deployments"),
        Attributes(UserInfo("alice", "u-2", ("dev",)), "get", resource="deployments"),
        Attributes(UserInfo("alice", groups=("ops",)), "get", resource="deployments"),
        Attributes(ALICE, "get", resource="deployments", label_selector="a"),
        Attributes(ALICE, "get", False, path="/x"),
    ],
)
async def test_another_question_is_another_decision(other: Attributes) -> None:
    store = FakeStore(status(allowed=True), status(allowed=False))
    authorizer = AccessReviewAuthorizer(store, now=FakeClock())
    assert (await authorizer.authorize(GET)).allowed
    assert not (await authorizer.authorize(other)).allowed


@pytest.mark.parametrize(
    "failure",
    [
        service_unavailable("the store is away: 10.0.0.1"),
        ApiError(403, "Forbidden", 'User "gateway" cannot create resource "subjectaccessreviews"'),
        ApiError(500, "InternalError", "a secret"),
        PathNotFound(),
    ],
)
async def test_who_cannot_be_asked_allows_nothing(failure: Exception, caplog: pytest.LogCaptureFixture) -> None:
    store = FakeStore(failure, status(allowed=True))
    authorizer = AccessReviewAuthorizer(store, now=FakeClock())
    with pytest.raises(ApiError) as refusal:
        await authorizer.authorize(GET)
    assert (refusal.value.code, refusal.value.reason) == (503, "ServiceUnavailable")
    assert refusal.value.message == "the federation store could not be asked whether this is allowed"
    assert "did not decide" in caplog.text
    assert (await authorizer.authorize(GET)).allowed, "a failure is not remembered"
    assert len(store.reviews) == 2


async def test_an_outage_is_logged_once_in_a_while_with_how_often(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    authorizer = AccessReviewAuthorizer(FakeStore(service_unavailable("connection refused")), now=clock)

    async def ask(times: int) -> list[str]:
        caplog.clear()
        for _ in range(times):
            with pytest.raises(ApiError):
                await authorizer.authorize(GET)
        return caplog.messages

    said = "the federation store did not decide an access review: connection refused"
    assert await ask(100) == [said]
    clock.advance(COMPLAINT_PERIOD - 0.1)
    assert await ask(1) == []
    clock.advance(0.2)
    assert await ask(3) == [f"{said} (and 100 more since this was last logged)"]
    clock.advance(COMPLAINT_PERIOD + 0.1)
    assert await ask(1) == [f"{said} (and 2 more since this was last logged)"]
    clock.advance(COMPLAINT_PERIOD + 0.1)
    assert await ask(1) == [said]


async def test_who_does_not_answer_allows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_review, "REVIEW_TIMEOUT", 0.05)
    authorizer = AccessReviewAuthorizer(FakeStore(None), now=FakeClock())
    with pytest.raises(ApiError) as refusal:
        await authorizer.authorize(GET)
    assert refusal.value.code == 503


async def test_what_was_allowed_stays_so_only_until_it_is_forgotten() -> None:
    clock, store = FakeClock(), FakeStore(status(allowed=True), service_unavailable("away"))
    authorizer = AccessReviewAuthorizer(store, now=clock)
    assert (await authorizer.authorize(GET)).allowed
    clock.advance(5)
    assert (await authorizer.authorize(GET)).allowed
    clock.advance(6)
    with pytest.raises(ApiError):
        await authorizer.authorize(GET)


async def test_strangers_cannot_fill_memory() -> None:
    store = FakeStore(status(allowed=False))
    authorizer = AccessReviewAuthorizer(store, now=FakeClock())
    long = Attributes(ALICE, "list", resource="pods", label_selector="x" * LONGEST_CACHED)
    await authorizer.authorize(long)
    await authorizer.authorize(long)
    assert len(store.reviews) == 2
    for number in range(CACHE_SIZE + 10):
        await authorizer.authorize(Attributes(ALICE, "get", resource=f"r{number}"))
    assert len(authorizer._decisions) == CACHE_SIZE
