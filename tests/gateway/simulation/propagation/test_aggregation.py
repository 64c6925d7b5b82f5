from typing import Any

from gateway.apimachinery.meta import JsonObject
from gateway.simulation.conditions import find_condition
from gateway.simulation.propagation.aggregation import aggregated_status
from gateway.simulation.propagation.division import member_deployment
from tests.gateway.simulation.builders import NOW, at, deployment

DONE = ("True", "NewReplicaSetAvailable", "done")
UPDATED = ("True", "ReplicaSetUpdated", "under way")
FAILED = ("False", "ProgressDeadlineExceeded", "timed out")
PAUSED = ("Unknown", "DeploymentPaused", "paused")


def part(
    replicas: int,
    progressing: tuple[str, str, str] = DONE,
    *,
    available: bool = True,
    observed: int = 3,
    generation: int = 1,
    **counts: int,
) -> JsonObject:
    federated = deployment()
    federated["metadata"]["generation"] = generation
    obj = member_deployment(federated, replicas)
    obj["metadata"]["generation"] = 3
    status, reason, message = progressing
    full = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), replicas)
    obj["status"] = {
        **full,
        **counts,
        "observedGeneration": observed,
        "conditions": [
            {"type": "Available", "status": str(available), "message": "enough" if available else "too few"},
            {"type": "Progressing", "status": status, "reason": reason, "message": message},
        ],
    }
    return obj


def aggregated(parts: dict[str, Any], **status: Any) -> JsonObject:
    return aggregated_status(deployment(replicas=5) | {"status": status}, parts, NOW)


def condition(status: JsonObject, kind: str) -> tuple[str, str, str]:
    found = find_condition(status["conditions"], kind) or {}
    return found["status"], found["reason"], found["message"]


def test_counts_are_added_up_and_the_generation_is_observed_when_all_have_it() -> None:
    status = aggregated({"m1": part(3), "m2": part(2, unavailableReplicas=1)})
    assert {name: value for name, value in status.items() if name != "conditions"} == {
        "observedGeneration": 1,
        "replicas": 5,
        "updatedReplicas": 5,
        "readyReplicas": 5,
        "availableReplicas": 5,
        "unavailableReplicas": 1,
    }
    assert condition(status, "Progressing") == ("True", "NewReplicaSetAvailable", "m1: done m2: done")
    assert condition(status, "Available") == ("True", "MinimumReplicasAvailable", "m1: enough m2: enough")


def test_the_generation_is_not_observed_before_every_member_has_it_and_has_seen_it() -> None:
    for late in (None, part(2, generation=0), part(2, observed=2)):
        assert "observedGeneration" not in aggregated({"m1": part(3), "m2": late})
        assert aggregated({"m1": part(3), "m2": late}, observedGeneration=4)["observedGeneration"] == 4


def test_before_any_member_has_anything_there_is_nothing_to_say() -> None:
    assert aggregated({"m1": None, "m2": None}) == {}
    bare = part(3)
    bare["status"] = {}
    assert aggregated({"m1": bare}) == {}


def test_the_worst_progress_counts() -> None:
    both = {"m1": part(3, UPDATED), "m2": part(2, FAILED)}
    assert condition(aggregated(both), "Progressing") == ("False", "ProgressDeadlineExceeded", "m2: timed out")
    assert (
        condition(aggregated({"m1": part(3, PAUSED), "m2": part(2, UPDATED)}), "Progressing")[1] == "DeploymentPaused"
    )
    assert condition(aggregated({"m1": part(3), "m2": part(2, UPDATED)}), "Progressing")[2] == "m2: under way"


def test_it_is_available_when_every_member_is() -> None:
    lacking = aggregated({"m1": part(3), "m2": part(2, available=False)})
    assert condition(lacking, "Available") == ("False", "MinimumReplicasUnavailable", "m2: too few")
    assert condition(aggregated({"m1": part(3), "m2": None}), "Available")[0] == "False"


def test_times_move_only_when_something_does() -> None:
    first = aggregated({"m1": part(3)})
    later = aggregated_status(deployment() | {"status": first}, {"m1": part(3)}, NOW + 60)
    assert later["conditions"] == first["conditions"]
    changed = aggregated_status(deployment() | {"status": first}, {"m1": part(3, UPDATED)}, NOW + 60)
    progressing = find_condition(changed["conditions"], "Progressing")
    assert progressing is not None
    assert (progressing["lastUpdateTime"], progressing["lastTransitionTime"]) == (at(60), at(0))
