import pytest

from gateway.apimachinery.errors import ApiError, service_unavailable
from gateway.apimachinery.meta import ObjectKey
from gateway.apimachinery.schema import GroupVersionResource
from gateway.authorization.authorizer import Attributes, Decision, Outcome
from gateway.authorization.caller_rights import AuthorizedRights
from gateway.request import UserInfo

ALICE = UserInfo("alice", groups=("dev",))
SECRETS = GroupVersionResource("", "v1", "secrets")


class Scripted:
    """An authorizer with one answer."""

    def __init__(self, answer: Decision | ApiError) -> None:
        self._answer = answer
        self.asked: list[Attributes] = []

    async def authorize(self, attributes: Attributes) -> Decision:
        self.asked.append(attributes)
        if isinstance(self._answer, ApiError):
            raise self._answer
        return self._answer


@pytest.mark.parametrize(("outcome", "allowed"), [(one, one is Outcome.ALLOW) for one in Outcome])
async def test_nothing_but_an_allow_allows(outcome: Outcome, allowed: bool) -> None:
    authorizer = Scripted(Decision(outcome))
    assert await AuthorizedRights(authorizer).may(ALICE, "get", SECRETS, ObjectKey("a", "b")) is allowed
    expected = Attributes(ALICE, "get", api_version="v1", namespace="a", resource="secrets", name="b")
    assert authorizer.asked == [expected]


async def test_no_answer_is_an_error() -> None:
    with pytest.raises(ApiError):
        await AuthorizedRights(Scripted(service_unavailable("away"))).may(ALICE, "get", SECRETS, ObjectKey("a", "b"))
