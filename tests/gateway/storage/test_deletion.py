from typing import Any

import pytest

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject
from gateway.storage.deletion import (
    check_delete_options,
    check_delete_preconditions,
    check_immortal,
    deleted_status,
    plan_deletion,
    should_remove,
)
from gateway.storage.object_meta import timestamp
from gateway.storage.resources import CUSTOM_RESOURCE_DEFINITIONS, PODS
from gateway.write_request import DeleteOptions
from tests.gateway.storage.test_definitions import find

NOW = 1_780_000_000.0
CONFIG_MAPS = find("v1", "configmaps")
NAMESPACES = find("v1", "namespaces")
JOBS = find("batch/v1", "jobs")
EVENTS = find("v1", "events")
GOING = {"deletionTimestamp": timestamp(NOW - 5), "deletionGracePeriodSeconds": 0}


def obj(**metadata: Any) -> JsonObject:
    return {"metadata": {"name": "a", "uid": "u", "resourceVersion": "7", **metadata}}


def pod(metadata: JsonObject | None = None, *, node: str = "n", phase: str = "Running", grace: int = 30) -> JsonObject:
    spec = {"nodeName": node, "terminationGracePeriodSeconds": grace}
    return {**obj(**(metadata or {})), "spec": spec, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("metadata", "options", "action", "finalizers"),
    [
        ({}, {}, "remove", []),
        ({}, {"propagation_policy": "Background"}, "remove", []),
        ({}, {"propagation_policy": "Foreground"}, "update", ["foregroundDeletion"]),
        ({}, {"propagation_policy": "Orphan"}, "update", ["orphan"]),
        ({}, {"orphan_dependents": True}, "update", ["orphan"]),
        ({}, {"orphan_dependents": False}, "remove", []),
        ({"finalizers": ["x/y"]}, {}, "update", ["x/y"]),
        ({"finalizers": ["x/y"]}, {"propagation_policy": "Foreground"}, "update", ["x/y", "foregroundDeletion"]),
        ({"finalizers": ["orphan"]}, {}, "update", ["orphan"]),
        ({"finalizers": ["orphan"]}, {"propagation_policy": "Background"}, "remove", []),
        ({"finalizers": ["orphan"]}, {"propagation_policy": "Foreground"}, "update", ["foregroundDeletion"]),
        ({"finalizers": ["x/y"], **GOING}, {}, "nothing", ["x/y"]),
        ({"finalizers": ["foregroundDeletion"], **GOING}, {"propagation_policy": "Background"}, "remove", []),
        ({"finalizers": ["x/y"], **GOING}, {"propagation_policy": "Orphan"}, "update", ["x/y", "orphan"]),
    ],
)
def test_finalizers_and_propagation(
    metadata: JsonObject, options: JsonObject, action: str, finalizers: list[str]
) -> None:
    plan = plan_deletion(CONFIG_MAPS, obj(**metadata), DeleteOptions(**options), NOW)
    assert (plan.action, plan.obj["metadata"].get("finalizers", [])) == (action, finalizers)
    if action == "update":
        assert plan.obj["metadata"]["deletionGracePeriodSeconds"] == 0
        assert plan.obj["metadata"]["deletionTimestamp"] == metadata.get("deletionTimestamp", timestamp(NOW))


def test_jobs_orphan_by_default_and_events_never_do() -> None:
    assert plan_deletion(JOBS, obj(), DeleteOptions(), NOW).obj["metadata"]["finalizers"] == ["orphan"]
    assert plan_deletion(EVENTS, obj(), DeleteOptions(propagation_policy="Orphan"), NOW).action == "remove"


def test_the_first_delete_raises_the_generation() -> None:
    plan = plan_deletion(CONFIG_MAPS, obj(generation=1, finalizers=["x/y"]), DeleteOptions(), NOW)
    assert plan.obj["metadata"]["generation"] == 2


@pytest.mark.parametrize(
    ("state", "wanted", "action", "grace", "moment"),
    [
        (pod(), None, "update", 30, NOW + 30),
        (pod(), 5, "update", 5, NOW + 5),
        (pod(), -3, "update", 1, NOW + 1),
        (pod(), 0, "remove", 0, NOW),
        (pod(node=""), None, "remove", 0, NOW),
        (pod(phase="Succeeded"), None, "remove", 0, NOW),
        (pod(grace=-1), None, "update", 1, NOW + 1),
    ],
)
def test_pods_are_given_time(state: JsonObject, wanted: int | None, action: str, grace: int, moment: float) -> None:
    plan = plan_deletion(PODS, state, DeleteOptions(grace_period_seconds=wanted), NOW)
    metadata = plan.obj["metadata"]
    assert (plan.action, metadata["deletionGracePeriodSeconds"]) == (action, grace)
    assert metadata["deletionTimestamp"] == timestamp(moment)


@pytest.mark.parametrize(
    ("given", "since", "wanted", "action", "grace", "moment"),
    [
        (77, 10, None, "nothing", 77, NOW + 67),
        (77, 10, 100, "nothing", 77, NOW + 67),
        (77, 10, 50, "update", 50, NOW + 40),
        (77, 60, 50, "update", 1, NOW),
        (77, 10, 0, "remove", 0, NOW),
        (0, 10, None, "remove", 0, NOW - 10),
    ],
)
def test_the_time_of_a_pod_can_only_be_shortened(
    given: int, since: int, wanted: int | None, action: str, grace: int, moment: float
) -> None:
    going = {"deletionTimestamp": timestamp(NOW - since + given), "deletionGracePeriodSeconds": given}
    plan = plan_deletion(PODS, pod(going), DeleteOptions(grace_period_seconds=wanted), NOW)
    metadata = plan.obj["metadata"]
    assert (plan.action, metadata["deletionGracePeriodSeconds"]) == (action, grace)
    assert metadata["deletionTimestamp"] == timestamp(moment)


def test_a_pod_with_finalizers_outlives_its_time() -> None:
    plan = plan_deletion(PODS, pod({"finalizers": ["x/y"]}), DeleteOptions(grace_period_seconds=0), NOW)
    assert plan.action == "update"
    again = plan_deletion(PODS, plan.obj, DeleteOptions(grace_period_seconds=0), NOW + 1)
    assert again.action == "nothing"


def test_a_namespace_ends_in_two_steps() -> None:
    namespace = {**obj(), "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}
    plan = plan_deletion(NAMESPACES, namespace, DeleteOptions(), NOW)
    assert plan.action == "update"
    assert plan.obj["status"] == {"phase": "Terminating"}
    assert "deletionGracePeriodSeconds" not in plan.obj["metadata"]
    assert plan_deletion(NAMESPACES, plan.obj, DeleteOptions(), NOW).action == "nothing"
    plan.obj["spec"] = {}
    assert plan_deletion(NAMESPACES, plan.obj, DeleteOptions(), NOW).action == "remove"


def test_a_definition_waits_for_its_objects() -> None:
    plan = plan_deletion(CUSTOM_RESOURCE_DEFINITIONS, {**obj(), "status": {}}, DeleteOptions(), NOW)
    assert plan.action == "update"
    assert plan.obj["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    assert plan.obj["status"]["conditions"][0]["type"] == "Terminating"
    assert plan_deletion(CUSTOM_RESOURCE_DEFINITIONS, plan.obj, DeleteOptions(), NOW).action != "remove"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"propagation_policy": "Foo"},
            'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "Foo": supported values: '
            '"Foreground", "Background", "Orphan", "nil"',
        ),
        (
            {"propagation_policy": "Orphan", "orphan_dependents": True},
            'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Invalid value: "Orphan": orphanDependents and '
            "deletionPropagation cannot be both set",
        ),
    ],
)
def test_options_that_contradict(options: JsonObject, message: str) -> None:
    with pytest.raises(ApiError) as refusal:
        check_delete_options(DeleteOptions(**options))
    assert (refusal.value.code, refusal.value.message) == (422, message)


def test_preconditions_of_the_client() -> None:
    check_delete_preconditions(
        CONFIG_MAPS, obj(), DeleteOptions(precondition_uid="u", precondition_resource_version="7")
    )
    with pytest.raises(ApiError) as other:
        check_delete_preconditions(CONFIG_MAPS, obj(), DeleteOptions(precondition_uid="x"))
    assert (other.value.code, other.value.message) == (
        409,
        'Operation cannot be fulfilled on ConfigMap "a": the UID in the precondition (x) does not match the UID in '
        "record (u). The object might have been deleted and then recreated",
    )
    with pytest.raises(ApiError) as newer:
        check_delete_preconditions(CONFIG_MAPS, obj(), DeleteOptions(precondition_resource_version="1"))
    assert newer.value.message == (
        'Operation cannot be fulfilled on ConfigMap "a": the ResourceVersion in the precondition (1) does not match '
        "the ResourceVersion in record (7). The object might have been modified"
    )


def test_some_namespaces_are_immortal() -> None:
    check_immortal(NAMESPACES, "shop")
    check_immortal(CONFIG_MAPS, "default")
    with pytest.raises(ApiError, match='namespaces "default" is forbidden: this namespace may not be deleted'):
        check_immortal(NAMESPACES, "default")


@pytest.mark.parametrize(
    ("new", "old", "expected"),
    [
        (obj(), obj(**GOING), True),
        (obj(finalizers=["x"]), obj(**GOING), False),
        (obj(), obj(), False),
        (obj(), obj(deletionTimestamp="t"), True),
        (obj(), obj(deletionTimestamp="t", deletionGracePeriodSeconds=30), False),
    ],
)
def test_the_last_finalizer_takes_the_object_with_it(new: JsonObject, old: JsonObject, expected: bool) -> None:
    assert should_remove(CONFIG_MAPS, new, old) is expected


def test_a_namespace_stays_while_its_spec_holds_it() -> None:
    assert not should_remove(NAMESPACES, {**obj(), "spec": {"finalizers": ["kubernetes"]}}, obj(**GOING))
    assert should_remove(NAMESPACES, {**obj(), "spec": {}}, obj(**GOING))


def test_the_status_of_a_finished_delete_names_the_resource() -> None:
    details = deleted_status(JOBS, obj())["details"]
    assert details == {"name": "a", "group": "batch", "kind": "jobs", "uid": "u"}
    assert "group" not in deleted_status(CONFIG_MAPS, obj())["details"]
