import pytest

from gateway.apimachinery.meta import JsonObject
from gateway.storage.definitions import ResourceDefinition
from gateway.storage.resources import PODS
from gateway.storage.strategies.strategy import prepare_changed, prepare_new
from tests.gateway.storage.test_definitions import find
from tests.gateway.storage.test_scale import widgets

OLD = {
    "kind": "K",
    "metadata": {"name": "a", "uid": "u", "generation": 3, "managedFields": ["old"], "labels": {"o": "1"}},
    "spec": {"x": 1},
    "data": 1,
    "status": {"s": 1},
}


def new(**changes: object) -> JsonObject:
    metadata = {"name": "a", "managedFields": ["new"], "labels": {"n": "1"}}
    return {"kind": "K", "metadata": metadata, "spec": {"x": 1}, "data": 1, "status": {"s": 2}, **changes}


WRITTEN = {"labels": {"l": "1"}, "annotations": {"a": "1"}, "finalizers": ["f"], "ownerReferences": [{"uid": "u"}]}


@pytest.mark.parametrize(
    ("resource", "generation", "status"),
    [
        (find("apps/v1", "deployments"), 1, {}),
        (find("apps/v1", "replicasets"), 1, {"replicas": 0}),
        (find("v1", "services"), None, {"loadBalancer": {}}),
        (find("v1", "configmaps"), None, {"s": 9}),
        (find("scheduling.k8s.io/v1", "priorityclasses"), 1, {"s": 9}),
        (widgets(), 1, None),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_new_objects(resource: object, generation: int | None, status: JsonObject | None) -> None:
    obj: JsonObject = {"metadata": {"name": "a"}, "status": {"s": 9}}
    prepare_new(resource, obj)  # type: ignore[arg-type]  # parametrised
    assert obj["metadata"].get("generation") == generation
    assert obj.get("status") == status


def test_the_object_keeps_its_status_and_its_system_fields() -> None:
    changed = prepare_changed(find("apps/v1", "deployments"), new(spec={"x": 2}), OLD)
    assert (changed["status"], changed["spec"]) == ({"s": 1}, {"x": 2})
    assert (changed["metadata"]["uid"], changed["metadata"]["generation"]) == ("u", 4)
    assert changed["metadata"]["labels"] == {"n": "1"}


def test_a_status_that_never_was_cannot_be_brought_in() -> None:
    old = {name: value for name, value in OLD.items() if name != "status"}
    assert "status" not in prepare_changed(widgets(), new(), old)


@pytest.mark.parametrize(
    ("resource", "change", "generation"),
    [
        (find("apps/v1", "deployments"), {"data": 2}, 3),
        (find("apps/v1", "deployments"), {"spec": {}}, 4),
        (find("discovery.k8s.io/v1", "endpointslices"), {"data": 2}, 4),
        (find("v1", "configmaps"), {"data": 2, "spec": {}}, 3),
        (widgets(), {"data": 2}, 4),
        (widgets(), {}, 3),
    ],
    ids=str,
)
def test_what_raises_the_generation(resource: object, change: JsonObject, generation: int) -> None:
    changed = prepare_changed(resource, new(**change), OLD)  # type: ignore[arg-type]  # parametrised
    assert changed["metadata"]["generation"] == generation


def test_the_status_subresource_leaves_the_rest_alone() -> None:
    changed = prepare_changed(find("apps/v1", "deployments"), new(spec={"x": 2}), OLD, "status")
    assert changed["spec"] == OLD["spec"]
    assert changed["status"] == {"s": 2}
    assert changed["metadata"]["generation"] == 3
    assert changed["metadata"]["managedFields"] == ["new"]
    assert OLD["metadata"]["managedFields"] == ["old"]  # type: ignore[index]  # a JSON object


@pytest.mark.parametrize(
    ("resource", "kept"),
    [
        (find("apps/v1", "deployments"), {"labels"}),
        (find("apps/v1", "replicasets"), set()),
        (PODS, {"ownerReferences"}),
        (find("apiextensions.k8s.io/v1", "customresourcedefinitions"), WRITTEN.keys()),
        (widgets(), WRITTEN.keys()),
    ],
    ids=str,
)
def test_which_metadata_is_written_with_the_status(resource: ResourceDefinition, kept: set[str]) -> None:
    written = {"kind": "K", "metadata": {"name": "a", **WRITTEN}, "status": {}}
    changed = prepare_changed(resource, written, {"metadata": {"name": "a"}}, "status")
    assert changed["metadata"] == {"name": "a"} | {name: WRITTEN[name] for name in WRITTEN if name not in kept}


def test_binding_does_not_count_as_a_new_generation() -> None:
    assert prepare_changed(PODS, new(spec={"x": 2}), OLD, "binding")["metadata"]["generation"] == 3
