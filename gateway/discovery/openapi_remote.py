"""OpenAPI documents of a remote store, passed on as they are; the index names only what this gateway serves.

Nothing is kept here: clients keep documents by their hash for a year, and say so with their next request.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

from gateway.apimachinery.meta import field
from gateway.clusters.upstream import Upstream
from gateway.discovery.catalog import Catalog
from gateway.discovery.documents import content_hash
from gateway.discovery.openapi import JSON, V3_PROTOBUF, OpenApiDocument, document_paths


class RemoteOpenApi:
    """Reads the store's documents with the gateway's own identity.

    Args:
        catalog: what is served.
        upstream: the store.
    """

    v3_types = (JSON, V3_PROTOBUF)

    def __init__(self, catalog: Catalog, upstream: Upstream) -> None:
        self._catalog = catalog
        self._upstream = upstream

    async def hashes(self) -> Mapping[str, str]:
        """Return the hash of each document by its path, as the store's index has it."""
        surface = (await self._catalog.fresh_documents()).surface
        index = await self._upstream.get_json("/openapi/v3")
        served = document_paths(surface)
        return {path: _hash(entry) for path, entry in (field(index, "paths") or {}).items() if path in served}

    async def v3(self, path: str, media_type: str, known: str) -> OpenApiDocument | None:
        """Return a v3 document, None where this gateway serves none."""
        if path not in document_paths(self._catalog.surface):
            return None
        # Asked for without its hash: a hash that is out of date would be answered with a redirect.
        return await self._read(f"/openapi/v3/{path}", media_type, known)

    async def v2(self, media_type: str, known: str) -> OpenApiDocument:
        """Return the v2 document."""
        return await self._read("/openapi/v2", media_type, known)

    async def _read(self, path: str, media_type: str, known: str) -> OpenApiDocument:
        headers = {"Accept": media_type}
        if known:
            headers["If-None-Match"] = f'"{known}"'
        response = await self._upstream.get(path, headers=headers)
        async with response:
            if response.status == 304:
                return OpenApiDocument(b"", media_type, known)
            body = await self._upstream.read_body(response)
        if response.status != 200:
            self._upstream.json_answer(response.status, response.content_type, body)  # raises what the store says
        etag = response.headers.get("ETag", "").strip('"')
        return OpenApiDocument(body, response.headers.get("Content-Type", media_type), etag or content_hash(body))


def _hash(entry: object) -> str:
    """Return the hash that an entry of the index names, empty when it names none."""
    url = field(entry, "serverRelativeURL") if isinstance(entry, dict) else None
    return parse_qs(urlsplit(url).query).get("hash", [""])[0] if isinstance(url, str) else ""
