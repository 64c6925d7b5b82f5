"""What a ReplicaSet needs: Pods to create, Pods to delete, and its status. Pure.

Which Pods go first follows k8s.io/kubernetes `pkg/controller/controller_utils.go` (ActivePodsWithRanks).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.apimachinery import meta
from gateway.apimachinery.meta import JsonObject, field
from gateway.simulation.member.pod_state import PodState

_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


@dataclass(frozen=True, slots=True)
class ReplicaSetPlan:
    """How many Pods to create, which to delete, the status to write, and when to look again (seconds)."""

    create: int
    delete: tuple[str, ...]
    status: JsonObject
    recheck: float | None


def plan_replica_set(replica_set: JsonObject, pods: Sequence[PodState], now: float) -> ReplicaSetPlan:
    """Decide for one ReplicaSet and the Pods it owns."""
    active = [pod for pod in pods if pod.active]
    wanted = int(field(replica_set, "spec", "replicas") or 0)
    if meta.deletion_timestamp(replica_set):
        wanted = len(active)  # its Pods are the garbage collector's now
    surplus = sorted(active, key=_deletion_rank(active))[: max(0, len(active) - wanted)]
    min_ready = int(field(replica_set, "spec", "minReadySeconds") or 0)
    delays = [delay for pod in active if (delay := pod.available_in(min_ready, now)) is not None]
    status = {
        "replicas": len(active),
        "fullyLabeledReplicas": len(active),
        "readyReplicas": len(delays),
        "availableReplicas": delays.count(0.0),
        "observedGeneration": replica_set["metadata"].get("generation") or 0,
    }
    kept = {name: value for name, value in status.items() if value or name == "replicas"}
    recheck = min((delay for delay in delays if delay), default=None)
    return ReplicaSetPlan(max(0, wanted - len(active)), tuple(pod.name for pod in surplus), kept, recheck)


def _deletion_rank(pods: Sequence[PodState]) -> Callable[[PodState], tuple[object, ...]]:
    """Return the sort key of Pods: what costs least to lose comes first."""
    neighbours = Counter(pod.node for pod in pods)

    def rank(pod: PodState) -> tuple[object, ...]:
        ready = pod.ready_since is not None
        return (
            bool(pod.node),
            _PHASES.get(pod.phase, 1),
            ready,
            -neighbours[pod.node],
            -(pod.ready_since or 0),
            -pod.created,
            pod.name,
        )

    return rank


def controller_reference(owner: JsonObject) -> JsonObject:
    """Return the owner reference of an object that `owner` controls."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": meta.name(owner),
        "uid": meta.uid(owner),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def pod_from_template(owner: JsonObject) -> JsonObject:
    """Return a new Pod made from its owner's template; the server completes its name."""
    template = owner["spec"]["template"]
    metadata = {
        name: value for name in ("labels", "annotations", "finalizers") if (value := field(template, "metadata", name))
    }
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            **metadata,
            "generateName": f"{meta.name(owner)}-",
            "ownerReferences": [controller_reference(owner)],
        },
        "spec": template["spec"],
    }
