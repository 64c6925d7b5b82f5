import json

import msgspec
import pytest

from cache.field_values import EVENT_FIELDS, POD_FIELDS, event_fields, no_fields, pod_fields
from tests.support.objects import event, pod


def sections(obj):
    return msgspec.json.decode(json.dumps(obj).encode(), type=dict[str, msgspec.Raw])


def pod_values(obj):
    metadata = obj.get("metadata")
    read = pod_fields(sections(obj), sections(metadata if isinstance(metadata, dict) else {}))
    return dict(zip(POD_FIELDS, read, strict=True))


def event_values(obj):
    return dict(zip(EVENT_FIELDS, event_fields(sections(obj), {}), strict=True))


def test_all_fields_of_a_pod():
    obj = pod(ownerReferences=[{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "agent", "controller": True}])
    obj["spec"] = {
        "nodeName": "n1",
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "serviceAccountName": "sa",
        "hostNetwork": True,
    }
    obj["status"] = {
        "phase": "Running",
        "podIP": "10.0.0.1",
        "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}],
        "nominatedNodeName": "n2",
    }
    assert pod_values(obj) == {
        "spec.nodeName": "n1",
        "spec.restartPolicy": "Always",
        "spec.schedulerName": "default-scheduler",
        "spec.serviceAccountName": "sa",
        "spec.hostNetwork": "true",
        "status.phase": "Running",
        "status.podIP": "10.0.0.1",
        "status.nominatedNodeName": "n2",
        "fleetgate.io/workload": "daemonset.apps/agent",
    }


@pytest.mark.parametrize("part", [None, {}, "odd", {"nodeName": 5, "phase": []}])
def test_what_a_pod_lacks_reads_as_empty(part):
    values = pod_values({"metadata": part, "spec": part, "status": part})
    assert values.pop("spec.hostNetwork") == "false"
    assert set(values.values()) == {""}
    assert pod_values({})["status.podIP"] == ""


def test_a_single_address_counts():
    assert pod_values({"status": {"podIP": "10.0.0.1"}})["status.podIP"] == "10.0.0.1"
    assert pod_values({"status": {"podIPs": [{}]}})["status.podIP"] == ""


def test_all_fields_of_an_event():
    obj = event(
        involvedObject={
            "kind": "Pod",
            "namespace": "default",
            "name": "web",
            "uid": "u",
            "apiVersion": "v1",
            "resourceVersion": "7",
            "fieldPath": "spec.containers{main}",
        },
        reportingComponent="kubelet.io",
    )
    assert event_values(obj) == {
        "involvedObject.kind": "Pod",
        "involvedObject.namespace": "default",
        "involvedObject.name": "web",
        "involvedObject.uid": "u",
        "involvedObject.apiVersion": "v1",
        "involvedObject.resourceVersion": "7",
        "involvedObject.fieldPath": "spec.containers{main}",
        "reason": "Started",
        "reportingComponent": "kubelet.io",
        "source": "kubelet",
        "type": "Normal",
    }


def test_the_reporter_stands_in_for_a_missing_source():
    assert event_values(event(source={}, reportingComponent="c"))["source"] == "c"


def test_what_an_event_lacks_reads_as_empty():
    assert set(event_values({"involvedObject": None, "reason": 5}).values()) == {""}


def test_other_kinds_have_no_fields():
    assert no_fields(sections(pod()), {}) == ()
