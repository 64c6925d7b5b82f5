import pytest

from gateway.authorization.authorizer import Attributes, Decision, Outcome, denial, request_attributes
from gateway.request import UserInfo, parse_request_info

ALICE = UserInfo("alice")


def test_the_zero_decision_denies() -> None:
    assert not Decision().allowed
    assert Decision().outcome is Outcome.DENY
    assert [Decision(outcome).allowed for outcome in Outcome] == [False, False, True]


@pytest.mark.parametrize(
    ("attributes", "reason", "message"),
    [
        (
            Attributes(ALICE, "get", namespace="shop", resource="pods", subresource="log", name="web"),
            "",
            'pods "web" is forbidden: User "alice" cannot get resource "pods/log" in API group "" in the namespace '
            '"shop"',
        ),
        (
            Attributes(ALICE, "list", api_group="apps", resource="deployments"),
            "because <so>",
            'deployments.apps is forbidden: User "alice" cannot list resource "deployments" in API group "apps" at the '
            "cluster scope: because <so>",
        ),
        (
            Attributes(UserInfo('a"<b>&\n'), "get", False, path="/<x>"),
            "",
            'forbidden: User "a\\"&lt;b&gt;&amp;\\n" cannot get path "/&lt;x&gt;"',
        ),
    ],
)
def test_denials_are_worded_as_in_kubernetes(attributes: Attributes, reason: str, message: str) -> None:
    error = denial(attributes, reason)
    assert (error.code, error.reason, error.message) == (403, "Forbidden", message)
    assert error.headers["X-Content-Type-Options"] == "nosniff"


def test_details_name_the_object_as_it_was_asked_for() -> None:
    error = denial(Attributes(ALICE, "get", api_group="apps", resource="deployments", name="a<b"), "")
    assert error.details == {"name": "a<b", "group": "apps", "kind": "deployments"}


def test_attributes_of_a_request() -> None:
    info = parse_request_info("GET", "/apis/apps/v1/namespaces/a/deployments/d/scale", {})
    assert request_attributes(ALICE, info) == Attributes(
        ALICE, "get", True, "apps", "v1", "a", "deployments", "scale", "d", path=info.path
    )
