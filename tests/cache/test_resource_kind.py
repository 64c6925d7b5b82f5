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
    nodes = ResourceKind.generic(GroupVersionResource("", "v1", "nodes"), "Node", namespaced=False)
    assert nodes.stored.list_kind == "NodeList"
    assert not nodes.stored.namespaced
    assert set(nodes.stored.field_labels) == {"metadata.name", "metadata.namespace"}
    assert nodes.stored.from_stored(b"{}") == nodes.stored.to_stored(b"{}") == b"{}"
