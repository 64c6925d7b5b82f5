import pytest

from gateway.apimachinery.meta import JsonObject
from gateway.storage.strategies.pods import add_ephemeral_containers, prepare_new_pod, qos_class


def pod(*containers: JsonObject, **spec: object) -> JsonObject:
    return {"metadata": {"name": "p"}, "spec": {"containers": list(containers), **spec}, "status": {}}


def container(requests: JsonObject | None = None, limits: JsonObject | None = None) -> JsonObject:
    return {"name": "c", "resources": {"requests": requests or {}, "limits": limits or {}}}


BOTH = {"cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        ([container()], "BestEffort"),
        ([{"name": "c"}], "BestEffort"),
        ([container({"ephemeral-storage": "1Gi"})], "BestEffort"),
        ([container({"cpu": "1"})], "Burstable"),
        ([container(limits=BOTH)], "Guaranteed"),
        ([container(BOTH, BOTH)], "Guaranteed"),
        ([container(BOTH, BOTH), container()], "Burstable"),
        ([container({**BOTH, "cpu": "500m"}, BOTH)], "Burstable"),
        ([container({"cpu": "0"})], "BestEffort"),
    ],
)
def test_quality_of_service(containers: list[JsonObject], expected: str) -> None:
    assert qos_class(pod(*containers)) == expected


def test_init_containers_count() -> None:
    assert qos_class(pod(container(BOTH, BOTH), initContainers=[container()])) == "Burstable"


def test_a_new_pod_has_an_account_a_priority_and_tolerations() -> None:
    made = pod(container())
    prepare_new_pod(made)
    assert made["status"] == {"qosClass": "BestEffort"}
    assert made["spec"]["serviceAccountName"] == made["spec"]["serviceAccount"] == "default"
    assert made["spec"]["priority"] == 0
    assert [entry["key"] for entry in made["spec"]["tolerations"]] == [
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    ]


def test_what_a_pod_says_itself_is_kept() -> None:
    everything = {"operator": "Exists"}
    made = pod(container(), serviceAccountName="mine", tolerations=[everything], priority=7)
    prepare_new_pod(made)
    assert (made["spec"]["serviceAccountName"], made["spec"]["priority"]) == ("mine", 7)
    assert made["spec"]["tolerations"] == [everything]


def test_only_ephemeral_containers_can_be_added_to_a_running_pod() -> None:
    old = pod(container())
    wanted = pod(container(BOTH), ephemeralContainers=[{"name": "debug"}])
    assert add_ephemeral_containers(wanted, old)["spec"] == {
        "containers": [container()],
        "ephemeralContainers": [{"name": "debug"}],
    }
    assert "ephemeralContainers" not in old["spec"]
