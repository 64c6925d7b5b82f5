"""Discovery documents of another API server, read into the records of surface.py. Pure.

The inverse of documents.py, but tolerant: entries that cannot be understood are left out, because what one aggregated
API server behind the store says wrongly must not take the other groups down.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupVersion, GroupVersionKind
from gateway.apimachinery.schemas import builtin_schemas
from gateway.discovery.surface import ApiGroup, ApiResource, ApiSubresource, ApiVersion

KnownVersions = Mapping[GroupVersion, ApiVersion]
"""What was known of each version before; kept for those that are stale now."""


def parse_aggregated(document: JsonObject, known: KnownVersions) -> tuple[ApiGroup, ...]:
    """Read an APIGroupDiscoveryList (v2 and v2beta1 are alike)."""
    groups = []
    for item in _objects(document, "items"):
        name = _text(item.get("metadata") or {}, "name")
        versions = (_aggregated_version(GroupVersion(name, _text(entry, "version")), entry, known)
                    for entry in _objects(item, "versions"))  # fmt: skip
        groups.append(ApiGroup(name, tuple(versions)))
    return tuple(groups)


def parse_group_list(document: JsonObject) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Read an APIGroupList, or the APIVersions of the core group: each group's versions, the preferred one first."""
    if document.get("kind") == "APIVersions":
        return (("", _texts(document, "versions")),)
    groups = []
    for item in _objects(document, "groups"):
        versions = [_text(entry, "version") for entry in _objects(item, "versions")]
        preferred = _text(item.get("preferredVersion") or {}, "version")
        versions.sort(key=lambda version, first=preferred: version != first)  # type: ignore[misc]  # mypy on defaults
        groups.append((_text(item, "name"), tuple(versions)))
    return tuple(groups)


def parse_resource_list(document: JsonObject, group_version: GroupVersion) -> ApiVersion:
    """Read an APIResourceList, in which subresources stand as `pods/log` beside their resource."""
    resources: dict[str, ApiResource] = {}
    subresources: dict[str, list[ApiSubresource]] = {}
    for entry in _objects(document, "resources"):
        name, slash, subresource = _text(entry, "name").partition("/")
        gvk = _response_kind(entry, group_version)
        if slash:
            subresources.setdefault(name, []).append(ApiSubresource(subresource, gvk, _texts(entry, "verbs")))
        else:
            resources[name] = ApiResource(
                group_version.resource(name),
                gvk,
                namespaced=entry.get("namespaced") is True,
                singular=_text(entry, "singularName"),
                verbs=_texts(entry, "verbs"),
                short_names=_texts(entry, "shortNames"),
                categories=_texts(entry, "categories"),
                custom=is_custom(gvk),
                storage_version_hash=_text(entry, "storageVersionHash"),
            )
    complete = (
        replace(resource, subresources=tuple(subresources.get(name, ()))) for name, resource in resources.items()
    )
    return ApiVersion(group_version.version, tuple(complete))


def stale_version(group_version: GroupVersion, known: KnownVersions) -> ApiVersion:
    """Return a version that cannot be read now, as it was known last."""
    return replace(known.get(group_version, ApiVersion(group_version.version, ())), stale=True)


def is_custom(gvk: GroupVersionKind) -> bool:
    """Whether Kubernetes itself has no such kind."""
    return builtin_schemas().name_for(gvk) is None


def _aggregated_version(group_version: GroupVersion, entry: JsonObject, known: KnownVersions) -> ApiVersion:
    resources = tuple(_aggregated_resources(group_version, _objects(entry, "resources")))
    if entry.get("freshness") != "Stale":
        return ApiVersion(group_version.version, resources)
    if not resources:
        return stale_version(group_version, known)
    return ApiVersion(group_version.version, resources, stale=True)


def _aggregated_resources(group_version: GroupVersion, entries: Iterable[JsonObject]) -> Iterator[ApiResource]:
    for entry in entries:
        kind = entry.get("responseKind")
        if not isinstance(kind, dict):
            continue  # only subresources are served there: nothing that clients can name
        gvk = _response_kind(kind, group_version)
        yield ApiResource(
            group_version.resource(_text(entry, "resource")),
            gvk,
            namespaced=entry.get("scope") == "Namespaced",
            singular=_text(entry, "singularResource"),
            verbs=_texts(entry, "verbs"),
            short_names=_texts(entry, "shortNames"),
            categories=_texts(entry, "categories"),
            subresources=tuple(
                ApiSubresource(
                    _text(sub, "subresource"),
                    _response_kind(sub.get("responseKind") or {}, group_version),
                    _texts(sub, "verbs"),
                )
                for sub in _objects(entry, "subresources")
            ),
            custom=is_custom(gvk),
        )


def _response_kind(entry: Mapping[str, Any], parent: GroupVersion) -> GroupVersionKind:
    """Read a kind; without a version of its own it belongs to the group and version it stands in."""
    version = _text(entry, "version")
    home = GroupVersion(_text(entry, "group"), version) if version else parent
    return home.kind(_text(entry, "kind"))


def _text(entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name)
    return value if isinstance(value, str) else ""


def _texts(entry: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = entry.get(name)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _objects(entry: Mapping[str, Any], name: str) -> list[JsonObject]:
    value = entry.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
