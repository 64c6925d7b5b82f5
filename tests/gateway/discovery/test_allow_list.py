import pytest

from gateway.apimachinery.schema import GroupResource
from gateway.discovery.allow_list import AllowList

PODS = GroupResource("", "pods")
DEPLOYMENTS = GroupResource("apps", "deployments")
DAEMON_SETS = GroupResource("apps", "daemonsets")
ROLES = GroupResource("rbac.authorization.k8s.io", "roles")


def test_everything_is_served_unless_the_configuration_says_otherwise() -> None:
    assert all(AllowList().permits(entry) for entry in (PODS, DEPLOYMENTS, ROLES))


@pytest.mark.parametrize(
    ("allow", "served"),
    [
        (["pods"], {PODS}),
        (["deployments.apps"], {DEPLOYMENTS}),
        (["*.apps"], {DEPLOYMENTS, DAEMON_SETS}),
        (["pods", "*.rbac.authorization.k8s.io"], {PODS, ROLES}),
        (["deployments"], set()),
        (["pods.apps"], set()),
        ([], set()),
    ],
)
def test_patterns_name_resources_with_their_group(allow: list[str], served: set[GroupResource]) -> None:
    allow_list = AllowList(allow)
    assert {entry for entry in (PODS, DEPLOYMENTS, DAEMON_SETS, ROLES) if allow_list.permits(entry)} == served


@pytest.mark.parametrize("deny", ["deployments.apps", "*.apps", "*"])
def test_denying_wins(deny: str) -> None:
    assert not AllowList(["*", "deployments.apps"], [deny]).permits(DEPLOYMENTS)


def test_denying_one_leaves_the_others() -> None:
    allow_list = AllowList(["*"], ["pods", "daemonsets.apps"])
    assert not allow_list.permits(PODS)
    assert not allow_list.permits(DAEMON_SETS)
    assert allow_list.permits(DEPLOYMENTS)


@pytest.mark.parametrize(
    ("allow", "deny", "some"),
    [
        (["*"], [], True),
        (["*.apps"], [], True),
        (["deployments.apps"], [], True),
        (["pods"], [], False),
        (["*"], ["*.apps"], False),
        (["*"], ["deployments.apps"], True),
        (["*"], ["*"], False),
    ],
)
def test_a_group_of_which_nothing_is_known_yet(allow: list[str], deny: list[str], some: bool) -> None:
    assert AllowList(allow, deny).permits_some_of("apps") is some


@pytest.mark.parametrize("pattern", ["", "Deployments", "pods/log", "apps/v1", "*.*", "pods.", ".apps", "po*", " pods"])
def test_a_pattern_nobody_can_mean_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="names no resource"):
        AllowList([pattern])
    with pytest.raises(ValueError, match="names no resource"):
        AllowList(deny=[pattern])
