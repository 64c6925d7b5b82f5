"""What a caller may do in a member is the member's to say, before the gateway looks at anything there."""

import http.client
import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.environment.controlplane import ControlPlane
from tests.e2e.gateway import Gateway
from tests.e2e.test_gateway_access import ask, tls

MEMBER = "/clusters/member1"
MAPS = "/api/v1/namespaces/shop/configmaps"
PODS = "/api/v1/namespaces/shop/pods"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
RBAC_GROUP = "rbac.authorization.k8s.io"
MERGE = "application/merge-patch+json"

Ask = Callable[..., tuple[int, Any]]


def speaker(address: str, kubeconfig: Path, folder: Path) -> Iterator[Ask]:
    """Requests of an administrator in the name of somebody else."""
    folder.mkdir()
    context, _ = tls(kubeconfig, folder)
    connection = http.client.HTTPSConnection(address, context=context, timeout=30)

    def send(user: str, method: str, path: str, body: Any = None, content_type: str = MERGE) -> tuple[int, Any]:
        encoded = None if body is None else json.dumps(body).encode()
        headers = {"Impersonate-User": user}
        if encoded is not None:
            headers["Content-Type"] = content_type
        return ask(connection, method, path, encoded, **headers)[:2]

    yield send
    connection.close()


@pytest.fixture
def asked(gateway: Gateway, tmp_path: Path) -> Iterator[Ask]:
    """Asks the gateway."""
    yield from speaker(f"127.0.0.1:{gateway.port}", gateway.admin, tmp_path / "gateway")


@pytest.fixture
def member(gateway: Gateway) -> ControlPlane:
    """The member that is asked."""
    return gateway.fleet.members["member1"]


@pytest.fixture
def asked_there(member: ControlPlane, tmp_path: Path) -> Iterator[Ask]:
    """Asks the member itself."""
    yield from speaker(urlsplit(member.url).netloc, member.kubeconfig, tmp_path / "member")


def grant(plane: ControlPlane, user: str, *rules: tuple[str, str, list[str]]) -> None:
    """Let a user have rights everywhere in a control plane: API group, resource, verbs."""
    name = f"{user}-{uuid.uuid4().hex[:6]}"
    listed = [{"apiGroups": [group], "resources": [resource], "verbs": verbs} for group, resource, verbs in rules]
    plane.client.request("POST", f"{RBAC}/clusterroles", {"metadata": {"name": name}, "rules": listed})
    binding = {
        "metadata": {"name": name},
        "subjects": [{"kind": "User", "name": user, "apiGroup": RBAC_GROUP}],
        "roleRef": {"kind": "ClusterRole", "name": name, "apiGroup": RBAC_GROUP},
    }
    plane.client.request("POST", f"{RBAC}/clusterrolebindings", binding)


def into_members(gateway: Gateway, user: str) -> None:
    """Let a user address members by name."""
    grant(gateway.fleet.federation, user, ("cluster.karmada.io", "clusters/proxy", ["*"]))


def config_map(plane: ControlPlane, name: str, **labels: str) -> None:
    plane.client.request("POST", MAPS, {"metadata": {"name": name, "labels": labels}, "data": {"secret": "x"}})


WRITES: list[tuple[str, str, Any]] = [
    ("DELETE", "/api/v1/namespaces/NAME", None),
    ("DELETE", f"{PODS}/NAME", None),
    ("DELETE", f"{MAPS}/NAME", None),
    ("DELETE", f"{MAPS}/NAME?dryRun=All", None),
    ("PATCH", f"{MAPS}/NAME", {"data": {"a": "b"}}),
    ("PATCH", f"{MAPS}/NAME?dryRun=All", {"data": {"a": "b"}}),
    ("PATCH", "/apis/apps/v1/namespaces/shop/deployments/NAME/scale", {"spec": {"replicas": 0}}),
    ("PUT", f"{MAPS}/NAME", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "NAME"}}),
    ("POST", f"{PODS}/NAME/eviction", {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "NAME"}}),
    ("DELETE", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/NAME", None),
]


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
def test_a_refusal_is_the_members_and_the_same_for_what_is_not_there(
    gateway: Gateway, member: ControlPlane, asked: Ask, asked_there: Ask, method: str, path: str, body: Any
) -> None:
    into_members(gateway, "oracle")
    protected = {"metadata": {"name": "present", "labels": {"a": "b"}}}
    for collection, spec in (
        ("/api/v1/namespaces", {}),
        (MAPS, {}),
        (PODS, {"spec": {"containers": [{"name": "a", "image": "a:1"}]}}),
    ):
        if not member.client.succeeds(f"{collection}/present"):
            member.client.request("POST", collection, {**protected, **spec})

    def refusal(send: Ask, prefix: str, name: str) -> tuple[int, str]:
        content = json.loads(json.dumps(body).replace("NAME", name))
        kind = "application/json" if method in {"POST", "PUT"} else MERGE
        code, answer = send("oracle", method, prefix + path.replace("NAME", name), content, kind)
        return code, json.dumps(answer).replace(name, "NAME")

    there = refusal(asked, MEMBER, "present")
    assert there[0] == 403, there
    assert there == refusal(asked, MEMBER, "missing")
    assert there == refusal(asked_there, "", "present")


def test_a_collection_shows_nothing_to_whom_the_member_refuses(
    gateway: Gateway, member: ControlPlane, asked: Ask, asked_there: Ask
) -> None:
    into_members(gateway, "peeper")
    config_map(member, f"kept-{uuid.uuid4().hex[:6]}", kept="yes")
    for query in ("", "?dryRun=All", "?labelSelector=kept%3Dyes", "?labelSelector=kept%3Dno&dryRun=All"):
        refused = asked("peeper", "DELETE", f"{MEMBER}{MAPS}{query}")
        assert refused == asked_there("peeper", "DELETE", f"{MAPS}{query}")
        assert refused[0] == 403
        assert "kept" not in json.dumps(refused[1])


def test_who_may_delete_collections_needs_no_other_right(gateway: Gateway, member: ControlPlane, asked: Ask) -> None:
    into_members(gateway, "sweeper")
    grant(member, "sweeper", ("", "configmaps", ["deletecollection"]))
    names = sorted(f"swept-{number}-{uuid.uuid4().hex[:6]}" for number in range(3))
    for name in names:
        config_map(member, name, swept="yes")
    config_map(member, other := f"other-{uuid.uuid4().hex[:6]}")
    assert asked("sweeper", "DELETE", f"{MEMBER}{MAPS}/{names[0]}")[0] == 403
    for query, left in (("&dryRun=All", True), ("", False)):
        code, answer = asked("sweeper", "DELETE", f"{MEMBER}{MAPS}?labelSelector=swept%3Dyes{query}")
        assert code == 200, answer
        assert sorted(item["metadata"]["name"] for item in answer["items"]) == names
        assert [member.client.succeeds(f"{MAPS}/{name}") for name in names] == [left] * 3
    assert member.client.succeeds(f"{MAPS}/{other}")


def test_so_it_is_in_the_federation_store(gateway: Gateway, asked: Ask) -> None:
    grant(gateway.fleet.federation, "sweeper2", ("", "configmaps", ["deletecollection"]))
    name = f"swept-{uuid.uuid4().hex[:6]}"
    config_map(gateway.fleet.federation, name, swept="yes")
    assert asked("sweeper2", "DELETE", f"{MAPS}/{name}")[0] == 403
    code, answer = asked("sweeper2", "DELETE", f"{MAPS}?labelSelector=swept%3Dyes")
    assert (code, [item["metadata"]["name"] for item in answer["items"]]) == (200, [name])
    assert not gateway.fleet.federation.client.succeeds(f"{MAPS}/{name}")


def test_merged_pods_are_judged_by_the_right_in_their_member(
    gateway: Gateway, member: ControlPlane, asked: Ask
) -> None:
    verbs = ["delete", "patch", "deletecollection"]
    for user in ("stranger", "cleaner"):
        grant(gateway.fleet.federation, user, ("", "pods", verbs))
    grant(member, "cleaner", ("", "pods", ["deletecollection"]))
    names = sorted(f"merged-{number}-{uuid.uuid4().hex[:6]}" for number in range(2))
    for name in names:
        body = {
            "metadata": {"name": name, "labels": {"merged": "yes"}},
            "spec": {"containers": [{"name": "a", "image": "a:1"}]},
        }
        member.client.request("POST", PODS, body)
        gateway.kubectl(gateway.admin).output("wait", "-n", "shop", "--for=create", f"pod/{name}", "--timeout=20s")
    relabelled: Any = {"metadata": {"labels": {"a": "b"}}}
    for method, change in (("DELETE", None), ("PATCH", relabelled)):
        code, refused = asked("stranger", method, f"{PODS}/{names[0]}", change)
        assert (code, refused["reason"]) == (403, "Forbidden")
        assert f'User "stranger" cannot {method.lower()} resource "pods"' in refused["message"]
    selection = f"{PODS}?labelSelector=merged%3Dyes"
    for query in ("", "&dryRun=All"):
        code, refused = asked("stranger", "DELETE", selection + query)
        assert code == 403
        assert 'User "stranger" cannot deletecollection resource "pods"' in refused["message"]
        assert "merged" not in refused["message"]
    code, answer = asked("cleaner", "DELETE", f"{selection}&gracePeriodSeconds=0")
    assert code == 200, answer
    assert sorted(item["metadata"]["name"] for item in answer["items"]) == names
    assert not any(member.client.succeeds(f"{PODS}/{name}") for name in names)
