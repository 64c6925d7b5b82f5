"""A Cluster object is no way to Secrets that its writer may not read: at the embedded store and at a kube-apiserver."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.environment.fleet import Fleet
from tests.e2e.environment.kubectl import Kubectl
from tests.e2e.gateway import Gateway, fleetgate

MEMBER = "credentials"
CLUSTER = "clusters.cluster.karmada.io"
CLOSED = "https://127.0.0.1:1"
WRITER = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: cluster-writer}
rules:
- {apiGroups: [cluster.karmada.io], resources: [clusters], verbs: [get, create, update, patch, delete]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: cluster-writer}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-writer}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: carol}]
"""


def cluster(name: str = MEMBER, **spec: Any) -> str:
    reference = {"namespace": "karmada-cluster", "name": MEMBER}
    return json.dumps(
        {
            "apiVersion": "cluster.karmada.io/v1alpha1",
            "kind": "Cluster",
            "metadata": {"name": name},
            "spec": {"syncMode": "Push", "apiEndpoint": CLOSED, "secretRef": reference} | spec,
        }
    )


@pytest.fixture(scope="module", params=["embedded", "remote"])
def gateway(
    request: pytest.FixtureRequest,
    seeded_fleet: Fleet,
    binaries: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    """A gateway whose user carol may write Clusters and read no Secret. The kind is there."""
    folder = tmp_path_factory.mktemp(f"credentials-{request.param}")
    with Gateway(seeded_fleet, binaries["kubectl"], folder, remote=request.param == "remote") as running:
        admin = running.kubectl(running.admin)
        member = seeded_fleet.members["member1"]
        # The store may have other members, of other tests: this one has a name of its own.
        join = fleetgate("join", MEMBER, "--kubeconfig", str(member.kubeconfig), "--gateway", str(running.admin))
        assert join.returncode == 0, join.stderr
        admin.output("apply", "-f", "-", stdin=WRITER)
        yield running
        admin.output("delete", "-f", "-", stdin=WRITER)
        assert fleetgate("unjoin", MEMBER, "--gateway", str(running.admin)).returncode == 0


@pytest.fixture(scope="module")
def carol(gateway: Gateway) -> Kubectl:
    return gateway.kubectl(gateway.issue("carol"))


def test_who_may_not_get_the_secret_says_not_where_the_cluster_is(gateway: Gateway, carol: Kubectl) -> None:
    live = gateway.kubectl(gateway.admin).output("get", CLUSTER, MEMBER, "-o", "json")
    moved = json.loads(live)
    moved["spec"]["apiEndpoint"] = CLOSED
    merge = '{"spec":{"proxyURL":"http://127.0.0.1:1"}}'
    replace = '[{"op":"replace","path":"/spec/apiEndpoint","value":"https://127.0.0.1:1"}]'
    attempts = {
        "create": carol.run("create", "-f", "-", stdin=cluster("another")),
        "create by apply": carol.run("apply", "--server-side", "-f", "-", stdin=cluster("another")),
        "dry run": carol.run("create", "--dry-run=server", "-f", "-", stdin=cluster("another")),
        "replace": carol.run("replace", "-f", "-", stdin=json.dumps(moved)),
        "merge patch": carol.run("patch", CLUSTER, MEMBER, "--type=merge", "-p", merge),
        "JSON patch": carol.run("patch", CLUSTER, MEMBER, "--type=json", "-p", replace),
        "apply": carol.run("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=cluster()),
    }
    missing = f'User "carol" cannot get resource "secrets" named "{MEMBER}" in the namespace "karmada-cluster"'
    assert {way: done.returncode for way, done in attempts.items()} == dict.fromkeys(attempts, 1)
    assert {way: missing in done.stderr for way, done in attempts.items()} == dict.fromkeys(attempts, True), attempts
    now = json.loads(gateway.kubectl(gateway.admin).output("get", CLUSTER, MEMBER, "-o", "json"))
    assert now["spec"] == json.loads(live)["spec"]


def test_what_only_describes_the_cluster_may_be_written(carol: Kubectl) -> None:
    carol.output("label", CLUSTER, MEMBER, "described=true")
    carol.output("patch", CLUSTER, MEMBER, "--type=merge", "-p", '{"spec":{"region":"north"}}')


def test_who_may_get_the_secret_says_where_the_cluster_is(gateway: Gateway, carol: Kubectl) -> None:
    admin = gateway.kubectl(gateway.admin)
    here = ("-n", "karmada-cluster")
    admin.output("create", "role", "one", "--verb=get", "--resource=secrets", f"--resource-name={MEMBER}", *here)
    admin.output("create", "rolebinding", "one", "--role=one", "--user=carol", *here)
    try:
        done = carol.run("create", "-f", "-", stdin=cluster("another"))
        for _ in range(100):  # a remote store's denial is remembered for ten seconds
            if done.returncode == 0:
                break
            time.sleep(0.2)
            done = carol.run("create", "-f", "-", stdin=cluster("another"))
        assert done.returncode == 0, done.stderr
        carol.output("delete", CLUSTER, "another")
    finally:
        admin.output("delete", "role,rolebinding", "one", *here)


def test_a_secret_of_another_namespace_is_shown_as_the_problem(gateway: Gateway) -> None:
    admin = gateway.kubectl(gateway.admin)
    elsewhere = {"namespace": "default", "name": "any"}
    admin.output("create", "-f", "-", stdin=cluster("elsewhere", secretRef=elsewhere))
    try:
        problem: dict[str, Any] = {}
        for _ in range(100):
            listed = json.loads(fleetgate("clusters", "-o", "json", "--gateway", str(gateway.admin)).stdout)["items"]
            problem = next((item for item in listed if item["name"] == "elsewhere"), {})
            if problem:
                break
            time.sleep(0.2)
        assert (problem["ready"], problem["reason"]) == (False, "ClusterInvalid")
        assert "spec.secretRef names the Secret default/any" in problem["message"]
        assert "spec.secretRef names the Secret default/any" in admin.output("get", "--raw", "/readyz?verbose")
    finally:
        admin.output("delete", CLUSTER, "elsewhere")


def test_members_are_named_to_those_who_may_list_them(gateway: Gateway, carol: Kubectl) -> None:
    assert f"[i]cluster/{MEMBER} " in gateway.kubectl(gateway.admin).output("get", "--raw", "/readyz?verbose")
    verbose = carol.output("get", "--raw", "/readyz?verbose")
    assert "[i]clusters " in verbose
    assert MEMBER not in verbose
