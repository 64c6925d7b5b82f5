from collections.abc import Iterator
from typing import Any

import pytest

from gateway.apimachinery.meta import JsonObject
from gateway.authorization import rbac
from gateway.authorization.authorizer import Attributes, Outcome
from gateway.authorization.rbac import (
    Binding,
    NamedIn,
    Policy,
    PolicyRule,
    aggregate,
    authorize,
    role_rules,
    visible_rules,
)
from gateway.request import UserInfo

ALICE = UserInfo("alice", groups=("dev", "system:authenticated"))


def rule(**fields: Any) -> PolicyRule:
    return PolicyRule.from_object(fields)


def asked(verb: str = "get", **fields: Any) -> Attributes:
    return Attributes(ALICE, verb, **{"resource": "pods", **fields})


PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}


@pytest.mark.parametrize(
    ("fields", "question", "allowed"),
    [
        (PODS, {}, True),
        (PODS, {"verb": "list"}, False),
        (PODS, {"api_group": "apps"}, False),
        (PODS, {"resource": "secrets"}, False),
        (PODS, {"subresource": "log"}, False),
        ({**PODS, "verbs": ["*"]}, {"verb": "escalate"}, True),
        ({**PODS, "apiGroups": ["*"]}, {"api_group": "apps"}, True),
        ({**PODS, "resources": ["*"]}, {"resource": "pods", "subresource": "exec"}, True),
        ({**PODS, "resources": ["pods/log"]}, {"subresource": "log"}, True),
        ({**PODS, "resources": ["pods/log"]}, {}, False),
        ({**PODS, "resources": ["pods/*"]}, {"subresource": "log"}, False),
        ({**PODS, "resources": ["*/scale"]}, {"resource": "deployments", "subresource": "scale"}, True),
        ({**PODS, "resources": ["*/scale"]}, {"resource": "deployments", "subresource": "status"}, False),
        ({**PODS, "resources": ["*/scale"]}, {"resource": "scale"}, False),
        ({**PODS, "resourceNames": ["web"]}, {"name": "web"}, True),
        ({**PODS, "resourceNames": ["web"]}, {"name": "db"}, False),
        ({**PODS, "resourceNames": ["web"]}, {}, False),
        ({**PODS, "resourceNames": []}, {"name": "db"}, True),
        ({"nonResourceURLs": ["/metrics"], "verbs": ["get"]}, {}, False),
        ({}, {}, False),
        ({"apiGroups": "*", "resources": "*", "verbs": "*"}, {}, False),
    ],
)
def test_rules_about_resources(fields: JsonObject, question: JsonObject, allowed: bool) -> None:
    assert rule(**fields).allows(asked(**question)) is allowed


@pytest.mark.parametrize(
    ("urls", "path", "allowed"),
    [
        (["/metrics"], "/metrics", True),
        (["/metrics"], "/metrics/x", False),
        (["/api/*"], "/api/v1", True),
        (["/api/*"], "/api", False),
        (["/api*"], "/apis", True),
        (["*"], "/anything", True),
        (["/a/*/b"], "/a/x/b", False),
        ([], "/", False),
    ],
)
def test_rules_about_paths(urls: list[str], path: str, allowed: bool) -> None:
    question = Attributes(ALICE, "get", False, path=path)
    assert rule(nonResourceURLs=urls, verbs=["get"]).allows(question) is allowed
    assert not rule(apiGroups=["*"], resources=["*"], verbs=["*"]).allows(question)


def binding(*subjects: JsonObject, kind: str = "ClusterRole", role: str = "reader", namespace: str = "") -> Binding:
    return Binding.from_object(
        {
            "metadata": {"name": "b", "namespace": namespace},
            "roleRef": {"kind": kind, "name": role},
            "subjects": list(subjects),
        }
    )


@pytest.mark.parametrize(
    ("subject", "namespace", "user", "named"),
    [
        ({"kind": "User", "name": "alice"}, "", ALICE, 'User "alice"'),
        ({"kind": "User", "name": "dev"}, "", ALICE, ""),
        ({"kind": "Group", "name": "dev"}, "", ALICE, 'Group "dev"'),
        ({"kind": "Group", "name": "alice"}, "", ALICE, ""),
        ({"kind": "Robot", "name": "alice"}, "", ALICE, ""),
        (
            {"kind": "ServiceAccount", "name": "sa", "namespace": "shop"},
            "",
            UserInfo("system:serviceaccount:shop:sa"),
            'ServiceAccount "sa/shop"',
        ),
        (
            {"kind": "ServiceAccount", "name": "sa"},
            "shop",
            UserInfo("system:serviceaccount:shop:sa"),
            'ServiceAccount "sa/shop"',
        ),
        ({"kind": "ServiceAccount", "name": "sa"}, "", UserInfo("system:serviceaccount::sa"), ""),
        ({"kind": "ServiceAccount", "name": "sa"}, "other", UserInfo("system:serviceaccount:shop:sa"), ""),
    ],
)
def test_whom_a_binding_names(subject: JsonObject, namespace: str, user: UserInfo, named: str) -> None:
    assert binding(subject, namespace=namespace).subject_for(user) == named


def test_a_binding_that_is_none_names_nobody() -> None:
    broken = Binding.from_object({"roleRef": "x", "subjects": {"kind": "User"}})
    assert (broken.role, broken.subjects, broken.subject_for(ALICE)) == (("", ""), (), "")


READER = {("", "reader"): (rule(**PODS),), ("shop", "reader"): (rule(**{**PODS, "verbs": ["list"]}),)}
ME = {"kind": "User", "name": "alice"}


@pytest.mark.parametrize(
    ("policy", "question", "reason"),
    [
        (
            Policy(READER, (binding(ME),)),
            asked(namespace="shop"),
            'RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "reader" to User "alice"',
        ),
        (
            Policy(READER, bindings={"shop": (binding(ME, namespace="shop"),)}),
            asked(namespace="shop"),
            'RBAC: allowed by RoleBinding "b/shop" of ClusterRole "reader" to User "alice"',
        ),
        (
            Policy(READER, bindings={"shop": (binding(ME, kind="Role", namespace="shop"),)}),
            asked("list", namespace="shop"),
            'RBAC: allowed by RoleBinding "b/shop" of Role "reader" to User "alice"',
        ),
        (Policy(READER, bindings={"shop": (binding(ME, namespace="shop"),)}), asked(namespace="other"), None),
        (Policy(READER, bindings={"shop": (binding(ME, namespace="shop"),)}), asked(), None),
        (Policy(READER, (binding(ME, role="missing"),)), asked(), None),
        (Policy(READER, (binding({"kind": "User", "name": "bob"}),)), asked(), None),
        (Policy(), asked(), None),
    ],
)
def test_who_may_what_where(policy: Policy, question: Attributes, reason: str | None) -> None:
    decision = authorize(policy, question)
    assert decision.outcome is (Outcome.NO_OPINION if reason is None else Outcome.ALLOW)
    assert decision.reason == (reason or "")


def test_all_rules_of_a_user_once_each() -> None:
    policy = Policy(READER, (binding(ME), binding(ME)), {"shop": (binding(ME, kind="Role", namespace="shop"),)})
    assert visible_rules(policy, ALICE, "shop") == [rule(**PODS), rule(**{**PODS, "verbs": ["list"]})]
    assert visible_rules(policy, ALICE, "") == [rule(**PODS)]


def role(name: str, *resources: str, labels: JsonObject | None = None, select: Any = None) -> JsonObject:
    obj: JsonObject = {"metadata": {"name": name, "labels": labels or {}}}
    if resources:
        obj["rules"] = [{"apiGroups": [""], "resources": [resource], "verbs": ["get"]} for resource in resources]
    if select is not None:
        obj["aggregationRule"] = {"clusterRoleSelectors": select}
    return obj


def gathered(*roles: JsonObject) -> dict[str, list[str]]:
    return {name: [rule.resources[0] for rule in rules] for (_, name), rules in aggregate(roles).items()}


def by(**labels: str) -> list[JsonObject]:
    return [{"matchLabels": labels}]


def test_a_role_has_the_rules_of_those_it_selects() -> None:
    assert gathered(
        role("all", "lost", select=by(to="all")),
        role("one", "pods", labels={"to": "all"}),
        role("two", "secrets", "pods", labels={"to": "all", "more": "x"}),
        role("other", "nodes", labels={"to": "nobody"}),
    ) == {"all": ["pods", "secrets"], "one": ["pods"], "two": ["secrets", "pods"], "other": ["nodes"]}


def test_selected_roles_may_be_aggregated_themselves() -> None:
    assert gathered(
        role("admin", select=by(to="admin")),
        role("edit", select=by(to="edit"), labels={"to": "admin"}),
        role("part", "pods", labels={"to": "edit"}),
    ) == {"admin": ["pods"], "edit": ["pods"], "part": ["pods"]}


def test_a_ring_of_roles_ends() -> None:
    assert gathered(
        role("a", select=by(to="a"), labels={"to": "b"}),
        role("b", select=by(to="b"), labels={"to": "a"}),
        role("part", "pods", labels={"to": "a"}),
    ) == {"a": ["pods"], "b": ["pods"], "part": ["pods"]}


@pytest.mark.parametrize(
    ("select", "found"),
    [
        ([{"matchExpressions": [{"key": "tier", "operator": "In", "values": ["x", "y"]}]}], ["pods"]),
        ([{"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["x"]}]}], ["secrets"]),
        ([{"matchExpressions": [{"key": "tier", "operator": "Exists"}]}], ["pods"]),
        ([{"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}], ["secrets"]),
        ([{}], ["pods", "secrets"]),
        ([*by(tier="x"), *by(other="y")], ["pods", "secrets"]),
        ([{"matchExpressions": [{"key": "tier", "operator": "Near"}]}], []),
        (["tier"], []),
    ],
)
def test_selectors_of_every_form(select: Any, found: list[str]) -> None:
    roles = [role("one", "pods", labels={"tier": "x"}), role("two", "secrets", labels={"other": "y"})]
    assert gathered(role("all", select=select), *roles)["all"] == found


def test_an_empty_aggregation_rule_is_none() -> None:
    assert gathered(role("plain", "pods", select=[])) == {"plain": ["pods"]}


def test_what_is_no_rule_is_left_out() -> None:
    assert role_rules({"rules": ["x", {"verbs": ["get", 5], "resources": "pods"}]}) == (PolicyRule(("get",)),)
    assert role_rules({"rules": "x"}) == ()


def test_rules_as_a_review_shows_them() -> None:
    full = PolicyRule(("get",), ("",), ("pods",), ("web",))
    assert full.to_object(resource=True) == {**PODS, "resourceNames": ["web"]}
    assert rule(**PODS).to_object(resource=True) == PODS
    urls = {"verbs": ["get"], "nonResourceURLs": ["/x"]}
    assert rule(**urls).to_object(resource=False) == urls


def test_bindings_are_found_by_whom_they_name_as_by_looking_at_each() -> None:
    subjects: list[JsonObject] = [
        {"kind": "User", "name": "alice"},
        {"kind": "User", "name": "system:serviceaccount:shop:bot"},
        {"kind": "Group", "name": "dev"},
        {"kind": "Group", "name": "alice"},
        {"kind": "ServiceAccount", "name": "bot", "namespace": "shop"},
        {"kind": "ServiceAccount", "name": "bot"},
        {"kind": "User", "name": ["alice"]},
        {"kind": ["User"], "name": "alice"},
        {"kind": "Group"},
        {},
    ]
    users = [
        UserInfo("alice"),
        UserInfo("bob", groups=("dev", "ops", "alice")),
        UserInfo("system:serviceaccount:shop:bot", groups=("dev",)),
        UserInfo(""),
    ]
    pairs = [(one, other) for one in subjects for other in subjects]
    cluster = [binding(*pair) for pair in pairs]
    of_shop = [binding(*pair, namespace="shop", kind="Role") for pair in pairs]
    policy = Policy(READER, cluster, {"shop": of_shop})
    for user in users:
        expected = [(one, named) for one in (*cluster, *of_shop) if (named := one.subject_for(user))]
        assert [(one, named) for one, named, _ in policy.grants(user, "shop")] == expected
        assert [one for one, _, _ in policy.grants(user, "")] == [one for one in cluster if one.subject_for(user)]


@pytest.mark.parametrize("others", [0, 3, 40])
def test_what_is_granted_is_the_same_when_it_is_asked_for_again(others: int) -> None:
    subjects = [{"kind": "User", "name": name} for name in ("alice", *(f"user-{number}" for number in range(others)))]
    bindings = [binding(subject, {"kind": "Group", "name": "dev"}) for subject in subjects]
    policy = Policy(READER, bindings)
    for user in (UserInfo("alice"), UserInfo("bob"), UserInfo("bob", groups=("dev",)), UserInfo("alice", groups=())):
        expected = [(one, one.subject_for(user), policy.rules_of(one)) for one in bindings if one.subject_for(user)]
        for _ in range(3):
            assert list(policy.grants(user, "shop")) == list(policy.grants(user, "")) == expected


def test_it_is_looked_for_once_unless_many_others_have_asked_or_it_is_much(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_for: list[str] = []
    naming = NamedIn.naming

    def counted(named: NamedIn, user: UserInfo) -> Iterator[Binding]:
        looked_for.append(user.name)
        return naming(named, user)

    monkeypatch.setattr(NamedIn, "naming", counted)
    monkeypatch.setattr(rbac, "_REMEMBERED", 2)
    policy = Policy(READER, [binding({"kind": "Group", "name": group}) for group in ("dev", *["ops"] * 50)])
    for name in ("a", "a", "b", "a", "c", "a", "a"):
        assert len(list(policy.grants(UserInfo(name, groups=("dev",)), ""))) == 1
    assert looked_for == ["a", "b", "c", "a"]
    looked_for.clear()
    for _ in range(2):
        assert len(list(policy.grants(UserInfo("a", groups=("ops",)), ""))) == 50
    assert looked_for == ["a", "a"]
