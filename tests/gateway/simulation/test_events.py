from gateway.simulation.events import NORMAL, Happening, Source, build_event, object_reference
from tests.gateway.simulation.builders import NOW, at, pod


def test_an_event_names_its_object_its_reporter_and_its_time() -> None:
    obj = pod("web-1", resourceVersion="7")
    happening = Happening(NORMAL, "Started", "Started container c", "spec.containers{c}")
    event = build_event(obj, happening, Source("kubelet", "n1"), NOW, 0xAB)
    assert event["metadata"] == {"name": "web-1.ab", "namespace": "default"}
    assert event["involvedObject"] == {
        "kind": "Pod",
        "namespace": "default",
        "name": "web-1",
        "uid": "uid-web-1",
        "apiVersion": "v1",
        "resourceVersion": "7",
        "fieldPath": "spec.containers{c}",
    }
    assert event["source"] == {"component": "kubelet", "host": "n1"}
    assert (event["reportingComponent"], event["reportingInstance"]) == ("kubelet", "n1")
    assert (event["firstTimestamp"], event["lastTimestamp"], event["count"]) == (at(0), at(0), 1)
    assert (event["type"], event["reason"], event["message"]) == ("Normal", "Started", "Started container c")


def test_an_event_about_a_cluster_scoped_object_lives_in_default() -> None:
    node = {"kind": "Node", "apiVersion": "v1", "metadata": {"name": "n1"}}
    event = build_event(node, Happening(NORMAL, "R", "m"), Source("kubelet"), NOW, 1)
    assert event["metadata"]["namespace"] == "default"
    assert object_reference(node) == {"kind": "Node", "apiVersion": "v1", "name": "n1"}
    assert event["source"] == {"component": "kubelet"}
