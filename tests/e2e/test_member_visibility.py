"""Callers who see one member of two, over the embedded store's RBAC and over a real kube-apiserver as the store."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.environment.fleet import Fleet
from tests.e2e.environment.kubectl import Kubectl
from tests.e2e.gateway import Gateway, fleetgate

CONFIGURATION = """
apiVersion: config.fleetgate.io/v1alpha1
kind: GatewayConfiguration
members: {visibility: ByClusterRight}
"""
RIGHTS = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: visibility-pods}
rules:
- {apiGroups: [""], resources: [pods, pods/log], verbs: [get, list, watch, create, patch, delete]}
- {apiGroups: [""], resources: [pods/exec, pods/attach, pods/portforward], verbs: [create]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: visibility-one}
rules:
- {apiGroups: [cluster.karmada.io], resources: [clusters], resourceNames: [member1], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: visibility-other}
rules:
- {apiGroups: [cluster.karmada.io], resources: [clusters], resourceNames: [member2], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: visibility-all}
rules:
- {apiGroups: [cluster.karmada.io], resources: [clusters], verbs: [get]}
"""
GRANTS = {"one": ("pods", "one"), "everybody": ("pods", "all"), "nobody": ("pods",)}
PODS = "/api/v1/pods"
LONGEST = 60
"""Seconds within which a right that changed has its effect on what is open."""
OPEN = f"{PODS}?watch=1&resourceVersion=0&timeoutSeconds={2 * LONGEST}"


@dataclass
class Scene:
    """A gateway whose callers see by right, and a kubectl for each of them."""

    gateway: Gateway
    admin: Kubectl
    callers: dict[str, Kubectl]

    def grant(self, role: str, user: str) -> None:
        name = f"visibility-{role}-{user}"
        self.admin.output("create", "clusterrolebinding", name, f"--clusterrole=visibility-{role}", f"--user={user}")

    def withdraw(self, role: str, user: str) -> None:
        self.admin.output("delete", "clusterrolebinding", f"visibility-{role}-{user}")

    def seen(self, user: str, query: str = "") -> set[str]:
        return {cluster_of(item) for item in self.listed(user, query)["items"]}

    def listed(self, user: str, query: str = "") -> Any:
        return json.loads(self.callers[user].output("get", "--raw", f"{PODS}{query}"))

    def a_pod_of(self, member: str) -> tuple[str, str]:
        listed = self.listed("everybody", f"?labelSelector=fleetgate.io%2Fcluster%3D{member}&limit=1")["items"]
        return listed[0]["metadata"]["namespace"], listed[0]["metadata"]["name"]


def is_error(line: str) -> bool:
    return '"type":"ERROR"' in line


def cluster_of(item: Any) -> str:
    found: str = item["metadata"]["annotations"]["resource.karmada.io/cached-from-cluster"]
    return found


def eventually(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LONGEST
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.5)


@pytest.fixture(scope="module", params=["embedded", "kube-apiserver"])
def scene(
    request: pytest.FixtureRequest,
    seeded_fleet: Fleet,
    binaries: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Scene]:
    """A gateway over either store, with both members."""
    remote = request.param == "kube-apiserver"
    folder = tmp_path_factory.mktemp("visibility")
    (folder / "fleetgate.yaml").write_text(CONFIGURATION)
    arguments = ("--config", str(folder / "fleetgate.yaml"))
    with Gateway(seeded_fleet, binaries["kubectl"], folder, *arguments, remote=remote) as gateway:
        gateway.join(*seeded_fleet.members.values())
        admin = gateway.kubectl(gateway.admin)
        admin.output("create", "-f", "-", stdin=RIGHTS)
        scene = Scene(gateway, admin, {user: gateway.kubectl(gateway.issue(user)) for user in GRANTS})
        for user, roles in GRANTS.items():
            for role in roles:
                scene.grant(role, user)
        eventually(lambda: scene.callers["everybody"].run("get", "pods", "-A").returncode == 0, "the roles are known")
        eventually(lambda: scene.seen("everybody") == {"member1", "member2"}, "all members are seen by right")
        eventually(lambda: scene.seen("one") == {"member1"}, "one member is seen by its name")
        yield scene
        bindings = admin.output("get", "clusterrolebindings", "-o", "name").split()
        ours = [name for name in bindings if "/visibility-" in name]
        admin.output("delete", *ours, *(f"clusterrole/visibility-{role}" for role in ("pods", "one", "other", "all")))


def test_lists_hold_the_members_that_the_caller_may_get(scene: Scene) -> None:
    assert scene.seen("nobody") == set()
    one = scene.callers["one"]
    rows = one.output("get", "pods", "-A").splitlines()
    assert {row.split()[-1] for row in rows} == {"CLUSTER", "member1"}
    assert "No resources found" in one.run("get", "pods", "-A", "-l", "fleetgate.io/cluster=member2").stderr
    page = scene.listed("one", "?limit=3")
    assert page["metadata"]["continue"]
    assert "remainingItemCount" not in page["metadata"]
    assert scene.listed("everybody", "?limit=3")["metadata"]["remainingItemCount"] > 0
    metadata = one.output("get", "pods", "-A", "-o", "name", "--chunk-size=7")
    assert len(metadata.splitlines()) == len(rows) - 1


def test_watches_show_those_members_only(scene: Scene) -> None:
    initial = scene.callers["one"].output("get", "--raw", f"{PODS}?watch=1&resourceVersion=0&timeoutSeconds=2")
    shown = [json.loads(line) for line in initial.splitlines()]
    assert {cluster_of(event["object"]) for event in shown if event["type"] == "ADDED"} == {"member1"}
    assert {event["type"] for event in shown} == {"ADDED"}


COMMANDS = {
    "get": ("get", "pod", "NAME"),
    "json": ("get", "pod", "NAME", "-o", "json"),
    "logs": ("logs", "NAME"),
    "delete": ("delete", "pod", "NAME", "--wait=false"),
    "label": ("label", "pod", "NAME", "a=b"),
    "exec": ("exec", "NAME", "--", "true"),
    "port-forward": ("port-forward", "NAME", "0:80"),
    "attach": ("attach", "NAME"),
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_hidden_pod_answers_as_an_absent_one(scene: Scene, command: tuple[str, ...]) -> None:
    namespace, hidden = scene.a_pod_of("member2")
    one = scene.callers["one"]
    answers = []
    for name in (hidden, f"{hidden}.member2", "absent", "absent.member2"):
        done = one.run("-n", namespace, *(name if word == "NAME" else word for word in command))
        assert done.returncode != 0
        answers.append((done.stdout, done.stderr.replace(name, "NAME")))
    assert len(set(answers)) == 1, answers
    assert 'pods "NAME" not found' in answers[0][1]
    assert scene.callers["everybody"].output("get", "pod", hidden, "-n", namespace)


def test_a_name_that_a_hidden_member_uses_as_well_is_not_ambiguous(scene: Scene) -> None:
    pod = {"metadata": {"name": "twice"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    path = "/api/v1/namespaces/shop/pods"
    hidden, seen = (scene.gateway.fleet.members[name] for name in ("member2", "member1"))
    created = hidden.client.request("POST", path, pod)["metadata"]["creationTimestamp"]
    eventually(lambda: f"{datetime.now(UTC):%FT%TZ}" > created, "a second passes, so that the hidden one is older")
    uid = seen.client.request("POST", path, pod)["metadata"]["uid"]
    named = ("pod", "twice", "-n", "shop")
    one, everybody = scene.callers["one"], scene.callers["everybody"]
    try:
        eventually(lambda: "several clusters" in everybody.run("get", *named).stderr, "both are there")
        assert "ambiguous objects in clusters [member1, member2]" in everybody.run("label", *named, "a=b").stderr
        assert "twice.member1" in everybody.output("get", "pods", "-n", "shop")
        assert one.run("get", *named).stderr == ""
        listed = json.loads(one.output("get", "--raw", path))
        (item,) = (item for item in listed["items"] if item["metadata"]["uid"] == uid)
        assert item["metadata"]["name"] == "twice"
        assert "fleetgate.io/original-name" not in item["metadata"]["annotations"]
        assert [obj["metadata"]["name"] for obj in listed["items"]] == sorted(
            obj["metadata"]["name"] for obj in listed["items"]
        )
        written = one.run("label", *named, "a=b")
        assert "ambiguous" not in written.stderr
        assert "member2" not in written.stderr
        assert one.run("get", "pod", "twice.member2", "-n", "shop").returncode != 0
        since = listed["metadata"]["resourceVersion"]
        hidden.client.request("DELETE", f"{path}/twice?gracePeriodSeconds=0")
        eventually(lambda: "several clusters" not in everybody.run("get", *named).stderr, "the hidden one is gone")
        told = one.output("get", "--raw", f"{path}?watch=1&resourceVersion={since}&timeoutSeconds=2").splitlines()
        events = [json.loads(line) for line in told]
        assert {event["type"] for event in events if event["object"]["metadata"]["uid"] == uid} <= {"MODIFIED"}
    finally:
        for member in (hidden, seen):
            if member.client.succeeds(f"{path}/twice"):
                member.client.request("DELETE", f"{path}/twice?gracePeriodSeconds=0")


def test_nothing_is_created_in_a_hidden_member_as_in_an_absent_one(scene: Scene) -> None:
    answers = set()
    for name in ("member2", "absent"):
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "new", "namespace": "shop", "labels": {"fleetgate.io/cluster": name}},
            "spec": {"containers": [{"name": "c", "image": "i"}]},
        }
        done = scene.callers["one"].run("create", "-f", "-", stdin=json.dumps(pod))
        answers.add((done.returncode, done.stderr.replace(name, "NAME")))
    assert len(answers) == 1, answers
    assert 'clusters.cluster.karmada.io "NAME" not found' in answers.pop()[1]


def test_no_raw_subresource_tells_of_a_hidden_pod(scene: Scene) -> None:
    namespace, hidden = scene.a_pod_of("member2")
    for rest in ("/log", "/exec?command=id&stdout=1", ""):
        answers = set()
        for name in (hidden, "absent"):
            done = scene.callers["one"].run("get", "--raw", f"/api/v1/namespaces/{namespace}/pods/{name}{rest}")
            answers.add((done.returncode, done.stderr.replace(name, "NAME")))
        assert len(answers) == 1, answers


def test_a_hidden_member_by_name_is_refused_as_an_absent_one(scene: Scene) -> None:
    for prefix in ("/clusters/NAME/api/v1/pods", "/apis/cluster.karmada.io/v1alpha1/clusters/NAME/proxy/api/v1/pods"):
        answers = set()
        for name in ("member2", "absent"):
            done = scene.callers["one"].run("get", "--raw", prefix.replace("NAME", name))
            answers.add((done.returncode, done.stdout, done.stderr.replace(name, "NAME")))
        assert len(answers) == 1, answers
        assert 'clusters.cluster.karmada.io "NAME" is forbidden' in answers.pop()[2]


def test_health_and_metrics_tell_nothing_of_it(scene: Scene) -> None:
    counted = {"one": "[i]clusters 1 of 1 ok", "nobody": "[i]clusters 0 of 0 ok", "everybody": "[i]clusters 2 of 2 ok"}
    for user, line in counted.items():
        assert line in scene.callers[user].output("get", "--raw", "/readyz?verbose")
        for path in ("/metrics", "/fleetgate/v1alpha1/clusters"):
            assert "cannot get path" in scene.callers[user].run("get", "--raw", path).stderr


def test_a_limited_caller_cannot_list_across_namespaces(scene: Scene) -> None:
    kubeconfig = scene.gateway.issue("local")
    local = scene.gateway.kubectl(kubeconfig)
    shop = ("-n", "shop")
    scene.admin.run("create", "namespace", "shop")
    binding = ("rolebinding", "visibility-local", *shop)
    scene.admin.output("create", *binding, "--clusterrole=visibility-pods", "--user=local")
    scene.grant("one", "local")
    try:
        eventually(lambda: local.run("get", "pods", *shop).returncode == 0, "the role is known")
        refused = 'pods is forbidden: User "local" cannot list resource "pods" in API group "" at the cluster scope'
        assert refused in local.run("get", "pods", "-A").stderr
        assert refused in local.run("get", "pods", "-A", "-o", "json").stderr
        assert refused in local.run("get", "pods", "-A", "--field-selector=metadata.namespace=shop").stderr
        watch = local.run("get", "--raw", f"{PODS}?watch=1&timeoutSeconds=1")
        assert "at the cluster scope" in watch.stderr
        assert 'in the namespace "payments"' in local.run("get", "pods", "-n", "payments").stderr
        page = json.loads(local.output("get", "--raw", "/api/v1/namespaces/shop/pods?limit=1"))
        token = page["metadata"]["continue"]
        for user, path in (("one", "/api/v1/namespaces/shop/pods"), ("everybody", PODS)):
            stolen = scene.callers[user].run("get", "--raw", f"{path}?limit=1&continue={token}")
            assert "continue key is not valid" in stolen.stderr
        changed = local.run("get", "--raw", f"/api/v1/namespaces/shop/pods?limit=1&labelSelector=a&continue={token}")
        assert "continue key is not valid" in changed.stderr
    finally:
        scene.admin.output("delete", *binding)


def test_an_open_watch_ends_when_its_caller_sees_other_members(scene: Scene) -> None:
    version = scene.listed("one")["metadata"]["resourceVersion"]
    with scene.callers["one"].follow("get", "--raw", OPEN) as watch:
        watch.next_line()
        scene.grant("other", "one")
        try:
            event = json.loads(watch.next_line(is_error, timeout=LONGEST))
            assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
            assert "list anew" in event["object"]["message"]
            assert scene.seen("one") == {"member1", "member2"}
            from_before = f"{PODS}?watch=1&resourceVersion={version}&timeoutSeconds=1"
            again = scene.callers["one"].output("get", "--raw", from_before)
            assert json.loads(again)["object"]["code"] == 410, "what was listed before is no start any more"
        finally:
            scene.withdraw("other", "one")
    eventually(lambda: scene.seen("one") == {"member1"}, "the right is gone")


def test_a_member_that_leaves_ends_the_watches_that_show_it(scene: Scene) -> None:
    member = scene.gateway.fleet.members["member2"]
    scene.grant("other", "nobody")
    eventually(lambda: scene.seen("nobody") == {"member2"}, "the role is known")
    try:
        with scene.callers["nobody"].follow("get", "--raw", OPEN) as watch:
            watch.next_line()
            done = fleetgate("unjoin", member.name, "--gateway", str(scene.gateway.admin))
            assert done.returncode == 0, done.stderr
            event = json.loads(watch.next_line(is_error, timeout=LONGEST))
            assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
        assert scene.seen("nobody") == set()
    finally:
        scene.gateway.join(member)
        scene.withdraw("other", "nobody")
    eventually(lambda: scene.seen("everybody") == {"member1", "member2"}, "it is back")
