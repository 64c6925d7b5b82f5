"""Rules for workloads; most are recorded in test_validation.py."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupVersionKind
from gateway.storage.defaulting.defaulting import default_object
from gateway.storage.validation.validation import validate_object


def workload(kind: str, **spec: Any) -> JsonObject:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "a", "image": "a"}]}}
    obj = {
        "metadata": {"name": "w", "namespace": "ns"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template, **spec},
    }
    return default_object(GroupVersionKind("apps", "v1", kind), obj)


@pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet", "DaemonSet", "StatefulSet"])
def test_a_selector_never_changes(kind: str) -> None:
    gvk = GroupVersionKind("apps", "v1", kind)
    old = workload(kind)
    assert validate_object(gvk, workload(kind), old) == []
    selector = {"matchExpressions": [{"key": "a", "operator": "Exists"}]}
    assert len(validate_object(gvk, workload(kind, selector=selector), old)) == 1


def test_the_state_of_claims_may_differ() -> None:
    gvk = GroupVersionKind("apps", "v1", "StatefulSet")

    def with_claim(phase: str) -> JsonObject:
        return workload("StatefulSet", volumeClaimTemplates=[{"metadata": {"name": "v"}, "status": {"phase": phase}}])

    assert validate_object(gvk, with_claim("Bound"), with_claim("Pending")) == []
