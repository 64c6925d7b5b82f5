"""The embedded store as a new user meets it: real kubectl, and beside it the same commands at a real kube-apiserver."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.environment.kubectl import Kubectl
from tests.e2e.side_by_side import SideBySide

SHOP = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: SPACE, labels: {app: web}}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: web:1
        ports: [{containerPort: 80}]
        env: [{name: A, value: b}]
        readinessProbe: {httpGet: {path: /, port: 80}}
        resources: {limits: {cpu: 0.5, memory: 1024Mi}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: SPACE}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: conf, namespace: SPACE}
data: {a: b}
---
apiVersion: v1
kind: Secret
metadata: {name: key, namespace: SPACE}
data: {a: Yg==}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: bot, namespace: SPACE}
"""
CONTAINER = '{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"%s"}]}}}}'


@pytest.fixture
def space(both: SideBySide, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace at both, named after the test."""
    with both.namespace(request.node.originalname.removeprefix("test_").replace("_", "-")[:50]) as name:
        yield name


def test_what_is_served(both: SideBySide, store: Kubectl) -> None:
    ours, theirs = both.each("api-resources", "--no-headers", "-o", "wide")
    known = {line.split()[0]: line.split() for line in theirs.stdout.splitlines()}
    served = {line.split()[0]: line.split() for line in ours.stdout.splitlines()}
    assert "clusters" in served
    assert served.keys() - known.keys() <= {"clusters"}, "the store beside may have been given that kind by a join"
    merged = {"pods", "events"}
    assert {name: line for name, line in served.items() if name not in {"clusters", *merged}} == {
        name: known[name] for name in served if name not in {"clusters", *merged}
    }
    both.same("explain", "deployment.spec.template.spec.containers.resources")
    both.same("explain", "secret", "--recursive")
    assert "Server Version: v1.36" in store.output("version")


def test_every_kubectl_takes_objects_through_their_lives(both: SideBySide, all_kubectls: dict[str, Path]) -> None:
    def life(number: int, program: Path) -> None:
        here = both.by(program, editor="sed -i s/image:.*/image:\\ web:9/")
        space = f"life-{number}"
        shop = SHOP.replace("SPACE", space)
        in_space = ("-n", space)
        with both.namespace(space):
            here.same("apply", "-f", "-", stdin=shop)
            here.same("get", "-f", "-", "-o", "wide", stdin=shop)
            here.same("diff", "-f", "-", stdin=shop.replace("web:1", "web:2"))
            here.same("scale", "deployment", "web", "--replicas=4", *in_space)
            here.same("edit", "deployment", "web", *in_space)
            here.same("patch", "deployment", "web", "-p", CONTAINER % "web:3", *in_space)
            here.same("apply", "--server-side", "-f", "-", stdin=shop)
            here.same("describe", "deployment", "web", *in_space)
            here.same("explain", "deployment.spec.replicas")
            here.same("wait", "deployment/web", "--for=jsonpath={.spec.replicas}=4", *in_space)
            here.same("delete", "-f", "-", stdin=shop)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(life, range(len(all_kubectls)), all_kubectls.values()))


def test_every_way_to_write(both: SideBySide, space: str) -> None:
    shop = SHOP.replace("SPACE", space)
    in_space = ("-n", space)
    both.same("create", "-f", "-", stdin=shop)
    both.same("create", "-f", "-", stdin=shop)
    both.same("replace", "-f", "-", stdin=shop)
    both.same("get", "-f", "-", "-o", "yaml", stdin=shop)
    for command in (
        ("create", "configmap", "tried", "--from-literal=a=b", "--dry-run=server", "-o", "yaml"),
        ("get", "configmap", "tried"),
        ("label", "deployment", "web", "seen=yes"),
        ("label", "deployment", "web", "seen=no"),
        ("annotate", "deployment", "web", "why=that"),
        ("patch", "deployment", "web", "--type=merge", "-p", '{"metadata":{"labels":{"merged":"1"}}}'),
        ("patch", "deployment", "web", "--type=json", "-p", '[{"op":"remove","path":"/metadata/labels/merged"}]'),
        ("patch", "deployment", "web", "--type=json", "-p", '[{"op":"test","path":"/spec/replicas","value":9}]'),
        ("set", "image", "deployment/web", "web=web:4"),
        ("set", "env", "deployment/web", "A=c", "B=d"),
        ("set", "resources", "deployment/web", "--limits=cpu=200m,memory=512Mi"),
        ("rollout", "pause", "deployment/web"),
        ("rollout", "resume", "deployment/web"),
        ("rollout", "restart", "deployment/web"),
        ("rollout", "history", "deployment/web"),
        ("rollout", "undo", "deployment/web"),
        ("scale", "deployment", "web", "--current-replicas=3", "--replicas=5"),
        ("scale", "deployment", "web", "--current-replicas=3", "--replicas=6"),
        ("autoscale", "deployment", "web", "--min=2", "--max=5", "--cpu=80%"),
        ("get", "hpa,deployment,service,secret"),
        ("get", "deployment", "web", "--subresource=scale"),
        ("get", "deployment", "web", "--subresource=status", "-o", "yaml"),
        ("patch", "deployment", "web", "--subresource=status", "--type=merge", "-p", '{"status":{"replicas":2}}'),
        ("expose", "deployment", "web", "--name=front", "--port=8080"),
        ("create", "ingress", "front", "--rule=shop.example/*=front:8080"),
        ("create", "cronjob", "nightly", "--image=web:1", "--schedule=0 1 * * *"),
        ("create", "job", "once", "--from=cronjob/nightly"),
        ("create", "poddisruptionbudget", "web", "--selector=app=web", "--min-available=1"),
        ("create", "quota", "few", "--hard=pods=5"),
        ("get", "ingress,cronjob,job,service", "-o", "wide"),
        ("describe", "service", "front"),
        ("describe", "secret", "key"),
        ("delete", "configmap", "none"),
        ("delete", "deployment,service", "--all"),
    ):
        both.same(*command, *in_space)
    both.same("replace", "--force", "-f", "-", stdin=shop)


def test_fields_have_owners(both: SideBySide, space: str) -> None:
    shop = SHOP.replace("SPACE", space)
    both.same("apply", "--server-side", "-f", "-", stdin=shop)
    both.same("scale", "deployment", "web", "--replicas=5", "-n", space)
    both.same("apply", "--server-side", "-f", "-", stdin=shop)
    both.same("apply", "--server-side", "--field-manager=other", "-f", "-", stdin=shop.replace("web:1", "web:2"))
    both.same(
        "apply", "--server-side", "--field-manager=other", "--force-conflicts", "-f", "-",
        stdin=shop.replace("web:1", "web:2"),
    )  # fmt: skip
    both.same("apply", "-f", "-", stdin=shop)

    def owners(answer: str) -> dict[tuple[str, str, str], object]:
        managed = json.loads(answer)["metadata"]["managedFields"]
        return {
            (entry["manager"], entry["operation"], entry.get("subresource", "")): entry["fieldsV1"] for entry in managed
        }

    show = ("get", "deployment", "web", "-o", "json", "--show-managed-fields", "-n", space)
    ours, theirs = both.each(*show)
    assert owners(ours.stdout) == owners(theirs.stdout)


def test_apply_prunes_what_is_no_longer_said(both: SideBySide, space: str, tmp_path: Path) -> None:
    one = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAME, labels: {group: pruned}}\n"
    manifest = tmp_path / "manifest.yaml"
    apply = ("apply", "-f", str(manifest), "--prune", "-l", "group=pruned", "--prune-allowlist=core/v1/ConfigMap")
    manifest.write_text(one.replace("NAME", "kept") + "---\n" + one.replace("NAME", "gone"))
    both.same(*apply, "-n", space)
    manifest.write_text(one.replace("NAME", "kept"))
    both.same(*apply, "-n", space)
    assert both.same("get", "configmap", "-l", "group=pruned", "-o", "name", "-n", space) == "configmap/kept\n"


def test_lists_are_selected_sorted_and_paged(both: SideBySide, space: str) -> None:
    maps = [
        {
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": f"listed-{number}", "labels": {"n": str(number), "listed": "yes"}},
        }
        for number in range(7)
    ]  # fmt: skip
    many = json.dumps({"apiVersion": "v1", "kind": "List", "items": maps})
    both.same("create", "-f", "-", "-n", space, stdin=many)
    get = ("get", "configmap", "-n", space)
    for flags in (
        ("-l", "listed=yes", "--chunk-size=2"),
        ("-l", "n in (1,2),n!=2", "-o", "name"),
        ("-l", "!listed,n"),
        ("-l", "n in (1"),
        ("--field-selector", "metadata.name=listed-3", "-L", "n", "--show-labels"),
        ("--field-selector", "metadata.nam=x"),
        ("-l", "listed", "--sort-by=.metadata.labels.n", "-o", "custom-columns=N:.metadata.labels.n"),
        ("-l", "listed", "-o", "jsonpath={.items[*].metadata.name}"),
        ("-l", "listed", "--server-print=false"),
        ("listed-1", "listed-none"),
    ):
        both.same(*get, *flags)
    both.same("get", "secrets", "--field-selector", "type=none", "-A")
    both.same("get", "namespaces", "--field-selector", f"metadata.name={space},status.phase=Active")


def test_watches_follow(store: Kubectl, space: str) -> None:
    here = ("-n", space)
    manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAME, labels: {watched: please}}\n"
    store.output("create", "-f", "-", *here, stdin=manifest.replace("NAME", "first"))
    watch = ("get", "configmap", *here, "-l", "watched", "-w")
    with store.follow(*watch, "--output-watch-events") as events, store.follow(*watch) as rows:
        events.next_line(lambda line: line.split()[:3] == ["ADDED", "first", "0"])
        rows.next_line(lambda line: line.split()[:2] == ["first", "0"])
        store.output("create", "-f", "-", *here, stdin=manifest.replace("NAME", "seen"))
        events.next_line(lambda line: line.split()[:3] == ["ADDED", "seen", "0"])
        store.output("patch", "configmap", "seen", *here, "-p", '{"data":{"a":"b"}}')
        events.next_line(lambda line: line.split()[:3] == ["MODIFIED", "seen", "1"])
        store.output("label", "configmap", "seen", *here, "watched-")
        events.next_line(lambda line: line.split()[:3] == ["DELETED", "seen", "1"])
        for shown in ("0", "1", "1"):
            assert rows.next_line().split()[:2] == ["seen", shown]


def test_names_are_generated_and_finalizers_waited_for(both: SideBySide, space: str) -> None:
    manifest = """
apiVersion: v1
kind: ConfigMap
metadata: {generateName: generated-, finalizers: [example.com/hold], labels: {held: "yes"}}
"""
    here = ("-n", space, "-l", "held=yes")
    both.same("create", "-f", "-", "-n", space, stdin=manifest)
    both.same("delete", "configmap", *here, "--wait=false")
    both.same("get", "configmap", *here, "-o", "jsonpath={.items[0].metadata.deletionGracePeriodSeconds}")
    waiting = both.gateway.follow("wait", "configmap", *here, "--for=delete", "--timeout=20s")
    with waiting:
        for kubectl in (both.gateway, both.kube):
            name = kubectl.output("get", "configmap", *here, "-o", "name").strip()
            kubectl.output("patch", name, "-n", space, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
        assert waiting.wait() == 0
    both.same("get", "configmap", *here)


def test_a_namespace_ends_with_its_content(both: SideBySide, store: Kubectl) -> None:
    store.output("create", "namespace", "ending")
    store.output("apply", "-f", "-", stdin=SHOP.replace("SPACE", "ending"))
    held = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: held, namespace: ending, finalizers: [example.com/hold]}\n"
    )
    store.output("create", "-f", "-", stdin=held)
    assert store.output("delete", "namespace", "ending", "--wait=false") == 'namespace "ending" deleted\n'
    store.output("wait", "deployment/web", "-n", "ending", "--for=delete", "--timeout=10s")
    assert store.output("get", "namespace", "ending", "--no-headers").split()[:2] == ["ending", "Terminating"]
    late = store.run("create", "configmap", "late", "-n", "ending")
    assert "unable to create new content in namespace ending because it is being terminated" in late.stderr
    remaining = "--for=condition=NamespaceFinalizersRemaining"
    store.output("wait", "namespace/ending", remaining, "--timeout=10s")
    store.output("patch", "configmap", "held", "-n", "ending", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    store.output("wait", "namespace/ending", "--for=delete", "--timeout=10s")
    for name in ("ending", "never-there"):
        both.same("get", "namespace", name)
    for name in ("default", "kube-system"):
        both.same("delete", "namespace", name)
    both.same("create", "configmap", "lost", "-n", "never-there")


def test_events_of_federated_objects(store: Kubectl, both: SideBySide, space: str) -> None:
    both.each("apply", "-f", "-", stdin=SHOP.replace("SPACE", space).partition("---")[0])
    event = f"""
apiVersion: v1
kind: Event
metadata: {{name: web.1, namespace: {space}}}
involvedObject: {{apiVersion: apps/v1, kind: Deployment, name: web, namespace: {space}, uid: UID}}
reason: Divided
message: divided over two clusters
type: Normal
source: {{component: scheduler}}
firstTimestamp: "2026-01-01T00:00:00Z"
lastTimestamp: "2026-01-01T01:00:00Z"
count: 3
"""
    for kubectl in (both.gateway, both.kube):
        uid = kubectl.output("get", "deployment", "web", "-n", space, "-o", "jsonpath={.metadata.uid}")
        kubectl.output("create", "-f", "-", stdin=event.replace("UID", uid))
    store.output("wait", "event/web.1", "-n", space, "--for=create", "--timeout=10s")
    assert "divided over two clusters" in both.same("describe", "deployment", "web", "-n", space)
    both.same("events", "-n", space, "--for=deployment/web")
    head, row = store.output("get", "events", "-n", space).splitlines()
    assert head.split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "CLUSTER", "MESSAGE"]
    assert row.split()[1:] == ["Normal", "Divided", "deployment/web", "divided", "over", "two", "clusters"]
    both.same("get", "events.events.k8s.io", "web.1", "-n", space, "-o", "yaml")
    both.same("delete", "event", "web.1", "-n", space)
