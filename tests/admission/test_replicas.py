import pytest

from admission.replicas import (
    SCALE_DEFAULT,
    SPEC_REPLICAS,
    WITHOUT_REPLICAS,
    WORKLOADS,
    ReplicasUnreadable,
    effective_replicas,
    has_replicas,
    may_have_replicas,
    parse_scale_path,
    read_replicas,
    replica_number,
)
from gateway.apimachinery.schema import GroupResource

DEPLOYMENTS = GroupResource("apps", "deployments")
CLONE_SETS = GroupResource("apps.kruise.io", "clonesets")


def test_a_workload_without_a_number_has_one_replica() -> None:
    assert effective_replicas({"spec": {}}, SPEC_REPLICAS) == 1
    assert effective_replicas({"spec": {"replicas": None}}, SPEC_REPLICAS) == 1
    assert effective_replicas({}, SPEC_REPLICAS) == 1


def test_a_scale_without_a_number_asks_for_none() -> None:
    assert effective_replicas({"kind": "Scale", "spec": {}}, SPEC_REPLICAS, default=SCALE_DEFAULT) == 0


def test_a_custom_kind_is_read_at_its_scale_path() -> None:
    path = parse_scale_path(".spec.workers.count")
    assert path == ("spec", "workers", "count")
    assert effective_replicas({"spec": {"workers": {"count": 7}, "replicas": 1}}, path) == 7


def test_whole_numbers_in_any_json_form_are_read() -> None:
    assert replica_number(3.0) == 3
    assert replica_number(-1) == -1


@pytest.mark.parametrize("value", ["3", True, 2.5, float("inf"), {}, []])
def test_anything_but_a_whole_number_is_unreadable(value: object) -> None:
    with pytest.raises(ReplicasUnreadable):
        replica_number(value)


def test_a_path_through_something_that_is_no_object_is_unreadable() -> None:
    with pytest.raises(ReplicasUnreadable, match=r"spec\.replicas cannot be read"):
        read_replicas({"spec": [1]}, SPEC_REPLICAS)


def test_which_resources_may_have_replicas() -> None:
    assert may_have_replicas(DEPLOYMENTS)
    assert may_have_replicas(CLONE_SETS)
    assert not may_have_replicas(GroupResource("", "configmaps"))
    assert not may_have_replicas(GroupResource("apps", "daemonsets"))
    assert may_have_replicas(GroupResource("apps", "podsets"))
    assert may_have_replicas(GroupResource("workloads.storage.k8s.io", "pools"))


def test_no_built_in_workload_is_said_to_have_none() -> None:
    assert not WORKLOADS & WITHOUT_REPLICAS


def test_which_objects_are_scaled_by_a_count() -> None:
    assert has_replicas(DEPLOYMENTS, {}, None)
    assert has_replicas(CLONE_SETS, {"spec": {"replicas": 3}}, None)
    assert has_replicas(CLONE_SETS, {"spec": {}}, ("spec", "size"))
    assert not has_replicas(CLONE_SETS, {"spec": {}}, None)
    assert not has_replicas(CLONE_SETS, {"spec": {"replicas": {"min": 1}}}, None)
    assert not has_replicas(GroupResource("", "configmaps"), {"spec": {"replicas": 3}}, None)
