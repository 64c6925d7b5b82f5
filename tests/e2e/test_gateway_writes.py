"""Writing through the gateway: federated objects, custom resources, members' Pods, Helm and the Python client."""

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.environment.kubectl import Kubectl
from tests.e2e.gateway import Gateway
from tests.e2e.test_gateway_access import ask, tls

CLONE_SET_CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: clonesets.apps.kruise.io}
spec:
  group: apps.kruise.io
  scope: Namespaced
  names: {kind: CloneSet, plural: clonesets, singular: cloneset, shortNames: [clone]}
  versions:
  - name: v1alpha1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties: {replicas: {type: integer, description: How many there should be.}}
            x-kubernetes-preserve-unknown-fields: true
          status: {type: object, properties: {replicas: {type: integer}}}
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}
    additionalPrinterColumns:
    - {name: Desired, type: integer, jsonPath: .spec.replicas}
"""
CLONE_SET = """
apiVersion: apps.kruise.io/v1alpha1
kind: CloneSet
metadata: {name: web, namespace: default}
spec: {replicas: 6}
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME, namespace: default, labels: {app: NAME}}
spec:
  replicas: 6
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec: {containers: [{name: web, image: "web:1"}]}
"""


@pytest.fixture
def clone_sets(admin: Kubectl) -> Iterator[None]:
    """The CloneSet kind, known to the store."""
    admin.output("apply", "-f", "-", stdin=CLONE_SET_CRD)
    admin.output("wait", "--for=condition=Established", "crd/clonesets.apps.kruise.io", "--timeout=30s")
    yield
    admin.output("delete", "crd", "clonesets.apps.kruise.io")


def test_a_deployment_through_its_life(gateway: Gateway, all_kubectls: dict[str, Path]) -> None:
    for number, (version, program) in enumerate(all_kubectls.items()):
        client = gateway.kubectl(gateway.admin, program)
        name = f"life-{number}"
        manifest = DEPLOYMENT.replace("NAME", name)
        assert client.output("apply", "-f", "-", stdin=manifest) == f"deployment.apps/{name} created\n", version
        assert client.output("apply", "-f", "-", stdin=manifest) == f"deployment.apps/{name} unchanged\n", version
        changed = manifest.replace("web:1", "web:2")
        assert client.run("diff", "-f", "-", stdin=changed).returncode == 1, version
        assert client.output("apply", "-f", "-", stdin=changed) == f"deployment.apps/{name} configured\n", version
        assert client.output("scale", "deployment", name, "--replicas=8") == f"deployment.apps/{name} scaled\n", version
        client.output("set", "image", f"deployment/{name}", "web=web:3")
        client.output("rollout", "restart", f"deployment/{name}")
        client.output("label", "deployment", name, "seen=yes")
        client.output("annotate", "deployment", name, "seen=yes")
        shown = json.loads(client.output("get", "deployment", name, "-o", "json"))
        assert (shown["spec"]["replicas"], shown["metadata"]["labels"]["seen"]) == (8, "yes"), version
        assert client.output("delete", "deployment", name).startswith(f'deployment.apps "{name}" deleted'), version
        assert client.run("get", "deployment", name).returncode == 1, version


def test_edit_and_server_side_apply(gateway: Gateway, admin: Kubectl) -> None:
    manifest = DEPLOYMENT.replace("NAME", "edited")
    admin.output("apply", "--server-side", "-f", "-", stdin=manifest)
    os.environ["KUBE_EDITOR"] = "sed -i s/web:1/web:9/"
    try:
        editor = Kubectl(admin.program, gateway.admin, gateway.folder / "home")
        editor._environment["KUBE_EDITOR"] = "sed -i s/web:1/web:9/"
        assert editor.output("edit", "deployment", "edited") == "deployment.apps/edited edited\n"
    finally:
        del os.environ["KUBE_EDITOR"]
    conflict = admin.run("apply", "--server-side", "-f", "-", stdin=manifest)
    assert conflict.returncode == 1
    assert "conflict with" in conflict.stderr
    admin.output("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=manifest)
    admin.output("delete", "deployment", "edited")


def test_rollout_status_waits_for_the_federation(gateway: Gateway, admin: Kubectl) -> None:
    admin.output("apply", "-f", "-", stdin=DEPLOYMENT.replace("NAME", "rolled"))
    with admin.follow("rollout", "status", "deployment/rolled", "--timeout=60s") as lines:
        lines.next_line(lambda line: line.startswith("Waiting for"))
        generation = json.loads(admin.output("get", "deployment", "rolled", "-o", "json"))["metadata"]["generation"]
        status = {
            "observedGeneration": generation, "replicas": 6, "updatedReplicas": 6, "readyReplicas": 6,
            "availableReplicas": 6,
            "conditions": [{"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}],
        }  # fmt: skip
        patch = json.dumps({"status": status})
        admin.output("patch", "deployment", "rolled", "--subresource=status", "--type=merge", "-p", patch)
        lines.next_line(lambda line: "successfully rolled out" in line)
        assert lines.wait() == 0
    admin.output("delete", "deployment", "rolled")


def test_custom_resources_work_like_built_ins(gateway: Gateway, admin: Kubectl, clone_sets: None) -> None:
    assert admin.output("apply", "-f", "-", stdin=CLONE_SET) == "cloneset.apps.kruise.io/web created\n"
    table = admin.output("get", "clone", "web")
    assert table.splitlines()[0].split() == ["NAME", "DESIRED"]
    assert admin.output("scale", "cloneset", "web", "--replicas=8") == "cloneset.apps.kruise.io/web scaled\n"
    assert "How many there should be." in admin.output("explain", "cloneset.spec.replicas")
    assert admin.output("patch", "clone", "web", "--type=merge", "-p", '{"spec":{"extra":1}}').endswith("patched\n")
    direct = gateway.kubectl(gateway.fleet.federation.kubeconfig)
    assert json.loads(direct.output("get", "clone", "web", "-o", "json"))["spec"] == {"extra": 1, "replicas": 8}
    admin.output("delete", "clone", "web")


def test_dry_run_changes_nothing(admin: Kubectl) -> None:
    admin.output("create", "configmap", "dry", "--from-literal=a=b", "--dry-run=server")
    assert admin.run("get", "configmap", "dry").returncode == 1


def test_members_pods_are_labelled_and_deleted_by_name(gateway: Gateway, admin: Kubectl) -> None:
    for member in gateway.fleet.members.values():
        name = f"written-{member.name}"
        body = {"metadata": {"name": name}, "spec": {"containers": [{"name": "a", "image": "a:1"}]}}
        member.client.request("POST", "/api/v1/namespaces/shop/pods", body)
        admin.output("wait", "-n", "shop", "--for=create", f"pod/{name}", "--timeout=20s")
        assert admin.output("label", "pod", "-n", "shop", name, "team=a") == f"pod/{name} labeled\n"
        shown = json.loads(admin.output("get", "pod", "-n", "shop", name, "-o", "json"))
        assert shown["metadata"]["labels"]["team"] == "a", "a read after our own write shows it"
        live = member.client.request("GET", f"/api/v1/namespaces/shop/pods/{name}")
        assert live["metadata"]["labels"]["team"] == "a"
        assert "fleetgate.io/cluster" not in live["metadata"]["labels"]
        assert "resource.karmada.io/cached-from-cluster" not in live["metadata"].get("annotations", {})
        admin.output("delete", "pod", "-n", "shop", name, "--grace-period=0", "--force")
        assert admin.run("get", "pod", "-n", "shop", name).returncode == 1
        impersonated = {
            (event.get("impersonatedUser") or {}).get("username")
            for event in member.audit_events()
            if event["verb"] in {"patch", "delete"} and (event.get("objectRef") or {}).get("name") == name
        }
        assert impersonated == {"admin"}


def test_a_new_pod_names_its_cluster(gateway: Gateway, admin: Kubectl) -> None:
    pod = {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "placed", "namespace": "shop", "labels": {"fleetgate.io/cluster": "member2"}},
        "spec": {"containers": [{"name": "a", "image": "a:1"}]},
    }  # fmt: skip
    admin.output("create", "-f", "-", stdin=json.dumps(pod))
    live = gateway.fleet.members["member2"].client.request("GET", "/api/v1/namespaces/shop/pods/placed")
    assert "fleetgate.io/cluster" not in live["metadata"].get("labels", {})
    assert admin.output("get", "pod", "-n", "shop", "placed").splitlines()[1].split()[-1] == "member2"
    admin.output("delete", "pod", "-n", "shop", "placed", "--now")


def test_the_answer_of_a_write_is_in_the_form_asked_for(gateway: Gateway, admin: Kubectl, tmp_path: Path) -> None:
    member = gateway.fleet.members["member2"]
    pods = "/api/v1/namespaces/shop/pods"
    body = {"metadata": {"name": "formed"}, "spec": {"containers": [{"name": "a", "image": "a:1"}]}}
    member.client.request("POST", pods, body)
    admin.output("wait", "-n", "shop", "--for=create", "pod/formed", "--timeout=20s")
    context, _ = tls(gateway.admin, tmp_path)
    connection = http.client.HTTPSConnection("127.0.0.1", gateway.port, context=context, timeout=30)

    def label(path: str, value: str, accept: str) -> tuple[int, Any]:
        patch = json.dumps({"metadata": {"labels": {"formed": value}}}).encode()
        headers = {"Content-Type": "application/merge-patch+json", "Accept": accept}
        return ask(connection, "PATCH", path, patch, **headers)[:2]

    table = "application/json;as=Table;g=meta.k8s.io;v=v1"
    for path, has_cluster in ((f"{pods}/formed", True), (f"/clusters/member2{pods}/formed", False)):
        code, shown = label(path, "yes", f"{table},application/json")
        assert (code, shown["kind"]) == (200, "Table")
        columns = [column["name"] for column in shown["columnDefinitions"]]
        assert ("Cluster" in columns) is has_cluster
        assert shown["rows"][0]["cells"][0] == "formed"
        assert ("member2" in shown["rows"][0]["cells"]) is has_cluster
        assert label(path, "no", "image/png")[0] == 406
    assert member.client.request("GET", f"{pods}/formed")["metadata"]["labels"]["formed"] == "yes"
    code, text = label(f"{pods}/formed", "again", "application/vnd.kubernetes.protobuf")
    assert code == 200
    assert text.startswith("k8s\x00")
    assert "resource.karmada.io/cached-from-cluster" in text, "protobuf is stamped as JSON is"
    connection.close()
    admin.output("delete", "pod", "-n", "shop", "formed", "--grace-period=0", "--force")


def test_the_same_name_in_two_members(gateway: Gateway, admin: Kubectl) -> None:
    body = {"metadata": {"name": "twin"}, "spec": {"containers": [{"name": "a", "image": "a:1"}]}}
    for member in gateway.fleet.members.values():
        member.client.request("POST", "/api/v1/namespaces/shop/pods", body)
        admin.output(
            "wait", "-n", "shop", "--for=create", "pod", "-l", f"fleetgate.io/cluster={member.name}", "--timeout=20s"
        )
    names = [line.removeprefix("pod/") for line in admin.output("get", "pods", "-n", "shop", "-o", "name").split()]
    twins = sorted(name for name in names if name.startswith("twin"))
    assert twins == ["twin", "twin.member2"]
    refused = admin.run("delete", "pod", "-n", "shop", "twin")
    assert refused.returncode == 1
    assert "ambiguous objects in clusters [member1, member2]" in refused.stderr
    read = admin.run("get", "pod", "-n", "shop", "twin")
    assert "exists in several clusters" in read.stderr
    for name in ("twin.member1", "twin.member2"):
        admin.output("delete", "pod", "-n", "shop", name, "--grace-period=0", "--force")
    for member in gateway.fleet.members.values():
        assert not member.client.succeeds("/api/v1/namespaces/shop/pods/twin")


def test_helm_installs_and_removes_a_chart(gateway: Gateway, binaries: dict[str, Path], tmp_path: Path) -> None:
    chart = tmp_path / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: demo\nversion: 0.1.0\n")
    (chart / "templates" / "deployment.yaml").write_text(DEPLOYMENT.replace("NAME", "{{ .Release.Name }}"))
    environment = os.environ | {"HOME": str(tmp_path), "KUBECONFIG": str(gateway.admin)}

    def helm(*arguments: str) -> str:
        done = subprocess.run(
            [binaries["helm"], *arguments], env=environment, capture_output=True, text=True, timeout=90, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "STATUS: deployed" in helm("install", "shopfront", str(chart))
    assert "shopfront" in helm("list")
    assert "STATUS: deployed" in helm("upgrade", "shopfront", str(chart), "--set", "x=y")
    helm("uninstall", "shopfront")
    admin = gateway.kubectl(gateway.admin)
    assert admin.run("get", "deployment", "shopfront").returncode == 1


PYTHON_CLIENT = """
import asyncio, sys
from kubernetes_asyncio import client, config, watch

async def main():
    await config.load_kube_config(config_file=sys.argv[1])
    async with client.ApiClient() as api:
        core = client.CoreV1Api(api)
        pods = await core.list_pod_for_all_namespaces(limit=50)
        seen = len(pods.items)
        while pods.metadata._continue:
            pods = await core.list_pod_for_all_namespaces(limit=50, _continue=pods.metadata._continue)
            seen += len(pods.items)
        stream, watched = watch.Watch(), 0
        async with stream.stream(core.list_pod_for_all_namespaces, timeout_seconds=3) as events:
            async for event in events:
                watched += event["type"] == "ADDED"
        body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="from-python"), data={"a": "b"})
        await core.create_namespaced_config_map("default", body)
        await core.patch_namespaced_config_map("from-python", "default", {"data": {"c": "d"}})
        read = await core.read_namespaced_config_map("from-python", "default")
        await core.delete_namespaced_config_map("from-python", "default")
        print(seen, watched, sorted(read.data))

asyncio.run(main())
"""


def test_the_python_client(gateway: Gateway) -> None:
    count = sum(len(member.client.request("GET", "/api/v1/pods")["items"]) for member in gateway.fleet.members.values())
    done = subprocess.run(
        [sys.executable, "-c", PYTHON_CLIENT, gateway.admin], capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{count} {count} ['a', 'c']"
