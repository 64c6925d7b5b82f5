"""OpenAPI v3 documents, one for each group and version, and their index. Pure.

Follows kube-openapi `handler3`: what kubectl validates, explains and decides about patches by.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupVersion, GroupVersionKind
from gateway.discovery.openapi_operations import resource_paths
from gateway.discovery.openapi_schemas import PublishedSchemas, SchemaOf, custom_name
from gateway.discovery.surface import ApiVersion

REFERENCE = "#/components/schemas/"
"""What a `$ref` of these documents begins with."""

TITLE = "Kubernetes"


def index(hashes: Mapping[str, str]) -> JsonObject:
    """Return `/openapi/v3`: where each document is, by its path (`apis/apps/v1`) and the hash of its content."""
    return {"paths": {path: {"serverRelativeURL": relative_url(path, hashes[path])} for path in sorted(hashes)}}


def relative_url(path: str, content_hash: str) -> str:
    """Return the URL under which a document never changes."""
    return f"/openapi/v3/{path}?hash={content_hash}"


def document(
    group_version: GroupVersion, version: ApiVersion, schemas: PublishedSchemas, schema_of: SchemaOf, release: str
) -> JsonObject:
    """Return the document of a group and version, with the schema of everything its operations mention.

    Args:
        group_version: which one.
        version: the resources served there.
        schemas: the built-in components, in the format of REFERENCE.
        schema_of: finds the schemas of custom resources.
        release: the version of the API server, for people.
    """
    custom = {resource.gvk for resource in version.resources if schemas.builtin_name(resource.gvk) is None}
    custom_lists = {GroupVersionKind(gvk.group, gvk.version, f"{gvk.kind}List") for gvk in custom}
    mentioned: set[str] = set()

    def refer(gvk: GroupVersionKind) -> JsonObject | None:
        name = schemas.builtin_name(gvk)
        if name is not None:
            mentioned.add(name)
            return schemas.reference(name)
        return schemas.reference(custom_name(gvk)) if gvk in custom or gvk in custom_lists else None

    paths: JsonObject = {}
    for resource in version.resources:
        paths.update(resource_paths(group_version, resource, refer))
    components: JsonObject = schemas.custom_closure(sorted(custom), schema_of) | schemas.closure(mentioned)
    return {
        "openapi": "3.0.0",
        "info": {"title": TITLE, "version": release},
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": dict(sorted(components.items()))},
    }
