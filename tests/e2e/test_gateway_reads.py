"""Reading through the gateway: every command says what it says at the members, with the cluster beside it."""

import json
import re
from typing import Any

import pytest

from tests.e2e.environment.controlplane import ControlPlane
from tests.e2e.environment.kubectl import Kubectl
from tests.e2e.gateway import Gateway

AGE = re.compile(r"\b\d+[smhd](?:\d+[smh])?\b")


def rows(table: str) -> list[list[str]]:
    """The cells of a printed table, without its header."""
    return [re.split(r"\s{2,}", line.strip()) for line in table.splitlines()[1:]]


def members_say(gateway: Gateway, *arguments: str) -> dict[str, str]:
    """What the same command prints at each member."""
    planes = gateway.fleet.members.values()
    return {plane.name: gateway.kubectl(plane.kubeconfig).output(*arguments) for plane in planes}


def test_pods_of_all_members_with_their_cluster_after_the_age(gateway: Gateway, admin: Kubectl) -> None:
    merged = admin.output("get", "pods", "-A")
    header = merged.splitlines()[0].split()
    assert header == ["NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS", "AGE", "CLUSTER"]
    said = {(*row[:5], row[6]) for row in rows(merged)}
    expected = {
        (*row[:5], cluster)
        for cluster, table in members_say(gateway, "get", "pods", "-A").items()
        for row in rows(table)
    }
    assert said == expected


def test_wide_output_has_the_members_cells(gateway: Gateway, admin: Kubectl) -> None:
    merged = admin.output("get", "pods", "-n", "shop", "-o", "wide")
    assert merged.splitlines()[0].split()[5:8] == ["CLUSTER", "IP", "NODE"]
    by_name = {row[0]: row for row in rows(merged)}
    for cluster, table in members_say(gateway, "get", "pods", "-n", "shop", "-o", "wide").items():
        for row in rows(table):
            assert by_name[row[0]][5] == cluster
            assert by_name[row[0]][6:] == row[5:]


@pytest.mark.parametrize(
    "flags",
    [
        ("-l", "tier=backend"),
        ("-l", "app.kubernetes.io/name in (cart, ledger)"),
        ("-l", "!nonsense"),
        ("--field-selector", "status.phase=Running"),
        ("--field-selector", "spec.nodeName=member1-node-1"),
        ("--field-selector", "metadata.namespace!=shop"),
        ("--chunk-size", "7"),
        ("--chunk-size", "0"),
        ("--sort-by", ".metadata.name"),
    ],
)
def test_selections_are_the_union_of_the_members(gateway: Gateway, admin: Kubectl, flags: tuple[str, str]) -> None:
    said = [row[1] for row in rows(admin.output("get", "pods", "-A", *flags))]
    expected = [row[1] for table in members_say(gateway, "get", "pods", "-A", *flags).values() for row in rows(table)]
    assert sorted(said) == sorted(expected)
    if flags[0] == "--sort-by":
        assert said == sorted(said)


def test_the_virtual_cluster_label_selects_a_member(gateway: Gateway, admin: Kubectl) -> None:
    said = admin.output("get", "pods", "-A", "-l", "fleetgate.io/cluster=member2", "-o", "name").split()
    expected = members_say(gateway, "get", "pods", "-A", "-o", "name")["member2"].split()
    assert sorted(said) == sorted(expected)


def comparable(obj: dict[str, Any]) -> dict[str, Any]:
    """A Pod without what the gateway adds or leaves out on purpose."""
    metadata = dict(obj["metadata"])
    for name in ("resourceVersion", "managedFields"):
        metadata.pop(name, None)
    annotations = dict(metadata.pop("annotations", {}))
    annotations.pop("resource.karmada.io/cached-from-cluster", None)
    return {**obj, "metadata": {**metadata, "annotations": annotations}}


def test_objects_are_the_members_own(gateway: Gateway, admin: Kubectl) -> None:
    merged = {
        item["metadata"]["uid"]: item for item in json.loads(admin.output("get", "pods", "-A", "-o", "json"))["items"]
    }
    for cluster, text in members_say(gateway, "get", "pods", "-A", "-o", "json").items():
        for item in json.loads(text)["items"]:
            served = merged.pop(item["metadata"]["uid"])
            assert served["metadata"]["annotations"]["resource.karmada.io/cached-from-cluster"] == cluster
            assert comparable(served) == comparable(item)
    assert not merged


def test_events_have_their_cluster_before_the_message(gateway: Gateway, admin: Kubectl) -> None:
    merged = admin.output("get", "events", "-n", "shop")
    assert merged.splitlines()[0].split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "CLUSTER", "MESSAGE"]
    clusters = {(row[3], row[4]) for row in rows(merged)}
    expected = {
        (row[3], cluster)
        for cluster, table in members_say(gateway, "get", "events", "-n", "shop").items()
        for row in rows(table)
    }
    assert clusters == expected


def test_both_event_groups_list_the_same(admin: Kubectl) -> None:
    core = json.loads(admin.output("get", "events.v1.", "-A", "-o", "json"))["items"]
    new = json.loads(admin.output("get", "events.v1.events.k8s.io", "-A", "-o", "json"))["items"]
    assert {item["metadata"]["uid"] for item in core} == {item["metadata"]["uid"] for item in new}
    assert {item["note"] for item in new} == {item["message"] for item in core}


def test_describe_shows_a_pod_and_its_events(gateway: Gateway, admin: Kubectl) -> None:
    member = gateway.fleet.members["member1"]
    name = gateway.kubectl(member.kubeconfig).output("get", "pods", "-n", "shop", "-o", "name").split()[0]
    said = admin.output("describe", "-n", "shop", name)
    expected = gateway.kubectl(member.kubeconfig).output("describe", "-n", "shop", name)

    def comparable_lines(text: str) -> list[str]:
        return [AGE.sub("AGE", line) for line in text.splitlines() if "cached-from-cluster" not in line]

    assert comparable_lines(said)[-3:] == comparable_lines(expected)[-3:]
    assert "Events:" in said
    assert len(said.splitlines()) >= len(expected.splitlines())


def test_federated_resources_print_as_the_store_prints_them(gateway: Gateway, admin: Kubectl) -> None:
    direct = gateway.kubectl(gateway.fleet.federation.kubeconfig)
    for command in (("get", "namespaces"), ("get", "clusterroles", "-o", "wide"), ("get", "crds")):
        assert AGE.sub("AGE", admin.output(*command)) == AGE.sub("AGE", direct.output(*command))


def test_discovery_and_explain_are_the_stores(gateway: Gateway, admin: Kubectl) -> None:
    direct = gateway.kubectl(gateway.fleet.federation.kubeconfig)
    for command in (
        ("api-resources", "--sort-by=name"),
        ("api-versions",),
        ("explain", "deployment.spec.replicas"),
        ("explain", "pods.spec.containers"),
    ):
        assert admin.output(*command) == direct.output(*command)


def test_watch_shows_changes_of_both_members(gateway: Gateway, admin: Kubectl) -> None:
    with admin.follow("get", "pods", "-n", "payments", "-w") as lines:
        lines.next_line(lambda line: line.startswith("NAME"))
        for plane in gateway.fleet.members.values():
            change_until_seen(gateway, plane, lines)


def change_until_seen(gateway: Gateway, plane: ControlPlane, lines: Any) -> None:
    """Change a Pod of a member and wait for its line."""
    direct = gateway.kubectl(plane.kubeconfig)
    name = direct.output("get", "pods", "-n", "payments", "-o", "name").split()[0].removeprefix("pod/")
    direct.output("annotate", "--overwrite", "pod", "-n", "payments", name, f"touched={plane.name}")
    line = lines.next_line(lambda line: line.startswith(name))
    assert line.split()[-1] == plane.name


def test_every_kubectl_lists_the_merged_pods(gateway: Gateway, all_kubectls: dict[str, Any]) -> None:
    for name, program in all_kubectls.items():
        table = gateway.kubectl(gateway.admin, program).output("get", "pods", "-n", "search")
        assert table.splitlines()[0].split()[-1] == "CLUSTER", name
        assert {row[-1] for row in rows(table)} == {"member1", "member2"}, name
