"""How a write is answered: chosen before anything is written, given once it is.

Follows k8s.io/apiserver `endpoints/handlers/response.go`: what a write made can be asked for as a Table or as metadata
only, like what a read finds. What kube-apiserver refuses only after it has written is refused before here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import msgspec
from aiohttp import web
from msgspec.structs import replace

from gateway.apimachinery import meta
from gateway.apimachinery.codec import encode_json
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.protobuf import ProtobufError
from gateway.handlers.list_body import ListBody, json_pieces, list_pieces
from gateway.handlers.negotiation import JSON, Representation, Shape
from gateway.handlers.read import (
    INCLUDE_METADATA,
    INCLUDE_OBJECT,
    include_object,
    partial_metadata,
    read_representation,
    wrong_shape,
)
from gateway.handlers.response import body_response, encode_object, request_representation
from gateway.handlers.streamed_body import stream_body
from gateway.handlers.write_decoding import CACHED_FROM_CLUSTER
from gateway.printers.columns import Column, column_definitions
from gateway.printers.row import PreparedRow, encode_text
from gateway.request import RequestInfo
from gateway.request_scope import RequestScope
from gateway.write_request import WriteResult


class Printer(Protocol):
    """Makes rows of a kind (gateway/printers/printer.py has them)."""

    @property
    def columns(self) -> Sequence[Column]:
        """The columns of its Table."""
        ...

    @property
    def prepare(self) -> Callable[[Mapping[str, msgspec.Raw]], PreparedRow]:
        """Renders an object, given as the sections of its JSON."""
        ...


class OwnForm(msgspec.Struct, frozen=True):
    """The forms in which the gateway itself can give objects of a resource: protobuf only where it is built in."""

    built_in: bool
    printer: Printer


class WriteAnswer:
    """The answer of one write, without its content.

    Args:
        request: the client's request.
        info: what it asks for.
        form: what the gateway can make of the objects; None where an upstream answers in the form that is asked for.
        now: seconds since the epoch.

    Raises:
        ApiError: 406 when nothing of what is accepted can be given, 400 for an `includeObject` that means nothing.
    """

    def __init__(
        self, request: web.BaseRequest, info: RequestInfo, form: OwnForm | None, now: Callable[[], float]
    ) -> None:
        self._request = request
        self._form = form
        self._now = now
        self._include = INCLUDE_METADATA
        self._chosen: Representation | None = None
        if form is not None:
            self._chosen = read_representation(request, form, collection=False)
            self._include = include_object(request, self._chosen)
        elif info.verb == "deletecollection":
            # Its list is put together here, whoever answers for the objects in it.
            self._chosen = request_representation(request, tables=False)
        if self._chosen is not None:
            _check_shape(self._chosen, info)

    def asked(self, scope: RequestScope) -> RequestScope:
        """Return the request for the target: objects that are given another form here have to come as JSON."""
        return scope if self._chosen is None else replace(scope, accept=JSON)

    async def response(self, result: WriteResult) -> web.StreamResponse:
        """Return the answer. Never refuses: what is written is written."""
        body, content_type, chosen = result.body, result.content_type, self._chosen
        if chosen is not None and content_type.partition(";")[0] == JSON and not _as_it_is(chosen):
            obj = result.obj if result.obj is not None else msgspec.json.decode(body)
            try:
                return await self._respond(result, obj, chosen)
            except ProtobufError:  # a kind without a protobuf form
                return await self._respond(result, obj, replace(chosen, media_type=JSON))
        if result.entries and result.obj is not None:
            head = {name: value for name, value in result.obj.items() if name != "items"}
            pieces = json_pieces(ListBody(head, "items", iter(result.entries)))
            return await stream_body(self._request, pieces, content_type, size=_size(result))
        return body_response(self._request, body, content_type, status=result.code, headers=result.headers)

    async def _respond(self, result: WriteResult, obj: JsonObject, chosen: Representation) -> web.StreamResponse:
        items = obj.get("items")
        if isinstance(items, list) and str(obj.get("kind")).endswith("List"):
            pieces = await list_pieces(self._list(obj, items, chosen), chosen)
            return await stream_body(self._request, pieces, chosen.content_type, size=_size(result))
        if obj.get("kind") == "Status" or chosen.shape is Shape.OBJECT:
            body = encode_object(obj, chosen)
        elif chosen.shape is Shape.METADATA:
            body = encode_object(msgspec.json.decode(_metadata(obj, chosen)), chosen)
        else:
            body = b"".join(await list_pieces(self._list(obj, [obj], chosen), chosen))
        return body_response(self._request, body, chosen.content_type, status=result.code, headers=result.headers)

    def _list(self, obj: JsonObject, objects: Sequence[JsonObject], chosen: Representation) -> ListBody:
        """Return objects in a list of the shape asked for; they are encoded when they are sent."""
        if chosen.shape is Shape.OBJECT:
            head = {name: value for name, value in obj.items() if name != "items"}
            return ListBody(head, "items", (encode_json(one) for one in objects))
        resource_version = meta.resource_version(obj)
        head = {"kind": chosen.shape.value, "apiVersion": f"meta.k8s.io/{chosen.shape_version}"}
        head["metadata"] = {"resourceVersion": resource_version} if resource_version else {}
        if self._form is None or chosen.shape is Shape.METADATA_LIST:  # a Table is only chosen where there is a printer
            return ListBody(head, "items", (_metadata(one, chosen) for one in objects))
        head["columnDefinitions"] = column_definitions(self._form.printer.columns)
        return ListBody(head, "rows", self._rows(objects, self._form.printer, chosen))

    def _rows(self, objects: Sequence[JsonObject], printer: Printer, chosen: Representation) -> Iterator[bytes]:
        now = self._now()
        for obj in objects:
            encoded = encode_json(obj)
            sections = msgspec.json.decode(encoded, type=dict[str, msgspec.Raw])
            cluster = meta.annotations(obj).get(CACHED_FROM_CLUSTER, "")
            row = printer.prepare(sections).finish(now, encode_text(meta.name(obj)), encode_text(cluster))
            shown = b"null"
            if self._include in {INCLUDE_METADATA, INCLUDE_OBJECT}:
                shown = encoded if self._include == INCLUDE_OBJECT else _metadata(obj, chosen)
            yield b"".join((b"{", row, b',"object":', shown, b"}"))


def _size(result: WriteResult) -> int:
    return len(result.body) + sum(map(len, result.entries))


def _as_it_is(chosen: Representation) -> bool:
    return chosen.shape is Shape.OBJECT and chosen.media_type == JSON and not chosen.pretty


def _metadata(obj: JsonObject, chosen: Representation) -> bytes:
    return partial_metadata(encode_json(meta.metadata(obj)), chosen.shape_version)


def _check_shape(chosen: Representation, info: RequestInfo) -> None:
    """Raise ApiError 406 for metadata of a list where one object is the answer, and the other way round."""
    collection = info.verb == "deletecollection"
    if chosen.shape is (Shape.METADATA if collection else Shape.METADATA_LIST):
        raise wrong_shape(chosen, "a list" if collection else "not a list", info.resource)
