import pytest

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import ObjectKey
from gateway.storage.registry import Registry
from gateway.write_request import DeleteOptions, Precondition, PreconditionLost
from tests.gateway.storage.builders import config_map, context, create, definition, exists, pod, read, refusal

A = ObjectKey("default", "a")


async def test_a_finished_delete_answers_with_a_status_or_the_object(registry: Registry) -> None:
    made = await create(registry, config_map())
    kind = definition(registry, "v1", "configmaps")
    deleted = await registry.delete(kind, A, DeleteOptions(), context())
    assert deleted.finished
    assert deleted.obj == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {"name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"]},
    }
    await create(registry, {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "a"}})
    accounts = definition(registry, "v1", "serviceaccounts")
    gone = await registry.delete(accounts, A, DeleteOptions(), context())
    assert (gone.obj["kind"], gone.obj["metadata"]["resourceVersion"]) == (
        "ServiceAccount",
        str(registry.storage.revision),
    )


async def test_an_object_with_finalizers_waits(registry: Registry) -> None:
    await create(registry, config_map(finalizers=["x.io/a"]))
    kind = definition(registry, "v1", "configmaps")
    first = await registry.delete(kind, A, DeleteOptions(), context())
    assert not first.finished
    assert first.obj["metadata"]["deletionTimestamp"]
    assert first.obj == read(registry, kind, "a")
    again = await registry.delete(kind, A, DeleteOptions(), context())
    assert again.obj == first.obj


async def test_preconditions(registry: Registry) -> None:
    made = await create(registry, config_map())
    kind = definition(registry, "v1", "configmaps")
    for options in (DeleteOptions(precondition_uid="x"), DeleteOptions(precondition_resource_version="1")):
        with pytest.raises(ApiError) as error:
            await registry.delete(kind, A, options, context())
        assert error.value.code == 409
    with pytest.raises(PreconditionLost):
        await registry.delete(
            kind, A, DeleteOptions(), context(precondition=Precondition(made["metadata"]["uid"], "1"))
        )
    assert exists(registry, kind, "a")
    uid, version = made["metadata"]["uid"], made["metadata"]["resourceVersion"]
    options = DeleteOptions(precondition_uid=uid, precondition_resource_version=version)
    await registry.delete(kind, A, options, context(precondition=Precondition(uid, version)))
    with pytest.raises(ApiError) as gone:
        await registry.delete(kind, A, DeleteOptions(), context())
    assert refusal(gone) == (404, "NotFound", 'configmaps "a" not found')


async def test_a_dry_run_deletes_nothing(registry: Registry) -> None:
    await create(registry, config_map())
    kind = definition(registry, "v1", "configmaps")
    deleted = await registry.delete(kind, A, DeleteOptions(), context(dry_run=True))
    assert deleted.obj["status"] == "Success"
    await registry.delete(kind, A, DeleteOptions(propagation_policy="Foreground"), context(dry_run=True))
    assert "finalizers" not in read(registry, kind, "a")["metadata"]


async def test_a_pod_is_given_its_time_then_removed_by_force(member: Registry) -> None:
    await create(member, pod(nodeName="n"))
    kind, key = definition(member, "v1", "pods"), ObjectKey("default", "p")
    going = await member.delete(kind, key, DeleteOptions(), context())
    assert (going.finished, going.obj["metadata"]["deletionGracePeriodSeconds"]) == (False, 30)
    gone = await member.delete(kind, key, DeleteOptions(grace_period_seconds=0), context())
    assert (gone.finished, gone.obj["kind"]) == (True, "Pod")
    assert not exists(member, kind, "p")
