import itertools
from typing import Any

from gateway.apimachinery.meta import JsonObject
from gateway.simulation.member.pod_state import PodState
from gateway.simulation.member.replica_sets import controller_reference, plan_replica_set, pod_from_template
from tests.gateway.simulation.builders import NOW


def replica_set(replicas: int = 3, **spec: Any) -> JsonObject:
    template = {
        "metadata": {"labels": {"app": "web"}, "annotations": {}, "creationTimestamp": None},
        "spec": {"containers": [{"name": "c"}]},
    }
    return {
        "kind": "ReplicaSet",
        "apiVersion": "apps/v1",
        "metadata": {"name": "web-1", "namespace": "default", "uid": "u", "generation": 4},
        "spec": {"replicas": replicas, "template": template, **spec},
    }


def ready(name: str, **more: Any) -> PodState:
    return PodState(name, **{"node": "n1", "ready_since": NOW, "created": NOW, **more})


def test_missing_pods_are_created() -> None:
    plan = plan_replica_set(replica_set(3), [ready("a"), PodState("b", phase="Failed")], NOW)
    assert (plan.create, plan.delete) == (2, ())
    assert plan.status == {
        "replicas": 1,
        "fullyLabeledReplicas": 1,
        "readyReplicas": 1,
        "availableReplicas": 1,
        "observedGeneration": 4,
    }


def test_no_pods_leave_a_status_that_says_so() -> None:
    assert plan_replica_set(replica_set(0), [], NOW).status == {"replicas": 0, "observedGeneration": 4}


def test_what_costs_least_goes_first() -> None:
    pods = [
        ready("old", ready_since=NOW - 50, created=NOW - 60),
        ready("young", created=NOW - 5),
        PodState("starting", phase="Pending", node="n2"),
        PodState("waiting", phase="Pending"),
        PodState("lost", phase="Unknown", node="n3"),
        PodState("crashing", node="n4"),
    ]
    order = [plan_replica_set(replica_set(wanted), pods, NOW).delete for wanted in range(5, -1, -1)]
    assert order[-1] == ("waiting", "starting", "lost", "crashing", "young", "old")
    assert all(longer[: len(shorter)] == shorter for shorter, longer in itertools.pairwise(order))


def test_pods_that_share_a_node_go_before_those_that_stand_alone() -> None:
    pods = [ready("alone", node="n2"), ready("together-1"), ready("together-2")]
    assert plan_replica_set(replica_set(2), pods, NOW).delete == ("together-1",)


def test_a_pod_counts_as_available_after_min_ready_seconds() -> None:
    pods = [ready("a", ready_since=NOW - 20), ready("b", ready_since=NOW - 4), PodState("c", node="n1")]
    plan = plan_replica_set(replica_set(3, minReadySeconds=10), pods, NOW)
    assert (plan.status["readyReplicas"], plan.status["availableReplicas"]) == (2, 1)
    assert plan.recheck == 6


def test_a_deleted_replica_set_neither_makes_nor_deletes_pods() -> None:
    deleted = replica_set(3)
    deleted["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    plan = plan_replica_set(deleted, [ready("a"), ready("b")], NOW)
    assert (plan.create, plan.delete) == (0, ())


def test_a_pod_is_made_from_the_template_and_controlled_by_its_owner() -> None:
    owner = replica_set()
    assert pod_from_template(owner) == {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "labels": {"app": "web"},
            "generateName": "web-1-",
            "ownerReferences": [controller_reference(owner)],
        },
        "spec": {"containers": [{"name": "c"}]},
    }
    assert controller_reference(owner) == {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": "web-1",
        "uid": "u",
        "controller": True,
        "blockOwnerDeletion": True,
    }
