from gateway.apimachinery.meta import JsonObject
from tests.gateway.simulation.member.conftest import MemberCluster


def pod(name: str, image: str = "nginx", **spec: object) -> JsonObject:
    containers = [{"name": "c", "image": image}]
    return {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name}, "spec": {"containers": containers, **spec}}


async def test_a_crashing_container_is_told_of_once_and_counted_up(cluster: MemberCluster) -> None:
    await cluster.create("pods", pod("p", "crashy"))
    await cluster.until(lambda: "BackOff" in cluster.events("p"))
    assert cluster.events("p")["Started"]["count"] == 2
    assert cluster.events("p")["BackOff"]["type"] == "Warning"
    (status,) = cluster.get("pods", "p")["status"]["containerStatuses"]
    assert status["state"]["waiting"]["reason"] == "CrashLoopBackOff"


async def test_a_pod_on_the_network_of_its_node_has_the_nodes_address(cluster: MemberCluster) -> None:
    await cluster.create("pods", pod("p", hostNetwork=True))
    await cluster.until(lambda: len(cluster.running()) == 1)
    status = cluster.running()[0]["status"]
    assert status["podIP"] == status["hostIP"]


async def test_a_pod_for_a_node_that_does_not_exist_is_nobodys(cluster: MemberCluster) -> None:
    await cluster.create("pods", pod("lost", nodeName="elsewhere"))
    await cluster.create("pods", pod("p"))
    await cluster.until(lambda: len(cluster.running()) == 1)
    assert cluster.get("pods", "lost")["status"]["phase"] == "Pending"


async def test_a_pod_with_a_finalizer_stops_but_stays(cluster: MemberCluster) -> None:
    await cluster.create("pods", pod("p"))
    await cluster.until(lambda: len(cluster.running()) == 1)
    await cluster.patch("pods", "p", {"metadata": {"finalizers": ["x.io/hold"]}})
    await cluster.delete("pods", "p")
    await cluster.until(lambda: cluster.get("pods", "p")["metadata"]["deletionGracePeriodSeconds"] == 0)
    await cluster.patch("pods", "p", {"metadata": {"finalizers": None}})
    await cluster.until(lambda: not cluster.objects("pods"))
    assert cluster.events("p")["Killing"]["count"] == 1
