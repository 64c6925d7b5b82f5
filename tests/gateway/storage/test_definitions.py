import json

from gateway.apimachinery.meta import ObjectKey
from gateway.apimachinery.schema import GroupVersion, GroupVersionKind
from gateway.storage.definitions import ResourceDefinition
from gateway.storage.interface import StoredObject, encode_value
from gateway.storage.resources import CLUSTERS, FEDERATION_RESOURCES


def find(api_version: str, resource: str) -> ResourceDefinition:
    wanted = GroupVersion.parse(api_version).resource(resource)
    return next(definition for definition in FEDERATION_RESOURCES if definition.gvr == wanted)


def stored(**content: object) -> StoredObject:
    value = encode_value({"metadata": {"name": "x"}, **content})
    return StoredObject.from_value(ObjectKey("ns", "x"), 7, value, 0)


def test_a_complete_object_starts_with_kind_and_version() -> None:
    definition = find("apps/v1", "deployments")
    raw = definition.object_bytes(stored(spec={"replicas": 1}))
    assert raw.startswith(b'{"kind":"Deployment","apiVersion":"apps/v1","metadata":{')
    assert json.loads(raw) == definition.object(stored(spec={"replicas": 1}))


def test_list_items_of_built_ins_have_no_kind_and_those_of_custom_ones_have() -> None:
    deployments = find("apps/v1", "deployments")
    assert deployments.item_bytes(entry := stored()) is entry.raw
    assert json.loads(CLUSTERS.item_bytes(stored()))["kind"] == "Cluster"


def test_a_converted_resource_is_served_in_its_own_form() -> None:
    events = find("events.k8s.io/v1", "events")
    entry = stored(message="m", involvedObject={"kind": "Pod"})
    assert json.loads(events.item_bytes(entry))["note"] == "m"
    assert events.object(entry)["regarding"] == {"kind": "Pod"}
    assert events.storage_key == find("v1", "events").storage_key == "events"
    assert events.storage_kind == GroupVersionKind("", "v1", "Event")
    assert events.to_stored(events.object(entry))["involvedObject"] == {"kind": "Pod"}


def test_both_event_groups_select_by_the_same_values() -> None:
    entry = stored(involvedObject={"name": "web"}, source={"component": "kubelet"})
    core, other = find("v1", "events"), find("events.k8s.io/v1", "events")
    assert core.fields(entry) is other.fields(entry)
    assert core.fields(entry)["involvedObject.name"] == "web"
    assert other.field_labels["regarding.name"] == "involvedObject.name"
