from gateway.storage.controllers.bootstrap import create_system_namespaces
from gateway.storage.registry import Registry
from tests.gateway.storage.builders import create, definition, names


async def test_missing_system_namespaces_are_created_and_others_left_alone(registry: Registry) -> None:
    await create(registry, {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "shop"}})
    before = registry.storage.revision
    await create_system_namespaces(registry)
    assert registry.storage.revision == before
    assert await names(registry, definition(registry, "v1", "namespaces")) == [
        "default",
        "kube-node-lease",
        "kube-public",
        "kube-system",
        "shop",
    ]
