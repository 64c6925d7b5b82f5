"""What is served: groups, versions and resources as frozen records, and the lookups of dispatch. Pure.

A surface is an immutable snapshot: the catalog replaces it whole, so a request sees one state from dispatch to answer.
It knows names and verbs only, and of where objects live no more than "in the members" or "in the store".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from gateway.apimachinery.errors import ApiError, method_not_allowed, method_not_supported
from gateway.apimachinery.schema import GroupResource, GroupVersion, GroupVersionKind, GroupVersionResource
from gateway.discovery.allow_list import AllowList
from gateway.request import RequestInfo

_SUBPATH_SUBRESOURCE = "proxy"
_OBJECT_VERBS = frozenset({"get", "update", "patch", "delete"})
"""Verbs of one object, whose path ends in its name."""
_NAMESPACES = GroupVersionResource("", "v1", "namespaces")


@dataclass(frozen=True, slots=True)
class ApiSubresource:
    """A subresource: the kind its bodies have and the verbs it takes."""

    name: str
    gvk: GroupVersionKind
    verbs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ApiResource:
    """One resource at one version."""

    gvr: GroupVersionResource
    gvk: GroupVersionKind
    namespaced: bool
    singular: str
    verbs: tuple[str, ...]
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[ApiSubresource, ...] = ()
    merged: bool = False
    """Lives in the members and is read from the cross-cluster cache."""
    custom: bool = False
    """No kind of Kubernetes itself: written as JSON or YAML only, without strategic merge patch."""
    storage_version_hash: str = ""
    """Opaque; equal for two versions that are stored alike. Empty when the store does not tell."""

    @property
    def kind(self) -> str:
        """The kind of its objects."""
        return self.gvk.kind

    def subresource(self, name: str) -> ApiSubresource | None:
        """Return a subresource, None when the resource has none of that name."""
        return next((entry for entry in self.subresources if entry.name == name), None)


@dataclass(frozen=True, slots=True)
class ApiVersion:
    """One version of a group, resources by name."""

    version: str
    resources: tuple[ApiResource, ...]
    stale: bool = False
    """What serves it cannot be reached, so this is what was known last."""


@dataclass(frozen=True, slots=True)
class ApiGroup:
    """A group and its versions, the preferred one first. The core group's name is the empty string."""

    name: str
    versions: tuple[ApiVersion, ...]


class ApiSurface:
    """All that is served."""

    def __init__(self, groups: Iterable[ApiGroup] = ()) -> None:
        self.groups = tuple(groups)
        self._versions = {
            GroupVersion(group.name, version.version): version for group in self.groups for version in group.versions
        }
        resources = [resource for version in self._versions.values() for resource in version.resources]
        self._by_gvr = {resource.gvr: resource for resource in resources}
        self._by_gvk = {resource.gvk: resource for resource in resources}
        self._built_in_groups = frozenset(resource.gvr.group for resource in resources if not resource.custom)

    def __repr__(self) -> str:
        return f"ApiSurface({len(self.groups)} groups, {len(self._by_gvr)} resources)"

    def group_versions(self) -> Sequence[GroupVersion]:
        """Return every group and version that is served, in the order of the groups."""
        return tuple(self._versions)

    def group(self, name: str) -> ApiGroup | None:
        """Return a group, None when it is not served."""
        return next((group for group in self.groups if group.name == name), None)

    def version(self, group_version: GroupVersion) -> ApiVersion | None:
        """Return a version of a group, None when it is not served."""
        return self._versions.get(group_version)

    def find(self, gvr: GroupVersionResource) -> ApiResource | None:
        """Return a resource, None when it is not served."""
        return self._by_gvr.get(gvr)

    def find_kind(self, gvk: GroupVersionKind) -> ApiResource | None:
        """Return the resource whose objects have this kind, None when none is served."""
        return self._by_gvk.get(gvk)

    def has_routes(self, group: str) -> bool:
        """Whether the group is one of Kubernetes' own, which a router of its own answers for, versions and all."""
        return group in self._built_in_groups

    def kind_of(self, info: RequestInfo) -> str:
        """The kind of the bodies of the resource or subresource, which must be served."""
        resource = self._by_gvr[info.group_version_resource]
        subresource = resource.subresource(info.subresource) if info.subresource else None
        return resource.kind if subresource is None else subresource.gvk.kind

    def wrong_verb(self, info: RequestInfo) -> ApiError | None:
        """Return the 405 for a verb that the resource or subresource, which must be served, does not have on this path.

        Kubernetes' own kinds have a route for each of their verbs, and the router speaks for the others; custom kinds
        share one handler, which says it in other words.
        """
        resource = self._by_gvr[info.group_version_resource]
        subresource = resource.subresource(info.subresource) if info.subresource else resource
        misplaced = not info.subresource and (
            bool(info.name) if info.verb == "create" else info.verb in _OBJECT_VERBS and not info.name
        )
        if subresource is not None and info.verb in subresource.verbs and not misplaced:
            return None
        if resource.custom and not misplaced:
            return method_not_supported(info.group_resource, info.verb)
        return method_not_allowed()

    def is_merged(self, info: RequestInfo) -> bool:
        """Whether the resource lives in the members and is read from the cross-cluster cache."""
        resource = self._by_gvr.get(info.group_version_resource)
        return resource is not None and resource.merged

    def serves(self, info: RequestInfo) -> bool:
        """Whether there is a route to what is asked for: the resource, its subresource, and a path of their shape.

        The verb does not matter: a wrong one is refused with 405, not 404.
        """
        resource = self._by_gvr.get(info.group_version_resource)
        if resource is None or info.verb == "proxy" or not _scope_fits(resource, info):
            return False
        if not info.subresource:
            return len(info.parts) <= 2
        if resource.subresource(info.subresource) is None:
            return False
        return len(info.parts) == 3 or info.subresource == _SUBPATH_SUBRESOURCE


def _scope_fits(resource: ApiResource, info: RequestInfo) -> bool:
    """Whether the path names a namespace exactly where the resource has one; a list may leave it out."""
    if resource.gvr == _NAMESPACES:
        return info.namespace in {"", info.name}
    if not resource.namespaced:
        return not info.namespace
    return bool(info.namespace) or len(info.parts) == 1


def served_surface(
    groups: Iterable[ApiGroup],
    allow_list: AllowList,
    merged: Sequence[ApiResource] = (),
    awaited: Collection[GroupResource] = (),
) -> ApiSurface:
    """Return what is served of what a store has: the merged resources put in, everything that is not allowed taken out.

    Args:
        groups: what the store has.
        allow_list: decides what is served at all.
        merged: resources of the members; in all versions they take the place of the store's of the same name.
        awaited: resources that are the members' too, but that none was found to have; so nobody has them.
    """
    elsewhere = {resource.gvr.group_resource for resource in merged}.union(awaited)
    by_name: dict[str, dict[str, ApiVersion]] = {"": {}}
    for group in groups:
        by_name[group.name] = {version.version: _without(version, elsewhere) for version in group.versions}
    for resource in merged:
        gvr = resource.gvr
        versions = by_name.setdefault(gvr.group, {})
        known = versions.get(gvr.version, ApiVersion(gvr.version, ()))
        # Never stale: what is merged is served from the cache, and clients drop a stale version whole.
        versions[gvr.version] = ApiVersion(gvr.version, (*known.resources, resource))
    served = (_served_group(name, versions.values(), allow_list) for name, versions in by_name.items())
    return ApiSurface(group for group in served if group.versions)


def _without(version: ApiVersion, elsewhere: Collection[GroupResource]) -> ApiVersion:
    kept = tuple(resource for resource in version.resources if resource.gvr.group_resource not in elsewhere)
    return version if len(kept) == len(version.resources) else replace(version, resources=kept)


def _served_group(name: str, versions: Iterable[ApiVersion], allow_list: AllowList) -> ApiGroup:
    kept = []
    for version in versions:
        permitted = (resource for resource in version.resources if allow_list.permits(resource.gvr.group_resource))
        resources = tuple(sorted(permitted, key=lambda resource: resource.gvr.resource))
        if resources or (version.stale and allow_list.permits_some_of(name)):
            kept.append(replace(version, resources=resources))
    return ApiGroup(name, tuple(kept))
