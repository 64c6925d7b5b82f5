from collections.abc import Callable

import pytest

from gateway.authorization.authorizer import Attributes, Decision
from tests.gateway.filters.handlers import echo
from tests.support.gateway_chain import ALLOW, DENY, Pki, running_chain


def all_but(resource: str) -> Callable[[Attributes], Decision]:
    return lambda attributes: DENY if attributes.resource == resource else ALLOW


async def test_who_may_acts_as_somebody_else(gateway_pki: Pki) -> None:
    headers = [
        ("Impersonate-User", "jane"),
        ("Impersonate-Group", "dev"),
        ("Impersonate-Group", "ops"),
        ("Impersonate-Uid", "u-1"),
        ("Impersonate-Extra-Example.io%2Fteam", "a"),
        ("Impersonate-Extra-Example.io%2Fteam", "b"),
    ]
    async with running_chain(gateway_pki, echo) as chain:
        said = (await chain.ask("GET", "/api/v1/pods", headers=headers)).json()
        asked = [
            (right.verb, right.api_group, right.resource, right.subresource, right.name)
            for right in chain.authorizer.asked
            if right.user.name == "alice"
        ]
        (record,) = chain.audit.records
    assert (said["user"], said["requestor"], said["uid"]) == ("jane", "alice", "u-1")
    assert said["groups"] == ["dev", "ops", "system:authenticated"]
    assert said["extra"] == {"example.io/team": ["a", "b"]}
    assert asked == [
        ("impersonate", "", "users", "", "jane"),
        ("impersonate", "", "groups", "", "dev"),
        ("impersonate", "", "groups", "", "ops"),
        ("impersonate", "authentication.k8s.io", "uids", "", "u-1"),
        ("impersonate", "authentication.k8s.io", "userextras", "example.io/team", "a"),
        ("impersonate", "authentication.k8s.io", "userextras", "example.io/team", "b"),
    ]
    assert record.user is not None
    assert record.impersonated is not None
    assert (record.user.name, record.impersonated.name) == ("alice", "jane")


@pytest.mark.parametrize("resource", ["users", "groups", "uids", "userextras"])
async def test_every_part_has_to_be_allowed(gateway_pki: Pki, resource: str) -> None:
    headers = {
        "Impersonate-User": "jane",
        "Impersonate-Group": "dev",
        "Impersonate-Uid": "u",
        "Impersonate-Extra-team": "a",
    }
    async with running_chain(gateway_pki, echo, decide=all_but(resource)) as chain:
        answer = await chain.ask("GET", "/api/v1/pods", headers=headers)
        assert all(right.user.name == "alice" for right in chain.authorizer.asked)
    assert answer.status == 403
    assert answer.json()["message"].startswith(f"{resource}")
    assert 'User "alice" cannot impersonate resource' in answer.json()["message"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "headers",
    [
        {"impersonate-user": "jane"},
        {"IMPERSONATE_USER": "jane"},
        {"Impersonate_User": "jane"},
        {"iMPERSONATE-uSER": "jane", "Connection": "Impersonate-User"},
    ],
)
async def test_no_spelling_gets_around_the_question(gateway_pki: Pki, headers: dict[str, str]) -> None:
    async with running_chain(gateway_pki, echo, decide=all_but("users")) as chain:
        assert (await chain.ask("GET", "/api/v1/pods", headers=headers)).status == 403
    async with running_chain(gateway_pki, echo) as chain:
        assert (await chain.ask("GET", "/api/v1/pods", headers=headers)).json()["user"] == "jane"


@pytest.mark.parametrize(
    "headers",
    [
        [("Impersonate-Group", "dev")],
        [("Impersonate-Uid", "u")],
        [("Impersonate_Extra_team", "a")],
        [("Impersonate-User", "jane"), ("impersonate_user", "bob")],
        [("Impersonate-User", "jane"), ("Impersonate-Uid", "1"), ("Impersonate-Uid", "2")],
        [("Impersonate-User", "jane"), ("Impersonate-Extra-", "x")],
        [("Impersonate-Foo", "jane")],
    ],
)
async def test_what_makes_no_sense_is_refused(gateway_pki: Pki, headers: list[tuple[str, str]]) -> None:
    async with running_chain(gateway_pki, echo) as chain:
        answer = await chain.ask("GET", "/api/v1/pods", headers=headers)
        assert chain.authorizer.asked == []
    assert (answer.status, answer.json()["reason"]) == (400, "BadRequest")


@pytest.mark.parametrize(
    ("user", "group"),
    [
        ("jane", "system:masters"),
        ("jane", "system:nodes"),
        ("system:kube-controller-manager", "dev"),
        ("system:node:n1", "dev"),
        ("system:serviceaccount:kube-system:default", "dev"),
    ],
)
async def test_some_identities_are_nobodys_business(gateway_pki: Pki, user: str, group: str) -> None:
    async with running_chain(gateway_pki, echo) as chain:
        headers = {"Impersonate-User": user, "Impersonate-Group": group}
        answer = await chain.ask("GET", "/api/v1/pods", headers=headers)
        assert chain.authorizer.asked == []
    assert (answer.status, answer.json()["reason"]) == (403, "Forbidden")


async def test_an_empty_user_is_nobody(gateway_pki: Pki) -> None:
    async with running_chain(gateway_pki, echo) as chain:
        said = (await chain.ask("GET", "/api/v1/pods", headers={"Impersonate-User": ""})).json()
    assert said["user"] == "alice"


@pytest.mark.parametrize(
    "headers",
    [
        b"Impersonate-User: \xff",
        b"Impersonate-User: jane\r\nImpersonate-Group: \xed\xa0\x80",
        b"Impersonate-User: jane\r\nImpersonate-Extra-a%ff: x",
    ],
)
async def test_what_is_no_text_is_a_bad_request(gateway_pki: Pki, headers: bytes) -> None:
    async with running_chain(gateway_pki, echo) as chain:
        head = b"GET /api/v1/pods HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        answer = await chain.raw(head + headers + b"\r\n\r\n", user="alice")
        assert chain.authorizer.asked == []
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"is not valid UTF-8" in answer
