from ipaddress import ip_network

from gateway.simulation.member.nodes import NODES_PER_MEMBER, simulated_nodes
from tests.gateway.simulation.builders import NOW


def test_the_nodes_of_all_members_have_networks_of_their_own() -> None:
    nodes = [node for number in (1, 2) for node in simulated_nodes(f"member{number}", number, "v1.36.0", NOW)]
    assert len(nodes) == 2 * NODES_PER_MEMBER
    networks = [ip_network(node["spec"]["podCIDR"]) for node in nodes]
    assert not any(a.overlaps(b) for a in networks for b in networks if a is not b)


def test_a_node_is_ready_and_says_that_it_is_simulated() -> None:
    node = simulated_nodes("m", 3, "v1.36.0", NOW)[0]
    assert {each["type"]: each["status"] for each in node["status"]["conditions"]}["Ready"] == "True"
    assert node["status"]["addresses"][0] == {"type": "InternalIP", "address": "10.3.0.1"}
    assert node["status"]["nodeInfo"]["kubeletVersion"] == "v1.36.0"
    assert "simulated" in node["status"]["nodeInfo"]["osImage"]
