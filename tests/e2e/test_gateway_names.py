"""Pods of one namespace and name in two members: who has the plain name, and what can be done by which name."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.environment.clientgo import Informer
from tests.e2e.environment.controlplane import ControlPlane
from tests.e2e.environment.kubectl import Kubectl
from tests.e2e.gateway import Gateway
from tests.e2e.test_gateway_informers import union

PODS = "/api/v1/namespaces/shop/pods"
OLDER, YOUNGER = "member2", "member1"
"""Not the order of their names, which decides only between Pods of the same second."""
QUALIFIED = f"twin.{YOUNGER}"


def create(member: ControlPlane, name: str = "twin") -> dict[str, Any]:
    """Create a Pod in a member."""
    body = {
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"containers": [{"name": "a", "image": "a:1"}]},
    }
    created: dict[str, Any] = member.client.request("POST", PODS, body)
    return created


def remove(member: ControlPlane, name: str = "twin") -> None:
    """Delete a Pod in a member for good."""
    member.client.request("DELETE", f"{PODS}/{name}", {"gracePeriodSeconds": 0})


def eventually(holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


@pytest.fixture
def uids(gateway: Gateway, admin: Kubectl) -> Iterator[dict[str, str]]:
    """Twins that run, by their member; the second is created in a later second than the first."""
    members = gateway.fleet.members
    first = create(members[OLDER])["metadata"]
    # All programs have one clock, and a kwok may take a Pod for the one of its name that was just deleted.
    eventually(lambda: f"{datetime.now(UTC):%FT%TZ}" > first["creationTimestamp"], "a second passes")
    second = create(members[YOUNGER])["metadata"]
    admin.output("wait", "-n", "shop", "--for=create", f"pod/{QUALIFIED}", "--timeout=30s")
    admin.output("wait", "-n", "shop", "--for=condition=Ready", "pod", "-l", "app=twin", "--timeout=60s")
    yield {OLDER: first["uid"], YOUNGER: second["uid"]}
    for member in members.values():
        if member.client.succeeds(f"{PODS}/twin"):
            remove(member)
    eventually(lambda: not names(admin), "no twin is left")


def names(admin: Kubectl) -> list[str]:
    """The names under which twins are listed."""
    listed = admin.output("get", "pods", "-n", "shop", "-l", "app=twin", "-o", "name")
    return [line.removeprefix("pod/") for line in listed.split()]


def test_the_older_has_the_plain_name(admin: Kubectl, uids: dict[str, str]) -> None:
    table = admin.output("get", "pods", "-n", "shop", "-l", "app=twin")
    assert [(row[0], row[-1]) for row in map(str.split, table.splitlines()[1:])] == [
        ("twin", OLDER),
        (QUALIFIED, YOUNGER),
    ]
    items = json.loads(admin.output("get", "pods", "-n", "shop", "-l", "app=twin", "-o", "json"))["items"]
    assert {item["metadata"]["name"]: item["metadata"]["uid"] for item in items} == {
        "twin": uids[OLDER],
        QUALIFIED: uids[YOUNGER],
    }
    younger = next(item for item in items if item["metadata"]["name"] == QUALIFIED)
    assert younger["metadata"]["annotations"]["fleetgate.io/original-name"] == "twin"


@pytest.mark.parametrize(("name", "member"), [("twin", OLDER), (f"twin.{OLDER}", OLDER), (f"twin.{YOUNGER}", YOUNGER)])
def test_each_is_read_by_its_names(admin: Kubectl, uids: dict[str, str], name: str, member: str) -> None:
    read = admin.run("get", "pod", "-n", "shop", name, "-o", "jsonpath={.metadata.uid}")
    assert (read.returncode, read.stdout) == (0, uids[member])
    assert ("exists in several clusters" in read.stderr) is (name == "twin")


def test_a_subresource_is_read_by_the_same_names(admin: Kubectl, uids: dict[str, str]) -> None:
    for name, member in (("twin", OLDER), (QUALIFIED, YOUNGER)):
        read = admin.run("get", "pod", "-n", "shop", name, "--subresource=status", "-o", "jsonpath={.metadata.uid}")
        assert (read.returncode, read.stdout) == (0, uids[member]), read.stderr
        assert ("exists in several clusters" in read.stderr) is (name == "twin")


@pytest.mark.parametrize(
    "command",
    [
        ("delete", "pod", "twin"),
        ("label", "pod", "twin", "a=b"),
        ("exec", "twin", "--", "true"),
        ("logs", "twin"),
    ],
)
def test_the_plain_name_is_too_little_to_write_by(
    gateway: Gateway, admin: Kubectl, uids: dict[str, str], command: tuple[str, ...]
) -> None:
    refused = admin.run(command[0], "-n", "shop", *command[1:])
    assert refused.returncode == 1
    assert "ambiguous objects in clusters [member1, member2]" in refused.stderr
    assert f"twin.{OLDER}" in refused.stderr
    assert QUALIFIED in refused.stderr
    live = {name: member.client.request("GET", f"{PODS}/twin")["metadata"] for name, member in planes(gateway)}
    assert {name: metadata["uid"] for name, metadata in live.items()} == uids
    assert not any("a" in metadata["labels"] for metadata in live.values())
    assert not any("deletionTimestamp" in metadata for metadata in live.values())


def planes(gateway: Gateway) -> list[tuple[str, ControlPlane]]:
    """The members by name."""
    return list(gateway.fleet.members.items())


def test_qualified_names_reach_their_members(
    gateway: Gateway, all_kubectls: dict[str, Path], admin: Kubectl, uids: dict[str, str]
) -> None:
    for name, plane in planes(gateway):
        twin = f"twin.{name}"
        plane.log_line(f"twin of {name}")
        for version, program in all_kubectls.items():
            client = gateway.kubectl(gateway.admin, program)
            said = client.output("exec", "-n", "shop", twin, "--", "sh", "-c", "echo $MEMBER")
            assert said == f"{name}\n", version
            assert f"twin of {name}\n" in client.output("logs", "-n", "shop", twin), version
        admin.output("label", "pod", "-n", "shop", twin, f"of={name}")
        assert plane.client.request("GET", f"{PODS}/twin")["metadata"]["labels"]["of"] == name
    for name, plane in planes(gateway):
        admin.output("delete", "pod", "-n", "shop", f"twin.{name}", "--grace-period=0", "--force")
        assert not plane.client.succeeds(f"{PODS}/twin")
    assert uids


def test_the_older_is_waited_for_and_answered_by_its_qualified_name(admin: Kubectl, uids: dict[str, str]) -> None:
    named = ("-n", "shop", f"pod/twin.{OLDER}")
    assert "condition met" in admin.output("wait", *named, "--for=condition=Ready", "--timeout=20s")
    patch = ("-p", '{"metadata":{"labels":{"by":"name"}}}', "-o", "jsonpath={.metadata.name} {.metadata.uid}")
    assert admin.output("patch", *named, *patch) == f"twin.{OLDER} {uids[OLDER]}"
    assert f"pod/twin.{OLDER}" in admin.output("delete", *named, "-o", "name")
    assert names(admin) == ["twin"], "it was waited for until the older is gone"


def test_a_write_that_says_which_one_it_means_is_not_refused(
    gateway: Gateway, admin: Kubectl, uids: dict[str, str]
) -> None:
    read = json.loads(admin.output("get", "--raw", f"{PODS}/twin"))
    read["metadata"]["labels"]["of"] = "controller"
    replaced = json.loads(admin.output("replace", "--raw", f"{PODS}/twin", "-f", "-", stdin=json.dumps(read)))
    assert (replaced["metadata"]["name"], replaced["metadata"]["uid"]) == ("twin", uids[OLDER])
    live = gateway.fleet.members[OLDER].client.request("GET", f"{PODS}/twin")["metadata"]
    assert live["labels"]["of"] == "controller"
    assert "fleetgate.io/original-name" not in live.get("annotations", {})
    admin.output("delete", "--raw", f"{PODS}?labelSelector=app%3Dtwin&gracePeriodSeconds=0")
    assert names(admin) == []


def test_a_watch_sees_the_younger_take_the_name(gateway: Gateway, admin: Kubectl, uids: dict[str, str]) -> None:
    event = "jsonpath={.type} {.object.metadata.uid} {.object.metadata.name}{'\\n'}"
    selection = ("-n", "shop", "-l", "app=twin")
    with admin.follow("get", "pods", *selection, "-w", "--output-watch-events", "-o", event) as lines:
        lines.next_line(lambda line: uids[YOUNGER] in line)
        remove(gateway.fleet.members[OLDER])
        lines.next_line(lambda line: line.split() == ["ADDED", uids[YOUNGER], "twin"])
        told = [tuple(line.split()) for line in lines.seen if line.startswith(("ADDED", "DELETED"))]
    assert told == [
        ("ADDED", uids[OLDER], "twin"),
        ("ADDED", uids[YOUNGER], QUALIFIED),
        ("DELETED", uids[OLDER], "twin"),
        ("DELETED", uids[YOUNGER], QUALIFIED),
        ("ADDED", uids[YOUNGER], "twin"),
    ]
    assert names(admin) == ["twin"]
    written = admin.run("label", "pod", "-n", "shop", "twin", "alone=yes")
    assert (written.returncode, written.stderr) == (0, ""), "it is ambiguous no longer"


def test_deleting_the_younger_leaves_the_older_its_name(gateway: Gateway, admin: Kubectl, uids: dict[str, str]) -> None:
    admin.output("delete", "pod", "-n", "shop", QUALIFIED, "--grace-period=0", "--force")
    assert names(admin) == ["twin"]
    assert admin.output("get", "pod", "-n", "shop", "twin", "-o", "jsonpath={.metadata.uid}") == uids[OLDER]
    assert gateway.fleet.members[OLDER].client.succeeds(f"{PODS}/twin")


@pytest.mark.parametrize("content_type", ["protobuf", "json"])
def test_an_informer_ends_with_each_pod_once(
    gateway: Gateway, binaries: dict[str, Path], admin: Kubectl, uids: dict[str, str], content_type: str
) -> None:
    with Informer(binaries["informer"], gateway.admin, content_type=content_type) as informer:
        informer.wait_for_sync()

        def held() -> dict[str, str]:
            return {item["key"]: item["uid"] for item in informer.store() if item["key"].startswith("shop/twin")}

        assert held() == {"shop/twin": uids[OLDER], f"shop/{QUALIFIED}": uids[YOUNGER]}
        remove(gateway.fleet.members[OLDER])
        informer.next_of("DELETED", key=f"shop/{QUALIFIED}")
        eventually(lambda: held() == {"shop/twin": uids[YOUNGER]}, "the younger has the plain name")

        def everything() -> dict[str, str]:
            return {item["uid"]: item["cluster"] for item in informer.store()}

        eventually(lambda: everything() == union(gateway.fleet, "/api/v1/pods"), "it holds what the members have")
        assert not informer.watch_errors()
