import asyncio
import json
from typing import Any

import pytest

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import ObjectKey
from gateway.apimachinery.options import parse_list_options
from gateway.handlers.embedded_source import EmbeddedScaleSource, EmbeddedSource
from gateway.printers.printer import stored_printer
from gateway.storage.registry import Registry
from tests.gateway.storage import builders
from tests.gateway.storage.builders import config_map, context, definition, deployment
from tests.gateway.storage.conftest import clock, registry, storage

__all__ = ["clock", "registry", "storage"]


def source(registry: Registry) -> EmbeddedSource:
    found = definition(registry, "v1", "configmaps")
    return EmbeddedSource(registry, found, stored_printer(found))


async def create(registry: Registry, name: str) -> Any:
    return await registry.create(definition(registry, "v1", "configmaps"), "default", config_map(name), context())


async def test_reads_what_was_written(registry: Registry) -> None:
    await create(registry, "a")
    made = await create(registry, "b")
    reading = source(registry)
    page = await reading.list("default", parse_list_options({}, watch=False))
    stored = await reading.get(ObjectKey("default", "b"), "")
    assert (reading.gvk.kind, reading.list_kind, reading.built_in) == ("ConfigMap", "ConfigMapList", True)
    assert [json.loads(reading.item_bytes(item))["metadata"]["name"] for item in page.items] == ["a", "b"]
    assert page.resource_version == made["metadata"]["resourceVersion"]
    assert json.loads(reading.object_bytes(stored)) == made
    assert json.loads(reading.metadata_bytes(stored)) == made["metadata"]
    row = json.loads(b"{%b}" % next(reading.rows([stored], 1_780_000_060.0)))
    assert dict(zip((column.name for column in reading.columns), row["cells"], strict=True)) == {
        "Name": "b",
        "Data": 1,
        "Age": "60s",
    }


async def test_pages_go_on(registry: Registry) -> None:
    for name in "abc":
        await create(registry, name)
    page = await source(registry).list("default", parse_list_options({"limit": "2"}, watch=False))
    assert (len(page.items), page.remaining) == (2, 1)
    rest = await source(registry).list("default", parse_list_options({"continue": page.continue_token}, watch=False))
    assert (len(rest.items), rest.continue_token) == (1, "")


async def test_what_is_not_there_is_told(registry: Registry) -> None:
    with pytest.raises(ApiError) as refusal:
        await source(registry).get(ObjectKey("default", "none"), "")
    assert refusal.value.message == 'configmaps "none" not found'


async def test_watches_what_happens(registry: Registry) -> None:
    await create(registry, "a")
    options = parse_list_options({"watch": "1", "allowWatchBookmarks": "1"}, watch=True)
    watch = await source(registry).watch("default", options, 60)
    added, bookmark = await watch.next_batch()
    assert (added.type, json.loads(added.stored.raw)["metadata"]["name"]) == ("ADDED", "a")  # type: ignore[union-attr]  # it has one
    assert (bookmark.type, bookmark.stored, bookmark.initial_events_end) == ("BOOKMARK", None, True)
    made = await create(registry, "b")
    (event,) = await watch.next_batch()
    assert (event.type, event.resource_version) == ("ADDED", made["metadata"]["resourceVersion"])
    assert watch.bookmark_version() == event.resource_version
    waiting = asyncio.get_running_loop().create_task(watch.next_batch())
    await asyncio.sleep(0)
    watch.close()
    assert await waiting == []


async def test_a_scale_is_read_like_an_object(registry: Registry) -> None:
    made = await builders.create(registry, deployment())
    reading = EmbeddedScaleSource(registry, definition(registry, "apps/v1", "deployments"))
    stored = await reading.get(ObjectKey("default", "d"), "")
    scale = json.loads(reading.object_bytes(stored))
    metadata = {name: made["metadata"][name] for name in ("name", "namespace", "uid", "creationTimestamp")}
    assert scale == {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {**metadata, "resourceVersion": made["metadata"]["resourceVersion"]},
        "spec": {"replicas": made["spec"]["replicas"]},
        "status": {"replicas": 0, "selector": "app=d"},
    }
    assert [column.name for column in reading.columns] == ["Name", "Desired", "Available", "Age"]
    assert b'"cells":["d",%d,0,' % made["spec"]["replicas"] in next(reading.rows([stored], 0.0))


async def test_there_is_no_scale_of_what_is_not_there(registry: Registry) -> None:
    reading = EmbeddedScaleSource(registry, definition(registry, "apps/v1", "deployments"))
    with pytest.raises(ApiError, match=r'deployments\.apps "d" not found'):
        await reading.get(ObjectKey("default", "d"), "")
