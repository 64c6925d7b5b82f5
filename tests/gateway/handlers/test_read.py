import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from aiohttp import web

from gateway.apimachinery.errors import expired
from gateway.apimachinery.options import parse_list_options
from gateway.apimachinery.protobuf import decode_object
from gateway.handlers.read import get_object, list_objects
from gateway.handlers.read_source import Page
from gateway.request_keys import QUERY, SCOPE, Handler
from tests.support.gateway_chain import Answer, Pki, running_chain
from tests.support.objects import pod
from tests.support.read_source import FakeSource

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
PROTOBUF = "application/vnd.kubernetes.protobuf"
NOW = 1_700_000_060.0


def reading(source: FakeSource) -> Handler:
    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        info = request[SCOPE].info
        if info.verb == "get":
            return await get_object(request, source, info.key, now=lambda: NOW)
        options = parse_list_options(request[QUERY], watch=False)
        return await list_objects(request, source, info.namespace, options, now=lambda: NOW)

    return serve


Ask = Callable[..., Any]


async def ask(pki: Pki, source: FakeSource, path: str, accept: str = "", **headers: str) -> Answer:
    async with running_chain(pki, reading(source)) as chain:
        return await chain.ask("GET", path, headers={"Accept": accept, **headers})


LIST, GET = "/api/v1/namespaces/default/pods", "/api/v1/namespaces/default/pods/web"


async def test_a_list_is_joined_from_its_items(gateway_pki: Pki) -> None:
    answer = await ask(gateway_pki, FakeSource(pod("a"), pod("b")), LIST)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.body.startswith(b'{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"42"},"items":[{')
    assert answer.body.endswith(b"}]}\n")
    assert [item["metadata"]["name"] for item in answer.json()["items"]] == ["a", "b"]
    assert "kind" not in answer.json()["items"][0]


async def test_an_empty_list_has_items_all_the_same(gateway_pki: Pki) -> None:
    answer = await ask(gateway_pki, FakeSource(), LIST)
    assert answer.body == b'{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"42"},"items":[]}\n'


async def test_a_page_says_how_to_go_on(gateway_pki: Pki) -> None:
    source = FakeSource(pod("a"))
    source.page = Page(source.objects, "42", "token", 7)
    answer = await ask(gateway_pki, source, f"{LIST}?limit=1&continue=&labelSelector=a%3Db")
    assert answer.json()["metadata"] == {"resourceVersion": "42", "continue": "token", "remainingItemCount": 7}
    ((namespace, options),) = source.asked
    assert (namespace, options.limit, str(options.label_selector)) == ("default", 1, "a=b")


async def test_a_table_has_a_row_an_object(gateway_pki: Pki) -> None:
    answer = (await ask(gateway_pki, FakeSource(pod("a"), pod("b", phase="Succeeded")), LIST, TABLE)).json()
    assert (answer["kind"], answer["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert answer["metadata"] == {"resourceVersion": "42"}
    assert [column["name"] for column in answer["columnDefinitions"]][:3] == ["Name", "Ready", "Status"]
    first, second = answer["rows"]
    assert first["cells"] == ["a", "0/1", "Running", "0", "60s", "<none>", "<none>", "<none>", "<none>"]
    assert "conditions" not in first
    assert second["conditions"][0]["reason"] == "Succeeded"
    assert first["object"]["kind"] == "PartialObjectMetadata"
    assert first["object"]["apiVersion"] == "meta.k8s.io/v1"
    assert first["object"]["metadata"]["name"] == "a"


@pytest.mark.parametrize(
    ("include", "keys"),
    [
        ("None", None),
        ("Metadata", {"kind", "apiVersion", "metadata"}),
        ("", {"kind", "apiVersion", "metadata"}),
        ("Object", {"kind", "apiVersion", "metadata", "spec", "status"}),
    ],
)
@pytest.mark.parametrize("path", [LIST, GET])
async def test_how_much_of_the_object_a_row_has(
    gateway_pki: Pki, path: str, include: str, keys: set[str] | None
) -> None:
    answer = (await ask(gateway_pki, FakeSource(pod()), f"{path}?includeObject={include}", TABLE)).json()
    obj = answer["rows"][0]["object"]
    assert (obj if obj is None else set(obj)) == keys


async def test_an_unknown_include_object_only_matters_to_a_table(gateway_pki: Pki) -> None:
    refused = await ask(gateway_pki, FakeSource(pod()), f"{LIST}?includeObject=Foo", TABLE)
    assert (refused.status, refused.json()["reason"]) == (400, "BadRequest")
    assert refused.json()["message"] == (
        'Unable to convert to Table as requested: includeObject: Invalid value: "Foo": must be '
        "'Metadata', 'Object', 'None', or empty"
    )
    assert (await ask(gateway_pki, FakeSource(pod()), f"{LIST}?includeObject=Foo")).status == 200


async def test_a_table_of_one_object(gateway_pki: Pki) -> None:
    answer = (await ask(gateway_pki, FakeSource(pod(rv="17")), GET, TABLE.replace("v=v1", "v=v1beta1"))).json()
    assert (answer["apiVersion"], answer["metadata"]) == ("meta.k8s.io/v1beta1", {"resourceVersion": "17"})
    assert len(answer["rows"]) == 1
    assert answer["rows"][0]["object"]["apiVersion"] == "meta.k8s.io/v1beta1"


async def test_metadata_alone(gateway_pki: Pki) -> None:
    source = FakeSource(pod("web", labels={"a": "b"}))
    listed = (await ask(gateway_pki, source, LIST, PARTIAL_LIST)).json()
    got = (await ask(gateway_pki, source, GET, PARTIAL)).json()
    assert (listed["kind"], listed["metadata"]) == ("PartialObjectMetadataList", {"resourceVersion": "42"})
    assert listed["items"] == [got]
    assert set(got) == {"kind", "apiVersion", "metadata"}
    assert got["metadata"]["labels"] == {"a": "b"}


@pytest.mark.parametrize(
    ("path", "accept", "message"),
    [
        (LIST, PARTIAL, "you requested PartialObjectMetadata, but the requested object is a list (PodList)"),
        (GET, PARTIAL_LIST, "you requested PartialObjectMetadataList, but the requested object is not a list (Pod)"),
        (
            LIST,
            "text/html",
            "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, "
            "application/vnd.kubernetes.protobuf, application/json;stream=watch, "
            "application/vnd.kubernetes.protobuf;stream=watch",
        ),
        (
            GET,
            "text/html",
            "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, "
            "application/vnd.kubernetes.protobuf",
        ),
        (
            GET,
            f"{PROTOBUF};as=Table;g=meta.k8s.io;v=v1",
            "only the following media types are accepted: application/json, application/yaml, "
            "application/vnd.kubernetes.protobuf",
        ),
    ],
)
async def test_what_cannot_be_had_so(gateway_pki: Pki, path: str, accept: str, message: str) -> None:
    answer = await ask(gateway_pki, FakeSource(pod()), path, accept)
    assert answer.status == 406
    assert (answer.json()["reason"], answer.json()["message"]) == ("NotAcceptable", message)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (f"{PROTOBUF};as=PartialObjectMetadata;g=meta.k8s.io;v=v1", "application/json"),
        (f"{PROTOBUF};as=PartialObjectMetadata;g=meta.k8s.io;v=v1,{PROTOBUF}", PROTOBUF),
    ],
)
async def test_a_refusal_has_a_form_that_is_not_transformed(gateway_pki: Pki, accept: str, content_type: str) -> None:
    answer = await ask(gateway_pki, FakeSource(), GET, accept)
    assert (answer.status, answer.headers["Content-Type"]) == (404, content_type)


async def test_what_is_not_there_has_no_wrong_form(gateway_pki: Pki) -> None:
    answer = await ask(gateway_pki, FakeSource(), GET, PARTIAL_LIST)
    assert answer.status == 404


async def test_other_media_types(gateway_pki: Pki) -> None:
    source = FakeSource(pod("web", labels={"a": "b"}))
    for path, kind in ((LIST, "PodList"), (GET, "Pod")):
        protobuf = await ask(gateway_pki, source, path, PROTOBUF)
        assert protobuf.headers["Content-Type"] == PROTOBUF
        assert decode_object(protobuf.body)["kind"] == kind
        in_yaml = await ask(gateway_pki, source, path, "application/yaml")
        assert yaml.safe_load(in_yaml.body)["kind"] == kind
        pretty = await ask(gateway_pki, source, f"{path}?pretty=true")
        assert pretty.body.startswith(b'{\n  "kind": "' + kind.encode())
        curl = await ask(gateway_pki, source, path, **{"User-Agent": "curl/8.0"})
        assert curl.body == pretty.body


async def test_custom_resources_have_no_protobuf_but_their_metadata_has(gateway_pki: Pki) -> None:
    source = FakeSource(pod("web"), built_in=False)
    refused = await ask(gateway_pki, source, LIST, PROTOBUF)
    assert refused.status == 406
    assert decode_object(refused.body)["message"].startswith(
        "only the following media types are accepted: application/json"
    )
    metadata = f"{PROTOBUF};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    listed = await ask(gateway_pki, source, LIST, f"{PROTOBUF},{metadata}")
    assert decode_object(listed.body)["kind"] == "PartialObjectMetadataList"
    assert (await ask(gateway_pki, source, LIST, f"{PROTOBUF},application/json")).json()["kind"] == "WidgetList"


async def test_a_large_list_is_streamed_and_compressed(gateway_pki: Pki) -> None:
    source = FakeSource(*(pod(f"p{number:05}", labels={"text": "x" * 100}) for number in range(2000)))
    plain = await ask(gateway_pki, source, LIST)
    packed = await ask(gateway_pki, source, LIST, **{"Accept-Encoding": "gzip"})
    assert plain.headers["Transfer-Encoding"] == "chunked"
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert len(plain.json()["items"]) == 2000
    table = await ask(gateway_pki, source, LIST, TABLE, **{"Accept-Encoding": "gzip"})
    assert len(json.loads(gzip.decompress(table.body))["rows"]) == 2000


async def test_a_small_list_is_one_piece(gateway_pki: Pki) -> None:
    answer = await ask(gateway_pki, FakeSource(pod()), LIST)
    assert int(answer.headers["Content-Length"]) == len(answer.body)


async def test_refusals_of_the_source_are_answers(gateway_pki: Pki) -> None:
    missing = await ask(gateway_pki, FakeSource(), GET)
    assert (missing.status, missing.json()["message"]) == (404, 'pods "web" not found')
    source = FakeSource()
    source.error = expired("too old")
    assert (await ask(gateway_pki, source, LIST)).status == 410
    assert (await ask(gateway_pki, source, f"{LIST}?limit=x")).status == 400
    assert (await ask(gateway_pki, source, f"{LIST}?resourceVersionMatch=Exact")).status == 422
