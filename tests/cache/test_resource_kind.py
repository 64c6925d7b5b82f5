import msgspec
import pytest

from cache.resource_kind import BUILT_IN_KINDS, EVENTS, PODS, ResourceKind
from gateway.apimachinery.schema import GroupVersionResource


def test_versions_and_their_kinds():
    assert [(v.api_version, v.kind, v.list_kind) for kind in BUILT_IN_KINDS for v in kind.versions] == [
        ("v1", "Pod", "PodList"),
        ("v1", "Event", "EventList"),
        ("events.k8s.io/v1", "Event", "EventList"),
    ]


@pytest.mark.parametrize("kind", BUILT_IN_KINDS)
def test_labels_lead_to_fields_that_exist(kind):
    known = {"metadata.name", "metadata.namespace", *kind.field_names}
    for version in kind.versions:
        assert set(version.field_labels.values()) - known <= {"status.podIPs"}


def test_aliases():
    assert PODS.stored.field_labels["spec.host"] == "spec.nodeName"
    core, group = EVENTS.versions
    assert group.field_labels["regarding.uid"] == "involvedObject.uid"
    assert group.field_labels["reportingController"] == "reportingComponent"
    assert "involvedObject.uid" not in group.field_labels
    assert "regarding.uid" not in core.field_labels


def test_a_generic_kind_is_selected_by_name_only():
    toys = ResourceKind.generic(GroupVersionResource("shop.example.com", "v1", "toys"), "Toy")
    assert toys.stored.list_kind == "ToyList"
    assert set(toys.stored.field_labels) == {"metadata.name", "metadata.namespace"}
    assert toys.field_names == toys.read_fields({}, {}) == ()
    assert toys.stored.from_stored(b"{}") == toys.stored.to_stored(b"{}") == b"{}"


def fields_of(group, resource, content):
    kind = ResourceKind.generic(GroupVersionResource(group, "v1", resource), "Any")
    sections = msgspec.json.decode(msgspec.json.encode(content), type=dict[str, msgspec.Raw])
    return dict(zip(kind.field_names, kind.read_fields(sections, {}), strict=True))


@pytest.mark.parametrize(
    ("group", "resource", "content", "expected"),
    [
        ("", "nodes", {"spec": {"unschedulable": True}}, {"spec.unschedulable": "true"}),
        ("", "nodes", {"spec": {}}, {"spec.unschedulable": "false"}),
        ("", "nodes", {}, {"spec.unschedulable": "false"}),
        ("", "nodes", {"spec": [1]}, {"spec.unschedulable": "false"}),
        ("", "secrets", {"type": "Opaque"}, {"type": "Opaque"}),
        ("", "secrets", {"type": {"odd": 1}}, {"type": ""}),
        ("", "services", {"spec": {"type": "NodePort"}}, {"spec.clusterIP": "", "spec.type": "NodePort"}),
        ("", "replicationcontrollers", {"status": {"replicas": 3}}, {"status.replicas": "3"}),
        ("batch", "jobs", {"status": {"succeeded": 2}}, {"status.successful": "2"}),
        ("batch", "jobs", {"status": None}, {"status.successful": "0"}),
    ],
)
def test_fields_of_the_kinds_of_kubernetes(group, resource, content, expected):
    assert fields_of(group, resource, content) == expected


@pytest.mark.parametrize(
    ("group", "resource", "labels"),
    [
        ("", "nodes", {"metadata.name", "spec.unschedulable"}),
        ("", "namespaces", {"metadata.name", "status.phase"}),
        ("", "secrets", {"metadata.name", "metadata.namespace", "type"}),
        ("apps", "replicasets", {"metadata.name", "metadata.namespace"}),
        ("certificates.k8s.io", "certificatesigningrequests", {"metadata.name", "spec.signerName"}),
    ],
)
def test_labels_are_those_that_kubernetes_accepts(group, resource, labels):
    assert set(ResourceKind.generic(GroupVersionResource(group, "v1", resource), "Any").stored.field_labels) == labels
