"""The environment keeps its promises by itself, so that a failure elsewhere is fleetgate's."""

import json
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import KubectlFor
from tests.e2e.environment.build import module_versions
from tests.e2e.environment.client import UnexpectedStatus
from tests.e2e.environment.clientgo import Informer, run_typedclient
from tests.e2e.environment.controlplane import ControlPlane
from tests.e2e.environment.fleet import Fleet
from tests.e2e.environment.kubectl import Kubectl
from tests.e2e.environment.kubelet import ECHO_PORT
from tests.e2e.environment.ports import free_port

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"containers": [{"name": "web", "image": "web:1"}]},
}


@pytest.fixture
def member(fleet: Fleet) -> ControlPlane:
    """One of the members."""
    return fleet.members["member1"]


@pytest.fixture
def pod(member: ControlPlane, kubectl: KubectlFor) -> Iterator[str]:
    """The name of a Running Pod that the scheduler has placed in the member's namespace default."""
    client = kubectl(member.kubeconfig)
    client.output("create", "-f", "-", stdin=json.dumps(POD))
    client.output("wait", "--for=condition=Ready", "pod/web", "--timeout=30s")
    yield "web"
    client.output("delete", "pod", "web", "--wait")


def test_every_control_plane_serves_its_version(fleet: Fleet) -> None:
    for plane in (fleet.federation, *fleet.members.values()):
        assert plane.client.request("GET", "/readyz") == "ok"
        assert plane.client.request("GET", "/version")["gitVersion"] == module_versions()["k8s.io/kubernetes"]


def test_credentials_of_one_cluster_are_no_good_for_another(fleet: Fleet, kubectl: KubectlFor) -> None:
    foreign = (
        fleet.members["member2"]
        .kubeconfig.read_text()
        .replace(fleet.members["member2"].url, fleet.members["member1"].url)
    )
    path = fleet.folder / "foreign.kubeconfig"
    path.write_text(foreign)
    done = kubectl(path).run("get", "nodes", "--insecure-skip-tls-verify")
    assert done.returncode != 0


def test_issued_kubeconfig_names_user_and_groups(member: ControlPlane, kubectl: KubectlFor) -> None:
    alice = kubectl(member.issue_kubeconfig("alice", ["team-a", "team-b"]))
    review = json.loads(alice.output("auth", "whoami", "-o", "json"))
    assert review["status"]["userInfo"]["username"] == "alice"
    assert review["status"]["userInfo"]["groups"] == ["team-a", "team-b", "system:authenticated"]
    assert alice.output("auth", "can-i", "--list").startswith("Resources")
    assert "forbidden" in alice.run("get", "pods").stderr


def test_every_kubectl_at_hand_works(fleet: Fleet, all_kubectls: dict[str, Path], tmp_path: Path) -> None:
    assert "kubectl" in all_kubectls
    for name, program in all_kubectls.items():
        client = Kubectl(program, fleet.federation.kubeconfig, tmp_path / name)
        assert "namespace/default" in client.output("get", "namespaces", "-o", "name"), name


def test_deployment_comes_up_in_a_member(member: ControlPlane, kubectl: KubectlFor) -> None:
    client = kubectl(member.kubeconfig)
    client.output("create", "deployment", "rollout", "--image=web:1", "--replicas=3")
    client.output("rollout", "status", "deployment/rollout", "--timeout=60s")
    nodes = client.output("get", "pods", "-l", "app=rollout", "-o", "jsonpath={.items[*].spec.nodeName}").split()
    assert len(nodes) == 3
    assert all(node.startswith("member1-node-") for node in nodes)
    client.output("delete", "deployment", "rollout", "--cascade=foreground")
    assert client.output("get", "pods", "-l", "app=rollout", "-o", "name") == ""


def test_deployment_in_the_federation_makes_no_pods_but_namespaces_end(fleet: Fleet, kubectl: KubectlFor) -> None:
    client = kubectl(fleet.federation.kubeconfig)
    client.output("create", "namespace", "quiet")
    client.output("create", "deployment", "quiet", "-n", "quiet", "--image=web:1")
    client.output("delete", "namespace", "quiet", "--timeout=60s")
    assert client.output("get", "deployments,replicasets,pods", "-A", "-o", "name") == ""


def test_logs_and_attach_stream(member: ControlPlane, kubectl: KubectlFor, pod: str) -> None:
    client = kubectl(member.kubeconfig)
    assert "hello from member1\n" in client.output("logs", pod)
    with client.follow("logs", "-f", "--tail=1", pod) as logs:
        logs.next_line()
        member.log_line("said while followed")
        assert logs.next_line() == "said while followed"
    with client.follow("attach", pod) as attached:
        # Nothing tells that the attachment has begun, so it is spoken to until it hears.
        for _ in range(100):
            member.log_line("said while attached")
            try:
                attached.next_line(lambda line: line == "said while attached", timeout=0.2)
            except AssertionError:
                continue
            break
        assert attached.seen[-1] == "said while attached"


def test_exec_and_cp_run_on_this_machine(member: ControlPlane, kubectl: KubectlFor, pod: str, tmp_path: Path) -> None:
    client = kubectl(member.kubeconfig)
    assert client.output("exec", pod, "--", "printenv", "MEMBER") == "member1\n"
    assert client.output("exec", "-i", pod, "--", "cat", stdin="typed in") == "typed in"
    assert client.run("exec", pod, "--", "sh", "-c", "exit 7").returncode == 7
    (tmp_path / "source").write_text("copied")
    client.output("cp", str(tmp_path / "source"), f"{pod}:{tmp_path}/copy")
    assert (tmp_path / "copy").read_text() == "copied"


def test_port_forward_reaches_the_web_page_and_the_echo(member: ControlPlane, kubectl: KubectlFor, pod: str) -> None:
    web, echo = free_port(), free_port()
    with kubectl(member.kubeconfig).follow("port-forward", pod, f"{web}:80", f"{echo}:{ECHO_PORT}") as forward:
        forward.next_line(lambda line: line.startswith(f"Forwarding from 127.0.0.1:{echo}"))
        with urllib.request.urlopen(f"http://127.0.0.1:{web}/page") as response:
            assert response.read() == b"member1 /page\n"
        with socket.create_connection(("127.0.0.1", echo), timeout=10) as connection:
            connection.sendall(b"said once")
            connection.shutdown(socket.SHUT_WR)
            assert connection.makefile("rb").read() == b"said once"


def test_events_of_pods_are_recorded(member: ControlPlane, kubectl: KubectlFor, pod: str) -> None:
    events = kubectl(member.kubeconfig).follow(
        "get", "events", "--watch", "--field-selector", f"involvedObject.name={pod}"
    )
    with events:
        events.next_line(lambda line: "Scheduled" in line)
    described = kubectl(member.kubeconfig).output("describe", "pod", pod)
    assert "Successfully assigned default/web to member1-node-" in described


def test_audit_log_shows_who_acted_as_whom(member: ControlPlane, kubectl: KubectlFor) -> None:
    kubectl(member.kubeconfig).run("get", "secrets", "--as=alice", "--as-group=team-a")
    acted = [event for event in member.audit_events() if "impersonatedUser" in event]
    seen = [event for event in acted if event.get("objectRef", {}).get("resource") == "secrets"]
    assert [event["verb"] for event in seen] == ["list"]
    assert seen[0]["user"]["username"] == "admin"
    assert seen[0]["impersonatedUser"]["username"] == "alice"
    assert seen[0]["impersonatedUser"]["groups"] == ["team-a", "system:authenticated"]
    assert seen[0]["responseStatus"]["code"] == 403


@pytest.mark.parametrize("watch_list", [True, False])
@pytest.mark.parametrize("content", ["protobuf", "json"])
def test_informer_follows_a_kube_apiserver(
    member: ControlPlane, binaries: dict[str, Path], kubectl: KubectlFor, pod: str, watch_list: bool, content: str
) -> None:
    with Informer(binaries["informer"], member.kubeconfig, watch_list=watch_list, content_type=content) as informer:
        everything = member.client.request("GET", "/api/v1/pods")["items"]
        assert informer.wait_for_sync() == len(everything)
        kubectl(member.kubeconfig).output("label", "pod", pod, f"seen={content}", "--overwrite")
        informer.next_of("MODIFIED", key=f"default/{pod}")
        expected = member.client.request("GET", f"/api/v1/namespaces/default/pods/{pod}")
        assert [item for item in informer.store() if item["key"] == f"default/{pod}"] == [store_item(expected)]
        requests = informer.requests()
        assert any("sendInitialEvents=true" in uri for uri in requests) == watch_list
        # client-go's consistency detector asks for the same state again.
        assert any("resourceVersionMatch=Exact" in uri for uri in requests) == watch_list
        assert informer.watch_errors() == []
        informer.end_input()
        assert informer.wait() == 0
        assert json.loads(informer.seen[-1])["type"] == "STORE"


def store_item(pod: dict[str, Any]) -> dict[str, Any]:
    metadata = pod["metadata"]
    return {
        "key": f"{metadata['namespace']}/{metadata['name']}",
        "uid": metadata["uid"],
        "resourceVersion": metadata["resourceVersion"],
        "node": pod["spec"]["nodeName"],
    }


@pytest.mark.parametrize("resource", ["events", "events.events.k8s.io"])
def test_informer_follows_events(member: ControlPlane, binaries: dict[str, Path], pod: str, resource: str) -> None:
    with Informer(binaries["informer"], member.kubeconfig, resource=resource) as informer:
        informer.wait_for_sync()
        assert any(item["key"].startswith(f"default/{pod}.") for item in informer.store())


@pytest.mark.parametrize("content", ["protobuf", "json"])
def test_typedclient_works_on_a_kube_apiserver(fleet: Fleet, binaries: dict[str, Path], pod: str, content: str) -> None:
    kubeconfig = fleet.members["member1"].kubeconfig
    steps = run_typedclient(binaries["typedclient"], kubeconfig, "--content-type", content, "--page-size", "1")
    assert steps["scale deployment"]["spec"]["replicas"] == 3
    annotations = steps["patch deployment application/merge-patch+json"]["metadata"]["annotations"]
    assert annotations.items() >= {"json": "patched", "merge": "patched"}.items()
    assert steps["self subject review"]["status"]["userInfo"]["username"] == "admin"
    assert steps["self subject access review"]["status"]["allowed"] is True
    pages = steps["list pods"]["pages"]
    assert set(pages) == {1}
    assert len(set(steps["list pods"]["uids"])) == len(pages)


def test_typedclient_fails_with_the_servers_words(member: ControlPlane, binaries: dict[str, Path]) -> None:
    done = subprocess.run(
        [binaries["typedclient"], "--kubeconfig", member.issue_kubeconfig("nobody"), "pods"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert 'User "nobody" cannot list resource "pods"' in done.stderr


def test_helm_installs_a_chart(fleet: Fleet, member: ControlPlane, binaries: dict[str, Path], tmp_path: Path) -> None:
    def helm(*arguments: str) -> str:
        return subprocess.run(
            [binaries["helm"], "--kubeconfig", member.kubeconfig, *arguments],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
            env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        ).stdout

    helm("create", "web")
    assert "STATUS: deployed" in helm("install", "release", "web", "--wait", "--timeout=60s")
    assert "release" in helm("list", "-q")
    helm("uninstall", "release", "--wait")


def test_frozen_kube_apiserver_accepts_and_does_not_answer(fleet: Fleet, kubectl: KubectlFor) -> None:
    member = fleet.members["member2"]
    client = kubectl(member.kubeconfig)
    member.freeze()
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            client.run("get", "nodes", timeout=2)
    finally:
        member.thaw()
    assert len(client.output("get", "nodes", "-o", "name").split()) == 3


def test_killed_kube_apiserver_refuses_and_comes_back_with_its_state(fleet: Fleet, kubectl: KubectlFor) -> None:
    member = fleet.members["member2"]
    client = kubectl(member.kubeconfig)
    member.kill()
    try:
        assert "refused" in client.run("get", "nodes").stderr
    finally:
        member.restart()
    assert len(client.output("get", "nodes", "-o", "name").split()) == 3


def test_member_with_its_own_etcd_goes_back_in_time(fleet: Fleet) -> None:
    member = fleet.add_member("restored", own_etcd=True)
    try:
        member.etcd.save(fleet.folder / "backup")
        member.client.request("POST", "/api/v1/namespaces", {"metadata": {"name": "forgotten"}})
        member.etcd.restore(fleet.folder / "backup")
        member.restart()
        with pytest.raises(UnexpectedStatus) as refusal:
            member.client.request("GET", "/api/v1/namespaces/forgotten")
        assert refusal.value.status == 404
        assert len(fleet.members["member1"].client.request("GET", "/api/v1/nodes")["items"]) == 3
    finally:
        fleet.remove_member("restored")
