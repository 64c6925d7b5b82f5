from gateway.apimachinery import meta
from gateway.apimachinery.meta import JsonObject
from tests.gateway.simulation.member.conftest import MemberCluster


def waiting_pod() -> JsonObject:
    spec = {"containers": [{"name": "c", "image": "nginx"}], "nodeSelector": {"kubernetes.io/hostname": "m1-node-2"}}
    return {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"}, "spec": spec}


async def test_a_pod_waits_for_a_node_that_takes_it_and_says_why(cluster: MemberCluster) -> None:
    await cluster.patch("nodes", "m1-node-2", {"spec": {"unschedulable": True}})
    await cluster.create("pods", waiting_pod())
    await cluster.until(lambda: "FailedScheduling" in cluster.events("p"))
    (condition,) = cluster.get("pods", "p")["status"]["conditions"]
    assert (condition["status"], condition["reason"]) == ("False", "Unschedulable")
    assert condition["message"].startswith("0/3 nodes are available: ")
    await cluster.patch("nodes", "m1-node-1", {"metadata": {"labels": {"looked": "again"}}})
    await cluster.patch("nodes", "m1-node-2", {"spec": {"unschedulable": None}})
    await cluster.until(lambda: len(cluster.running()) == 1)
    assert cluster.running()[0]["spec"]["nodeName"] == "m1-node-2"
    assert cluster.events("p")["FailedScheduling"]["count"] == 1


async def test_room_that_becomes_free_is_used(cluster: MemberCluster) -> None:
    await cluster.patch("nodes", "m1-node-2", {"status": {"allocatable": {"pods": "1"}}}, subresource="status")
    await cluster.create("pods", {**waiting_pod(), "metadata": {"name": "first"}})
    await cluster.until(lambda: len(cluster.running()) == 1)
    await cluster.create("pods", waiting_pod())
    await cluster.until(lambda: "FailedScheduling" in cluster.events("p"))
    await cluster.delete("pods", "first", grace_period_seconds=0)
    await cluster.until(lambda: [meta.name(pod) for pod in cluster.running()] == ["p"])
