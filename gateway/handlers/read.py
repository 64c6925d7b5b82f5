"""get and list: an object or a page as JSON, YAML, protobuf, Table or metadata only.

Reads through the ReadSource port and never knows whose objects it sends. Whether the caller may see them was decided
before. List items are never decoded for JSON; YAML and protobuf are the slow paths and say so.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from aiohttp import web

from gateway.apimachinery.errors import ApiError, bad_request
from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.apimachinery.options import ListOptions
from gateway.handlers.negotiation import CUSTOM_TYPES, JSON, Representation, Shape
from gateway.handlers.read_source import Page, ReadSource, Stored
from gateway.handlers.response import body_response, encode_object, request_representation, stream_body
from gateway.printers.columns import column_definitions
from gateway.request_keys import QUERY

INCLUDE_NONE, INCLUDE_METADATA, INCLUDE_OBJECT = "None", "Metadata", "Object"
_YIELD_EVERY = 50


def read_representation(request: web.BaseRequest, source: ReadSource) -> Representation:
    """Negotiate an answer: custom resources have no protobuf form, but their metadata has. Raises ApiError 406."""
    representation = request_representation(request)
    if representation.shape is Shape.OBJECT and not source.built_in:
        return request_representation(request, offered=CUSTOM_TYPES)
    return representation


def include_object(query_value: str | None) -> str:
    """Read `includeObject` of a Table request. Raises ApiError 400 for anything kube-apiserver does not know."""
    value = query_value or INCLUDE_METADATA
    if value not in {INCLUDE_NONE, INCLUDE_METADATA, INCLUDE_OBJECT}:
        raise bad_request(f'Unable to convert to Table as requested: unrecognized includeObject value: "{value}"')
    return value


def partial_metadata(metadata: bytes, version: str) -> bytes:
    """Return PartialObjectMetadata of meta.k8s.io at `version` around the JSON of some metadata."""
    head = f'{{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/{version}","metadata":'
    return head.encode() + metadata + b"}"


def table_row(source: ReadSource, stored: Stored, now: float, include: str, version: str = "v1") -> bytes:
    """Return one row of a Table as JSON."""
    if include == INCLUDE_METADATA:
        obj = partial_metadata(source.metadata_bytes(stored), version)
    elif include == INCLUDE_OBJECT:
        obj = source.object_bytes(stored)
    else:
        obj = b"null"
    return b"".join((b"{", source.row(stored, now), b',"object":', obj, b"}"))


def list_metadata(page: Page) -> JsonObject:
    """Return ListMeta; empty fields are left out, as kube-apiserver does."""
    metadata: JsonObject = {"resourceVersion": page.resource_version}
    if page.continue_token:
        metadata["continue"] = page.continue_token
    if page.remaining:
        metadata["remainingItemCount"] = page.remaining
    return metadata


def _envelope(kind: str, api_version: str, fields: JsonObject) -> bytes:
    head: JsonObject = {"kind": kind, "apiVersion": api_version, **fields}
    return json.dumps(head, separators=(",", ":"), ensure_ascii=False).encode()[:-1]


def _joined(head: bytes, name: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield head + f',"{name}":['.encode()
    first = next(pieces, None)
    if first is not None:
        yield first
        for piece in pieces:
            yield b","
            yield piece
    yield b"]}\n"


def list_pieces(
    page: Page, source: ReadSource, representation: Representation, include: str, now: float
) -> Iterator[bytes]:
    """Return the JSON of a list, piece by piece, in the shape asked for."""
    metadata = {"metadata": list_metadata(page)}
    version = representation.shape_version
    if representation.shape is Shape.TABLE:
        fields = {**metadata, "columnDefinitions": column_definitions(source.columns)}
        head = _envelope("Table", f"meta.k8s.io/{version}", fields)
        return _joined(head, "rows", (table_row(source, stored, now, include, version) for stored in page.items))
    if representation.shape is Shape.METADATA_LIST:
        head = _envelope("PartialObjectMetadataList", f"meta.k8s.io/{version}", metadata)
        return _joined(
            head, "items", (partial_metadata(source.metadata_bytes(stored), version) for stored in page.items)
        )
    head = _envelope(source.list_kind, source.gvk.api_version, metadata)
    return _joined(head, "items", (source.item_bytes(stored) for stored in page.items))


def _wrong_shape(representation: Representation, wanted: Shape) -> ApiError:
    other = "a list" if wanted is Shape.METADATA_LIST else "not a list"
    message = f"you requested {representation.shape.value}, but the requested object is {other} (*meta.{wanted.value})"
    return ApiError(406, "NotAcceptable", message)


async def _decoded(pieces: Iterator[bytes]) -> Any:
    """Decode a whole answer for the representations that need the object; yields to the event loop on the way."""
    collected: list[bytes] = []
    for index, piece in enumerate(pieces):
        collected.append(piece)
        if index % _YIELD_EVERY == 0:
            await asyncio.sleep(0)
    return msgspec.json.decode(b"".join(collected))


async def list_objects(
    request: web.BaseRequest, source: ReadSource, namespace: str, options: ListOptions, *, now: Callable[[], float]
) -> web.StreamResponse:
    """Answer a list. Raises ApiError before the first byte is sent, never after."""
    representation = read_representation(request, source)
    if representation.shape is Shape.METADATA:
        raise _wrong_shape(representation, Shape.METADATA_LIST)
    include = include_object(request[QUERY].get("includeObject"))
    page = await source.list(namespace, options)
    pieces = list_pieces(page, source, representation, include, now())
    if representation.media_type != JSON or representation.pretty:
        obj = await _decoded(pieces)
        return body_response(request, encode_object(obj, representation), representation.content_type)
    return await stream_body(request, pieces, representation.content_type, size=_estimate(page, source, representation))


_SAMPLE = 20
_ROW_BYTES = 1000


def _estimate(page: Page, source: ReadSource, representation: Representation) -> int:
    """Guess the bytes of a list from its first objects: it only decides whether compressing pays."""
    if representation.shape is not Shape.OBJECT:
        return _ROW_BYTES * len(page.items)
    sample = page.items[:_SAMPLE]
    return sum(len(source.item_bytes(stored)) for stored in sample) * len(page.items) // max(1, len(sample))


def object_json(
    source: ReadSource,
    stored: Stored,
    representation: Representation,
    include: str,
    now: float,
    *,
    with_columns: bool = True,
) -> bytes:
    """Return one object as JSON in the shape asked for (a Table has one row). Raises ApiError 406 for a list shape."""
    version = representation.shape_version
    if representation.shape is Shape.METADATA_LIST:
        raise _wrong_shape(representation, Shape.METADATA)
    if representation.shape is Shape.OBJECT:
        return source.object_bytes(stored)
    metadata = source.metadata_bytes(stored)
    if representation.shape is Shape.METADATA:
        return partial_metadata(metadata, version)
    resource_version = msgspec.json.decode(metadata, type=_Version).resourceVersion
    fields: JsonObject = {"metadata": {"resourceVersion": resource_version}}
    fields["columnDefinitions"] = column_definitions(source.columns) if with_columns else None
    head = _envelope("Table", f"meta.k8s.io/{version}", fields)
    return b"".join((head, b',"rows":[', table_row(source, stored, now, include, version), b"]}"))


class _Version(msgspec.Struct, gc=False):
    resourceVersion: str = ""  # noqa: N815  (the field's name on the wire)


async def get_object(
    request: web.BaseRequest, source: ReadSource, key: ObjectKey, *, now: Callable[[], float]
) -> web.StreamResponse:
    """Answer a get. Raises ApiError."""
    query = request[QUERY]
    representation = read_representation(request, source)
    include = include_object(query.get("includeObject"))
    stored = await source.get(key, query.get("resourceVersion", ""))
    body = object_json(source, stored, representation, include, now())
    if representation.media_type != JSON or representation.pretty:
        body = encode_object(msgspec.json.decode(body), representation)
    else:
        body += b"\n"
    return body_response(request, body, representation.content_type)
