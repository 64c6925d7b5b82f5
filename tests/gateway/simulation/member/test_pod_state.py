from gateway.apimachinery.meta import ObjectKey
from gateway.simulation.member.pod_state import PodState, read_pod
from gateway.storage.interface import StoredObject, encode_value
from tests.gateway.simulation.builders import NOW, at, pod


def stored(**status: object) -> StoredObject:
    obj = pod("a", creationTimestamp=at(0))
    obj["status"] |= status
    return StoredObject.from_value(ObjectKey("default", "a"), 7, encode_value(obj), NOW)


def test_a_pod_is_read_without_decoding_the_rest_of_it() -> None:
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": at(5)}
    assert read_pod(stored(phase="Running", conditions=[{"type": "X"}, ready])) == PodState(
        "a", "Running", "n1", NOW, NOW + 5
    )


def test_a_pod_that_is_not_ready_has_no_time_since_when() -> None:
    unready = {"type": "Ready", "status": "False", "lastTransitionTime": at(5)}
    assert read_pod(stored(conditions=[unready])).ready_since is None
    assert read_pod(stored(conditions=[])).ready_since is None


def test_finished_and_deleted_pods_are_no_replicas() -> None:
    assert PodState("a").active
    assert not PodState("a", phase="Succeeded").active
    assert not PodState("a", deleting=True).active


def test_a_pod_is_available_when_it_was_ready_for_long_enough() -> None:
    assert PodState("a").available_in(0, NOW) is None
    assert PodState("a", ready_since=NOW).available_in(0, NOW) == 0
    assert PodState("a", ready_since=NOW - 2).available_in(5, NOW) == 3
    assert PodState("a", ready_since=NOW - 9).available_in(5, NOW) == 0
