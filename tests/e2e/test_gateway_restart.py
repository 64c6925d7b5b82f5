"""A gateway that is killed and started again: client-go's informers go on where they were, nothing is lost."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.environment.clientgo import Informer
from tests.e2e.environment.controlplane import ControlPlane
from tests.e2e.environment.fleet import Fleet
from tests.e2e.gateway import Gateway
from tests.e2e.test_gateway_informers import union

PODS = "/api/v1/namespaces/shop/pods"
WARNING = 'Warning: member cluster "member2" does not answer'


@pytest.fixture
def restarted(
    request: pytest.FixtureRequest, seeded_fleet: Fleet, binaries: dict[str, Path], tmp_path: Path
) -> Iterator[Gateway]:
    """A gateway of the test's own, with members that are whole again afterwards; over a remote store if asked for."""
    remote = getattr(request, "param", False)
    with Gateway(seeded_fleet, binaries["kubectl"], tmp_path, remote=remote) as gateway:
        gateway.join(*seeded_fleet.members.values())
        yield gateway
    for member in seeded_fleet.members.values():
        if not member.apiserver.running:
            member.restart()


def create(member: ControlPlane, name: str) -> None:
    body = {"metadata": {"name": name}, "spec": {"containers": [{"name": "a", "image": "a:1"}]}}
    member.client.request("POST", PODS, body)


def label(member: ControlPlane, name: str, value: str) -> None:
    patch = {"metadata": {"labels": {"changed": value}}}
    member.client.request("PATCH", f"{PODS}/{name}", patch, content_type="application/merge-patch+json")


def delete(member: ControlPlane, name: str) -> None:
    member.client.request("DELETE", f"{PODS}/{name}", {"gracePeriodSeconds": 0})


def lists(informer: Informer) -> list[str]:
    """The requests by which it read everything."""
    return [uri for uri in informer.requests() if "watch=" not in uri or "sendInitialEvents=true" in uri]


def assert_went_on(informer: Informer, gateway: Gateway, before: list[str]) -> None:
    held = {item["uid"]: item["cluster"] for item in informer.store()}
    assert held == union(gateway.fleet, "/api/v1/pods")
    assert lists(informer) == before
    assert not [error for error in informer.watch_errors() if "too old" in error or "Expired" in error]


@pytest.mark.parametrize(
    ("restarted", "killed", "watch_list"),
    [(False, True, True), (False, True, False), (False, False, True), (True, True, False)],
    indirect=["restarted"],
)
def test_an_informer_goes_on(restarted: Gateway, binaries: dict[str, Path], *, killed: bool, watch_list: bool) -> None:
    first, second = restarted.fleet.members.values()
    with Informer(binaries["informer"], restarted.admin, watch_list=watch_list) as informer:
        informer.wait_for_sync()
        for member, name in ((first, "changed"), (second, "deleted")):
            create(member, name)
            informer.next_of("ADDED", key=f"shop/{name}")
        time.sleep(2)
        create(first, "seen-last")
        informer.next_of("ADDED", key="shop/seen-last")
        before = lists(informer)
        (restarted.process.kill if killed else restarted.process.stop)()
        label(first, "changed", "while-away")
        delete(second, "deleted")
        delete(first, "seen-last")
        create(second, "created")
        restarted.start()
        informer.next_of("ADDED", key="shop/created", timeout=60)
        label(second, "created", "afterwards")
        informer.next_of("MODIFIED", key="shop/created")
        restarted.wait_synced("member1", "member2")
        assert_went_on(informer, restarted, before)
        delete(first, "changed")
        delete(second, "created")
        informer.next_of("DELETED", key="shop/created")


def test_a_start_without_a_member(restarted: Gateway, binaries: dict[str, Path]) -> None:
    first, second = restarted.fleet.members.values()
    admin = restarted.kubectl(restarted.admin)
    with Informer(binaries["informer"], restarted.admin) as informer:
        count = informer.wait_for_sync()
        time.sleep(3)
        before = lists(informer)
        second.kill()
        restarted.process.kill()
        restarted.start()
        listed = admin.run("get", "pods", "-A", "-o", "name")
        assert len(listed.stdout.split()) == count, listed.stderr
        assert WARNING in listed.stderr
        create(first, "meanwhile")
        informer.next_of("ADDED", key="shop/meanwhile", timeout=60)
        second.restart()
        create(second, "returned")
        informer.next_of("ADDED", key="shop/returned", timeout=60)
        restarted.wait_synced("member1", "member2")
        assert_went_on(informer, restarted, before)
        delete(first, "meanwhile")
        delete(second, "returned")
        informer.next_of("DELETED", key="shop/returned")


CONFIGURATION = """\
apiVersion: config.fleetgate.io/v1alpha1
kind: GatewayConfiguration
members: {{kubeconfig: {folder}/members.config}}
"""


def name_members(folder: Path, *members: ControlPlane) -> None:
    """Have the configuration name these members."""
    documents = [yaml.safe_load(member.kubeconfig.read_text()) for member in members]
    parts = {part: [entry for said in documents for entry in said[part]] for part in ("clusters", "users", "contexts")}
    (folder / "members.config").write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", **parts}))


def test_members_that_leave_and_join_while_the_gateway_is_away(
    seeded_fleet: Fleet, binaries: dict[str, Path], tmp_path: Path
) -> None:
    """Open informers are told of just their objects, and list nothing anew."""
    first, second = seeded_fleet.members.values()
    config = tmp_path / "config.yaml"
    config.write_text(CONFIGURATION.format(folder=tmp_path))
    name_members(tmp_path, first, second)
    theirs = {f"{pod['metadata']['namespace']}/{pod['metadata']['name']}" for pod in pods_of(second)}
    with Gateway(seeded_fleet, binaries["kubectl"], tmp_path, "--config", str(config), remote=False) as gateway:
        gateway.wait_synced("member1", "member2")
        with Informer(binaries["informer"], gateway.admin) as informer:
            informer.wait_for_sync()
            time.sleep(3)
            before = lists(informer)
            for members, event_type in (((first,), "DELETED"), ((first, second), "ADDED")):
                seen = len(informer.events())
                gateway.process.kill()
                name_members(tmp_path, *members)
                gateway.start()
                gateway.wait_synced(*(member.name for member in members))
                hold(informer, {pod["metadata"]["uid"] for member in members for pod in pods_of(member)})
                told = {(line["type"], line["key"]) for line in informer.events()[seen:]}
                assert told == {(event_type, key) for key in theirs}
                time.sleep(2)
            assert lists(informer) == before
            assert not [error for error in informer.watch_errors() if "too old" in error or "Expired" in error]


def pods_of(member: ControlPlane) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = member.client.request("GET", "/api/v1/pods")["items"]
    return items


def hold(informer: Informer, uids: set[str]) -> None:
    """Wait until it holds just these; its next attempt to watch may be some seconds away."""
    end = time.monotonic() + 60
    while {item["uid"] for item in informer.store()} != uids:
        assert time.monotonic() < end, "it holds others"
        time.sleep(0.2)
