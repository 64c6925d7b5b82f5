from itertools import count

import pytest

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject
from gateway.storage import creates
from gateway.storage.registry import Registry
from tests.gateway.storage.builders import (
    config_map,
    context,
    create,
    create_crd,
    definition,
    delete,
    deployment,
    exists,
    refusal,
    widget,
    widget_crd,
)
from tests.gateway.storage.conftest import Clock


async def refused(registry: Registry, obj: JsonObject, namespace: str = "default") -> tuple[int, str, str]:
    with pytest.raises(ApiError) as error:
        await create(registry, obj, namespace)
    return refusal(error)


async def test_a_new_object_gets_what_only_the_server_gives(registry: Registry, clock: Clock) -> None:
    made = await create(registry, deployment(uid="mine", generation=7, creationTimestamp="2020-01-01T00:00:00Z"))
    metadata = made["metadata"]
    assert (metadata["generation"], metadata["namespace"]) == (1, "default")
    assert metadata["uid"] not in {"", "mine"}
    assert metadata["creationTimestamp"] == "2026-05-28T20:26:40Z"
    assert metadata["resourceVersion"] == str(registry.storage.revision)
    assert [entry["manager"] for entry in metadata["managedFields"]] == ["tester"]


async def test_status_is_not_for_writers_of_the_object(registry: Registry) -> None:
    made = await create(registry, {**deployment(), "status": {"replicas": 9}})
    assert made["status"] == {}


async def test_generated_names(registry: Registry) -> None:
    named = {**config_map(), "metadata": {"generateName": "job-"}}
    made = [(await create(registry, named))["metadata"]["name"] for _ in range(3)]
    assert len(set(made)) == 3
    assert all(name.startswith("job-") and len(name) == 9 for name in made)


async def test_a_generated_name_that_is_taken_is_made_again(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = count(1)
    monkeypatch.setattr(creates, "generate_name", lambda prefix: f"{prefix}{next(numbers) // 3}")
    named = {**config_map(), "metadata": {"generateName": "n"}}
    assert [(await create(registry, named))["metadata"]["name"] for _ in range(3)] == ["n0", "n1", "n2"]
    monkeypatch.setattr(creates, "generate_name", lambda prefix: "n0")
    code, reason, message = await refused(registry, named)
    assert (code, reason) == (409, "AlreadyExists")
    assert message == (
        'configmaps "n0" already exists, the server was not able to generate a unique name for the object'
    )


@pytest.mark.parametrize(
    ("obj", "namespace", "expected"),
    [
        (config_map("a"), "default", (409, "AlreadyExists", 'configmaps "a" already exists')),
        (config_map("b"), "nope", (404, "NotFound", 'namespaces "nope" not found')),
        (
            config_map("b", namespace="other"),
            "default",
            (
                400,
                "BadRequest",
                "the namespace of the provided object does not match the namespace sent on the request",
            ),
        ),
        (
            config_map("b", resourceVersion="5"),
            "default",
            (500, "", "resourceVersion should not be set on objects to be created"),
        ),
        (
            {**config_map(), "metadata": {}},
            "default",
            (
                422,
                "Invalid",
                'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required',
            ),
        ),
    ],
)
async def test_refusals(registry: Registry, obj: JsonObject, namespace: str, expected: tuple[int, str, str]) -> None:
    await create(registry, config_map("a"))
    assert await refused(registry, obj, namespace) == expected


async def test_a_missing_namespace_is_named_before_anything_that_is_wrong_with_the_object(registry: Registry) -> None:
    assert (await refused(registry, config_map("NOT_VALID"), "nope"))[0] == 404


async def test_an_object_that_is_going_says_so(registry: Registry) -> None:
    await create(registry, config_map("f", finalizers=["x.io/f"]))
    await delete(registry, definition(registry, "v1", "configmaps"), "f")
    assert (await refused(registry, config_map("f")))[2] == 'object is being deleted: configmaps "f" already exists'


async def test_an_ending_namespace_takes_nothing_new(registry: Registry) -> None:
    await create(registry, {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "t"}})
    await delete(registry, definition(registry, "v1", "namespaces"), "t")
    with pytest.raises(ApiError) as error:
        await create(registry, config_map("late"), "t")
    assert refusal(error) == (
        403,
        "Forbidden",
        'configmaps "late" is forbidden: unable to create new content in namespace t because it is being terminated',
    )
    assert error.value.details["causes"] == [
        {
            "reason": "NamespaceTerminating",
            "message": "namespace t is being terminated",
            "field": "metadata.namespace",
        }
    ]


async def test_a_custom_resource_that_is_going_takes_nothing_new(registry: Registry) -> None:
    await create_crd(registry, widget_crd())
    await create(registry, widget("a"))
    await delete(registry, definition(registry, "apiextensions.k8s.io/v1", "customresourcedefinitions"), "widgets.x.io")
    assert await refused(registry, widget("b")) == (
        403,
        "Forbidden",
        'widgets.x.io "b" is forbidden: create not allowed while custom resource definition is terminating',
    )


async def test_a_dry_run_says_what_would_be_and_stores_nothing(registry: Registry) -> None:
    before = registry.storage.revision
    made = await create(registry, config_map("dry"), dry_run=True)
    assert made["metadata"]["uid"]
    assert "resourceVersion" not in made["metadata"]
    assert registry.storage.revision == before
    assert not exists(registry, definition(registry, "v1", "configmaps"), "dry")
    await create(registry, config_map("a"))
    with pytest.raises(ApiError, match='configmaps "a" already exists'):
        await create(registry, config_map("a"), dry_run=True)


async def test_both_event_groups_are_one_store(registry: Registry) -> None:
    event = {
        "kind": "Event",
        "apiVersion": "events.k8s.io/v1",
        "metadata": {"name": "e"},
        "regarding": {"kind": "Pod", "name": "x", "namespace": "default"},
        "reason": "R",
        "note": "m",
        "type": "Normal",
        "action": "Do",
        "eventTime": "2026-01-01T00:00:00.000001Z",
        "reportingController": "c.io/x",
        "reportingInstance": "i",
    }
    made = await create(registry, event)
    assert (made["apiVersion"], made["note"]) == ("events.k8s.io/v1", "m")
    core = definition(registry, "v1", "events")
    stored = registry.storage.list(core.storage_key)[0]
    assert core.object(stored)["message"] == "m"
    assert core.object(stored)["involvedObject"]["name"] == "x"


async def test_a_v1_autoscaler_can_be_read_as_v2(registry: Registry) -> None:
    spec = {"scaleTargetRef": {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}, "maxReplicas": 3}
    obj = {"kind": "HorizontalPodAutoscaler", "apiVersion": "autoscaling/v1", "metadata": {"name": "h"}, "spec": spec}
    made = await create(registry, obj)
    assert made["spec"]["targetCPUUtilizationPercentage"] == 80
    newer = definition(registry, "autoscaling/v2", "horizontalpodautoscalers")
    shown = newer.object(registry.storage.list(newer.storage_key)[0])
    assert shown["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 80


async def test_services_get_addresses_of_their_own(registry: Registry) -> None:
    def service(name: str) -> JsonObject:
        spec = {"ports": [{"port": 80}]}
        return {"kind": "Service", "apiVersion": "v1", "metadata": {"name": name}, "spec": spec}

    addresses = {(await create(registry, service(name)))["spec"]["clusterIP"] for name in "abcde"}
    assert len(addresses) == 5
    assert all(address.startswith("10.96.") for address in addresses)


async def test_context_of_our_own_controllers(registry: Registry) -> None:
    kind = definition(registry, "v1", "configmaps")
    made = await registry.create(kind, "default", config_map("mine"), context().internal("somebody"))
    assert made["metadata"]["managedFields"][0]["manager"] == "somebody"


async def test_custom_resources_are_held_to_their_schema(registry: Registry) -> None:
    await create_crd(registry, widget_crd())
    code, reason, message = await refused(registry, widget("v", replicas="x"))
    assert (code, reason) == (422, "Invalid")
    assert 'spec.replicas: Invalid value: "string": spec.replicas in body must be of type integer' in message


async def test_custom_resources_have_the_defaults_of_the_version_they_are_stored_in(registry: Registry) -> None:
    crd = widget_crd()
    anything = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    crd["spec"]["versions"].append({"name": "v1beta1", "served": True, "storage": False, "schema": anything})
    await create_crd(registry, crd)
    made = await create(registry, widget(api_version="x.io/v1beta1", replicas=1))
    assert made["apiVersion"] == "x.io/v1beta1"
    assert made["spec"] == {"replicas": 1, "color": "red"}
