"""OpenAPI as the discovery handler sees it: the port that an embedded and a remote store fill differently.

Documents are bytes with the hash of their content; negotiation, conditional requests, redirects to the right hash and
compression are the handler's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from gateway.apimachinery.schema import GroupVersion
from gateway.discovery.surface import ApiSurface

JSON = "application/json"
V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
V2_PROTOBUF_OLD = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
"""The spelling of answers, which is a valid media type; clients ask with the other one."""
V3_PROTOBUF = "application/com.github.proto-openapi.spec.v3@v1.0+protobuf"

V2_TYPES = (JSON, V2_PROTOBUF, V2_PROTOBUF_OLD)


@dataclass(frozen=True, slots=True)
class OpenApiDocument:
    """A document. `body` is empty where the client's own copy, named by its hash, is still right."""

    body: bytes
    content_type: str
    hash: str


class OpenApiSource(Protocol):
    """Where OpenAPI documents come from. Every method raises ApiError where a store cannot be asked."""

    @property
    def v3_types(self) -> tuple[str, ...]:
        """The media types in which v3 documents are to be had, the usual one first."""
        ...

    async def hashes(self) -> Mapping[str, str]:
        """Return the hash of each v3 document that is served, by its path, for example `apis/apps/v1`."""
        ...

    async def v3(self, path: str, media_type: str, known: str) -> OpenApiDocument | None:
        """Return a v3 document, None where there is none.

        Args:
            path: as `hashes` names it.
            media_type: one of `v3_types`.
            known: the hash of the client's copy, empty when it has none.
        """
        ...

    async def v2(self, media_type: str, known: str) -> OpenApiDocument:
        """Return the v2 document; `media_type` is one of V2_TYPES."""
        ...


def document_paths(surface: ApiSurface) -> dict[str, GroupVersion]:
    """Return the paths of a surface's v3 documents, with the group and version each one describes."""
    return {group_version.path.removeprefix("/"): group_version for group_version in surface.group_versions()}
