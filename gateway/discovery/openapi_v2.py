"""The OpenAPI v2 document: the schemas of all that is served, without its operations. Pure.

Read as JSON by tools that want schemas. kubectl reads it up to 1.28 and only as protobuf, for which an empty document
is a valid one: it then leaves validation to the server.
"""

from __future__ import annotations

from gateway.apimachinery.meta import JsonObject
from gateway.discovery.openapi_schemas import PublishedSchemas, SchemaOf
from gateway.discovery.openapi_v3 import TITLE
from gateway.discovery.surface import ApiSurface

REFERENCE = "#/definitions/"
"""What a `$ref` of this document begins with."""

EMPTY_PROTOBUF = b""
"""An empty document in protobuf: a message without fields has no bytes."""


def document(surface: ApiSurface, schemas: PublishedSchemas, schema_of: SchemaOf, release: str) -> JsonObject:
    """Return the document; `schemas` are in the format of REFERENCE."""
    kinds = {resource.gvk for group in surface.groups for version in group.versions for resource in version.resources}
    names = {gvk: schemas.builtin_name(gvk) for gvk in kinds}
    custom = sorted(gvk for gvk, name in names.items() if name is None)
    definitions: JsonObject = schemas.custom_closure(custom, schema_of)
    definitions |= schemas.closure(name for name in names.values() if name is not None)
    return {
        "swagger": "2.0",
        "info": {"title": TITLE, "version": release},
        "paths": {},
        "definitions": dict(sorted(definitions.items())),
    }
