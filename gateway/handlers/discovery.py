"""/api, /apis, /openapi, /version and /: what is served, told in every form that clients ask for.

Takes documents from the catalog and the OpenAPI source and knows HTTP only: which form, which status, which headers.
What a kube-apiserver answers whatever the method is answered so here too; it was measured at version 1.36.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import Any

from aiohttp import web

from gateway.apimachinery.codec import encode_json, encode_pretty
from gateway.apimachinery.errors import ApiError, PathNotFound, method_not_allowed, service_unavailable
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupVersion
from gateway.discovery import openapi_v3
from gateway.discovery.catalog import Catalog
from gateway.discovery.documents import (
    AGGREGATED_VERSIONS,
    AggregatedVersion,
    DiscoveryDocuments,
    Document,
    content_hash,
)
from gateway.discovery.openapi import V2_TYPES, OpenApiDocument, OpenApiSource
from gateway.handlers.negotiation import (
    BUILT_IN_TYPES,
    JSON,
    PROTOBUF,
    AcceptClause,
    Representation,
    negotiate,
    parse_accept,
)
from gateway.handlers.response import answer_headers, body_response, encode_object, request_representation
from gateway.request import RequestInfo
from gateway.request_keys import QUERY

_YEAR = 365 * 24 * 3600.0


class DiscoveryHandler:
    """Answers the non-resource paths of discovery.

    Args:
        catalog: what is served.
        openapi: its OpenAPI documents.
        now: seconds since the epoch.
    """

    def __init__(self, catalog: Catalog, openapi: OpenApiSource, *, now: Callable[[], float]) -> None:
        self._catalog = catalog
        self._openapi = openapi
        self._now = now

    async def respond(self, request: web.BaseRequest, info: RequestInfo) -> web.StreamResponse:
        """Answer with a document. Raises PathNotFound where there is none; ApiError 404, 405, 406, or the store's."""
        match info.parts:
            case ():
                return _indented(request, (await self._catalog.fresh_documents()).paths())
            case ("version",):
                _only_get(request)
                return self._version(request)
            case ("api" | "apis", *_):
                return await self._discovery(request, info.parts)
            case ("openapi", "v2") if not info.path.endswith("/"):
                return await self._openapi_v2(request)
            case ("openapi", "v3") if not info.path.endswith("/"):
                return await self._openapi_index(request)
            case ("openapi", "v3", *path) if not info.path.endswith("/"):
                return await self._openapi_v3(request, "/".join(path))
            case _:
                raise PathNotFound

    def _version(self, request: web.BaseRequest) -> web.Response:
        version = self._catalog.version
        if version is None:
            raise service_unavailable("the version of the federation store is not known yet", retry_after_seconds=1)
        request_representation(request, offered=(JSON,), tables=False)  # refuses what accepts no JSON
        return _indented(request, version)

    async def _discovery(self, request: web.BaseRequest, parts: tuple[str, ...]) -> web.Response:
        documents = await self._catalog.fresh_documents()
        match parts:
            case ("api",):
                _only_get(request)
                if aggregated := _aggregated_form(request):
                    return _aggregated(request, documents.aggregated(aggregated[1], core=True), *aggregated)
                representation = request_representation(request, tables=False)
                body = _encode(documents.api_versions(request.host), representation)
                return body_response(request, body, representation.content_type)
            case ("apis",):
                if aggregated := _aggregated_form(request):
                    return _aggregated(request, documents.aggregated(aggregated[1], core=False), *aggregated)
                return _legacy(request, documents.group_list())
            case ("apis", group):
                return _legacy(request, documents.group(group))
            case ("api", version):
                return _resource_list(request, documents, GroupVersion("", version))
            case ("apis", group, version):
                return _resource_list(request, documents, GroupVersion(group, version))
            case _:
                raise PathNotFound

    async def _openapi_v2(self, request: web.BaseRequest) -> web.Response:
        media_type = _media_type(request, V2_TYPES)
        return _openapi(request, await self._openapi.v2(media_type, _known_hash(request)), {})

    async def _openapi_index(self, request: web.BaseRequest) -> web.Response:
        body = encode_json(openapi_v3.index(await self._openapi.hashes()))
        return _openapi(request, OpenApiDocument(body, JSON, content_hash(body)), {})

    async def _openapi_v3(self, request: web.BaseRequest, path: str) -> web.Response:
        media_type = _media_type(request, self._openapi.v3_types)
        document = await self._openapi.v3(path, media_type, _known_hash(request))
        if document is None:
            raise PathNotFound
        wanted = request[QUERY].get("hash")
        if not wanted:
            return _openapi(request, document, {})
        if wanted != document.hash:
            location = openapi_v3.relative_url(path, document.hash)
            return _empty(request, 301, {**_openapi_headers(document), "Location": location})
        expires = formatdate(self._now() + _YEAR, usegmt=True)
        return _openapi(request, document, {"Cache-Control": "public, immutable", "Expires": expires})


def _only_get(request: web.BaseRequest) -> None:
    """Refuse every other method, HEAD too. Raises ApiError 405."""
    if request.method != "GET":
        raise method_not_allowed()


def _resource_list(
    request: web.BaseRequest, documents: DiscoveryDocuments, group_version: GroupVersion
) -> web.Response:
    """Answer with the resources of a version, told apart from a version of a known group that is not served."""
    version = documents.surface.version(group_version)
    if version is None:
        if group_version.group and documents.surface.group(group_version.group) is None:
            raise PathNotFound
        raise ApiError(404, "NotFound", "the server could not find the requested resource", details={})
    _only_get(request)
    if version.stale:
        raise service_unavailable(f"what serves {group_version.api_version} cannot be reached")
    return _legacy(request, documents.resource_list(group_version))


def _legacy(request: web.BaseRequest, document: Document | None) -> web.Response:
    if document is None:
        raise PathNotFound
    representation = request_representation(request, tables=False)
    return body_response(request, _document_body(document, representation), representation.content_type)


def _aggregated(
    request: web.BaseRequest, document: Document, media_type: str, version: AggregatedVersion
) -> web.Response:
    headers = {"Cache-Control": "public", "ETag": document.etag, "Vary": "Accept"}
    if request.headers.get("If-None-Match") == document.etag:
        return _empty(request, 304, headers)
    body = _document_body(document, Representation(media_type, pretty=_wants_pretty(request)))
    content_type = f"{media_type};g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
    return _with_vary(body_response(request, body, content_type, headers=headers))


def _aggregated_form(request: web.BaseRequest) -> tuple[str, AggregatedVersion] | None:
    """Return media type and version of the aggregated document that is asked for before any other form."""
    for clause in parse_accept(request.headers.get("Accept", "")):
        media_type = next((offered for offered in BUILT_IN_TYPES if clause.matches(offered)), None)
        if media_type is None:
            continue
        if "as" not in clause.parameters:
            return None
        if version := _aggregated_version(clause):
            return media_type, version
    return None


def _aggregated_version(clause: AcceptClause) -> AggregatedVersion | None:
    if clause.parameters.get("g") != "apidiscovery.k8s.io" or clause.parameters["as"] != "APIGroupDiscoveryList":
        return None
    return next((version for version in AGGREGATED_VERSIONS if version == clause.parameters.get("v")), None)


def _openapi(request: web.BaseRequest, document: OpenApiDocument, more: Mapping[str, str]) -> web.Response:
    headers = {**_openapi_headers(document), **more}
    if _known_hash(request) == document.hash:
        return _empty(request, 304, headers)
    return _with_vary(body_response(request, document.body, document.content_type, headers=headers))


def _openapi_headers(document: OpenApiDocument) -> dict[str, str]:
    return {"ETag": f'"{document.hash}"', "Vary": "Accept"}


def _known_hash(request: web.BaseRequest) -> str:
    """Return the hash of the client's own copy, empty when it names none in the form that we give."""
    known = request.headers.get("If-None-Match", "").strip('"')
    return known if known.isalnum() else ""


def _media_type(request: web.BaseRequest, offered: tuple[str, ...]) -> str:
    return request_representation(request, offered=offered, tables=False).media_type


def _empty(request: web.BaseRequest, status: int, headers: Mapping[str, str]) -> web.Response:
    answer = answer_headers(request)
    answer.update(headers)
    return web.Response(status=status, headers=answer)


def _with_vary(response: web.Response) -> web.Response:
    """Say again what the answer varies by: compression has put its own word there."""
    if response.headers.get("Vary") == "Accept-Encoding":
        response.headers.add("Vary", "Accept")
    return response


def _indented(request: web.BaseRequest, obj: JsonObject) -> web.Response:
    """Answer with indented JSON whoever asks, as these documents are read by people."""
    return body_response(request, encode_pretty(obj))


def _wants_pretty(request: web.BaseRequest) -> bool:
    agent = request.headers.get("User-Agent", "")
    return negotiate("", offered=(JSON,), user_agent=agent, pretty=request[QUERY].get("pretty")).pretty


def _document_body(document: Document, representation: Representation) -> bytes:
    """Return a document's bytes; the usual form is there already."""
    if representation.media_type == JSON and not representation.pretty:
        return document.body
    return _encode(document.obj, representation)


def _encode(obj: Any, representation: Representation) -> bytes:
    """Encode a document; protobuf needs the apiVersion that the oldest of them do not have in JSON."""
    if representation.media_type == PROTOBUF:
        obj = {"apiVersion": "v1", **obj}
    return encode_object(obj, representation)
