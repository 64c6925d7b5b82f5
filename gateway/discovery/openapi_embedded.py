"""OpenAPI documents of the embedded store, built from the schemas it validates by.

Built on the first request after a change, in a thread, because all of them together are a few megabytes; documents
whose group did not change are kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupVersion, GroupVersionKind
from gateway.apimachinery.schemas import builtin_schemas
from gateway.discovery import openapi_v2, openapi_v3
from gateway.discovery.catalog import Catalog
from gateway.discovery.documents import content_hash
from gateway.discovery.openapi import JSON, V2_PROTOBUF_OLD, OpenApiDocument, document_paths
from gateway.discovery.openapi_schemas import PublishedSchemas, SchemaOf
from gateway.discovery.server_version import gateway_version
from gateway.discovery.surface import ApiSurface, ApiVersion


@dataclass(frozen=True, slots=True)
class _Subject:
    """All that a v3 document depends on."""

    group_version: GroupVersion
    version: ApiVersion
    schemas: Mapping[GroupVersionKind, JsonObject | None]


@dataclass(frozen=True, slots=True)
class _Built:
    subject: _Subject
    document: OpenApiDocument


class EmbeddedOpenApi:
    """Builds documents for what a catalog serves.

    Mutable state: the documents of one surface, changed under the lock.

    Args:
        catalog: what is served.
        schema_of: finds the schemas of kinds that are not built in (EmbeddedDiscovery.schema).
    """

    v3_types = (JSON,)

    def __init__(self, catalog: Catalog, *, schema_of: SchemaOf) -> None:
        self._catalog = catalog
        self._schema_of = schema_of
        self._lock = asyncio.Lock()
        self._surface: ApiSurface | None = None
        self._v3: dict[str, _Built] = {}
        self._v2: OpenApiDocument | None = None
        self._components: PublishedSchemas | None = None

    async def hashes(self) -> Mapping[str, str]:
        """Return the hash of each v3 document by its path."""
        return {path: built.document.hash for path, built in (await self._documents()).items()}

    async def v3(self, path: str, media_type: str, known: str) -> OpenApiDocument | None:
        """Return a v3 document, always whole; None where there is none."""
        built = (await self._documents()).get(path)
        return None if built is None else built.document

    async def v2(self, media_type: str, known: str) -> OpenApiDocument:
        """Return the schemas as JSON, or an empty document in protobuf."""
        if media_type != JSON:
            body = openapi_v2.EMPTY_PROTOBUF
            return OpenApiDocument(body, V2_PROTOBUF_OLD, content_hash(body))
        await self._documents()
        async with self._lock:
            if self._v2 is None:
                surface = self._surface or ApiSurface()
                schemas = self._custom_schemas(surface)
                self._v2 = await asyncio.to_thread(_build_v2, surface, schemas)
            return self._v2

    async def _documents(self) -> Mapping[str, _Built]:
        if self._surface is self._catalog.surface:
            return self._v3
        async with self._lock:
            surface = self._catalog.surface
            if self._surface is not surface:
                schemas = self._custom_schemas(surface)
                self._v3 = await asyncio.to_thread(self._build, surface, schemas, self._v3)
                self._surface, self._v2 = surface, None
            return self._v3

    def _custom_schemas(self, surface: ApiSurface) -> dict[GroupVersionKind, JsonObject | None]:
        """Read the schemas here in the event loop, where the registry lives."""
        kinds = (
            resource.gvk for group in surface.groups for version in group.versions for resource in version.resources
        )
        return {gvk: self._schema_of(gvk) for gvk in kinds}

    def _build(
        self, surface: ApiSurface, schemas: Mapping[GroupVersionKind, JsonObject | None], before: Mapping[str, _Built]
    ) -> dict[str, _Built]:
        """Build what changed; runs in a thread, one at a time."""
        if self._components is None:
            self._components = PublishedSchemas(builtin_schemas(), openapi_v3.REFERENCE)
        built: dict[str, _Built] = {}
        for path, group_version in document_paths(surface).items():
            version = surface.version(group_version)
            if version is None:
                continue
            of_version = {resource.gvk: schemas[resource.gvk] for resource in version.resources}
            subject = _Subject(group_version, version, of_version)
            old = before.get(path)
            if old is not None and old.subject == subject:
                built[path] = old
            else:
                built[path] = _Built(subject, _build_v3(subject, self._components))
        return built


def _build_v3(subject: _Subject, components: PublishedSchemas) -> OpenApiDocument:
    document = openapi_v3.document(
        subject.group_version, subject.version, components, subject.schemas.get, gateway_version()["gitVersion"]
    )
    return _encoded(document)


def _build_v2(surface: ApiSurface, schemas: Mapping[GroupVersionKind, JsonObject | None]) -> OpenApiDocument:
    components = PublishedSchemas(builtin_schemas(), openapi_v2.REFERENCE, unions=False)
    return _encoded(openapi_v2.document(surface, components, schemas.get, gateway_version()["gitVersion"]))


def _encoded(document: dict[str, Any]) -> OpenApiDocument:
    body = msgspec.json.encode(document)
    return OpenApiDocument(body, JSON, content_hash(body))
