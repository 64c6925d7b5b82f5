from gateway.apimachinery.meta import ObjectKey
from gateway.storage.registry import Registry
from tests.gateway.storage.builders import (
    MERGE,
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
from tests.gateway.storage.test_registry import running


async def test_a_definition_goes_after_its_objects(registry: Registry) -> None:
    await create_crd(registry, widget_crd())
    crds, widgets = (
        definition(registry, "apiextensions.k8s.io/v1", "customresourcedefinitions"),
        definition(registry, "x.io/v1", "widgets"),
    )
    held = widget("held")
    held["metadata"]["finalizers"] = ["x.io/f"]
    await create(registry, held)
    await create(registry, widget("free"))
    async with running(registry):
        await delete(registry, crds, "widgets.x.io")
        await until(lambda: not exists(registry, widgets, "free"))
        await until(lambda: "deletionTimestamp" in read(registry, widgets, "held")["metadata"])
        assert exists(registry, crds, "widgets.x.io")
        patch = {"metadata": {"finalizers": None}}
        await registry.patch(widgets, ObjectKey("default", "held"), MERGE, patch, context())
        await until(lambda: not exists(registry, crds, "widgets.x.io"))
    assert registry.find(widgets.gvr) is None
    await create_crd(registry, widget_crd())
    assert registry.find(widgets.gvr) is not None, "the same definition can be made again"


async def test_a_definition_that_serves_nothing_takes_its_objects_along(registry: Registry) -> None:
    await create_crd(registry, widget_crd())
    crds, widgets = (
        definition(registry, "apiextensions.k8s.io/v1", "customresourcedefinitions"),
        definition(registry, "x.io/v1", "widgets"),
    )
    held = widget("held")
    held["metadata"]["finalizers"] = ["x.io/f"]
    await create(registry, held)
    patch = [{"op": "replace", "path": "/spec/versions/0/served", "value": False}]
    await registry.patch(crds, ObjectKey("", "widgets.x.io"), "application/json-patch+json", patch, context())
    assert registry.find(widgets.gvr) is None
    async with running(registry):
        await delete(registry, crds, "widgets.x.io")
        await until(lambda: not exists(registry, crds, "widgets.x.io"))
    assert not exists(registry, widgets, "held")
