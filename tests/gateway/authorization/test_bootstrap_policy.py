import pytest

from gateway.authorization.authorizer import Attributes
from gateway.authorization.bootstrap_policy import ADMINS_GROUP, cluster_role_bindings, cluster_roles
from gateway.authorization.rbac import Binding, Policy, PolicyRule, aggregate, authorize
from gateway.request import ANONYMOUS_USER, UserInfo

POLICY = Policy(aggregate(cluster_roles()), tuple(map(Binding.from_object, cluster_role_bindings())))
ADMIN = UserInfo("admin", groups=(ADMINS_GROUP, "system:authenticated"))
SOMEBODY = UserInfo("somebody", groups=("system:authenticated",))


def may(user: UserInfo, verb: str, resource: str, group: str = "", subresource: str = "") -> bool:
    return authorize(
        POLICY, Attributes(user, verb, api_group=group, resource=resource, subresource=subresource, namespace="a")
    ).allowed


def may_at(user: UserInfo, path: str, verb: str = "get") -> bool:
    return authorize(POLICY, Attributes(user, verb, False, path=path)).allowed


def test_the_administrators_may_everything() -> None:
    assert may(ADMIN, "escalate", "clusterroles", "rbac.authorization.k8s.io")
    assert may(ADMIN, "create", "pods", subresource="exec")
    assert may_at(ADMIN, "/fleetgate/v1alpha1/clusters")


def test_everybody_with_a_name_may_look_around_and_ask_about_himself() -> None:
    for path in ("/api", "/apis/apps/v1", "/openapi/v3", "/version"):
        assert may_at(SOMEBODY, path)
    assert may(SOMEBODY, "create", "selfsubjectaccessreviews", "authorization.k8s.io")
    assert may(SOMEBODY, "create", "selfsubjectrulesreviews", "authorization.k8s.io")
    assert may(SOMEBODY, "create", "selfsubjectreviews", "authentication.k8s.io")


def test_nothing_else_is_given_away() -> None:
    for resource, group in (("pods", ""), ("secrets", ""), ("deployments", "apps"), ("clusters", "cluster.karmada.io")):
        assert not may(SOMEBODY, "get", resource, group)
    assert not may(SOMEBODY, "create", "subjectaccessreviews", "authorization.k8s.io")
    assert not may_at(SOMEBODY, "/metrics")
    assert not may_at(SOMEBODY, "/fleetgate/v1alpha1/clusters")
    assert not may_at(SOMEBODY, "/api", "post")


def test_nobody_may_ask_for_health_and_version_only() -> None:
    assert may_at(ANONYMOUS_USER, "/readyz")
    assert may_at(ANONYMOUS_USER, "/version")
    assert not may_at(ANONYMOUS_USER, "/api")
    assert not may(ANONYMOUS_USER, "create", "selfsubjectreviews", "authentication.k8s.io")


def role_allows(name: str, verb: str, resource: str, group: str = "") -> bool:
    rules: tuple[PolicyRule, ...] = POLICY.roles["", name]
    return any(rule.allows(Attributes(SOMEBODY, verb, api_group=group, resource=resource)) for rule in rules)


@pytest.mark.parametrize(
    ("role", "verb", "resource", "group", "allowed"),
    [
        ("view", "list", "pods", "", True),
        ("view", "list", "secrets", "", False),
        ("view", "delete", "pods", "", False),
        ("edit", "list", "pods", "", True),
        ("edit", "delete", "pods", "", True),
        ("edit", "get", "secrets", "", True),
        ("edit", "create", "roles", "rbac.authorization.k8s.io", False),
        ("admin", "delete", "deployments", "apps", True),
        ("admin", "create", "roles", "rbac.authorization.k8s.io", True),
        ("admin", "create", "clusterroles", "rbac.authorization.k8s.io", False),
        ("cluster-admin", "create", "clusterroles", "rbac.authorization.k8s.io", True),
    ],
)
def test_the_usual_roles(role: str, verb: str, resource: str, group: str, allowed: bool) -> None:
    assert role_allows(role, verb, resource, group) is allowed
