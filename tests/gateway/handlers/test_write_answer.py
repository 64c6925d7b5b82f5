"""The form of write answers, at a gateway with an embedded store: chosen before anything is written."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.apimachinery import protobuf
from gateway.apimachinery.protobuf import is_envelope
from gateway.clusters.sent_request import SentRequest
from gateway.clusters.upstream import Upstream
from gateway.handlers import write_collection
from tests.gateway.simulation.served import served_gateway

MAPS = "/api/v1/namespaces/default/configmaps"
TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
COLUMNS = ["Name", "Data", "Age"]
CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Upstream]:
    async with served_gateway(tmp_path) as admin:
        yield admin


async def send(
    gateway: Upstream, method: str, path: str, body: Any = None, *, accept: str = TABLE, query: str = ""
) -> tuple[int, str, bytes]:
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    headers = {"Accept": accept, "Content-Type": kind}
    encoded = None if body is None else json.dumps(body).encode()
    response = await gateway.send(SentRequest(method, path, query, headers, encoded))
    async with response:
        return response.status, response.content_type, await response.content.read()


def config_map(name: str) -> dict[str, Any]:
    metadata = {"name": name, "labels": {"of": "test"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "1"}}


async def code_of(gateway: Upstream, path: str) -> int:
    return (await send(gateway, "GET", path, accept="application/json"))[0]


@pytest.mark.parametrize(
    "accept",
    ["image/png", METADATA_LIST, "application/json;as=Nothing;g=meta.k8s.io;v=v1", TABLE.replace("json", "xml")],
)
async def test_what_cannot_be_answered_is_not_written(gateway: Upstream, accept: str) -> None:
    await send(gateway, "POST", MAPS, config_map("kept"))
    assert (await send(gateway, "POST", MAPS, config_map("refused"), accept=accept))[0] == 406
    assert await code_of(gateway, f"{MAPS}/refused") == 404
    assert (await send(gateway, "PATCH", f"{MAPS}/kept", {"data": {"a": "2"}}, accept=accept))[0] == 406
    assert (await send(gateway, "DELETE", f"{MAPS}/kept", accept=accept))[0] == 406
    kept = json.loads((await send(gateway, "GET", f"{MAPS}/kept", accept="application/json"))[2])
    assert kept["data"] == {"a": "1"}


async def test_a_collection_is_not_deleted_for_an_answer_that_it_cannot_have(gateway: Upstream) -> None:
    await send(gateway, "POST", MAPS, config_map("kept"))
    for accept in ("image/png", METADATA):
        assert (await send(gateway, "DELETE", MAPS, accept=accept, query="labelSelector=of%3Dtest"))[0] == 406
    assert await code_of(gateway, f"{MAPS}/kept") == 200


async def test_an_include_object_that_means_nothing_is_refused_before(gateway: Upstream) -> None:
    code, _, body = await send(gateway, "POST", MAPS, config_map("refused"), query="includeObject=Some")
    assert code == 400
    assert "Unable to convert to Table as requested" in json.loads(body)["message"]
    assert await code_of(gateway, f"{MAPS}/refused") == 404


async def test_what_was_made_is_shown_as_a_table(gateway: Upstream) -> None:
    code, content_type, body = await send(gateway, "POST", MAPS, config_map("shown"))
    table = json.loads(body)
    assert (code, content_type) == (201, "application/json")
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert [column["name"] for column in table["columnDefinitions"]] == COLUMNS
    (row,) = table["rows"]
    assert row["cells"][:2] == ["shown", 1]
    assert row["object"]["kind"] == "PartialObjectMetadata"
    assert row["object"]["metadata"]["resourceVersion"] == table["metadata"]["resourceVersion"]


async def test_a_patch_shows_the_new_state_with_the_object_asked_for(gateway: Upstream) -> None:
    await send(gateway, "POST", MAPS, config_map("shown"))
    patch = {"data": {"b": "2"}}
    code, _, body = await send(gateway, "PATCH", f"{MAPS}/shown", patch, query="includeObject=Object")
    (row,) = json.loads(body)["rows"]
    assert (code, row["cells"][1], row["object"]["data"]) == (200, 2, {"a": "1", "b": "2"})
    _, _, body = await send(gateway, "PATCH", f"{MAPS}/shown", patch, query="includeObject=None")
    assert json.loads(body)["rows"][0]["object"] is None


async def test_a_status_is_never_a_table(gateway: Upstream) -> None:
    await send(gateway, "POST", MAPS, config_map("gone"))
    code, _, body = await send(gateway, "DELETE", f"{MAPS}/gone")
    assert (code, json.loads(body)["kind"]) == (200, "Status")


async def test_a_deleted_collection_is_shown_row_by_row(gateway: Upstream) -> None:
    for name in ("one", "two"):
        await send(gateway, "POST", MAPS, config_map(name))
    code, _, body = await send(gateway, "DELETE", MAPS, query="labelSelector=of%3Dtest")
    assert code == 200
    assert sorted(row["cells"][0] for row in json.loads(body)["rows"]) == ["one", "two"]
    code, _, body = await send(gateway, "DELETE", MAPS, query="labelSelector=of%3Dtest")
    assert (code, json.loads(body)["rows"]) == (200, [])


async def test_metadata_only(gateway: Upstream) -> None:
    _, _, body = await send(gateway, "POST", MAPS, config_map("shown"), accept=METADATA)
    shown = json.loads(body)
    assert (shown["kind"], shown["metadata"]["name"]) == ("PartialObjectMetadata", "shown")
    assert "data" not in shown
    _, _, body = await send(gateway, "DELETE", MAPS, accept=METADATA_LIST, query="labelSelector=of%3Dtest")
    shown = json.loads(body)
    assert shown["kind"] == "PartialObjectMetadataList"
    assert [item["metadata"]["name"] for item in shown["items"]] == ["shown"]
    assert "data" not in shown["items"][0]


async def test_other_media_types(gateway: Upstream) -> None:
    protobuf = "application/vnd.kubernetes.protobuf"
    _, content_type, body = await send(gateway, "POST", MAPS, config_map("shown"), accept=protobuf)
    assert (content_type, is_envelope(body)) == (protobuf, True)
    _, content_type, body = await send(gateway, "PATCH", f"{MAPS}/shown", {}, accept="application/yaml")
    assert (content_type, b"kind: ConfigMap\n" in body) == ("application/yaml", True)
    _, _, body = await send(gateway, "PATCH", f"{MAPS}/shown", {}, accept=f"{TABLE},application/json")
    assert json.loads(body)["kind"] == "Table"


@pytest.mark.parametrize("media_type", ["application/yaml", "application/vnd.kubernetes.protobuf", "application/json"])
async def test_a_deleted_collection_in_other_media_types(gateway: Upstream, media_type: str) -> None:
    for name in ("one", "two"):
        await send(gateway, "POST", MAPS, config_map(name))
    query = "labelSelector=of%3Dtest&pretty=true"
    code, content_type, body = await send(gateway, "DELETE", MAPS, accept=media_type, query=query)
    assert (code, content_type) == (200, media_type)
    shown = protobuf.decode(body).obj if is_envelope(body) else yaml.safe_load(body)
    assert shown["kind"] == "ConfigMapList"
    assert sorted(item["metadata"]["name"] for item in shown["items"]) == ["one", "two"]
    assert [item["data"] for item in shown["items"]] == [{"a": "1"}] * 2
    code, _, body = await send(gateway, "DELETE", MAPS, accept=media_type, query=query)
    assert code == 200, body


@pytest.mark.parametrize("accept", ["application/json", TABLE, METADATA_LIST])
async def test_a_large_collection_is_put_together_as_it_is_sent(
    gateway: Upstream, accept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_collection, "JOINED_AT_ONCE", 1000)
    for number in range(70):
        await send(gateway, "POST", MAPS, config_map(f"m{number:02}"))
    before = json.loads((await send(gateway, "GET", MAPS, accept=accept, query="labelSelector=of%3Dtest"))[2])
    code, _, body = await send(gateway, "DELETE", MAPS, accept=accept, query="labelSelector=of%3Dtest")
    after = json.loads(body)
    assert (code, after["kind"], list(after)) == (200, before["kind"], list(before))
    field = "rows" if accept == TABLE else "items"
    named = [(entry.get("object") or entry)["metadata"]["name"] for entry in after[field]]
    assert named == [f"m{number:02}" for number in range(70)]


async def test_custom_resources_have_no_protobuf(gateway: Upstream) -> None:
    widgets = "/apis/example.com/v1/namespaces/default/widgets"
    await send(gateway, "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", CRD)
    for _ in range(200):
        if await code_of(gateway, widgets) == 200:
            break
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}}
    protobuf = "application/vnd.kubernetes.protobuf"
    assert (await send(gateway, "POST", widgets, widget, accept=protobuf))[0] == 406
    assert await code_of(gateway, f"{widgets}/w") == 404
    code, _, body = await send(gateway, "POST", widgets, widget)
    assert (code, json.loads(body)["rows"][0]["cells"][0]) == (201, "w")


async def test_a_scale_has_columns_of_its_own(gateway: Upstream) -> None:
    deployments = "/apis/apps/v1/namespaces/default/deployments"
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "a", "image": "a:1"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}
    await send(gateway, "POST", deployments, deployment)
    code, _, body = await send(gateway, "PATCH", f"{deployments}/web/scale", {"spec": {"replicas": 2}})
    table = json.loads(body)
    assert code == 200, table
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Desired", "Available", "Age"]
    assert table["columnDefinitions"][0]["format"] == ""
    assert table["rows"][0]["cells"][:2] == ["web", 2]


@pytest.mark.parametrize("method", ["DELETE", "PUT", "POST", "PATCH"])
async def test_watch_paths_are_only_read(gateway: Upstream, method: str) -> None:
    await send(gateway, "POST", MAPS, config_map("kept"))
    for path in ("/api/v1/watch/namespaces/default/configmaps", "/api/v1/watch/namespaces/default/configmaps/kept"):
        code, _, body = await send(gateway, method, path, config_map("kept"), accept="application/json")
        assert (code, json.loads(body)["reason"]) == (405, "MethodNotAllowed")
        assert json.loads(body)["message"] == "the server does not allow this method on the requested resource"
    assert await code_of(gateway, f"{MAPS}/kept") == 200
