"""Rules for Pods; most are recorded in test_validation.py."""

from __future__ import annotations

from typing import Any

from gateway.apimachinery.meta import JsonObject
from gateway.storage.validation.pods import validate_changed_pod, validate_pod_template


def pod(**spec: Any) -> JsonObject:
    container = {"name": "a", "image": "a", "imagePullPolicy": "Always", "terminationMessagePolicy": "File"}
    return {"spec": {"containers": [container], "terminationGracePeriodSeconds": 30, **spec}}


def test_ephemeral_containers_may_be_there_in_a_pod_that_exists() -> None:
    debugged = pod(ephemeralContainers=[{"name": "e", "image": "e"}])
    assert list(validate_changed_pod(debugged, debugged)) == []


def test_times_of_tolerations_may_change() -> None:
    old = pod(tolerations=[{"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}])
    new = pod(tolerations=[{"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 9}])
    assert list(validate_changed_pod(new, old)) == []


def test_scheduling_gates_may_go() -> None:
    assert list(validate_changed_pod(pod(), pod(schedulingGates=[{"name": "a"}]))) == []


def test_a_template_that_is_none_has_no_containers() -> None:
    for template in (None, {}, {"spec": None}):
        assert [cause["field"] for cause in validate_pod_template("spec.template", template)] == [
            "spec.template.spec.containers"
        ]


def test_a_negative_grace_period_may_become_one_second() -> None:
    assert list(validate_changed_pod(pod(terminationGracePeriodSeconds=1), pod(terminationGracePeriodSeconds=-1))) == []
    assert len(list(validate_changed_pod(pod(terminationGracePeriodSeconds=1), pod()))) == 1
