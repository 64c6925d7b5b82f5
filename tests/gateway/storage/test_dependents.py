import pytest

from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.storage.dependents import collectable
from gateway.storage.interface import Change, encode_value
from gateway.storage.registry import Registry
from tests.gateway.storage.builders import config_map, create, definition, delete, deployment

CASCADING = {"policy.kruise.io/delete-protection": "Cascading"}


def owner(obj: JsonObject) -> JsonObject:
    head = {"apiVersion": obj["apiVersion"], "kind": obj["kind"]}
    return {**head, "name": obj["metadata"]["name"], "uid": obj["metadata"]["uid"]}


async def found(registry: Registry, *owners: JsonObject, namespace: str = "default") -> dict[str, JsonObject]:
    uids = [entry["metadata"]["uid"] for entry in owners]
    contents = await collectable(registry.garbage_collector, namespace, uids)
    return {obj["metadata"]["name"]: obj for _, obj in contents}


async def test_dependents_and_theirs_are_found_with_their_other_owners(registry: Registry) -> None:
    root, other = [await create(registry, deployment(name)) for name in ("root", "other")]
    child = await create(registry, config_map("child", labels={"k": "v"}, ownerReferences=[owner(root), owner(other)]))
    await create(registry, config_map("grandchild", ownerReferences=[owner(child)]))
    await create(registry, config_map("stranger"))
    shown = await found(registry, root)
    assert sorted(shown) == ["child", "grandchild", "other", "root"]
    assert shown["child"]["kind"] == "ConfigMap"
    assert shown["child"]["metadata"]["labels"] == {"k": "v"}
    assert shown["child"]["metadata"]["ownerReferences"] == [owner(root), owner(other)]
    assert shown["other"]["kind"] == "Deployment"
    assert await found(registry, other, child) != {}
    await delete(registry, definition(registry, "v1", "configmaps"), "child")
    assert await found(registry, root) == {}


async def test_of_what_cascading_protects_the_whole_is_shown(registry: Registry) -> None:
    root = await create(registry, config_map("root"))
    await create(registry, deployment("d", 2, labels=CASCADING, ownerReferences=[owner(root)]))
    await create(registry, deployment("e", 2, ownerReferences=[owner(root)]))
    shown = await found(registry, root)
    assert shown["d"]["spec"]["replicas"] == 2
    assert "spec" not in shown["e"]


@pytest.mark.parametrize(("namespace", "expected"), [("default", []), ("", ["stray"])])
async def test_what_is_in_another_namespace_belongs_to_no_owner_that_is_in_one(
    registry: Registry, namespace: str, expected: list[str]
) -> None:
    root = await create(registry, config_map("root"))
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "elsewhere"}}
    await create(registry, space)
    await create(registry, config_map("stray", ownerReferences=[owner(root)]), "elsewhere")
    assert sorted(await found(registry, root, namespace=namespace)) == expected


async def test_junk_in_the_references_that_others_stored_stops_nothing(registry: Registry) -> None:
    root = await create(registry, config_map("root"))
    child = await create(registry, config_map("child", ownerReferences=[owner(root)]))
    metadata = {
        **child["metadata"],
        "ownerReferences": [owner(root), {"apiVersion": 5}, {**owner(root), "name": ["x"]}],
    }
    kind = definition(registry, "v1", "configmaps")
    revision = int(child["metadata"]["resourceVersion"])
    value = encode_value({**child, "metadata": metadata})
    await registry.storage.write(Change(kind.storage_key, ObjectKey("default", "child"), revision, value))
    assert sorted(await found(registry, root)) == ["child", "root"]


async def test_owners_in_a_circle_and_many_dependents_come_to_an_end(registry: Registry) -> None:
    first = await create(registry, config_map("first"))
    second = await create(registry, config_map("second", ownerReferences=[owner(first)]))
    for number in range(450):
        await create(registry, config_map(f"m{number}", ownerReferences=[owner(second), owner(first)]))
    assert len(await found(registry, first)) == 452
