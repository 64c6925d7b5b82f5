from typing import Any

from gateway.clusters.health import NOT_REACHABLE, READY, ClusterHealth
from gateway.clusters.status import (
    CopyState,
    member_status,
    ready_condition,
    status_list,
    timestamp,
    updated_cluster,
)

WELL = ClusterHealth(ready=True, reason=READY, message="", version="v1.36.3", last_contact=1000.0, since=900.0)
DOWN = ClusterHealth(ready=False, reason=NOT_REACHABLE, message="refused", version="v1.36.3", since=950.0)


def cluster(**status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "m1", "resourceVersion": "5"}, "spec": {"syncMode": "Push"}, "status": status}


def test_times_are_written_as_kubernetes_writes_them() -> None:
    assert timestamp(0.9) == "1970-01-01T00:00:00Z"


def test_the_ready_condition() -> None:
    assert ready_condition(WELL) == {
        "type": "Ready",
        "status": "True",
        "reason": "ClusterReady",
        "message": "the API server answers and is ready",
        "lastTransitionTime": "1970-01-01T00:15:00Z",
    }
    assert ready_condition(DOWN)["status"] == "False"
    assert ready_condition(DOWN)["message"] == "refused"
    assert ready_condition(ClusterHealth())["status"] == "Unknown"


def test_a_cluster_without_a_status_gets_one() -> None:
    changed = updated_cluster(cluster(), WELL)
    assert changed is not None
    assert changed["status"]["kubernetesVersion"] == "v1.36.3"
    assert changed["status"]["conditions"] == [ready_condition(WELL)]
    assert changed["metadata"]["resourceVersion"] == "5"


def test_a_status_that_says_so_already_is_left_alone() -> None:
    first = updated_cluster(cluster(), WELL)
    assert first is not None
    assert updated_cluster(first, WELL) is None


def test_what_others_wrote_stays() -> None:
    other = {"type": "CompleteAPIEnablements", "status": "True"}
    changed = updated_cluster(cluster(conditions=[other], nodeSummary={"totalNum": 3}), WELL)
    assert changed is not None
    assert changed["status"]["conditions"][0] == other
    assert changed["status"]["nodeSummary"] == {"totalNum": 3}


def test_the_moment_of_change_moves_only_with_the_status() -> None:
    first = updated_cluster(cluster(), WELL)
    assert first is not None
    later = ClusterHealth(ready=True, reason=READY, message="still", version="v1.37.0", since=2000.0)
    second = updated_cluster(first, later)
    assert second is not None
    assert second["status"]["conditions"][0]["lastTransitionTime"] == timestamp(900.0)
    assert second["status"]["kubernetesVersion"] == "v1.37.0"
    third = updated_cluster(second, DOWN)
    assert third is not None
    assert third["status"]["conditions"][0]["lastTransitionTime"] == timestamp(950.0)


def test_a_status_of_the_wrong_shape_is_replaced() -> None:
    changed = updated_cluster({"metadata": {"name": "m1"}, "status": {"conditions": ["x"]}}, WELL)
    assert changed is not None
    assert changed["status"]["conditions"] == [ready_condition(WELL)]


def test_what_people_see_of_a_member() -> None:
    item = member_status(
        "m1",
        origin="store",
        endpoint="https://10.0.0.1",
        health=DOWN,
        copy=CopyState(synced=True, stale_since=970.0, objects={"pods": 3}, unreadable={"nodes": "403 no"}),
        now=1000.5,
    )
    assert item == {
        "name": "m1",
        "origin": "store",
        "endpoint": "https://10.0.0.1",
        "ready": False,
        "reason": "ClusterNotReachable",
        "message": "refused",
        "version": "v1.36.3",
        "lastContact": None,
        "synced": True,
        "staleSeconds": 30,
        "objects": {"pods": 3},
        "unreadable": {"nodes": "403 no"},
    }
    assert status_list([item])["items"] == [item]


def test_a_fresh_member_is_not_stale() -> None:
    item = member_status(
        "m1",
        origin="file",
        endpoint="",
        health=WELL,
        copy=CopyState(synced=False, stale_since=None, objects={}, unreadable={}),
        now=1000.0,
    )
    assert item["staleSeconds"] is None
    assert item["lastContact"] == timestamp(1000.0)
