import pytest

from gateway.apimachinery.errors import ApiError
from gateway.authentication.impersonation import Impersonation, banned, needed_rights, requested_identity
from gateway.request import UserInfo

ADMIN = UserInfo("admin")


def identity(*headers: tuple[str, str]) -> UserInfo:
    found = requested_identity(headers)
    assert found is not None
    return found.identity


def test_who_asks_for_nobody_is_himself() -> None:
    assert requested_identity([("Accept", "x"), ("X-Impersonate-User", "jane")]) is None
    assert requested_identity([]) is None


@pytest.mark.parametrize(
    ("user", "asked", "groups"),
    [
        ("jane", (), ("system:authenticated",)),
        ("jane", ("dev",), ("dev", "system:authenticated")),
        ("jane", ("system:authenticated",), ("system:authenticated",)),
        ("jane", ("system:unauthenticated",), ("system:unauthenticated",)),
        (
            "system:serviceaccount:shop:sa",
            (),
            ("system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"),
        ),
        ("system:serviceaccount:shop:sa", ("dev",), ("dev", "system:authenticated")),
        ("system:serviceaccount:shop", (), ("system:authenticated",)),
        ("system:serviceaccount:", (), ("system:authenticated",)),
        ("system:serviceaccount:a:b:c", (), ("system:authenticated",)),
        ("system:anonymous", (), ("system:unauthenticated",)),
        ("system:anonymous", ("system:unauthenticated",), ("system:unauthenticated",)),
        ("system:anonymous", ("dev",), ("dev", "system:unauthenticated")),
    ],
)
def test_groups_that_come_with_an_identity(user: str, asked: tuple[str, ...], groups: tuple[str, ...]) -> None:
    headers = [("Impersonate-User", user), *(("Impersonate-Group", group) for group in asked)]
    found = requested_identity(headers)
    assert found == Impersonation(UserInfo(user, groups=groups), asked)


def test_keys_of_extra_are_decoded_behind_their_lower_case() -> None:
    found = identity(
        ("Impersonate-User", "jane"), ("Impersonate-Extra-ACME.io%2FTeam", "a"), ("impersonate_extra_a_b", "c")
    )
    assert found.extra == {"acme.io/team": ("a",), "a_b": ("c",)}


@pytest.mark.parametrize(
    ("encoded", "key"),
    [("a%2Fb", "a/b"), ("%c3%a9", "é"), ("a%zz%2f", "a%zz%2f"), ("a%", "a%"), ("a+b", "a+b"), ("%2525", "%25")],
)
def test_keys_of_extra_are_decoded_once_and_only_when_all_of_it_can_be(encoded: str, key: str) -> None:
    found = identity(("Impersonate-User", "jane"), (f"Impersonate-Extra-{encoded}", "x"))
    assert found.extra == {key: ("x",)}


def test_names_may_be_of_any_script() -> None:
    assert identity(("Impersonate-User", "jané"), ("Impersonate-Group", "組")).name == "jané"


@pytest.mark.parametrize(
    "headers",
    [
        [("Impersonate-Group", "dev")],
        [("Impersonate-Extra-a", "b")],
        [("Impersonate-Uid", "u")],
        [("Impersonate-User", "a"), ("Impersonate-User", "a")],
        [("Impersonate-User", "a"), ("Impersonate_UID", "1"), ("Impersonate-Uid", "2")],
        [("Impersonate-Nobody", "a")],
        [("Impersonate-", "a")],
        [("Impersonate-User", "\udcff")],
        [("Impersonate-User", "a"), ("Impersonate-Group", "d\udce9v")],
        [("Impersonate-User", "a"), ("Impersonate-Uid", "\udcff")],
        [("Impersonate-User", "a"), ("Impersonate-Extra-a", "\udcff")],
        [("Impersonate-User", "a"), ("Impersonate-Extra-%ff", "x")],
    ],
)
def test_what_makes_no_sense(headers: list[tuple[str, str]]) -> None:
    with pytest.raises(ApiError) as refusal:
        requested_identity(headers)
    assert refusal.value.code == 400


@pytest.mark.parametrize(
    ("user", "groups", "message"),
    [
        ("system:node:n1", (), 'users "system:node:n1" is forbidden: the gateway never impersonates system components'),
        ("system:serviceaccount:kube-system:x", (), None),
        (
            "jane",
            ("dev", "system:masters"),
            'groups "system:masters" is forbidden: the gateway never impersonates this group',
        ),
        ("jane", ("system:nodes",), None),
        ("jane", ("system:monitoring",), None),
        ("jane", ("system:serviceaccounts:kube-system",), None),
        ("system:kube-controller-manager", (), None),
        ("system:kube-scheduler", (), None),
        ("system:kube-proxy", (), None),
        ("system:apiserver", (), None),
        ("system:admin", (), None),
        ("system:", (), None),
    ],
)
def test_identities_nobody_may_assume(user: str, groups: tuple[str, ...], message: str | None) -> None:
    refusal = banned(UserInfo(user, groups=groups))
    assert refusal is not None
    assert refusal.code == 403
    assert message is None or refusal.message == message


@pytest.mark.parametrize("name", ["jane", "system", "systematic", "system:anonymous", "system:serviceaccount:shop:sa"])
def test_all_others_may_be_asked_for(name: str) -> None:
    groups = ("system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated", "system:unauthenticated")
    assert banned(UserInfo(name, groups=("dev", *groups))) is None


def rights(user: UserInfo, *asked_groups: str) -> list[tuple[str, str, str, str, str]]:
    needed = needed_rights(ADMIN, Impersonation(user, asked_groups))
    assert all((right.user, right.verb) == (ADMIN, "impersonate") for right in needed)
    return [(right.api_group, right.namespace, right.resource, right.subresource, right.name) for right in needed]


def test_every_part_needs_its_right() -> None:
    user = UserInfo("jane", "u-1", ("dev", "system:authenticated"), {"team": ("a", "b")})
    assert rights(user, "dev") == [
        ("", "", "users", "", "jane"),
        ("", "", "groups", "", "dev"),
        ("authentication.k8s.io", "", "uids", "", "u-1"),
        ("authentication.k8s.io", "", "userextras", "team", "a"),
        ("authentication.k8s.io", "", "userextras", "team", "b"),
    ]


def test_a_service_account_is_one_of_its_namespace() -> None:
    assert rights(UserInfo("system:serviceaccount:shop:sa")) == [("", "shop", "serviceaccounts", "", "sa")]
    assert rights(UserInfo("system:serviceaccount:shop")) == [("", "", "users", "", "system:serviceaccount:shop")]
