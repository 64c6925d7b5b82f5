import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.apimachinery import meta
from gateway.apimachinery.schema import GroupVersionResource
from gateway.clusters.cluster import CLUSTERS, SecretReference
from gateway.clusters.embedded_source import EmbeddedClusterSource
from gateway.clusters.source import ClustersNotServed
from gateway.storage.registry import Registry
from gateway.storage.resources import FEDERATION_RESOURCES, MEMBER_RESOURCES
from gateway.storage.sqlite import SqliteStorage
from gateway.storage.write_context import WriteContext

SECRETS = GroupVersionResource("", "v1", "secrets")
US = WriteContext.internal("test")


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Registry]:
    storage = await SqliteStorage.open(tmp_path / "storage.db", now=lambda: 1_780_000_000.0)
    registry = Registry(storage, FEDERATION_RESOURCES, now=lambda: 1_780_000_000.0, root_ca="")
    await registry.start()
    yield registry
    await storage.close()


def cluster(name: str) -> dict[str, Any]:
    spec = {"syncMode": "Push", "apiEndpoint": "https://10.0.0.1"}
    return {"apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster", "metadata": {"name": name}, "spec": spec}


async def create(registry: Registry, gvr: GroupVersionResource, obj: dict[str, Any], namespace: str = "") -> None:
    definition = registry.find(gvr)
    assert definition is not None
    await registry.create(definition, namespace, obj, US)


async def test_clusters_are_listed_and_watched_from_there(registry: Registry) -> None:
    source = EmbeddedClusterSource(registry)
    await create(registry, CLUSTERS, cluster("m1"))
    items, version = await source.list_clusters()
    assert [(item["kind"], meta.name(item)) for item in items] == [("Cluster", "m1")]
    await create(registry, CLUSTERS, cluster("m2"))
    watch = source.watch_clusters(version)
    kind, obj = await anext(watch)
    assert (kind, meta.name(obj), obj["spec"]["apiEndpoint"]) == ("ADDED", "m2", "https://10.0.0.1")


async def test_the_status_is_ours_to_write_and_changes_nothing_else(registry: Registry) -> None:
    source = EmbeddedClusterSource(registry)
    await create(registry, CLUSTERS, cluster("m1"))
    items, _ = await source.list_clusters()
    assert await source.owns_status()
    condition = {"type": "Ready", "status": "True", "reason": "ClusterReady", "message": "", "lastTransitionTime": None}
    condition["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    await source.write_status({**items[0], "status": {"kubernetesVersion": "v1.36.3", "conditions": [condition]}})
    after, _ = await source.list_clusters()
    assert after[0]["status"]["kubernetesVersion"] == "v1.36.3"
    assert after[0]["spec"] == items[0]["spec"]


async def test_secrets(registry: Registry) -> None:
    source = EmbeddedClusterSource(registry)
    data = {"token": base64.b64encode(b"t").decode()}
    obj = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "m1"}, "data": data}
    await create(registry, SECRETS, obj, "default")
    found = await source.read_secret(SecretReference("default", "m1"))
    assert found is not None
    assert found["data"] == data
    assert await source.read_secret(SecretReference("default", "none")) is None


async def test_a_store_without_the_kind_says_so(tmp_path: Path) -> None:
    storage = await SqliteStorage.open(tmp_path / "storage.db", now=lambda: 0.0)
    source = EmbeddedClusterSource(Registry(storage, MEMBER_RESOURCES, now=lambda: 0.0, root_ca=""))
    with pytest.raises(ClustersNotServed):
        await source.list_clusters()
    with pytest.raises(ClustersNotServed):
        await anext(source.watch_clusters("1"))
    await storage.close()
