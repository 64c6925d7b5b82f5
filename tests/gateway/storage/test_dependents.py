from gateway.storage.dependents import collectable
from gateway.storage.registry import Registry
from tests.gateway.storage.builders import config_map, create, deployment

CASCADING = {"policy.kruise.io/delete-protection": "Cascading"}


async def test_a_namespace_shows_its_content_and_the_whole_of_what_cascading_protects(registry: Registry) -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "u"}
    await create(registry, config_map("a", labels={"k": "v"}, ownerReferences=[owner]))
    await create(registry, deployment("d", 2, labels=CASCADING))
    await create(registry, deployment("e", 2))
    found = await collectable(registry.storage, registry.stored_resources(), "default")
    shown = {obj["metadata"]["name"]: (str(resource), obj) for resource, obj in found}
    resource, obj = shown["a"]
    assert (resource, obj["kind"]) == ("configmaps", "ConfigMap")
    assert obj["metadata"]["ownerReferences"] == [owner]
    assert obj["metadata"]["labels"] == {"k": "v"}
    assert obj["metadata"]["namespace"] == "default"
    assert shown["d"][1]["spec"]["replicas"] == 2
    assert "spec" not in shown["e"][1]


async def test_the_whole_store_has_cluster_scoped_objects_too(registry: Registry) -> None:
    await create(registry, config_map("a"))
    everywhere = await collectable(registry.storage, registry.stored_resources(), "")
    assert {str(resource) for resource, _ in everywhere} >= {"configmaps", "namespaces"}
    elsewhere = await collectable(registry.storage, registry.stored_resources(), "elsewhere")
    assert elsewhere == []
