from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.storage.controllers.namespaces import namespace_conditions
from gateway.storage.interface import StoredObject, encode_value
from gateway.storage.registry import Registry
from gateway.storage.resources import FEDERATION_RESOURCES
from gateway.storage.sqlite import SqliteStorage
from tests.gateway.storage.builders import (
    MERGE,
    config_map,
    context,
    create,
    create_crd,
    definition,
    delete,
    exists,
    read,
    until,
    widget,
    widget_crd,
)
from tests.gateway.storage.conftest import Clock
from tests.gateway.storage.test_registry import running


def namespace(name: str = "t", **metadata: object) -> JsonObject:
    return {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name, **metadata}}


async def release(registry: Registry, resource: str, name: str, where: str) -> None:
    kind = definition(registry, "v1", resource)
    await registry.patch(kind, ObjectKey(where, name), MERGE, {"metadata": {"finalizers": None}}, context())


async def test_a_new_namespace_is_provisioned_and_stays_so(storage: SqliteStorage, clock: Clock) -> None:
    registry = Registry(storage, FEDERATION_RESOURCES, now=clock, root_ca="PEM")
    accounts, maps = definition(registry, "v1", "serviceaccounts"), definition(registry, "v1", "configmaps")
    async with running(registry):
        await create(registry, namespace())
        await until(
            lambda: exists(registry, accounts, "default", "t") and exists(registry, maps, "kube-root-ca.crt", "t")
        )
        uid = read(registry, accounts, "default", "t")["metadata"]["uid"]
        await delete(registry, accounts, "default", "t")
        await until(lambda: exists(registry, accounts, "default", "t"))
        assert read(registry, accounts, "default", "t")["metadata"]["uid"] != uid


async def test_a_new_ca_is_published_in_old_namespaces(storage: SqliteStorage, clock: Clock) -> None:
    await Registry(storage, FEDERATION_RESOURCES, now=clock, root_ca="OLD").start()
    registry = Registry(storage, FEDERATION_RESOURCES, now=clock, root_ca="NEW")
    await registry.start()
    assert read(registry, definition(registry, "v1", "configmaps"), "kube-root-ca.crt")["data"] == {"ca.crt": "NEW"}


async def test_a_namespace_ends_with_everything_in_it(registry: Registry) -> None:
    await create_crd(registry, widget_crd())
    await create(registry, namespace())
    await create(registry, config_map(), "t")
    await create(registry, widget(), "t")
    await create(registry, config_map("elsewhere"))
    kinds = definition(registry, "v1", "configmaps"), definition(registry, "x.io/v1", "widgets")
    async with running(registry):
        await delete(registry, definition(registry, "v1", "namespaces"), "t")
        await until(lambda: not exists(registry, definition(registry, "v1", "namespaces"), "t"))
    assert [len(registry.storage.list(kind.storage_key, "t")) for kind in kinds] == [0, 0]
    assert exists(registry, kinds[0], "elsewhere")


async def test_a_namespace_ends_with_what_is_not_served_any_more(registry: Registry) -> None:
    await create_crd(registry, widget_crd())
    await create(registry, namespace())
    widgets = definition(registry, "x.io/v1", "widgets")
    await create(registry, widget(), "t")
    crds = definition(registry, "apiextensions.k8s.io/v1", "customresourcedefinitions")
    hidden = {"spec": {"versions": [{**widget_crd()["spec"]["versions"][0], "served": False}]}}
    await registry.patch(crds, ObjectKey("", "widgets.x.io"), MERGE, hidden, context())
    async with running(registry):
        await delete(registry, definition(registry, "v1", "namespaces"), "t")
        await until(lambda: not exists(registry, definition(registry, "v1", "namespaces"), "t"))
    assert registry.storage.list(widgets.storage_key, "t") == []


async def test_finalizers_in_it_hold_a_namespace_and_it_says_so(registry: Registry) -> None:
    namespaces = definition(registry, "v1", "namespaces")
    await create(registry, namespace(finalizers=["x.io/space"]))
    await create(registry, config_map(finalizers=["x.io/map"]), "t")
    async with running(registry):
        await delete(registry, namespaces, "t")
        await until(lambda: "conditions" in read(registry, namespaces, "t")["status"])
        messages = {entry["type"]: entry for entry in read(registry, namespaces, "t")["status"]["conditions"]}
        assert messages["NamespaceContentRemaining"]["status"] == "True"
        assert messages["NamespaceFinalizersRemaining"]["message"] == (
            "Some content in the namespace has finalizers remaining: x.io/map in 1 resource instances"
        )
        await release(registry, "configmaps", "a", "t")
        await until(lambda: not read(registry, namespaces, "t")["spec"])
        assert exists(registry, namespaces, "t"), "its own finalizer still holds it"
        await release(registry, "namespaces", "t", "")
        await until(lambda: not exists(registry, namespaces, "t"))


def test_conditions_keep_the_time_of_their_last_transition() -> None:
    value = encode_value({"metadata": {"name": "a", "finalizers": ["f"]}})
    left = [("configmaps", StoredObject.from_value(ObjectKey("t", "a"), 1, value, 0))]
    first = namespace_conditions(left, [], [], "one")
    assert {entry["type"]: entry["status"] for entry in first} == {
        "NamespaceDeletionDiscoveryFailure": "False",
        "NamespaceDeletionGroupVersionParsingFailure": "False",
        "NamespaceDeletionContentFailure": "False",
        "NamespaceContentRemaining": "True",
        "NamespaceFinalizersRemaining": "True",
    }
    assert first[3]["message"] == "Some resources are remaining: configmaps. has 1 resource instances"
    second = namespace_conditions([], ["it broke"], first, "two")
    assert [entry["lastTransitionTime"] for entry in second] == ["one", "one", "two", "two", "two"]
    assert second[2]["message"] == "Failed to delete all resource types, 1 remaining: it broke"


def test_conditions_that_say_nothing_are_made_anew() -> None:
    made = namespace_conditions([], [], [{"type": "NamespaceContentRemaining", "status": "False"}, {}], "now")
    assert {condition["lastTransitionTime"] for condition in made} == {"now"}
