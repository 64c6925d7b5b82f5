import msgspec
import pytest

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import ObjectKey
from gateway.handlers.embedded_source import EmbeddedScaleSource
from gateway.storage.registry import Registry
from tests.gateway.storage.builders import create, definition, deployment
from tests.gateway.storage.conftest import clock, registry, storage

__all__ = ["clock", "registry", "storage"]


async def test_a_scale_is_read_like_an_object(registry: Registry) -> None:
    made = await create(registry, deployment())
    source = EmbeddedScaleSource(registry, definition(registry, "apps/v1", "deployments"))
    stored = await source.get(ObjectKey("default", "d"), "")
    scale = msgspec.json.decode(source.object_bytes(stored))
    metadata = {name: made["metadata"][name] for name in ("name", "namespace", "uid", "creationTimestamp")}
    assert scale == {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {**metadata, "resourceVersion": made["metadata"]["resourceVersion"]},
        "spec": {"replicas": made["spec"]["replicas"]},
        "status": {"replicas": 0, "selector": "app=d"},
    }
    assert [column.name for column in source.columns] == ["Name", "Desired", "Available", "Age"]
    assert b'"cells":["d",%d,0,' % made["spec"]["replicas"] in source.row(stored, 0.0)


async def test_there_is_no_scale_of_what_is_not_there(registry: Registry) -> None:
    source = EmbeddedScaleSource(registry, definition(registry, "apps/v1", "deployments"))
    with pytest.raises(ApiError, match=r'deployments\.apps "d" not found'):
        await source.get(ObjectKey("default", "d"), "")
