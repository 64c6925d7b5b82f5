"""Members that die, freeze and return: lists answer at once with a warning, nothing is lost, and everything heals."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.environment.clientgo import Informer
from tests.e2e.environment.controlplane import ControlPlane
from tests.e2e.environment.kubectl import Kubectl
from tests.e2e.gateway import Gateway, fleetgate

WARNING = 'Warning: member cluster "member2" does not answer'


@pytest.fixture
def member(gateway: Gateway) -> Iterator[ControlPlane]:
    """A member that is harmed, and whole again afterwards."""
    plane = gateway.fleet.members["member2"]
    yield plane
    if not plane.apiserver.running:
        plane.restart()
    gateway.wait_synced("member1", "member2")


def wait_for_warning(admin: Kubectl, seconds: float = 60) -> str:
    """List until the outage is announced; every list on the way must answer whole."""
    count = len(admin.output("get", "pods", "-A", "-o", "name").split())
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done = admin.run("get", "pods", "-A", "-o", "name", timeout=5)
        assert done.returncode == 0
        assert len(done.stdout.split()) == count
        if WARNING in done.stderr:
            return done.stderr
        time.sleep(0.3)
    raise AssertionError("the outage was never announced")


def test_a_killed_member(gateway: Gateway, admin: Kubectl, member: ControlPlane, binaries: dict[str, Path]) -> None:
    with Informer(binaries["informer"], gateway.admin) as informer:
        before = informer.wait_for_sync()
        member.kill()
        wait_for_warning(admin)
        name = (
            gateway.kubectl(gateway.admin)
            .output("get", "pods", "-n", "shop", "-l", "fleetgate.io/cluster=member2", "-o", "name")
            .split()[0]
        )
        assert admin.run("get", "-n", "shop", name).returncode == 0, "a Pod of an unreachable member is not gone"
        for command in (("exec", "-n", "shop", name, "--", "true"), ("label", "-n", "shop", name, "a=b")):
            started = time.monotonic()
            refused = admin.run(*command, timeout=15)
            assert refused.returncode == 1
            assert 'member cluster "member2" cannot be' in refused.stderr
            assert time.monotonic() - started < 10
        assert admin.output("get", "ns")
        member.restart()
        gateway.wait_synced("member1", "member2")
        assert len(informer.store()) == before
        assert not informer.watch_errors()


def test_a_frozen_member(gateway: Gateway, admin: Kubectl, member: ControlPlane) -> None:
    member.freeze()
    try:
        wait_for_warning(admin, seconds=90)
    finally:
        member.thaw()
    gateway.wait_synced("member1", "member2")
    assert WARNING not in admin.run("get", "pods", "-A").stderr


def test_changes_during_an_outage_arrive_afterwards(
    gateway: Gateway, member: ControlPlane, binaries: dict[str, Path]
) -> None:
    body = {"metadata": {"name": "while-away"}, "spec": {"containers": [{"name": "a", "image": "a:1"}]}}
    with Informer(binaries["informer"], gateway.admin) as informer:
        informer.wait_for_sync()
        gateway.process.freeze()  # the gateway itself sees nothing for a while
        try:
            member.client.request("POST", "/api/v1/namespaces/shop/pods", body)
        finally:
            gateway.process.thaw()
        informer.next_of("ADDED", key="shop/while-away")
        member.client.request("DELETE", "/api/v1/namespaces/shop/pods/while-away", {"gracePeriodSeconds": 0})
        informer.next_of("DELETED", key="shop/while-away")


def test_a_member_leaves_and_joins_under_an_open_watch(
    gateway: Gateway, member: ControlPlane, binaries: dict[str, Path]
) -> None:

    with Informer(binaries["informer"], gateway.admin) as informer:
        before = informer.wait_for_sync()
        left = fleetgate("unjoin", member.name, "--gateway", str(gateway.admin))
        assert left.returncode == 0, left.stderr
        informer.next_of("DELETED")
        gateway.process.wait_until(lambda: {item["cluster"] for item in informer.store()} == {"member1"}, 30)
        gateway.join(member)
        gateway.process.wait_until(lambda: len(informer.store()) == before, 30)
        assert not informer.watch_errors()


def test_the_gateway_restarts(gateway: Gateway, admin: Kubectl) -> None:
    before = sorted(admin.output("get", "pods", "-A", "-o", "name").split())
    gateway.process.stop()
    gateway.start()
    gateway.wait_synced("member1", "member2")
    assert sorted(admin.output("get", "pods", "-A", "-o", "name").split()) == before
    shown = fleetgate("clusters", "--gateway", str(gateway.admin)).stdout
    assert {line.split()[0] for line in shown.splitlines()[1:]} == {"member1", "member2"}
