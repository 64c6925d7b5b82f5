"""The Pods of a workload in all members by one field selector, as the real controllers make them."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.e2e.environment.kubectl import Kubectl
from tests.e2e.gateway import Gateway

NAMESPACE = "platform"
BATCH = f"/apis/batch/v1/namespaces/{NAMESPACE}"
APPS = f"/apis/apps/v1/namespaces/{NAMESPACE}"


def template(app: str, **spec: Any) -> dict[str, Any]:
    """What Pods of a workload are made from."""
    return {"metadata": {"labels": {"app": app}}, "spec": {"containers": [{"name": "a", "image": "a:1"}], **spec}}


def scaled(app: str, replicas: int, **spec: Any) -> dict[str, Any]:
    """A workload with a number of replicas."""
    selector = {"matchLabels": {"app": app}}
    return {
        "metadata": {"name": app},
        "spec": {"replicas": replicas, "selector": selector, "template": template(app), **spec},
    }


def job(app: str) -> dict[str, Any]:
    """A Job whose Pod runs until it is deleted."""
    return {"metadata": {"name": app}, "spec": {"template": template(app, restartPolicy="Never")}}


WORKLOADS = {
    f"{APPS}/deployments": scaled("shaped", 2),
    f"{APPS}/statefulsets": scaled("kept", 1, serviceName="kept"),
    f"{BATCH}/jobs": job("shaped-once"),
    f"{BATCH}/cronjobs": {
        "metadata": {"name": "often"},
        "spec": {"schedule": "* * * * *", "concurrencyPolicy": "Forbid", "jobTemplate": {"spec": job("often")["spec"]}},
    },
}


@pytest.fixture(scope="module", autouse=True)
def workloads(gateway: Gateway) -> Iterator[None]:
    """The same workloads in both members, with their Pods but for those of the CronJob, which come within a minute."""
    for member in gateway.fleet.members.values():
        for path, body in WORKLOADS.items():
            member.client.request("POST", path, body)
    client = gateway.kubectl(gateway.admin)
    for app, count in (("shaped", 4), ("kept", 2), ("shaped-once", 2)):
        wait_for(client, f"app={app}", count)
    yield
    for member in gateway.fleet.members.values():
        for path, body in WORKLOADS.items():
            member.client.request("DELETE", f"{path}/{body['metadata']['name']}", {"propagationPolicy": "Background"})
        member.client.request("DELETE", f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=app", {})


def wait_for(client: Kubectl, labels: str, count: int) -> list[str]:
    """Wait until there are so many Pods with labels, and return their names."""
    deadline = time.monotonic() + 120
    while True:
        listed = client.output("get", "pods", "-n", NAMESPACE, "-l", labels, "-o", "name").split()
        if len(listed) == count:
            return sorted(listed)
        assert time.monotonic() < deadline, f"{count} Pods with {labels}: {listed}"
        time.sleep(0.3)


def of(workload: str) -> tuple[str, ...]:
    """The arguments that select the Pods of a workload."""
    return ("-n", NAMESPACE, "--field-selector", f"fleetgate.io/workload={workload}")


@pytest.mark.parametrize(
    ("workload", "app"),
    [
        ("deployments.apps/shaped", "shaped"),
        ("Deployment/shaped", "shaped"),
        ("deploy/shaped", "shaped"),
        ("statefulsets.apps/kept", "kept"),
        ("jobs.batch/shaped-once", "shaped-once"),
    ],
)
def test_every_kubectl_lists_the_pods_of_a_workload(
    gateway: Gateway, all_kubectls: dict[str, Path], admin: Kubectl, workload: str, app: str
) -> None:
    expected = admin.output("get", "pods", "-n", NAMESPACE, "-l", f"app={app}", "-o", "name").split()
    assert expected
    for version, program in all_kubectls.items():
        client = gateway.kubectl(gateway.admin, program)
        assert client.output("get", "pods", *of(workload), "-o", "name").split() == expected, version
        rows = client.output("get", "pods", *of(workload), "--no-headers").splitlines()
        assert {row.split()[-1] for row in rows} == {"member1", "member2"}, version


def test_a_replica_set_is_an_owner_too(gateway: Gateway, admin: Kubectl) -> None:
    for name, member in gateway.fleet.members.items():
        (replica_set,) = member.client.request("GET", f"{APPS}/replicasets?labelSelector=app%3Dshaped")["items"]
        # Equal templates have equal hashes, so the members' ReplicaSets have one name.
        rows = admin.output("get", "pods", *of(f"rs/{replica_set['metadata']['name']}"), "--no-headers").splitlines()
        assert [row.split()[-1] for row in rows].count(name) == 2


def test_waiting_for_the_pods_of_a_workload(gateway: Gateway, all_kubectls: dict[str, Path]) -> None:
    for version, program in all_kubectls.items():
        client = gateway.kubectl(gateway.admin, program)
        condition = ("wait", "--for=condition=Ready", "pods", "--timeout=60s")
        assert client.output(*condition, *of("deployments.apps/shaped")).count("condition met") == 4, version


def test_every_kubectl_watches_the_pods_of_a_workload(
    gateway: Gateway, all_kubectls: dict[str, Path], admin: Kubectl
) -> None:
    scale = f"{APPS}/deployments/shaped/scale"
    for version, program in all_kubectls.items():
        client = gateway.kubectl(gateway.admin, program)
        known = set(admin.output("get", "pods", *of("deployments.apps/shaped"), "-o", "name").split())
        event = "jsonpath={.type} {.object.metadata.name}{'\\n'}"
        with client.follow(
            "get", "pods", *of("deployments.apps/shaped"), "-w", "--output-watch-events", "-o", event
        ) as lines:
            for _ in known:
                assert lines.next_line().split()[0] == "ADDED", version
            for name, member in gateway.fleet.members.items():
                change(member.client, scale, 3)
                added = lines.next_line(lambda line: line.startswith("ADDED")).split()[-1]
                shown = json.loads(admin.output("get", "pod", "-n", NAMESPACE, added, "-o", "json"))["metadata"]
                assert f"pod/{added}" not in known, version
                assert shown["labels"]["app"] == "shaped", version
                assert shown["annotations"]["resource.karmada.io/cached-from-cluster"] == name, version
                change(member.client, scale, 2)
                lines.next_line(lambda line: line.startswith("DELETED"))
            told = {line.split()[-1].rpartition("-")[0] for line in lines.seen}
            assert told == {name.removeprefix("pod/").rpartition("-")[0] for name in known}, version
        wait_for(admin, "app=shaped", 4)


def change(client: Any, scale: str, replicas: int) -> None:
    """Scale a workload of a member."""
    patch = {"spec": {"replicas": replicas}}
    client.request("PATCH", scale, patch, content_type="application/merge-patch+json")


@pytest.mark.parametrize("collection", [False, True])
def test_deleting_the_pods_of_a_workload(gateway: Gateway, admin: Kubectl, *, collection: bool) -> None:
    """Its controllers make new ones; nothing else is touched."""
    before = set(wait_for(admin, "app=shaped", 4))
    others = wait_for(admin, "app in (kept, shaped-once)", 4)
    if collection:
        selector = quote("fleetgate.io/workload=deployments.apps/shaped", safe="")
        admin.output("delete", "--raw", f"/api/v1/namespaces/{NAMESPACE}/pods?fieldSelector={selector}")
    else:
        said = admin.output("delete", "pods", *of("deployments.apps/shaped"), "--wait=false")
        assert len(said.splitlines()) == 4
    deadline = time.monotonic() + 60
    while before & set(admin.output("get", "pods", "-n", NAMESPACE, "-o", "name").split()):
        assert time.monotonic() < deadline, "the Pods are gone"
        time.sleep(0.3)
    wait_for(admin, "app=shaped", 4)
    assert wait_for(admin, "app in (kept, shaped-once)", 4) == others


def test_a_cron_job_owns_the_pods_of_its_jobs(gateway: Gateway, admin: Kubectl) -> None:
    expected = wait_for(admin, "app=often", 2)
    assert sorted(admin.output("get", "pods", *of("cronjobs.batch/often"), "-o", "name").split()) == expected
    (job,) = gateway.fleet.members["member1"].client.request("GET", f"{BATCH}/jobs?labelSelector=app%3Doften")["items"]
    listed = admin.output("get", "pods", *of(f"jobs.batch/{job['metadata']['name']}"), "-o", "name").split()
    assert listed
    assert set(listed) <= set(expected)


def test_other_values_are_refused_with_an_example(gateway: Gateway, all_kubectls: dict[str, Path]) -> None:
    for version, program in all_kubectls.items():
        client = gateway.kubectl(gateway.admin, program)
        for flags in ((), ("-w",)):
            refused = client.run("get", "pods", *of("shaped"), *flags)
            assert refused.returncode == 1, version
            assert '"shaped" names no workload: write RESOURCE.GROUP/NAME, such as deployments.apps/web' in (
                refused.stderr
            ), version


def test_one_member_does_not_know_the_field(admin: Kubectl) -> None:
    path = "/clusters/member1/api/v1/pods?fieldSelector=fleetgate.io%2Fworkload%3Ddeployments.apps%2Fshaped"
    refused = admin.run("get", "--raw", path)
    assert refused.returncode == 1
    assert "field label not supported: fleetgate.io/workload" in refused.stderr
