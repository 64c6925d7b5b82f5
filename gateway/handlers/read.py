"""get and list: an object or a page as JSON, YAML, protobuf, Table or metadata only.

Reads through the ReadSource port and never knows whose objects it sends. Whether the caller may see them was decided
before. List items are never decoded for JSON; YAML and protobuf are the slow paths (list_body.py).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Protocol

import msgspec
from aiohttp import web

from gateway.apimachinery.errors import ApiError, bad_request
from gateway.apimachinery.json_syntax import quote
from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.apimachinery.options import ListOptions
from gateway.handlers.list_body import ListBody, list_pieces, separated
from gateway.handlers.negotiation import (
    BUILT_IN_TYPES,
    CUSTOM_TYPES,
    JSON,
    STREAM_TYPES,
    Representation,
    Shape,
    parse_accept,
)
from gateway.handlers.read_source import Page, ReadSource, Stored
from gateway.handlers.response import body_response, encode_object, request_representation
from gateway.handlers.streamed_body import CHUNK, stream_body
from gateway.printers.columns import column_definitions
from gateway.request_keys import QUERY

INCLUDE_NONE, INCLUDE_METADATA, INCLUDE_OBJECT = "None", "Metadata", "Object"
_INCLUDED = frozenset({INCLUDE_NONE, INCLUDE_METADATA, INCLUDE_OBJECT})

_SAMPLE = 20
_ROWS, _ITEMS = 64, 16
"""So many entries of a list are put together at a time: as much as is sent at once, where they are of usual size."""
_ROW_BYTES = 1000


class Negotiated(Protocol):
    """What has to be known of a resource to choose the form of its objects."""

    @property
    def built_in(self) -> bool:
        """Whether protobuf is served beside JSON and YAML."""
        ...


def read_representation(request: web.BaseRequest, source: Negotiated, *, collection: bool) -> Representation:
    """Negotiate an answer: custom resources have no protobuf form, but their metadata has.

    Raises ApiError 406; of a built-in kind, where nothing accepted is known at all, in the words of kube-apiserver's
    router, which knows the streams of a collection as well.
    """
    if not source.built_in:
        return request_representation(request, untransformed=CUSTOM_TYPES)
    try:
        return request_representation(request)
    except ApiError:
        clauses = parse_accept(request.headers.get("Accept", ""))
        if any(clause.matches(media_type) for clause in clauses for media_type in BUILT_IN_TYPES):
            raise
        known = ", ".join((*BUILT_IN_TYPES, *STREAM_TYPES) if collection else BUILT_IN_TYPES)
        message = f"406: Not Acceptable\n\nAvailable representations: {known}"
        raise ApiError(406, "NotAcceptable", message, details={}) from None


def include_object(request: web.BaseRequest, representation: Representation) -> str:
    """Read `includeObject` of a Table request. Raises ApiError 400 for anything kube-apiserver does not know."""
    value = request[QUERY].get("includeObject") or INCLUDE_METADATA
    if value not in _INCLUDED and representation.shape is Shape.TABLE:
        known = "must be 'Metadata', 'Object', 'None', or empty"
        problem = f"includeObject: Invalid value: {quote(value)}: {known}"
        raise bad_request(f"Unable to convert to Table as requested: {problem}")
    return value


def partial_metadata(metadata: bytes, version: str) -> bytes:
    """Return PartialObjectMetadata of meta.k8s.io at `version` around the JSON of some metadata."""
    return _partial_head(version) + metadata + b"}"


@functools.cache
def _partial_head(version: str) -> bytes:
    return f'{{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/{version}","metadata":'.encode()


def table_rows(
    source: ReadSource, items: Sequence[Stored], now: float, include: str, version: str = "v1"
) -> Iterator[bytes]:
    """Write rows of a Table as JSON, each when it is asked for."""
    row = b'{%b,"object":%b}'
    if include == INCLUDE_METADATA:
        row = b'{%%b,"object":%b%%b}}' % _partial_head(version)
    # The loop over the rows runs in C: there may be very many.
    return map(row.__mod__, zip(source.rows(items, now), map(_row_object(source, include), items), strict=True))


def joined_rows(
    source: ReadSource, items: Sequence[Stored], now: float, include: str, version: str = "v1"
) -> Iterator[list[bytes]]:
    """Write the same rows in parts, many at a time and a comma before each; nothing is copied for a row alone."""
    before, end = b',"object":', b"}"
    if include == INCLUDE_METADATA:
        before, end = before + _partial_head(version), b"}}"
    rows = source.rows(items, now)
    for batch in _batches(items, _ROWS):
        parts = [end + b",{", b"", before, b""] * len(batch)
        parts[0] = b",{"
        parts[1::4] = islice(rows, len(batch))
        parts[3::4] = _row_objects(source, include, batch)
        parts.append(end)
        yield parts


def _row_objects(source: ReadSource, include: str, batch: Sequence[Stored]) -> Sequence[bytes]:
    if include == INCLUDE_METADATA:
        return source.all_metadata(batch)
    return list(map(_row_object(source, include), batch))


def _batches(items: Sequence[Stored], size: int) -> Iterator[Sequence[Stored]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _row_object(source: ReadSource, include: str) -> Callable[[Stored], bytes]:
    """Return what gives the object of a row, or its metadata."""
    if include == INCLUDE_METADATA:
        return source.metadata_bytes
    return source.object_bytes if include == INCLUDE_OBJECT else lambda _: b"null"


def list_metadata(page: Page) -> JsonObject:
    """Return ListMeta; empty fields are left out, as kube-apiserver does."""
    metadata: JsonObject = {"resourceVersion": page.resource_version}
    if page.continue_token:
        metadata["continue"] = page.continue_token
    if page.remaining:
        metadata["remainingItemCount"] = page.remaining
    return metadata


def list_body(page: Page, source: ReadSource, representation: Representation, include: str, now: float) -> ListBody:
    """Return a page in the shape asked for; its entries are written when they are sent."""
    version = representation.shape_version
    metadata, items = list_metadata(page), page.items
    if representation.shape is Shape.TABLE:
        head: JsonObject = {"kind": "Table", "apiVersion": f"meta.k8s.io/{version}", "metadata": metadata}
        head["columnDefinitions"] = column_definitions(source.columns)
        entries = table_rows(source, items, now, include, version)
        return ListBody(head, "rows", entries, joined_rows(source, items, now, include, version))
    if representation.shape is Shape.METADATA_LIST:
        head = {"kind": "PartialObjectMetadataList", "apiVersion": f"meta.k8s.io/{version}", "metadata": metadata}
        return ListBody(head, "items", (partial_metadata(source.metadata_bytes(stored), version) for stored in items))
    head = {"kind": source.list_kind, "apiVersion": source.gvk.api_version, "metadata": metadata}
    return ListBody(head, "items", map(source.item_bytes, items), separated(map(source.items, _batches(items, _ITEMS))))


def wrong_shape(representation: Representation, found: str, kind: str) -> ApiError:
    """Return the 406 for metadata of a list of what is none, and the other way round."""
    message = f"you requested {representation.shape.value}, but the requested object is {found} ({kind})"
    return ApiError(406, "NotAcceptable", message)


async def list_objects(
    request: web.BaseRequest, source: ReadSource, namespace: str, options: ListOptions, *, now: Callable[[], float]
) -> web.StreamResponse:
    """Answer a list. Raises ApiError before the first byte is sent, never after."""
    representation = read_representation(request, source, collection=True)
    include = include_object(request, representation)
    page = await source.list(namespace, options)
    if representation.shape is Shape.METADATA:
        raise wrong_shape(representation, "a list", source.list_kind)
    pieces = await list_pieces(list_body(page, source, representation, include, now()), representation)
    size = _estimate(page, source, representation)
    if size <= CHUNK:
        return body_response(request, b"".join(pieces), representation.content_type)
    return await stream_body(request, pieces, representation.content_type, size=size)


def _estimate(page: Page, source: ReadSource, representation: Representation) -> int:
    """Guess the bytes of a list from its first objects: whether it is sent at once, and whether compressing pays."""
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
    """Return one object as JSON in the shape asked for; a Table has one row."""
    version = representation.shape_version
    if representation.shape is Shape.OBJECT:
        return source.object_bytes(stored)
    metadata = source.metadata_bytes(stored)
    if representation.shape is not Shape.TABLE:
        return partial_metadata(metadata, version)
    resource_version = msgspec.json.decode(metadata, type=_Version).resourceVersion
    head: JsonObject = {"kind": "Table", "apiVersion": f"meta.k8s.io/{version}"}
    head["metadata"] = {"resourceVersion": resource_version}
    head["columnDefinitions"] = column_definitions(source.columns) if with_columns else None
    rows = table_rows(source, (stored,), now, include, version)
    return b"".join((msgspec.json.encode(head)[:-1], b',"rows":[', *rows, b"]}"))


class _Version(msgspec.Struct, gc=False):
    resourceVersion: str = ""  # noqa: N815  (the field's name on the wire)


async def get_object(
    request: web.BaseRequest, source: ReadSource, key: ObjectKey, *, now: Callable[[], float]
) -> web.StreamResponse:
    """Answer a get. Raises ApiError."""
    representation = read_representation(request, source, collection=False)
    include = include_object(request, representation)
    stored = await source.get(key, request[QUERY].get("resourceVersion", ""))
    if representation.shape is Shape.METADATA_LIST:
        raise wrong_shape(representation, "not a list", source.gvk.kind)
    body = object_json(source, stored, representation, include, now())
    if representation.media_type != JSON or representation.pretty:
        body = encode_object(msgspec.json.decode(body), representation)
    else:
        body += b"\n"
    return body_response(request, body, representation.content_type)
