"""Workloads in a member whose scheduler and kubelet run too: what a user would see happen."""

from gateway.apimachinery import meta
from gateway.apimachinery.meta import JsonObject
from gateway.simulation.member.deployments import REVISION, template_hash
from gateway.storage.registry import Registry
from tests.gateway.simulation.builders import deployment
from tests.gateway.simulation.member.conftest import MemberCluster, components


def bare_pod(name: str, labels: dict[str, str]) -> JsonObject:
    spec = {"containers": [{"name": "c", "image": "nginx"}]}
    return {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name, "labels": labels}, "spec": spec}


def job(name: str, *command: str, **spec: int) -> JsonObject:
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "busybox", "command": list(command)}]}
    return {
        "kind": "Job",
        "apiVersion": "batch/v1",
        "metadata": {"name": name},
        "spec": {"template": {"spec": pod}, **spec},
    }


def is_rolled_out(cluster: MemberCluster, name: str, replicas: int) -> bool:
    status = cluster.get("deployments", name).get("status") or {}
    generation = cluster.get("deployments", name)["metadata"]["generation"]
    counts = [status.get(part) for part in ("replicas", "updatedReplicas", "availableReplicas")]
    return counts == [replicas] * 3 and status["observedGeneration"] == generation


async def test_a_deployment_comes_up_on_the_nodes_with_events_that_tell_of_it(cluster: MemberCluster) -> None:
    await cluster.create("deployments", deployment(replicas=3))
    await cluster.until(lambda: is_rolled_out(cluster, "web", 3))
    pods = cluster.running()
    assert {pod["spec"]["nodeName"] for pod in pods} == {"m1-node-1", "m1-node-2", "m1-node-3"}
    assert len({pod["status"]["podIP"] for pod in pods}) == 3
    (replica_set,) = cluster.objects("replicasets")
    assert replica_set["status"]["availableReplicas"] == 3
    text = cluster.events("web")["ScalingReplicaSet"]["message"]
    assert text == f"Scaled up replica set {meta.name(replica_set)} from 0 to 3"
    assert cluster.events(meta.name(replica_set))["SuccessfulCreate"]["source"] == {
        "component": "replicaset-controller"
    }
    await cluster.until(lambda: "Started" in cluster.events(meta.name(pods[0])))
    told = cluster.events(meta.name(pods[0]))
    assert set(told) == {"Scheduled", "Pulling", "Pulled", "Created", "Started"}
    assert told["Started"]["source"] == {"component": "kubelet", "host": pods[0]["spec"]["nodeName"]}
    assert told["Scheduled"]["reportingComponent"] == "default-scheduler"


async def test_an_update_rolls_out_and_a_rollback_brings_the_old_replica_set_back(cluster: MemberCluster) -> None:
    await cluster.create("deployments", deployment(replicas=2))
    await cluster.until(lambda: is_rolled_out(cluster, "web", 2))
    for image, revision in (("nginx:2", "2"), ("nginx", "3")):
        change = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}}
        await cluster.patch("deployments", "web", change)
        await cluster.until(lambda: is_rolled_out(cluster, "web", 2))
        assert {pod["spec"]["containers"][0]["image"] for pod in cluster.running()} == {image}
        assert meta.annotations(cluster.get("deployments", "web"))[REVISION] == revision
    assert sorted(each["spec"]["replicas"] for each in cluster.objects("replicasets")) == [0, 2]


async def test_scaling_down_and_deleting_end_pods_gracefully(cluster: MemberCluster) -> None:
    await cluster.create("deployments", deployment(replicas=3))
    await cluster.until(lambda: is_rolled_out(cluster, "web", 3))
    await cluster.patch("deployments", "web", {"spec": {"replicas": 1}})
    await cluster.until(lambda: is_rolled_out(cluster, "web", 1) and len(cluster.objects("pods")) == 1)
    (replica_set,) = cluster.objects("replicasets")
    assert "SuccessfulDelete" in cluster.events(meta.name(replica_set))
    (pod,) = cluster.objects("pods")
    await cluster.delete("deployments", "web")
    await cluster.until(lambda: not cluster.objects("pods") and not cluster.objects("replicasets"))
    assert cluster.events(meta.name(pod))["Killing"]["count"] == 1


async def test_a_pod_that_is_deleted_is_replaced(cluster: MemberCluster) -> None:
    await cluster.create("deployments", deployment(replicas=1))
    await cluster.until(lambda: is_rolled_out(cluster, "web", 1))
    (pod,) = cluster.running()
    await cluster.delete("pods", meta.name(pod))
    await cluster.until(lambda: [meta.name(each) for each in cluster.running()] not in ([], [meta.name(pod)]))


async def test_pods_are_adopted_and_let_go_by_their_labels(cluster: MemberCluster) -> None:
    await cluster.create("deployments", deployment(replicas=1))
    await cluster.until(lambda: is_rolled_out(cluster, "web", 1))
    (pod,) = cluster.running()
    labels = meta.labels(pod)
    await cluster.patch("pods", meta.name(pod), {"metadata": {"labels": {"app": "freed"}}})
    await cluster.until(lambda: not meta.owner_references(cluster.get("pods", meta.name(pod))))
    await cluster.until(lambda: len(cluster.running()) == 2)
    await cluster.create("pods", bare_pod("stray", labels))
    # It is adopted, and as the youngest of two where one is wanted it goes again.
    await cluster.until(lambda: "stray" not in [meta.name(each) for each in cluster.objects("pods")])
    assert len(cluster.running()) == 2


async def test_a_replica_sets_name_that_is_taken_is_made_up_anew(cluster: MemberCluster) -> None:
    await cluster.create("deployments", {**deployment("probe"), "spec": deployment()["spec"]})
    await cluster.until(lambda: bool(cluster.objects("replicasets")))
    template = cluster.get("deployments", "probe")["spec"]["template"]
    await cluster.delete("deployments", "probe")
    taken = {
        "kind": "ReplicaSet",
        "apiVersion": "apps/v1",
        "metadata": {"name": f"web-{template_hash(template)}"},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"other": "x"}},
            "template": {"metadata": {"labels": {"other": "x"}}, "spec": template["spec"]},
        },
    }
    await cluster.create("replicasets", taken)
    await cluster.create("deployments", deployment(replicas=1))
    await cluster.until(lambda: is_rolled_out(cluster, "web", 1))
    assert cluster.get("deployments", "web")["status"]["collisionCount"] == 1


async def test_old_replica_sets_are_cleaned_up(cluster: MemberCluster) -> None:
    await cluster.create("deployments", deployment(replicas=1, revisionHistoryLimit=0))
    await cluster.until(lambda: is_rolled_out(cluster, "web", 1))
    change = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "nginx:2"}]}}}}
    await cluster.patch("deployments", "web", change)
    await cluster.until(lambda: is_rolled_out(cluster, "web", 1) and len(cluster.objects("replicasets")) == 1)


async def test_a_job_runs_to_its_end(cluster: MemberCluster) -> None:
    await cluster.create("jobs", job("work", "true", completions=2, parallelism=2))
    await cluster.until(lambda: "Completed" in cluster.events("work"))
    status = cluster.get("jobs", "work")["status"]
    assert status["succeeded"] == 2
    assert {pod["status"]["phase"] for pod in cluster.objects("pods")} == {"Succeeded"}


async def test_a_job_that_fails_is_given_up(cluster: MemberCluster) -> None:
    await cluster.create("jobs", job("work", "false", backoffLimit=0))
    await cluster.until(lambda: "BackoffLimitExceeded" in cluster.events("work"))
    assert cluster.get("jobs", "work")["status"]["failed"] == 1


async def test_a_member_that_was_stopped_goes_on_where_it_was(registry: Registry) -> None:
    cluster = MemberCluster(registry)
    async with components(registry):
        await cluster.create("deployments", deployment(replicas=2))
        await cluster.until(lambda: len(cluster.objects("pods")) == 2)
    assert not cluster.running()
    async with components(registry):
        await cluster.until(lambda: is_rolled_out(cluster, "web", 2))
