import pytest

from gateway.apimachinery.meta import ObjectKey
from gateway.apimachinery.schema import GroupVersionKind, GroupVersionResource
from gateway.storage.catalog import ResourceCatalog
from gateway.storage.interface import Change, encode_value
from gateway.storage.registry import Registry
from gateway.storage.resources import FEDERATION_RESOURCES
from tests.gateway.storage.builders import create_crd, definition, delete, widget_crd

WIDGETS = GroupVersionResource("x.io", "v1", "widgets")


async def test_built_in_resources_are_found_by_resource_and_by_kind(registry: Registry) -> None:
    found = registry.find(GroupVersionResource("apps", "v1", "deployments"))
    assert found is not None
    assert registry.find_kind(GroupVersionKind("apps", "v1", "Deployment")) is found
    assert registry.find(GroupVersionResource("apps", "v1beta1", "deployments")) is None
    assert registry.find_kind(GroupVersionKind("apps", "v1", "Deploymentt")) is None


async def test_a_custom_resource_is_served_as_soon_as_its_definition_is_acknowledged(registry: Registry) -> None:
    before = registry.generation
    await create_crd(registry, widget_crd())
    assert registry.generation > before
    assert registry.find(WIDGETS) in registry.resources()
    assert registry.find_kind(GroupVersionKind("x.io", "v1", "Widget")) is registry.find(WIDGETS)
    kept = ResourceCatalog(registry.storage, FEDERATION_RESOURCES)
    assert kept.find(WIDGETS) is not None, "also by a registry that is opened later"


async def test_a_definition_that_is_going_is_still_served(registry: Registry) -> None:
    await create_crd(registry, widget_crd())
    await delete(registry, definition(registry, "apiextensions.k8s.io/v1", "customresourcedefinitions"), "widgets.x.io")
    found = registry.find(WIDGETS)
    assert found is not None
    assert found.terminating


async def test_a_stored_resource_is_named_once(registry: Registry) -> None:
    keys = [kind.storage_key for kind in registry.stored_resources()]
    assert len(keys) == len(set(keys))
    assert keys.count("events") == 1
    by_key = {kind.storage_key: kind for kind in registry.stored_resources()}
    assert by_key["horizontalpodautoscalers.autoscaling"].gvr.version == "v2"
    assert by_key["events"].gvr.group == ""


async def test_a_stored_definition_that_is_junk_harms_no_other(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    await create_crd(registry, widget_crd())
    established = {"type": "Established", "status": "True"}
    junk = {
        "metadata": {"name": "junk.x.io"},
        "spec": {"versions": [None]},
        "status": {"conditions": [None, established]},
    }
    key = ObjectKey("", "junk.x.io")
    storage_key = "customresourcedefinitions.apiextensions.k8s.io"
    await registry.storage.write(Change(storage_key, key, 0, encode_value(junk)))
    assert registry.find(WIDGETS) is not None
    later = ResourceCatalog(registry.storage, FEDERATION_RESOURCES)
    assert later.find(WIDGETS) is not None
    assert caplog.records[0].message == "the CustomResourceDefinition junk.x.io cannot be understood and is not served"
