"""Bytes and headers of answers: every response the gateway builds itself is built here.

Knows nothing of what is sent. Objects stay bytes: a list is joined from stored pieces, chunk by chunk, with a turn of
the event loop between chunks so that a large list never delays a small request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_writer import StreamWriter
from isal import isal_zlib
from msgspec.structs import replace
from multidict import CIMultiDict

from gateway.apimachinery.codec import encode_json, encode_pretty, encode_yaml
from gateway.apimachinery.errors import ApiError, PathNotFound
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.protobuf import ProtobufError
from gateway.apimachinery.protobuf import encode as encode_protobuf
from gateway.handlers.negotiation import BUILT_IN_TYPES, JSON, PROTOBUF, YAML, Representation, negotiate
from gateway.request_keys import AUDIT_ID, QUERY, WARNINGS

GZIP_THRESHOLD = 128 * 1024
"""Bodies above this many bytes are compressed when the client accepts gzip (kube-apiserver's rule)."""

CHUNK = 64 * 1024
"""Bytes per write of a list: larger falls out of the processor's cache, smaller costs more calls."""

_GZIP_CHUNK = 512 * 1024
_GZIP_WINDOW_BITS = 31
_LAST_FRAME = b"0\r\n\r\n"

NO_BANNER: Final = {"Server": "fleetgate"}
"""Takes the place of aiohttp's header, which tells strangers the versions of what we are made of."""

CLIENT_LEFT: Final = (ConnectionResetError, BrokenPipeError)
"""What writing to a client that has gone raises, and what a filter raises to break an answer off."""

CLIENT_GONE: Final = 499
"""The code, of logs and metrics only, of a request whose client left before the answer began."""


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
        headers["Audit-Id"] = audit_id
    headers["Cache-Control"] = "no-cache, private"
    for text in request.get(WARNINGS, ()):
        headers.add("Warning", warning_header(text))
    return headers


def accepts_gzip(request: web.BaseRequest) -> bool:
    """Whether the client accepts gzip without any condition, as kube-apiserver reads it."""
    return "gzip" in (token.strip() for token in request.headers.get("Accept-Encoding", "").split(","))


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
    answer["Content-Type"] = content_type
    if headers:
        answer.update(headers)
    if len(body) > GZIP_THRESHOLD and accepts_gzip(request):
        body = isal_zlib.compress(body, 1, wbits=_GZIP_WINDOW_BITS)
        answer["Content-Encoding"] = "gzip"
        answer["Vary"] = "Accept-Encoding"
    return web.Response(body=body, status=status, headers=answer)


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
        request.headers.get("Accept", ""),
        offered=offered,
        untransformed=untransformed,
        tables=tables,
        transformed=transformed,
        user_agent=request.headers.get("User-Agent", ""),
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


def chunks(pieces: Iterable[bytes], size: int = CHUNK) -> Iterator[bytes]:
    """Join small pieces to chunks of about `size` bytes; a piece larger than that is sent as it is."""
    pending: list[bytes] = []
    length = 0
    for piece in pieces:
        pending.append(piece)
        length += len(piece)
        if length >= size:
            yield b"".join(pending)
            pending.clear()
            length = 0
    if pending:
        yield b"".join(pending)


def frames(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Return the same chunks, each in its frame of the chunked encoding (RFC 9112, 7.1) but for the last, empty one."""
    pending = [b""]
    length = 0
    for piece in pieces:
        pending.append(piece)
        length += len(piece)
        if length >= CHUNK:
            yield _frame(pending, length)
            pending = [b""]
            length = 0
    if length:
        yield _frame(pending, length)


def _frame(pieces: list[bytes], length: int) -> bytes:
    pieces[0] = b"%x\r\n" % length
    pieces.append(b"\r\n")
    return b"".join(pieces)


async def stream_body(
    request: web.BaseRequest, pieces: Iterable[bytes], content_type: str, *, size: int
) -> web.StreamResponse:
    """Send a large answer piece by piece without ever holding it whole.

    Args:
        request: the request that is answered.
        pieces: the body; consumed once, never retained.
        content_type: its media type.
        size: about how many bytes it will be; decides about compression.
    """
    response = web.StreamResponse(headers=answer_headers(request))
    response.headers["Content-Type"] = content_type
    compressed = size > GZIP_THRESHOLD and accepts_gzip(request)
    if compressed:
        response.headers["Content-Encoding"] = "gzip"
        response.headers["Vary"] = "Accept-Encoding"
    response.enable_chunked_encoding()
    await response.prepare(request)
    if compressed:
        await _write_compressed(response, pieces)
    else:
        await _write_frames(response, request.writer, pieces)
    await response.write_eof()
    return response


async def _write_frames(response: web.StreamResponse, writer: AbstractStreamWriter, pieces: Iterable[bytes]) -> None:
    """Put the chunks into their frames ourselves: aiohttp would copy each of them once more to do so."""
    assert isinstance(writer, StreamWriter), "what aiohttp answers requests with"  # noqa: S101  (for the type)
    writer.chunked = False
    for frame in frames(pieces):
        await response.write(frame)
        await asyncio.sleep(0)  # aiohttp's write does not yield while the kernel takes the data
    await response.write(_LAST_FRAME)


async def _write_compressed(response: web.StreamResponse, pieces: Iterable[bytes]) -> None:
    """Compress in a thread (isal releases the GIL), so that the second core carries the cost."""
    loop = asyncio.get_running_loop()
    compressor = isal_zlib.compressobj(1, wbits=_GZIP_WINDOW_BITS)
    for chunk in chunks(pieces, _GZIP_CHUNK):
        if data := await loop.run_in_executor(None, compressor.compress, chunk):
            await response.write(data)
    await response.write(compressor.flush())
