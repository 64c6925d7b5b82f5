"""The discovery documents of a surface: legacy and aggregated, in the exact shapes of kube-apiserver. Pure.

Built on first use and kept as bytes with their ETag; the catalog drops them together with the surface. Compared against
the documents of kube-apiserver 1.36 (apiserver `endpoints/discovery`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from gateway.apimachinery.codec import encode_json
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupVersion, GroupVersionKind
from gateway.discovery.surface import ApiGroup, ApiResource, ApiSurface, ApiVersion

AggregatedVersion = Literal["v2", "v2beta1"]
AGGREGATED_VERSIONS: tuple[AggregatedVersion, ...] = ("v2", "v2beta1")

_OTHER_PATHS = ("/healthz", "/livez", "/metrics", "/openapi/v2", "/openapi/v3", "/readyz", "/version")


@dataclass(frozen=True, slots=True)
class Document:
    """A document: the object, its JSON, and the ETag, which is the same in every media type."""

    obj: JsonObject
    body: bytes
    etag: str


def content_hash(body: bytes) -> str:
    """Return the hash by which kube-apiserver names the content of a document: SHA-512 in upper-case hexadecimal."""
    return hashlib.sha512(body).hexdigest().upper()


class DiscoveryDocuments:
    """The documents of one surface. The only state that changes is the cache of those already built."""

    def __init__(self, surface: ApiSurface) -> None:
        self.surface = surface
        self._built: dict[object, Document] = {}

    def api_versions(self, server_address: str) -> JsonObject:
        """Return `/api`; the address is where clients reach this server."""
        core = self.surface.group("")
        return {
            "kind": "APIVersions",
            "versions": [version.version for version in core.versions] if core else [],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": server_address}],
        }

    def group_list(self) -> Document:
        """Return `/apis`."""
        return self._document("groups", lambda: _group_list(self.surface))

    def group(self, name: str) -> Document | None:
        """Return `/apis/{group}`, None for a group that is not served."""
        group = self.surface.group(name)
        if group is None or not name:
            return None
        return self._document(("group", name), lambda: {"kind": "APIGroup", "apiVersion": "v1", **_group(group)})

    def resource_list(self, group_version: GroupVersion) -> Document | None:
        """Return `/apis/{group}/{version}`, or `/api/v1`; None for what is not served."""
        version = self.surface.version(group_version)
        if version is None:
            return None
        return self._document(group_version, lambda: _resource_list(group_version, version))

    def aggregated(self, version: AggregatedVersion, *, core: bool) -> Document:
        """Return `/api` (the core group) or `/apis` (all others) as APIGroupDiscoveryList."""
        groups = [group for group in self.surface.groups if (not group.name) is core]
        return self._document((version, core), lambda: _aggregated(version, groups))

    def paths(self) -> JsonObject:
        """Return `/`: every path that has something to say."""
        return {"paths": sorted({*_OTHER_PATHS, *_group_paths(self.surface)})}

    def _document(self, key: object, build: Callable[[], JsonObject]) -> Document:
        document = self._built.get(key)
        if document is None:
            obj = build()
            body = encode_json(obj)
            document = self._built[key] = Document(obj, body, f'"{content_hash(body)}"')
        return document


def _group_list(surface: ApiSurface) -> JsonObject:
    groups = [_group(group) for group in surface.groups if group.name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def _group(group: ApiGroup) -> JsonObject:
    versions = [
        {"groupVersion": f"{group.name}/{version.version}", "version": version.version} for version in group.versions
    ]
    return {"name": group.name, "versions": versions, "preferredVersion": versions[0]}


def _resource_list(group_version: GroupVersion, version: ApiVersion) -> JsonObject:
    head: JsonObject = {"kind": "APIResourceList"}
    if group_version.group:
        head["apiVersion"] = "v1"  # the core group's list is older than this field
    resources = [entry for resource in version.resources for entry in _legacy_resource(resource)]
    return {**head, "groupVersion": group_version.api_version, "resources": resources}


def _legacy_resource(resource: ApiResource) -> Iterator[JsonObject]:
    home = resource.gvr.group_version
    optional = {
        "shortNames": list(resource.short_names),
        "categories": list(resource.categories),
        "storageVersionHash": resource.storage_version_hash,
    }
    yield {
        "name": resource.gvr.resource,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        **_foreign_home(resource.gvk, home),
        "kind": resource.kind,
        "verbs": list(resource.verbs),
        **{name: value for name, value in optional.items() if value},
    }
    for subresource in resource.subresources:
        yield {
            "name": f"{resource.gvr.resource}/{subresource.name}",
            "singularName": "",
            "namespaced": resource.namespaced,
            **_foreign_home(subresource.gvk, home),
            "kind": subresource.gvk.kind,
            "verbs": list(subresource.verbs),
        }


def _foreign_home(gvk: GroupVersionKind, home: GroupVersion) -> JsonObject:
    """Name the group and version of a kind that lives elsewhere: scale in autoscaling/v1, eviction in policy/v1."""
    return {} if gvk.group_version == home else {"group": gvk.group, "version": gvk.version}


def _aggregated(version: AggregatedVersion, groups: Sequence[ApiGroup]) -> JsonObject:
    items = [
        {
            "metadata": {"name": group.name} if group.name else {},
            "versions": [_aggregated_version(version) for version in group.versions],
        }
        for group in groups
    ]
    api_version = f"apidiscovery.k8s.io/{version}"
    return {"kind": "APIGroupDiscoveryList", "apiVersion": api_version, "metadata": {}, "items": items}


def _aggregated_version(version: ApiVersion) -> JsonObject:
    entry: JsonObject = {"version": version.version}
    if version.resources:
        entry["resources"] = [_aggregated_resource(resource) for resource in version.resources]
    entry["freshness"] = "Stale" if version.stale else "Current"
    return entry


def _aggregated_resource(resource: ApiResource) -> JsonObject:
    optional = {
        "shortNames": list(resource.short_names),
        "categories": list(resource.categories),
        "subresources": [
            {
                "subresource": subresource.name,
                "responseKind": _response_kind(subresource.gvk),
                "verbs": list(subresource.verbs),
            }
            for subresource in resource.subresources
        ],
    }
    return {
        "resource": resource.gvr.resource,
        "responseKind": _response_kind(resource.gvk),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
        **{name: value for name, value in optional.items() if value},
    }


def _response_kind(gvk: GroupVersionKind) -> JsonObject:
    return {"group": gvk.group, "version": gvk.version, "kind": gvk.kind}


def _group_paths(surface: ApiSurface) -> Iterator[str]:
    for group in surface.groups:
        yield from ("/api",) if not group.name else ("/apis", "/apis/", f"/apis/{group.name}")
        for version in group.versions:
            yield GroupVersion(group.name, version.version).path
