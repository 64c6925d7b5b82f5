"""Rules for autoscalers; most are recorded in test_validation.py."""

from __future__ import annotations

from gateway.storage.validation.autoscaling import validate_horizontal_pod_autoscaler


def test_metrics_of_other_things_do_not_lift_the_lower_bound() -> None:
    spec = {
        "minReplicas": 0,
        "maxReplicas": 3,
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"},
        "metrics": [{"type": "External"}],
    }
    assert [cause["field"] for cause in validate_horizontal_pod_autoscaler({"spec": spec}, None)] == [
        "spec.minReplicas"
    ]
