import json
import threading
from collections.abc import Iterator

import pytest
import yaml

from gateway.apimachinery.codec import encode_json, encode_pretty, encode_yaml
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.protobuf import ProtobufError, encode
from gateway.handlers.list_body import ListBody, list_pieces
from gateway.handlers.negotiation import JSON, PROTOBUF, YAML, Representation
from tests.support.objects import pod

PODS = [pod(f"p{number}", labels={"text": 'a "b"\n c: d', "n": str(number)}) for number in range(100)]
TABLE_HEAD = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "columnDefinitions": [{"name": "Name"}]}


def body(head: JsonObject, field: str, entries: list[JsonObject]) -> ListBody:
    return ListBody(head, field, iter([encode_json(entry)[:-1] for entry in entries]))


def pod_list(count: int) -> tuple[JsonObject, list[JsonObject]]:
    items = [{name: value for name, value in obj.items() if name not in {"kind", "apiVersion"}} for obj in PODS[:count]]
    return {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "5", "continue": "t"}}, items


async def written(head: JsonObject, field: str, entries: list[JsonObject], representation: Representation) -> bytes:
    return b"".join(await list_pieces(body(head, field, entries), representation))


@pytest.mark.parametrize("count", [0, 1, 2, 100])
async def test_a_list_is_what_the_whole_object_would_be(count: int) -> None:
    head, items = pod_list(count)
    whole = {**head, "items": items}
    assert await written(head, "items", items, Representation(PROTOBUF)) == encode(whole)
    assert await written(head, "items", items, Representation(YAML)) == encode_yaml(whole)
    assert await written(head, "items", items, Representation(JSON, pretty=True)) == encode_pretty(whole)
    compact = await written(head, "items", items, Representation(JSON))
    assert json.loads(compact) == whole
    assert compact.startswith(encode_json(head)[:-2])


async def test_a_table_is_written_behind_its_columns() -> None:
    rows = [{"cells": ["a", 1, None], "object": None}]
    whole = {**TABLE_HEAD, "rows": rows}
    assert await written(TABLE_HEAD, "rows", rows, Representation(JSON)) == encode_json(whole)
    assert await written(TABLE_HEAD, "rows", rows, Representation(JSON, pretty=True)) == encode_pretty(whole)
    assert yaml.safe_load(await written(TABLE_HEAD, "rows", rows, Representation(YAML))) == whole


async def test_what_has_no_protobuf_form_is_told() -> None:
    with pytest.raises(ProtobufError):
        await written({"kind": "WidgetList", "apiVersion": "example.io/v1"}, "items", [], Representation(PROTOBUF))


async def test_entries_are_made_in_the_event_loop() -> None:
    """A source is not made for threads: only its bytes are encoded in one."""

    here = threading.get_ident()

    def entries() -> Iterator[bytes]:
        for obj in PODS:
            assert threading.get_ident() == here
            yield json.dumps(obj).encode()

    head, _ = pod_list(0)
    pieces = await list_pieces(ListBody(head, "items", entries()), Representation(PROTOBUF))
    assert sum(map(len, pieces)) > 1000
