"""Bytes and headers of answers: every response the gateway builds itself is built here, large ones in streamed_body.py.

Knows nothing of what is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from aiohttp import hdrs, web
from isal import isal_zlib
from msgspec.structs import replace
from multidict import CIMultiDict, istr

from gateway.apimachinery.codec import encode_json, encode_pretty, encode_yaml
from gateway.apimachinery.errors import ApiError, PathNotFound
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.protobuf import ProtobufError
from gateway.apimachinery.protobuf import encode as encode_protobuf
from gateway.handlers.negotiation import BUILT_IN_TYPES, JSON, PROTOBUF, YAML, Representation, negotiate
from gateway.handlers.whole_answer import WholeAnswer
from gateway.request_keys import AUDIT_ID, QUERY, WARNINGS

GZIP_THRESHOLD = 128 * 1024
"""Bodies above this many bytes are compressed when the client accepts gzip (kube-apiserver's rule)."""

GZIP_WINDOW_BITS = 31
"""Says to zlib that gzip is meant."""

_AUDIT_ID = istr("Audit-Id")

NO_BANNER: Final = {hdrs.SERVER: "fleetgate"}
"""Takes the place of aiohttp's header, which tells strangers the versions of what we are made of."""

CLIENT_LEFT: Final = (ConnectionResetError, BrokenPipeError)
"""What writing to a client that has gone raises, and what a filter raises to break an answer off."""

CLIENT_GONE: Final = 499
"""The code, of logs and metrics only, of a request whose client left before the answer began."""

_PHRASES: Final = {413: "Request Entity Too Large", 422: "Unprocessable Entity"}
"""What Go's net/http says in status lines where some versions of Python (3.13) say something else."""


def warning_header(text: str) -> str:
    """Return the value of a Warning header (RFC 7234): code 299, agent `-`, quoted text without control characters."""
    clean = "".join(character if character.isprintable() else " " for character in text)
    quoted = clean.replace("\\", "\\\\").replace('"', '\\"')
    return f'299 - "{quoted}"'


def answer_begun(request: web.BaseRequest) -> bool:
    """Whether a part of the answer was sent: then no other one can be."""
    return request.writer.output_size > 0


def answer_code(request: web.BaseRequest, error: BaseException) -> int:
    """Return the code that a request ends with which ends by an exception."""
    if isinstance(error, ApiError):
        return error.code
    if isinstance(error, PathNotFound):
        return 404
    if isinstance(error, (asyncio.CancelledError, *CLIENT_LEFT)):
        return 200 if answer_begun(request) else CLIENT_GONE
    return 500


def answer_headers(request: web.BaseRequest) -> CIMultiDict[str]:
    """Return the headers every answer carries: audit id, no caching, warnings collected so far."""
    headers = CIMultiDict(NO_BANNER)
    if audit_id := request.get(AUDIT_ID):
        headers[_AUDIT_ID] = audit_id
    headers[hdrs.CACHE_CONTROL] = "no-cache, private"
    for text in request.get(WARNINGS, ()):
        headers.add("Warning", warning_header(text))
    return headers


def accepts_gzip(request: web.BaseRequest) -> bool:
    """Whether the client accepts gzip without any condition, as kube-apiserver reads it."""
    return "gzip" in (token.strip() for token in request.headers.get(hdrs.ACCEPT_ENCODING, "").split(","))


def body_response(
    request: web.BaseRequest,
    body: bytes,
    content_type: str = JSON,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """Return a complete answer, compressed when it is large and the client accepts that."""
    answer = answer_headers(request)
    answer[hdrs.CONTENT_TYPE] = content_type
    if headers:
        answer.update(headers)
    if len(body) > GZIP_THRESHOLD and accepts_gzip(request):
        body = isal_zlib.compress(body, 1, wbits=GZIP_WINDOW_BITS)
        answer["Content-Encoding"] = "gzip"
        answer["Vary"] = "Accept-Encoding"
    return WholeAnswer(body=body, status=status, reason=_PHRASES.get(status), headers=answer)


def plain_text_response(request: web.BaseRequest, status: int, text: str) -> web.Response:
    """Return text/plain, the form of the few answers that are no Status."""
    answer = answer_headers(request)
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Content-Type"] = "text/plain; charset=utf-8"
    return web.Response(body=text.encode(), status=status, headers=answer)


def path_not_found_response(request: web.BaseRequest) -> web.Response:
    """Return the router's 404, which client-go turns into `the server could not find the requested resource`."""
    return plain_text_response(request, 404, "404 page not found\n")


def encode_object(obj: JsonObject, representation: Representation) -> bytes:
    """Write a decoded object in the negotiated media type."""
    if representation.media_type == PROTOBUF:
        return encode_protobuf(obj)
    if representation.media_type == YAML:
        return encode_yaml(obj)
    return encode_pretty(obj) if representation.pretty else encode_json(obj)


def request_representation(
    request: web.BaseRequest,
    *,
    offered: tuple[str, ...] = BUILT_IN_TYPES,
    untransformed: tuple[str, ...] | None = None,
    tables: bool = True,
    transformed: bool = True,
) -> Representation:
    """Negotiate for this request. Raises ApiError 406."""
    return negotiate(
        request.headers.get(hdrs.ACCEPT, ""),
        offered=offered,
        untransformed=untransformed,
        tables=tables,
        transformed=transformed,
        user_agent=request.headers.get(hdrs.USER_AGENT, ""),
        pretty=request.get(QUERY, {}).get("pretty"),
    )


def object_response(
    request: web.BaseRequest,
    obj: JsonObject,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    tables: bool = True,
) -> web.Response:
    """Return one decoded object in the negotiated media type; as JSON where it has no protobuf form.

    It is never made into a Table; `tables` says whether a request for one is put up with. Raises ApiError 406.
    """
    representation = request_representation(request, tables=tables)
    try:
        body = encode_object(obj, representation)
    except ProtobufError:
        representation = replace(representation, media_type=JSON)
        body = encode_object(obj, representation)
    return body_response(request, body, representation.content_type, status=status, headers=headers)


def status_response(request: web.BaseRequest, error: ApiError) -> web.Response:
    """Return a refusal; when negotiation itself fails the Status is sent as JSON all the same."""
    try:
        representation = request_representation(request, transformed=False)
        body, content_type = encode_object(error.status, representation), representation.content_type
    except (ApiError, ProtobufError):
        body, content_type = encode_pretty(error.status), JSON
    response = body_response(request, body, content_type, status=error.code, headers=error.headers)
    if error.code == 413 or request.content.exception() is not None:
        response.force_close()  # the rest of the body is not read, or cannot be
    return response
