"""Kinds of the members that are cached by configuration: Nodes and ReplicaSets, and custom kinds the store has not."""

import json
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.clusters.rights import rbac_manifest
from tests.e2e.environment.controlplane import ControlPlane
from tests.e2e.environment.fleet import Fleet
from tests.e2e.environment.kubectl import Kubectl
from tests.e2e.gateway import Gateway, fleetgate

CONFIGURATION = """
apiVersion: config.fleetgate.io/v1alpha1
kind: GatewayConfiguration
cache:
  resources: [nodes, replicasets.apps, services, widgets.shop.example.com, gadgets.v1.shop.example.com]
"""
GROUP = "shop.example.com"
SIZE = {"name": "Size", "type": "string", "jsonPath": ".spec.size"}
AGE = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}
COLOUR = {"name": "Colour", "type": "string", "jsonPath": ".spec.colour"}
REPLICAS = {"name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas", "priority": 1}


def definition(plural: str, kind: str, *columns: dict[str, Any], count: str = "replicas") -> dict[str, Any]:
    """A custom kind whose Scale counts `.spec.<count>`."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    scale = {"specReplicasPath": f".spec.{count}", "statusReplicasPath": ".status.replicas"}
    fields = {"spec": {**schema, "properties": {count: {"type": "integer"}}}, "status": schema}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": fields}},
        "subresources": {"status": {}, "scale": scale},
        "additionalPrinterColumns": list(columns),
    }
    names = {"plural": plural, "singular": kind.lower(), "kind": kind, "shortNames": [plural[:3]]}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]},
    }


def widget(name: str, cluster: str = "", **spec: Any) -> str:
    labels = {"fleetgate.io/cluster": cluster} if cluster else {}
    metadata = {"name": name, "namespace": "shop", "labels": {"app": "test", **labels}}
    return json.dumps({"apiVersion": f"{GROUP}/v1", "kind": "Widget", "metadata": metadata, "spec": spec})


def at(gateway: Gateway, member: ControlPlane) -> Kubectl:
    """kubectl at a member itself."""
    return gateway.kubectl(member.kubeconfig)


def install(kubectl: Kubectl, crd: dict[str, Any]) -> None:
    kubectl.output("apply", "-f", "-", stdin=json.dumps(crd))
    kubectl.output("wait", "--for=condition=Established", f"crd/{crd['metadata']['name']}", "--timeout=30s")


@contextmanager
def running(
    fleet: Fleet, programs: dict[str, Path], folder: Path, configuration: str, *, remote: bool
) -> Iterator[Gateway]:
    config = folder / "config.yaml"
    config.write_text(configuration)
    with Gateway(fleet, programs["kubectl"], folder, "--config", str(config), remote=remote) as gateway:
        yield gateway


@pytest.fixture(scope="module", params=[True, False], ids=["real kube-apiserver", "embedded store"])
def wider(
    request: pytest.FixtureRequest,
    seeded_fleet: Fleet,
    binaries: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    """A gateway that caches more kinds; Widgets have other columns in each member, Gadgets are not there yet."""
    folder = tmp_path_factory.mktemp("wider")
    with running(seeded_fleet, binaries, folder, CONFIGURATION, remote=request.param) as gateway:
        one, two = seeded_fleet.members["member1"], seeded_fleet.members["member2"]
        install(at(gateway, one), definition("widgets", "Widget", SIZE, AGE, REPLICAS))
        install(at(gateway, two), definition("widgets", "Widget", COLOUR, SIZE))
        gateway.join(one, two)
        # A shared store has the members already: they were asked before they had Widgets, and will be again.
        until(
            lambda: (
                "widgets" in gateway.kubectl(gateway.admin).output("api-resources", "--api-group", GROUP, "-o", "name")
            )
        )
        yield gateway
        for member in (one, two):
            names = [f"crd/{plural}.{GROUP}" for plural in ("widgets", "gadgets")]
            at(gateway, member).output("delete", "--ignore-not-found", *names)


@pytest.fixture
def kubectl(wider: Gateway) -> Kubectl:
    return wider.kubectl(wider.admin)


@pytest.fixture
def widgets(wider: Gateway) -> Iterator[Callable[..., str]]:
    """Makes Widgets in a member; they go when the test ends."""
    members = wider.fleet.members

    def make(cluster: str, **spec: Any) -> str:
        name = f"w-{uuid.uuid4().hex[:6]}"
        at(wider, members[cluster]).output("create", "-f", "-", stdin=widget(name, **spec))
        until(lambda: name in wider.kubectl(wider.admin).output("get", "widgets", "-n", "shop", "-o", "name"))
        return name

    yield make
    for name in ("member1", "member2"):
        at(wider, members[name]).output("delete", "widgets", "-n", "shop", "--all")


def until(true_now: Callable[[], bool], timeout: float = 60) -> None:
    deadline = time.monotonic() + timeout
    while not true_now():
        assert time.monotonic() < deadline, "it has not come to be"
        time.sleep(0.2)


def rows(table: str) -> list[list[str]]:
    return [re.split(r"\s{2,}", line.strip()) for line in table.splitlines()]


def of_members(gateway: Gateway, *arguments: str) -> dict[str, list[list[str]]]:
    planes = gateway.fleet.members.values()
    return {plane.name: rows(at(gateway, plane).output(*arguments)) for plane in planes}


def without_age(row: list[str], age: int) -> tuple[str, ...]:
    return (*row[:age], *row[age + 1 :])


def test_nodes_of_all_members_with_their_cluster_behind_the_age(wider: Gateway, all_kubectls: dict[str, Path]) -> None:
    said = of_members(wider, "get", "nodes")
    expected = {
        (*without_age(row, 3)[:3], name, *row[4:]) for name, table in said.items() for row in table[1:]
    }  # name, status, roles, cluster, version
    for program in all_kubectls.values():
        merged = rows(wider.kubectl(wider.admin, program).output("get", "nodes"))
        assert merged[0] == ["NAME", "STATUS", "ROLES", "AGE", "CLUSTER", "VERSION"]
        assert {without_age(row, 3) for row in merged[1:]} == expected


def test_describe_shows_a_node_with_its_pods(kubectl: Kubectl) -> None:
    described = kubectl.output("describe", "node", "member2-node-1")
    assert "resource.karmada.io/cached-from-cluster: member2" in described
    pods = kubectl.output("get", "pods", "-A", "--field-selector", "spec.nodeName=member2-node-1", "-o", "name").split()
    assert pods
    assert all(name.removeprefix("pod/") in described for name in pods)


def test_cordon_reaches_the_member_and_is_selected_by(wider: Gateway, kubectl: Kubectl) -> None:
    member = at(wider, wider.fleet.members["member2"])
    kubectl.output("cordon", "member2-node-2")
    try:
        assert member.output("get", "node", "member2-node-2", "-o", "jsonpath={.spec.unschedulable}") == "true"
        selected = kubectl.output("get", "nodes", "--field-selector", "spec.unschedulable=true", "-o", "name")
        assert selected.split() == ["node/member2-node-2"]
    finally:
        kubectl.output("uncordon", "member2-node-2")
    refused = kubectl.run("get", "nodes", "--field-selector", "spec.podCIDR=x")
    there = member.run("get", "nodes", "--field-selector", "spec.podCIDR=x")
    assert (refused.returncode, refused.stderr) == (there.returncode, there.stderr)


def test_other_kinds_of_kubernetes(wider: Gateway, kubectl: Kubectl) -> None:
    for resource in ("services", "replicasets"):
        there = of_members(wider, "get", resource, "-A", "-o", "name")
        served = json.loads(kubectl.output("get", resource, "-A", "-o", "json"))["items"]
        clusters = [item["metadata"]["annotations"]["resource.karmada.io/cached-from-cluster"] for item in served]
        assert sorted(clusters) == sorted(name for name, listed in there.items() for _ in listed if listed != [[""]])
    table = rows(kubectl.output("get", "services", "-A"))
    assert table[0][-2:] == ["AGE", "CLUSTER"]
    assert {row[-1] for row in table[1:]} == {"member1", "member2"}
    selected = kubectl.output("get", "services", "-A", "--field-selector", "spec.type=ClusterIP", "--no-headers")
    assert len(selected.splitlines()) == len(table) - 1
    refused = kubectl.run("get", "replicasets", "-A", "--field-selector", "status.replicas=1")
    member = at(wider, wider.fleet.members["member1"])
    assert refused.stderr == member.run("get", "replicasets", "-A", "--field-selector", "status.replicas=1").stderr
    assert refused.returncode == 1


def test_a_custom_kind_is_shown_by_the_columns_of_all_members(
    wider: Gateway, widgets: Callable[..., str], all_kubectls: dict[str, Path]
) -> None:
    first = widgets("member1", size="L", colour="red", replicas=2)
    second = widgets("member2", size="M", colour="blue", replicas=2)
    for program in all_kubectls.values():
        kubectl = wider.kubectl(wider.admin, program)
        table = rows(kubectl.output("get", "wid", "-n", "shop"))
        assert table[0] == ["NAME", "SIZE", "AGE", "CLUSTER", "COLOUR"]
        shown = {row[0]: row[1:] for row in table[1:]}
        assert (shown[first][0], shown[first][2:]) == ("L", ["member1", "<none>"])
        assert re.fullmatch(r"\d+[sm]\d*s?", shown[first][1])
        assert shown[second] == ["M", "<none>", "member2", "blue"]
        wide = rows(kubectl.output("get", "widgets.v1.shop.example.com", "-n", "shop", "-o", "wide"))
        assert wide[0] == ["NAME", "SIZE", "AGE", "CLUSTER", "REPLICAS", "COLOUR"]


def test_objects_are_the_members_own_in_every_form(
    wider: Gateway, kubectl: Kubectl, widgets: Callable[..., str]
) -> None:
    name = widgets("member2", size="M", nested={"list": [1, "two", None]})
    there = json.loads(
        at(wider, wider.fleet.members["member2"]).output("get", "widget", name, "-n", "shop", "-o", "json")
    )
    for form, read in (("json", json.loads), ("yaml", yaml.safe_load)):
        served = read(kubectl.output("get", "widget", name, "-n", "shop", "-o", form))
        assert (served["kind"], served["apiVersion"]) == ("Widget", f"{GROUP}/v1")
        assert served["spec"] == there["spec"]
        assert served["metadata"]["uid"] == there["metadata"]["uid"]
        assert served["metadata"]["annotations"] == {"resource.karmada.io/cached-from-cluster": "member2"}


def test_a_watch_of_a_custom_kind_tells_of_all_members(
    wider: Gateway, kubectl: Kubectl, widgets: Callable[..., str]
) -> None:
    there = at(wider, wider.fleet.members["member1"])
    with kubectl.follow("get", "widgets", "-n", "shop", "--watch", "--output-watch-events") as seen:
        first = widgets("member1", size="L")
        line = seen.next_line(lambda line: first in line)
        assert re.split(r"\s{2,}", line.strip())[:3] == ["ADDED", first, "L"]
        there.output("patch", "widget", first, "-n", "shop", "--type=merge", "-p", '{"spec":{"size":"XXL"}}')
        assert seen.next_line(lambda line: "XXL" in line).split()[:3] == ["MODIFIED", first, "XXL"]
        there.output("delete", "widget", first, "-n", "shop")
        assert first in seen.next_line(lambda line: line.startswith("DELETED"))


def test_writes_reach_the_owning_member(wider: Gateway, kubectl: Kubectl, widgets: Callable[..., str]) -> None:
    name = widgets("member2", size="M", replicas=4)
    there = at(wider, wider.fleet.members["member2"])
    shop = ("-n", "shop")
    kubectl.output("label", "widget", name, *shop, "tier=front")
    kubectl.output("patch", "widget", name, *shop, "--type=merge", "-p", '{"spec":{"size":"S"}}')
    replaced = json.loads(kubectl.output("get", "widget", name, *shop, "-o", "json"))
    replaced["spec"]["colour"] = "green"
    kubectl.output("replace", "-f", "-", stdin=json.dumps(replaced))
    stale = kubectl.run("replace", "-f", "-", stdin=json.dumps(replaced))
    assert "the object has been modified" in stale.stderr
    kubectl.output("scale", f"widget/{name}", *shop, "--current-replicas=4", "--replicas=3")
    found = json.loads(there.output("get", "widget", name, *shop, "-o", "json"))
    assert found["metadata"]["labels"] == {"app": "test", "tier": "front"}
    assert found["spec"] == {"size": "S", "colour": "green", "replicas": 3}
    protected = kubectl.run("scale", f"widget/{name}", *shop, "--replicas=0")
    assert "a workload is not scaled to zero" in protected.stderr
    kubectl.output("delete", "widget", name, *shop)
    assert name not in there.output("get", "widgets", *shop, "-o", "name")
    assert name not in kubectl.output("get", "widgets", *shop, "-o", "name")


def test_a_scale_is_read_in_the_words_of_the_merged_view(kubectl: Kubectl, widgets: Callable[..., str]) -> None:
    name = widgets("member1", replicas=2)
    path = f"/apis/{GROUP}/v1/namespaces/shop/widgets/{name}"
    scale = json.loads(kubectl.output("get", "--raw", f"{path}/scale"))
    served = json.loads(kubectl.output("get", "--raw", path))
    assert (scale["kind"], scale["spec"]) == ("Scale", {"replicas": 2})
    assert scale["metadata"]["resourceVersion"] == served["metadata"]["resourceVersion"]


def test_a_new_object_names_its_member(
    wider: Gateway, all_kubectls: dict[str, Path], widgets: Callable[..., str]
) -> None:
    for number, program in enumerate(all_kubectls.values()):
        kubectl = wider.kubectl(wider.admin, program)
        name = f"created-{number}"
        unnamed = kubectl.run("create", "-f", "-", stdin=widget(name, size="L"))
        assert "it must name the member cluster it is for" in unnamed.stderr
        kubectl.output("create", "-f", "-", stdin=widget(name, "member2", size="L"))
        found = json.loads(kubectl.output("get", "widget", name, "-n", "shop", "-o", "json"))
        assert found["metadata"]["annotations"] == {"resource.karmada.io/cached-from-cluster": "member2"}
        there = at(wider, wider.fleet.members["member2"]).output("get", "widget", name, "-n", "shop", "-o", "name")
        assert there.strip() == f"widget.{GROUP}/{name}"


def test_names_that_several_members_use_are_told_apart(wider: Gateway, kubectl: Kubectl) -> None:
    for member in wider.fleet.members.values():
        at(wider, member).output("create", "-f", "-", stdin=widget("same", size=member.name, replicas=2))
    named = "-n", "shop", "-o", "name"
    both = [f"widget.{GROUP}/same", f"widget.{GROUP}/same.member2"]
    try:
        until(lambda: sorted(kubectl.output("get", "widgets", *named).split()) == both)
        refused = kubectl.run("label", "widget", "same", "-n", "shop", "a=b")
        assert "name one of them: same.member1, same.member2" in refused.stderr
        kubectl.output("delete", "widget", "same.member1", "-n", "shop")
        left = {name: table for name, table in of_members(wider, "get", "widgets", *named).items() if table}
        assert left == {"member2": [[f"widget.{GROUP}/same"]]}
    finally:
        for member in wider.fleet.members.values():
            at(wider, member).output("delete", "widget", "same", "-n", "shop", "--ignore-not-found")


def test_discovery_lists_what_the_store_has_not(wider: Gateway, all_kubectls: dict[str, Path]) -> None:
    for program in all_kubectls.values():
        listed = wider.kubectl(wider.admin, program).output("api-resources", "--api-group", GROUP, "--no-headers")
        assert [line.split() for line in listed.splitlines() if line.startswith("widgets")] == [
            ["widgets", "wid", f"{GROUP}/v1", "true", "Widget"]
        ]


def test_rights_are_those_of_any_read(wider: Gateway) -> None:
    stranger = wider.kubectl(wider.issue(f"stranger-{uuid.uuid4().hex[:6]}"))
    for resource in ("nodes", f"widgets.{GROUP}"):
        refused = stranger.run("get", resource)
        assert f"{resource.partition('.')[0]}" in refused.stderr
        assert "is forbidden" in refused.stderr


def test_a_kind_that_no_member_has_is_served_as_soon_as_one_does(wider: Gateway, kubectl: Kubectl) -> None:
    assert "gadgets" not in kubectl.output("api-resources", "--api-group", GROUP)
    note = "[i]resource/gadgets.v1.shop.example.com no member is known to serve it"
    assert note in kubectl.output("get", "--raw", "/readyz?verbose")
    install(at(wider, wider.fleet.members["member2"]), definition("gadgets", "Gadget", SIZE, count="size"))
    until(lambda: "gadgets" in kubectl.output("api-resources", "--api-group", GROUP))
    assert "No resources found" in kubectl.run("get", "gadgets", "-A").stderr
    assert note not in kubectl.output("get", "--raw", "/readyz?verbose")
    metadata = {"name": "many", "namespace": "shop", "labels": {"fleetgate.io/cluster": "member2"}}
    gadget = {"apiVersion": f"{GROUP}/v1", "kind": "Gadget", "metadata": metadata, "spec": {"size": 10}}
    kubectl.output("create", "-f", "-", stdin=json.dumps(gadget))
    named = ("gadget", "many", "-n", "shop")
    refused = kubectl.run("patch", *named, "--type=merge", "-p", '{"spec":{"size":0}}')
    assert "scaling from 10 to 0 replicas is refused" in refused.stderr, "only the member knows what is counted"
    kubectl.output("delete", *named)
    collection = f"/apis/{GROUP}/v1/namespaces/shop/gadgets"
    assert "deletecollection is not supported" in kubectl.run("delete", "--raw", collection).stderr


def test_a_right_that_is_missing_is_that_members_matter(
    seeded_fleet: Fleet, binaries: dict[str, Path], tmp_path: Path
) -> None:
    one, two = seeded_fleet.members["member1"], seeded_fleet.members["member2"]
    user = f"narrow-{uuid.uuid4().hex[:6]}"
    with running(seeded_fleet, binaries, tmp_path, CONFIGURATION, remote=False) as gateway:
        at(gateway, one).output("apply", "-f", "-", stdin=rbac_manifest(user))
        gateway.join(two)
        arguments = ("--kubeconfig", str(one.issue_kubeconfig(user)), "--gateway", str(gateway.admin))
        done = fleetgate("join", "narrow", *arguments)
        assert done.returncode == 0, done.stderr
        gateway.wait_synced("narrow")
        kubectl = gateway.kubectl(gateway.admin)
        until(lambda: "nodes cannot be read" in kubectl.output("get", "--raw", "/readyz?verbose"))
        nodes = kubectl.run("get", "nodes", "-o", "name")
        assert nodes.stdout.split() == [f"node/member2-node-{number}" for number in range(3)]
        assert 'member cluster "narrow"' in nodes.stderr
        pods = kubectl.run("get", "pods", "-A", "-o", "name")
        assert pods.stderr == ""
        assert len(pods.stdout.split()) > len(at(gateway, two).output("get", "pods", "-A", "-o", "name").split())
        clusters = fleetgate("clusters", "--gateway", str(gateway.admin)).stdout
        assert re.search(r"narrow\s+True\s+True.*cannot be read: .*nodes", clusters)
