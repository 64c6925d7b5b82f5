from gateway.apimachinery.meta import JsonObject
from gateway.storage.conversion import AUTOSCALERS, EVENTS

CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}
MEMORY = {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Mi"}}}
BEHAVIOR = {"scaleDown": {"stabilizationWindowSeconds": 10}}


def autoscaler(spec: JsonObject, status: JsonObject | None = None, **metadata: object) -> JsonObject:
    return {"metadata": {"name": "h", **metadata}, "spec": {"maxReplicas": 3, **spec}, "status": status or {}}


def test_an_event_of_the_core_group_is_read_in_the_other() -> None:
    core = {
        "metadata": {"name": "e"},
        "involvedObject": {"kind": "Pod"},
        "message": "m",
        "source": {"component": "c"},
        "reportingComponent": "",
        "count": 3,
    }
    served = EVENTS.from_stored(core)
    assert served == {
        "metadata": {"name": "e"},
        "regarding": {"kind": "Pod"},
        "note": "m",
        "deprecatedSource": {"component": "c"},
        "deprecatedCount": 3,
    }
    back = EVENTS.to_stored(served)
    assert back == {name: value for name, value in core.items() if name != "reportingComponent"}


def test_a_v1_autoscaler_shows_the_cpu_target_of_v2() -> None:
    served = AUTOSCALERS.from_stored(autoscaler({"metrics": [CPU]}, {"desiredReplicas": 2}))
    assert served["spec"] == {"maxReplicas": 3, "targetCPUUtilizationPercentage": 70}
    assert served["status"] == {"currentReplicas": 0, "desiredReplicas": 2}
    assert "annotations" not in served["metadata"]


def test_a_v1_autoscaler_is_stored_as_v2() -> None:
    stored = AUTOSCALERS.to_stored(autoscaler({"targetCPUUtilizationPercentage": 70}))
    assert stored["spec"] == {"maxReplicas": 3, "metrics": [CPU]}


def test_what_only_v2_has_survives_a_v1_client() -> None:
    current = {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 40}}}
    condition = {"type": "AbleToScale", "status": "True"}
    stored = autoscaler(
        {"metrics": [CPU, MEMORY], "behavior": BEHAVIOR},
        {"currentReplicas": 1, "desiredReplicas": 2, "currentMetrics": [current], "conditions": [condition]},
        annotations={"mine": "kept"},
    )
    served = AUTOSCALERS.from_stored(stored)
    assert served["status"] == {"currentReplicas": 1, "desiredReplicas": 2, "currentCPUUtilizationPercentage": 40}
    assert AUTOSCALERS.to_stored(served) == stored
    assert stored["metadata"]["annotations"] == {"mine": "kept"}


def test_an_annotation_that_cannot_be_read_stays_one() -> None:
    annotations = {"autoscaling.alpha.kubernetes.io/metrics": "{broken"}
    stored = AUTOSCALERS.to_stored(autoscaler({}, annotations=annotations))
    assert stored["metadata"]["annotations"] == annotations
    assert stored["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 80
