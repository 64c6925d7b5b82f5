"""Objects before anything is set."""

from __future__ import annotations

from gateway.apimachinery.patch.zero_object import zero_object
from gateway.apimachinery.schema import GroupVersionKind


def test_structs_are_always_there_and_pointers_only_when_set() -> None:
    assert zero_object(GroupVersionKind("apps", "v1", "Deployment")) == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {},
        "spec": {
            "selector": None,
            "template": {"metadata": {}, "spec": {"containers": None}},
            "strategy": {},
        },
        "status": {},
    }


def test_required_values_are_zero() -> None:
    binding = zero_object(GroupVersionKind("rbac.authorization.k8s.io", "v1", "RoleBinding"))
    assert binding["roleRef"] == {"apiGroup": "", "kind": "", "name": ""}


def test_fields_of_embedded_structs_are_the_parents_own() -> None:
    assert zero_object(GroupVersionKind("", "v1", "PersistentVolume"))["spec"] == {}


def test_times_have_no_zero() -> None:
    assert zero_object(GroupVersionKind("events.k8s.io", "v1", "Event"))["eventTime"] is None


def test_other_kinds_have_nothing_but_their_kind() -> None:
    assert zero_object(GroupVersionKind("example.com", "v1", "Widget")) == {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
    }
