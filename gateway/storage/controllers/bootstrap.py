"""What an API server has before anybody has written anything."""

from __future__ import annotations

from gateway.apimachinery.meta import ObjectKey
from gateway.apimachinery.schema import GroupVersionResource
from gateway.storage.controllers.object_registry import ObjectRegistry
from gateway.storage.strategies.namespaces import SYSTEM_NAMESPACES
from gateway.storage.write_context import WriteContext

NAMESPACES = GroupVersionResource("", "v1", "namespaces")


async def create_system_namespaces(registry: ObjectRegistry) -> None:
    """Create the namespaces that are missing."""
    definition = registry.find(NAMESPACES)
    if definition is None:
        return
    for name in SYSTEM_NAMESPACES:
        if registry.storage.get(definition.storage_key, ObjectKey("", name)) is None:
            namespace = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}}
            await registry.create(definition, "", namespace, WriteContext.internal("kube-apiserver"))
