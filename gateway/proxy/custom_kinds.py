"""The custom kinds of another API server, as their definitions have them: discovery shows only those that are served.

What is not served may have objects all the same, which go along with a namespace, an owner or the definition, now or
when they are served again. So they count: where there may be any, the whole is not known. Read with the gateway's own
right.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from urllib.parse import quote

from admission.definition_service import listed_version, may_have_objects
from admission.ownership import DEFINITIONS
from gateway.apimachinery import meta
from gateway.apimachinery.errors import ApiError, PathNotFound, service_unavailable
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupResource, GroupVersionResource
from gateway.clusters.upstream import Upstream
from gateway.proxy.inventory import Served, list_all, list_metadata

_RESOURCE = GroupVersionResource(DEFINITIONS.group, "v1", DEFINITIONS.resource)
_PATH = f"{_RESOURCE.group_version.path}/{_RESOURCE.resource}"
_KIND = Served(_RESOURCE, "CustomResourceDefinition", namespaced=False, verbs=frozenset({"list"}))


async def definition(upstream: Upstream, resource: GroupResource) -> JsonObject | None:
    """Return the CustomResourceDefinition of a resource, None when it is not a custom resource. Raises ApiError."""
    try:
        return await upstream.find_json(f"{_PATH}/{quote(str(resource), safe='')}")
    except PathNotFound:
        return None


async def instances(upstream: Upstream, group: str, resource: str, version: str = "") -> Sequence[JsonObject]:
    """Return all objects of a custom resource, of all namespaces, as one version or any served one shows them.

    None where nothing defines it, or nothing of it can have been stored. Raises ApiError, also where it is not served.
    """
    if version:
        try:
            return await list_all(upstream, GroupVersionResource(group, version, resource))
        except PathNotFound:
            pass  # its definition tells whether there can be any
    group_resource = GroupResource(group, resource)
    found = await definition(upstream, group_resource)
    if found is None or not may_have_objects(found):
        return []
    kind = None if version else _kind(found)
    if kind is not None:
        try:
            return await list_all(upstream, kind.resource)
        except PathNotFound:
            pass  # it is said to be served, but is not
    raise not_served(upstream, group_resource)


async def unshown_kinds(upstream: Upstream, shown: Collection[GroupResource], *, namespaced: bool) -> list[Served]:
    """Return custom kinds, all or the namespaced ones, that are served but not among those that discovery showed.

    It lags behind definitions. To be asked after what was shown has been listed, so that nothing is unserved in
    between. Raises ApiError for a kind that is not served and may have objects.
    """
    if DEFINITIONS not in shown:
        return []  # no server of custom kinds
    found = []
    for listed in await list_metadata(upstream, _KIND, "", ("name", "deletionTimestamp")):
        plural, _, group = meta.name(listed).partition(".")
        resource = GroupResource(group, plural)
        if resource in shown or meta.deletion_timestamp(listed):
            continue
        full = await definition(upstream, resource)
        if full is None or not may_have_objects(full):
            continue
        if namespaced and meta.field(full, "spec", "scope") != "Namespaced":
            continue
        kind = _kind(full)
        if kind is None:
            raise not_served(upstream, resource)
        found.append(kind)
    return found


def not_served(upstream: Upstream, resource: GroupResource) -> ApiError:
    """Return why nothing is known of a custom kind, and what helps."""
    return service_unavailable(
        f"{upstream.title} does not serve {resource}, of which objects may be stored: serve a version of it again first"
    )


def _kind(found: JsonObject) -> Served | None:
    """Return how to list the objects of a definition; None when they cannot be, or not under the name they have."""
    version = listed_version(found)
    group, names = meta.field(found, "spec", "group"), meta.field(found, "spec", "names")
    accepted = meta.field(found, "status", "acceptedNames", "plural")
    plural, kind = meta.field(names, "plural"), meta.field(names, "kind")
    if not version or accepted != plural:
        return None
    resource = GroupVersionResource(str(group), version, str(plural))
    namespaced = meta.field(found, "spec", "scope") == "Namespaced"
    return Served(resource, str(kind), namespaced=namespaced, verbs=frozenset({"list"}))
