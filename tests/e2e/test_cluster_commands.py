"""join, unjoin and clusters against real members: hot, repeatable, and plain about what is missing."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.environment.fleet import Fleet
from tests.e2e.gateway import Gateway, fleetgate


@pytest.fixture(scope="module", params=["embedded", "remote"])
def own_gateway(
    request: pytest.FixtureRequest,
    seeded_fleet: Fleet,
    binaries: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    """A gateway of these tests' own, without members."""
    folder = tmp_path_factory.mktemp(f"commands-{request.param}")
    with Gateway(seeded_fleet, binaries["kubectl"], folder, remote=request.param == "remote") as gateway:
        # The remote store is shared: what other tests joined to it leaves for now and comes back.
        joined = [
            name
            for name in seeded_fleet.members
            if fleetgate("unjoin", name, "--gateway", str(gateway.admin)).returncode == 0
        ]
        yield gateway
        gateway.join(*(seeded_fleet.members[name] for name in joined))


def states(gateway: Gateway) -> dict[str, dict[str, object]]:
    done = fleetgate("clusters", "-o", "json", "--gateway", str(gateway.admin))
    assert done.returncode == 0, done.stderr
    return {item["name"]: item for item in json.loads(done.stdout)["items"]}


def test_a_member_joins_shows_its_pods_and_leaves(own_gateway: Gateway) -> None:
    member = own_gateway.fleet.members["member1"]
    client = own_gateway.kubectl(own_gateway.admin)
    assert states(own_gateway) == {}
    done = fleetgate("join", "member1", "--kubeconfig", str(member.kubeconfig), "--gateway", str(own_gateway.admin))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith('cluster "member1" joined: Kubernetes v1.')
    state = states(own_gateway)["member1"]
    assert (state["ready"], state["synced"], state["origin"]) == (True, True, "store")
    assert client.output("get", "pods", "-n", "shop", "-o", "name")
    ready = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
    for _ in range(100):
        if client.output("get", "cluster.cluster.karmada.io", "member1", "-o", ready) == "True":
            break
        time.sleep(0.2)
    assert client.output("get", "cluster.cluster.karmada.io", "member1", "-o", ready) == "True"
    table = fleetgate("clusters", "--gateway", str(own_gateway.admin)).stdout.splitlines()
    assert table[0].split() == ["NAME", "READY", "SYNCED", "STALE", "PODS", "EVENTS", "VERSION", "MESSAGE"]
    assert table[1].split()[:4] == ["member1", "True", "True", "-"]
    done = fleetgate("unjoin", "member1", "--gateway", str(own_gateway.admin))
    assert done.returncode == 0, done.stderr
    assert states(own_gateway) == {}
    assert client.output("get", "pods", "-A", "-o", "name") == ""
    assert client.run("get", "secret", "-n", "karmada-cluster", "member1").returncode == 1


def test_joining_again_replaces_the_credentials_at_once(own_gateway: Gateway, tmp_path: Path) -> None:
    member = own_gateway.fleet.members["member2"]
    own_gateway.join(member)
    other = member.issue_kubeconfig("another-gateway", ["system:masters"])
    done = fleetgate("join", "member2", "--kubeconfig", str(other), "--gateway", str(own_gateway.admin))
    assert done.returncode == 0, done.stderr
    own_gateway.kubectl(own_gateway.admin).output("get", "--raw", "/clusters/member2/api/v1/namespaces?probe=renewed")
    asked: list[dict[str, Any]] = []
    for _ in range(50):
        asked = [event for event in member.audit_events() if "probe=renewed" in event.get("requestURI", "")]
        if asked:
            break
        time.sleep(0.2)
    assert {event["user"]["username"] for event in asked} == {"another-gateway"}
    assert {event["impersonatedUser"]["username"] for event in asked} == {"admin"}
    assert fleetgate("unjoin", "member2", "--gateway", str(own_gateway.admin)).returncode == 0


def test_a_user_without_rights_is_not_joined_and_told_which(own_gateway: Gateway) -> None:
    member = own_gateway.fleet.members["member1"]
    weak = member.issue_kubeconfig("weak", ["nobody-in-particular"])
    arguments = ["join", "member1", "--kubeconfig", str(weak), "--gateway", str(own_gateway.admin)]
    done = fleetgate(*arguments)
    assert done.returncode == 1
    assert 'user "weak" of that kubeconfig may not' in done.stderr
    assert "impersonate users: to act as the caller" in done.stderr
    manifest = done.stderr[done.stderr.index("{") :]
    own_gateway.kubectl(member.kubeconfig).output("apply", "-f", "-", stdin=manifest)
    try:
        done = fleetgate(*arguments)
        assert done.returncode == 0, done.stderr
        client = own_gateway.kubectl(own_gateway.admin)
        assert client.output("get", "pods", "-n", "shop", "-o", "name")
        pod = client.output("get", "pods", "-n", "shop", "-o", "name").split()[0]
        assert client.output("exec", "-n", "shop", pod, "--", "printenv", "MEMBER") == "member1\n"
        assert fleetgate("unjoin", "member1", "--gateway", str(own_gateway.admin)).returncode == 0
    finally:
        own_gateway.kubectl(member.kubeconfig).output("delete", "-f", "-", stdin=manifest)


def test_a_member_is_not_taken_for_the_gateway(own_gateway: Gateway) -> None:
    member = str(own_gateway.fleet.members["member1"].kubeconfig)
    done = fleetgate("join", "member1", "--kubeconfig", member, "--gateway", member)
    assert done.returncode == 1
    assert "is no fleetgate gateway" in done.stderr
