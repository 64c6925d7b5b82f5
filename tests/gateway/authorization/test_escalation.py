"""Facts of a real kube-apiserver 1.36: texts, codes, and what is free."""

from typing import Any

import pytest

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject
from gateway.authorization.escalation import RbacWrite, check_escalation
from gateway.authorization.rbac import Binding, Policy, PolicyRule
from gateway.request import UserInfo

ALICE = UserInfo("alice", groups=("dev", "system:authenticated"))
GET_PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
EVERYTHING: list[JsonObject] = [
    {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
    {"nonResourceURLs": ["*"], "verbs": ["*"]},
]


def policy(*held: JsonObject, namespace: str = "", **roles: list[JsonObject]) -> Policy:
    """A policy in which alice holds some rules, and further cluster roles exist."""
    known = {("", name): tuple(map(PolicyRule.from_object, rules)) for name, rules in roles.items()}
    known["", "held"] = tuple(map(PolicyRule.from_object, held))
    mine = Binding("mine", namespace, "ClusterRole", "held", ({"kind": "User", "name": "alice"},))
    return Policy(known, () if namespace else (mine,), {namespace: (mine,)} if namespace else {})


def role(*rules: JsonObject, **more: Any) -> JsonObject:
    return {"metadata": {"name": "x"}, "rules": list(rules), **more}


def write(
    new: JsonObject, old: JsonObject | None = None, *, resource: str = "clusterroles", namespace: str = ""
) -> RbacWrite:
    return RbacWrite(ALICE, resource, namespace, "x", new, old)


def refused(held: Policy, wanted: RbacWrite) -> str:
    with pytest.raises(ApiError) as refusal:
        check_escalation(held, wanted)
    assert (refusal.value.code, refusal.value.reason) == (403, "Forbidden")
    return refusal.value.message


def test_the_refusal_says_what_is_missing_as_kubernetes_does() -> None:
    wanted = write(
        role(
            {
                "apiGroups": ["", "apps"],
                "resources": ["pods", "secrets"],
                "verbs": ["get", "list"],
                "resourceNames": ["a"],
            },
            {"nonResourceURLs": ["/x", "/y/*"], "verbs": ["get"]},
        )
    )
    assert refused(policy(GET_PODS), wanted) == (
        'clusterroles.rbac.authorization.k8s.io "x" is forbidden: user "alice" (groups=["dev" "system:authenticated"]) '
        "is attempting to grant RBAC permissions not currently held:\n"
        '{APIGroups:[""], Resources:["pods"], ResourceNames:["a"], Verbs:["list"]}\n'
        '{APIGroups:[""], Resources:["secrets"], ResourceNames:["a"], Verbs:["get" "list"]}\n'
        '{APIGroups:["apps"], Resources:["pods"], ResourceNames:["a"], Verbs:["get" "list"]}\n'
        '{APIGroups:["apps"], Resources:["secrets"], ResourceNames:["a"], Verbs:["get" "list"]}\n'
        '{NonResourceURLs:["/x"], Verbs:["get"]}\n'
        '{NonResourceURLs:["/y/*"], Verbs:["get"]}'
    )


@pytest.mark.parametrize(
    ("held", "wanted", "covered"),
    [
        (GET_PODS, GET_PODS, True),
        (GET_PODS, {**GET_PODS, "resourceNames": ["a"]}, True),
        ({**GET_PODS, "resourceNames": ["a"]}, GET_PODS, False),
        ({**GET_PODS, "resourceNames": ["a"]}, {**GET_PODS, "resourceNames": ["a"]}, True),
        ({**GET_PODS, "resourceNames": ["a"]}, {**GET_PODS, "resourceNames": ["a", "b"]}, False),
        (GET_PODS, {**GET_PODS, "verbs": ["*"]}, False),
        ({**GET_PODS, "verbs": ["*"]}, {**GET_PODS, "verbs": ["delete"]}, True),
        ({**GET_PODS, "apiGroups": ["*"]}, {**GET_PODS, "apiGroups": ["apps"]}, True),
        (GET_PODS, {**GET_PODS, "apiGroups": ["*"]}, False),
        ({**GET_PODS, "resources": ["*"]}, {**GET_PODS, "resources": ["pods/exec"]}, True),
        ({**GET_PODS, "resources": ["*/scale"]}, {**GET_PODS, "resources": ["deployments/scale"]}, True),
        ({**GET_PODS, "resources": ["*/scale"]}, {**GET_PODS, "resources": ["deployments/status"]}, False),
        ({**GET_PODS, "resources": ["*/scale"]}, {**GET_PODS, "resources": ["deployments"]}, False),
        (GET_PODS, {**GET_PODS, "resources": ["*"]}, False),
        ({"nonResourceURLs": ["/a/*"], "verbs": ["get"]}, {"nonResourceURLs": ["/a/b"], "verbs": ["get"]}, True),
        ({"nonResourceURLs": ["/a/b"], "verbs": ["get"]}, {"nonResourceURLs": ["/a/*"], "verbs": ["get"]}, False),
        (GET_PODS, {"nonResourceURLs": ["/a"], "verbs": ["get"]}, False),
        (GET_PODS, {}, True),
    ],
)
def test_what_a_held_rule_covers(held: JsonObject, wanted: JsonObject, covered: bool) -> None:
    if covered:
        check_escalation(policy(held), write(role(wanted)))
    else:
        assert "not currently held" in refused(policy(held), write(role(wanted)))


def test_held_rules_count_where_they_hold() -> None:
    here = policy(GET_PODS, namespace="shop")
    check_escalation(here, write(role(GET_PODS), resource="roles", namespace="shop"))
    refused(here, write(role(GET_PODS), resource="roles", namespace="other"))
    refused(here, write(role(GET_PODS)))


def test_rules_of_several_roles_add_up() -> None:
    held = policy(GET_PODS, {**GET_PODS, "verbs": ["list"]})
    check_escalation(held, write(role({**GET_PODS, "verbs": ["get", "list"]})))


@pytest.mark.parametrize("names", [[], ["x"]])
def test_who_may_escalate_may_grant_anything(names: list[str]) -> None:
    may = {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "verbs": ["escalate"]}
    held = policy({**may, "resourceNames": names} if names else may)
    check_escalation(held, write(role(*EVERYTHING)))
    refused(held, write(role(*EVERYTHING), resource="roles", namespace="shop"))


@pytest.mark.parametrize("which", ["new", "old"])
def test_aggregation_is_for_cluster_admins(which: str) -> None:
    aggregated = role(aggregationRule={"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]})
    wanted = write(aggregated) if which == "new" else write(role(), aggregated)
    assert refused(policy(GET_PODS), wanted) == (
        'clusterroles.rbac.authorization.k8s.io "x" is forbidden: must have cluster-admin privileges to use the '
        "aggregationRule"
    )
    check_escalation(policy(*EVERYTHING), wanted)


def test_a_change_is_judged_whole() -> None:
    """Also what the role said before: whoever touches a role must hold all of it."""
    old = role({**GET_PODS, "verbs": ["*"]})
    refused(policy(GET_PODS), write({**old, "metadata": {"name": "x", "labels": {"a": "b"}}}, old))
    check_escalation(policy(GET_PODS), write(role(GET_PODS), old))


@pytest.mark.parametrize("freed", ["finalizers", "ownerReferences", "managedFields"])
def test_letting_the_garbage_collector_finish_is_free(freed: str) -> None:
    old = role(*EVERYTHING, metadata={"name": "x", "resourceVersion": "1", freed: ["a"]})
    check_escalation(policy(), write(role(*EVERYTHING), old))


def bound(kind: str, name: str) -> JsonObject:
    return {"metadata": {"name": "x"}, "roleRef": {"kind": kind, "name": name}, "subjects": []}


def test_a_binding_grants_what_its_role_says() -> None:
    held = policy(GET_PODS, reader=[GET_PODS], all=EVERYTHING)
    check_escalation(held, write(bound("ClusterRole", "reader"), resource="clusterrolebindings"))
    assert refused(held, write(bound("ClusterRole", "all"), resource="clusterrolebindings")) == (
        'clusterrolebindings.rbac.authorization.k8s.io "x" is forbidden: user "alice" '
        '(groups=["dev" "system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n'
        '{APIGroups:["*"], Resources:["*"], Verbs:["*"]}\n'
        '{NonResourceURLs:["*"], Verbs:["*"]}'
    )


def test_a_role_binding_refers_to_roles_of_its_namespace() -> None:
    known = policy(GET_PODS, namespace="shop")
    held = Policy(
        {**known.roles, ("shop", "mine"): (PolicyRule.from_object(GET_PODS),)}, known.cluster_bindings, known.bindings
    )
    check_escalation(held, write(bound("Role", "mine"), resource="rolebindings", namespace="shop"))
    with pytest.raises(ApiError) as refusal:
        check_escalation(held, write(bound("Role", "mine"), resource="rolebindings", namespace="other"))
    assert refusal.value.message == 'rolebindings.rbac.authorization.k8s.io "mine" not found'


def test_who_may_bind_a_role_may_give_it_to_anybody() -> None:
    may = {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "verbs": ["bind"]}
    held = policy({**may, "resourceNames": ["all"]}, all=EVERYTHING)
    check_escalation(held, write(bound("ClusterRole", "all"), resource="rolebindings", namespace="shop"))
    check_escalation(policy(may), write(bound("ClusterRole", "missing"), resource="clusterrolebindings"))
    with pytest.raises(ApiError) as refusal:
        check_escalation(held, write(bound("ClusterRole", "missing"), resource="clusterrolebindings"))
    assert refusal.value.code == 404


def test_a_role_of_no_kind_is_left_to_validation() -> None:
    check_escalation(policy(), write(bound("Robot", "x"), resource="rolebindings", namespace="shop"))
