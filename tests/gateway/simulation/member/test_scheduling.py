from gateway.apimachinery.meta import JsonObject
from gateway.simulation.member.nodes import simulated_nodes
from gateway.simulation.member.scheduling import Assignment, assign, free_address
from tests.gateway.simulation.builders import NOW, pod


def nodes() -> list[JsonObject]:
    return simulated_nodes("m", 1, "v1", NOW)


def test_the_least_filled_node_takes_the_pod_and_the_first_by_name_among_equals() -> None:
    assert assign(pod(node=""), nodes(), {"m-node-1": 2, "m-node-2": 1, "m-node-3": 1}) == Assignment("m-node-2")


def test_a_node_selector_is_honoured() -> None:
    wanted = pod(node="")
    wanted["spec"]["nodeSelector"] = {"topology.kubernetes.io/zone": "zone-3"}
    assert assign(wanted, nodes(), {}).node == "m-node-3"


def test_a_pod_that_no_node_takes_is_told_why_in_the_schedulers_words() -> None:
    three = nodes()
    three[0]["spec"]["unschedulable"] = True
    wanted = pod(node="")
    wanted["spec"]["nodeSelector"] = {"kubernetes.io/hostname": "m-node-2"}
    assert assign(wanted, three, {"m-node-2": 110}).message == (
        "0/3 nodes are available: 1 Too many pods, 1 node(s) didn't match Pod's node affinity/selector, "
        "1 node(s) were unschedulable."
    )
    assert assign(wanted, [], {}).message == "0/0 nodes are available: there are no nodes."


def test_the_lowest_free_address_is_given() -> None:
    assert free_address("10.1.1.0/24", {""}) == "10.1.1.2"
    assert free_address("10.1.1.0/24", {"10.1.1.2", "10.1.1.4"}) == "10.1.1.3"
    assert free_address("10.1.1.0/30", {"10.1.1.2"}) == ""
