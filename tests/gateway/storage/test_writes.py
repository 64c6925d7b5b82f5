import asyncio

import pytest

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.storage.registry import Registry
from gateway.storage.write_context import WriteContext, Written
from gateway.write_request import Precondition, PreconditionLost
from tests.gateway.storage.builders import (
    APPLY,
    JSON_PATCH,
    MERGE,
    STRATEGIC,
    config_map,
    context,
    create,
    create_crd,
    definition,
    delete,
    deployment,
    exists,
    pod,
    read,
    refusal,
    widget,
    widget_crd,
)

A = ObjectKey("default", "a")
D = ObjectKey("default", "d")
MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


async def put(registry: Registry, obj: JsonObject, given: WriteContext | None = None, subresource: str = "") -> Written:
    kind = definition(registry, obj["apiVersion"], f"{obj['kind'].lower()}s")
    key = ObjectKey("default", "a" if obj["kind"] == "ConfigMap" else obj["metadata"].get("name") or "d")
    return await registry.update(kind, key, obj, given or context(), subresource=subresource)


async def merge(
    registry: Registry, resource: str, name: str, patch: JsonObject, given: WriteContext | None = None, sub: str = ""
) -> JsonObject:
    version, _, plural = resource.rpartition("/")
    kind = definition(registry, version or "v1", plural)
    key = ObjectKey("default", name)
    return (await registry.patch(kind, key, MERGE, patch, given or context(), subresource=sub)).obj


async def test_an_unconditional_update_overwrites(registry: Registry) -> None:
    made = await create(registry, config_map())
    written = await put(registry, config_map(data={"key": "new"}))
    assert written.obj["data"] == {"key": "new"}
    assert int(written.obj["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
    assert written.obj["metadata"]["uid"] == made["metadata"]["uid"]
    assert not written.created


async def test_an_update_that_changes_nothing_writes_nothing(registry: Registry) -> None:
    made = await create(registry, config_map())
    before = registry.storage.revision
    written = await put(registry, config_map())
    assert written.obj["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    assert registry.storage.revision == before


async def test_true_is_not_one(registry: Registry) -> None:
    await create_crd(registry, widget_crd())
    await create(registry, widget("w", free={"value": 1}))
    changed = await merge(registry, "x.io/v1/widgets", "w", {"spec": {"free": {"value": True}}})
    assert changed["spec"]["free"]["value"] is True
    assert read(registry, definition(registry, "x.io/v1", "widgets"), "w")["spec"]["free"]["value"] is True


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            config_map(resourceVersion="1"),
            (409, "Conflict", f'Operation cannot be fulfilled on configmaps "a": {MODIFIED}'),
        ),
        (config_map(resourceVersion="abc"), (500, "", 'strconv.ParseUint: parsing "abc": invalid syntax')),
        (
            config_map("b"),
            (400, "BadRequest", "the name of the object (b) does not match the name on the URL (a)"),
        ),
        (
            {"kind": "ConfigMap", "apiVersion": "v1"},
            (
                400,
                "BadRequest",
                "the name of the object (a based on URL) was undeterminable: name must be provided",
            ),
        ),
        (
            config_map(namespace="x"),
            (
                400,
                "BadRequest",
                "the namespace of the provided object does not match the namespace sent on the request",
            ),
        ),
    ],
)
async def test_updates_that_are_refused(registry: Registry, body: JsonObject, expected: tuple[int, str, str]) -> None:
    await create(registry, config_map())
    with pytest.raises(ApiError) as error:
        await put(registry, body)
    assert refusal(error) == expected


async def test_an_update_of_another_object_of_that_name_is_refused(registry: Registry) -> None:
    made = await create(registry, config_map())
    with pytest.raises(ApiError) as error:
        await put(registry, config_map(uid="other"))
    assert error.value.code == 409
    assert error.value.message.endswith(
        f"Precondition failed: UID in precondition: other, UID in object meta: {made['metadata']['uid']}"
    )


async def test_only_some_resources_are_created_by_an_update(registry: Registry) -> None:
    with pytest.raises(ApiError) as error:
        await put(registry, config_map())
    assert refusal(error) == (404, "NotFound", 'configmaps "a" not found')
    lease = {"kind": "Lease", "apiVersion": "coordination.k8s.io/v1", "metadata": {"name": "l", "resourceVersion": "9"}}
    written = await put(registry, {**lease, "spec": {}})
    assert written.created
    with pytest.raises(ApiError) as unconditional:
        await put(registry, {**lease, "metadata": {"name": "l"}, "spec": {}})
    assert refusal(unconditional) == (
        422,
        "Invalid",
        'leases.coordination.k8s.io "l" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for '
        "an update",
    )


async def test_the_generation_follows_the_spec(registry: Registry) -> None:
    await create(registry, deployment())
    for patch, generation in (
        ({"metadata": {"labels": {"x": "y"}}}, 1),
        ({"spec": {"replicas": 2}}, 2),
        ({"status": {"replicas": 5}}, 2),
        ({"metadata": {"annotations": {"x": "y"}}}, 3),
        ({"metadata": {"generation": 40}}, 3),
    ):
        changed = await merge(registry, "apps/v1/deployments", "d", patch)
        assert changed["metadata"]["generation"] == generation, patch
        assert changed["status"] == {}


async def test_status_is_written_through_its_subresource_and_nothing_else_is(registry: Registry) -> None:
    await create(registry, deployment())
    patch = {"status": {"replicas": 3}, "spec": {"replicas": 8}, "metadata": {"labels": {"x": "y"}}}
    changed = await merge(registry, "apps/v1/deployments", "d", patch, sub="status")
    assert changed["status"] == {"replicas": 3}
    assert (changed["spec"]["replicas"], changed["metadata"]["generation"]) == (1, 1)
    assert "labels" not in changed["metadata"]
    assert [entry.get("subresource") for entry in changed["metadata"]["managedFields"]] == [None, "status"]


async def test_nodes_and_pods_may_be_labelled_with_their_status(member: Registry) -> None:
    await create(member, {"kind": "Node", "apiVersion": "v1", "metadata": {"name": "n"}})
    kind = definition(member, "v1", "nodes")
    patch = {"status": {"phase": "Running"}, "metadata": {"annotations": {"x": "y"}}}
    written = await member.patch(kind, ObjectKey("", "n"), MERGE, patch, context(), subresource="status")
    assert written.obj["metadata"]["annotations"] == {"x": "y"}


@pytest.mark.parametrize(
    ("media_type", "patch"),
    [
        (MERGE, {"data": {"new": "1"}}),
        (STRATEGIC, {"data": {"new": "1"}}),
        (JSON_PATCH, [{"op": "add", "path": "/data/new", "value": "1"}]),
        (APPLY, {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}, "data": {"new": "1"}}),
    ],
)
async def test_every_kind_of_patch(registry: Registry, media_type: str, patch: object) -> None:
    await create(registry, config_map())
    kind = definition(registry, "v1", "configmaps")
    written = await registry.patch(kind, A, media_type, patch, context(manager="patcher"))
    assert written.obj["data"] == {"key": "value", "new": "1"}
    assert {entry["manager"] for entry in written.obj["metadata"]["managedFields"]} == {"tester", "patcher"}
    before = registry.storage.revision
    await registry.patch(kind, A, media_type, patch, context(manager="patcher"))
    assert registry.storage.revision == before, "a patch that changes nothing writes nothing"


async def test_an_apply_creates_what_is_missing_and_other_patches_do_not(registry: Registry) -> None:
    kind = definition(registry, "v1", "configmaps")
    for media_type in (MERGE, STRATEGIC):
        with pytest.raises(ApiError, match='configmaps "a" not found'):
            await registry.patch(kind, A, media_type, {"data": {}}, context())
    with pytest.raises(ApiError) as error:
        await registry.patch(kind, A, APPLY, config_map(uid="abc"), context())
    assert refusal(error) == (
        409,
        "Conflict",
        'Operation cannot be fulfilled on configmaps "a": uid mismatch: the provided object specified uid abc, and no '
        "existing object was found",
    )
    written = await registry.patch(kind, A, APPLY, config_map(), context())
    assert written.created
    assert written.obj["metadata"]["managedFields"][0]["operation"] == "Apply"
    with pytest.raises(ApiError, match='namespaces "nope" not found'):
        await registry.patch(kind, ObjectKey("nope", "a"), APPLY, config_map(), context())


async def test_an_apply_against_the_will_of_another_conflicts(registry: Registry) -> None:
    kind = definition(registry, "v1", "configmaps")
    await registry.patch(kind, A, APPLY, config_map(), context(manager="one"))
    other = config_map(data={"key": "mine"})
    with pytest.raises(ApiError) as error:
        await registry.patch(kind, A, APPLY, other, context(manager="two"))
    assert error.value.code == 409
    written = await registry.patch(kind, A, APPLY, other, context(manager="two", force=True))
    assert written.obj["data"] == {"key": "mine"}


@pytest.mark.parametrize(
    ("patch", "code"),
    [
        ({"metadata": {"resourceVersion": "1"}}, 409),
        ({"metadata": {"name": "q"}}, 400),
        ({"metadata": {"namespace": "q"}}, 400),
        ({"data": {"key": 5}}, 422),
    ],
)
async def test_patches_that_are_refused(registry: Registry, patch: JsonObject, code: int) -> None:
    await create(registry, config_map())
    with pytest.raises(ApiError) as error:
        await merge(registry, "configmaps", "a", patch)
    assert error.value.code == code


async def test_custom_resources_have_no_strategic_merge(registry: Registry) -> None:
    await create_crd(registry, widget_crd())
    await create(registry, widget())
    kind = definition(registry, "x.io/v1", "widgets")
    with pytest.raises(ApiError) as error:
        await registry.patch(kind, ObjectKey("default", "w"), STRATEGIC, {"spec": {}}, context())
    assert error.value.code == 415


async def test_custom_resources_want_a_version_in_updates(registry: Registry) -> None:
    await create_crd(registry, widget_crd())
    made = await create(registry, widget())
    with pytest.raises(ApiError) as error:
        await put(registry, widget(replicas=3))
    assert error.value.message.endswith("must be specified for an update")
    body = widget(replicas=3)
    body["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"]
    written = await put(registry, body)
    assert (written.obj["spec"]["replicas"], written.obj["metadata"]["generation"]) == (3, 2)


async def test_concurrent_patches_all_count_and_none_sees_a_conflict(registry: Registry) -> None:
    await create(registry, config_map(data={}))
    await asyncio.gather(*(merge(registry, "configmaps", "a", {"data": {f"n{i}": "x"}}) for i in range(25)))
    assert len(read(registry, definition(registry, "v1", "configmaps"), "a")["data"]) == 25


async def test_of_concurrent_updates_of_one_version_one_wins(registry: Registry) -> None:
    made = await create(registry, config_map())
    version = made["metadata"]["resourceVersion"]
    bodies = [config_map(data={"key": str(number)}, resourceVersion=version) for number in range(10)]
    results = await asyncio.gather(*(put(registry, body) for body in bodies), return_exceptions=True)
    assert sum(isinstance(result, Written) for result in results) == 1
    refusals = [result for result in results if isinstance(result, ApiError)]
    assert [refusal.code for refusal in refusals] == [409] * 9


async def test_what_admission_judged_is_what_is_written_to(registry: Registry) -> None:
    made = await create(registry, config_map())
    judged = Precondition(made["metadata"]["uid"], made["metadata"]["resourceVersion"])
    changed = await merge(registry, "configmaps", "a", {"data": {"b": "c"}}, context(precondition=judged))
    with pytest.raises(PreconditionLost):
        await merge(registry, "configmaps", "a", {"data": {"d": "e"}}, context(precondition=judged))
    with pytest.raises(PreconditionLost):
        await put(registry, config_map(), context(precondition=judged))
    client_first = config_map(resourceVersion="1")
    with pytest.raises(ApiError, match="the object has been modified"):
        await put(registry, client_first, context(precondition=judged))
    other = Precondition("another", changed["metadata"]["resourceVersion"])
    with pytest.raises(PreconditionLost):
        await put(registry, config_map(), context(precondition=other))


async def test_a_precondition_without_a_version_holds_for_every_version_of_the_object(registry: Registry) -> None:
    made = await create(registry, config_map())
    very_object = context(precondition=Precondition(made["metadata"]["uid"], ""))
    await merge(registry, "configmaps", "a", {"data": {"b": "1"}}, very_object)
    changed = await merge(registry, "configmaps", "a", {"data": {"b": "2"}}, very_object)
    assert changed["data"]["b"] == "2"
    with pytest.raises(PreconditionLost):
        await merge(registry, "configmaps", "a", {"data": {"b": "3"}}, context(precondition=Precondition("other", "")))


async def test_an_object_that_went_after_admission_is_not_created_again(registry: Registry) -> None:
    judged = Precondition("u", "5")
    kind = definition(registry, "v1", "configmaps")
    with pytest.raises(PreconditionLost):
        await registry.patch(kind, A, APPLY, config_map(), context(precondition=judged))
    with pytest.raises(ApiError, match="not found"):
        await put(registry, config_map(), context(precondition=judged))


async def test_a_write_that_comes_between_loses_the_precondition(registry: Registry) -> None:
    made = await create(registry, config_map())
    judged = Precondition(made["metadata"]["uid"], made["metadata"]["resourceVersion"])
    results = await asyncio.gather(
        merge(registry, "configmaps", "a", {"data": {"x": "1"}}, context(precondition=judged)),
        merge(registry, "configmaps", "a", {"data": {"y": "1"}}, context(precondition=judged)),
        return_exceptions=True,
    )
    assert [isinstance(result, PreconditionLost) for result in results] == [False, True]


async def test_a_dry_run_writes_nothing(registry: Registry) -> None:
    made = await create(registry, config_map())
    changed = await merge(registry, "configmaps", "a", {"data": {"x": "y"}}, context(dry_run=True))
    assert changed["data"] == {"key": "value", "x": "y"}
    assert changed["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    assert read(registry, definition(registry, "v1", "configmaps"), "a")["data"] == {"key": "value"}


async def test_taking_the_last_finalizer_away_removes_an_object_that_is_going(registry: Registry) -> None:
    kind = definition(registry, "v1", "configmaps")
    await create(registry, config_map(finalizers=["x.io/a"]))
    await delete(registry, kind, "a")
    version = read(registry, kind, "a")["metadata"]["resourceVersion"]
    tried = await merge(registry, "configmaps", "a", {"metadata": {"finalizers": None}}, context(dry_run=True))
    assert "finalizers" not in tried["metadata"]
    assert exists(registry, kind, "a")
    changed = await merge(registry, "configmaps", "a", {"metadata": {"finalizers": None}})
    assert changed["metadata"]["resourceVersion"] == version
    assert changed["metadata"]["deletionTimestamp"]
    assert not exists(registry, kind, "a")


async def test_scaling(registry: Registry) -> None:
    made = await create(registry, deployment())
    kind = definition(registry, "apps/v1", "deployments")
    scale = (await registry.patch(kind, D, MERGE, {"spec": {"replicas": 4}}, context(), subresource="scale")).obj
    assert (scale["kind"], scale["spec"], scale["status"]) == (
        "Scale",
        {"replicas": 4},
        {"replicas": 0, "selector": "app=d"},
    )
    shown = read(registry, kind, "d")
    assert (shown["spec"]["replicas"], shown["metadata"]["generation"]) == (4, 2)
    assert shown["metadata"]["resourceVersion"] == scale["metadata"]["resourceVersion"]
    body = {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": {"name": "d"}, "spec": {"replicas": 5}}
    assert (await registry.update(kind, D, body, context(), subresource="scale")).obj["spec"] == {"replicas": 5}
    assert read(registry, kind, "d")["spec"]["replicas"] == 5
    for metadata, code in (
        ({"name": "d", "resourceVersion": made["metadata"]["resourceVersion"]}, 409),
        ({"name": "d", "uid": "other"}, 409),
        ({"name": "e"}, 400),
        ({}, 400),
    ):
        with pytest.raises(ApiError) as error:
            await registry.update(kind, D, {**body, "metadata": metadata}, context(), subresource="scale")
        assert error.value.code == code
    key = ObjectKey("default", "nope")
    with pytest.raises(ApiError, match=r'deployments\.apps "nope" not found'):
        await registry.patch(kind, key, MERGE, {"spec": {"replicas": 4}}, context(), subresource="scale")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            {"spec": {"replicas": "x"}},
            "cannot unmarshal string into Go struct field ScaleSpec.spec.replicas of type int32",
        ),
        ({"spec": 5}, "cannot unmarshal number into Go struct field Scale.spec of type v1.ScaleSpec"),
        ({"spec": {"replica": 5}}, 'strict decoding error: unknown field "spec.replica"'),
    ],
)
async def test_a_scale_that_cannot_be_read_scales_nothing(registry: Registry, body: JsonObject, text: str) -> None:
    await create(registry, deployment())
    kind, strict = definition(registry, "apps/v1", "deployments"), context(validation="Strict")
    with pytest.raises(ApiError) as error:
        await registry.update(kind, D, {"metadata": {"name": "d"}, **body}, strict, subresource="scale")
    assert (error.value.code, text in error.value.message) == (400, True)
    with pytest.raises(ApiError) as error:
        await registry.patch(kind, D, MERGE, body, strict, subresource="scale")
    assert (error.value.code, text in error.value.message) == (422, True)
    other = {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "d"}}
    with pytest.raises(ApiError, match="cannot be handled as a Scale"):
        await registry.update(kind, D, other, strict, subresource="scale")
    assert read(registry, kind, "d")["metadata"]["generation"] == 1


async def test_scaling_a_custom_resource(registry: Registry) -> None:
    await create_crd(registry, widget_crd())
    await create(registry, widget(replicas=1))
    kind, key = definition(registry, "x.io/v1", "widgets"), ObjectKey("default", "w")
    patch = [{"op": "replace", "path": "/spec/replicas", "value": 6}]
    scale = (await registry.patch(kind, key, JSON_PATCH, patch, context(), subresource="scale")).obj
    assert scale["spec"] == {"replicas": 6}
    assert read(registry, kind, "w")["spec"]["replicas"] == 6
    with pytest.raises(ApiError) as error:
        await registry.patch(kind, key, MERGE, {"spec": {"replicas": -6}}, context(), subresource="scale")
    assert refusal(error)[2] == (
        'Widget.x.io "w" is invalid: .spec.replicas: Invalid value: -6: should be a non-negative integer'
    )


async def test_only_finalize_changes_the_finalizers_of_a_namespace(registry: Registry) -> None:
    kind, key = definition(registry, "v1", "namespaces"), ObjectKey("", "t")
    await create(registry, {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "t"}})
    body = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "t"}, "spec": {"finalizers": ["x.io/z"]}}
    plain = await registry.update(kind, key, body, context())
    assert plain.obj["spec"] == {"finalizers": ["kubernetes"]}
    assert plain.obj["metadata"]["labels"] == {"kubernetes.io/metadata.name": "t"}
    final = await registry.update(kind, key, body, context(), subresource="finalize")
    assert final.obj["spec"] == {"finalizers": ["x.io/z"]}


async def test_an_old_version_of_an_autoscaler_can_be_updated(registry: Registry) -> None:
    target = {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}
    memory = {
        "type": "Resource",
        "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Mi"}},
    }
    obj = {
        "kind": "HorizontalPodAutoscaler",
        "apiVersion": "autoscaling/v2",
        "metadata": {"name": "h"},
        "spec": {"scaleTargetRef": target, "maxReplicas": 3, "metrics": [memory]},
    }
    await create(registry, obj)
    await merge(registry, "autoscaling/v1/horizontalpodautoscalers", "h", {"spec": {"maxReplicas": 9}})
    newer = read(registry, definition(registry, "autoscaling/v2", "horizontalpodautoscalers"), "h")
    assert (newer["spec"]["maxReplicas"], newer["spec"]["metrics"]) == (9, [memory])
    assert "annotations" not in newer["metadata"]


async def test_a_debug_container_is_added_to_a_running_pod(member: Registry) -> None:
    kind, key = definition(member, "v1", "pods"), ObjectKey("default", "p")
    await create(member, pod(nodeName="n"))
    debugger = {"name": "debug", "image": "busybox", "targetContainerName": "c"}
    patch = {"spec": {"ephemeralContainers": [debugger], "nodeName": "other"}}
    written = await member.patch(kind, key, STRATEGIC, patch, context(), subresource="ephemeralcontainers")
    assert [entry["name"] for entry in written.obj["spec"]["ephemeralContainers"]] == ["debug"]
    assert written.obj["spec"]["nodeName"] == "n"
