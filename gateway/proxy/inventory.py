"""What another API server serves and holds, for admission's questions: read with the gateway's own right, always live.

Used when something is deleted and everything that would go with it has to be known.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from gateway.apimachinery import meta
from gateway.apimachinery.errors import service_unavailable
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupVersion, GroupVersionResource
from gateway.clusters.upstream import Upstream

_WHOLE_PAGE = 100
"""Whole objects of a page: decoding one keeps everybody else waiting."""
_METADATA_PAGE = 500
AT_ONCE = 8
"""Lists that are asked for at a time."""
_DISCOVERY = {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"}
_ONLY_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1, application/json"

_MEASUREMENTS = frozenset({"metrics.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io"})
"""API groups that hold no objects but answer from elsewhere, and often do not answer: nothing of theirs is deleted."""


@dataclass(frozen=True, slots=True)
class Served:
    """A resource that the server serves."""

    resource: GroupVersionResource
    kind: str
    namespaced: bool
    verbs: frozenset[str]

    @property
    def listable(self) -> bool:
        """Whether its objects can be listed."""
        return "list" in self.verbs


async def list_all(
    upstream: Upstream, resource: GroupVersionResource, namespace: str = "", *, labels: str = "", fields: str = ""
) -> list[JsonObject]:
    """Return all objects of a resource that match, each with apiVersion and kind. Raises ApiError or PathNotFound."""
    found: list[JsonObject] = []
    options = {"limit": str(_WHOLE_PAGE), "labelSelector": labels, "fieldSelector": fields}
    async for page in _pages(upstream, resource, namespace, options):
        kind = str(page.get("kind") or "").removesuffix("List")
        head = {"apiVersion": page.get("apiVersion"), "kind": kind}
        found += [{**head, **item} for item in page.get("items") or [] if isinstance(item, dict)]
    return found


async def list_metadata(
    upstream: Upstream, served: Served, namespace: str, fields: Collection[str]
) -> list[JsonObject]:
    """Return all objects of a resource with their kind and these fields of their metadata. Raises as `list_all`."""
    found: list[JsonObject] = []
    options = {"limit": str(_METADATA_PAGE)}
    async for page in _pages(upstream, served.resource, namespace, options, accept=_ONLY_METADATA):
        for item in page.get("items") or []:
            metadata = meta.metadata(item) if isinstance(item, dict) else {}
            kept = {name: metadata[name] for name in fields if name in metadata}
            found.append({"kind": served.kind, "metadata": kept})
    return found


async def _pages(
    upstream: Upstream,
    resource: GroupVersionResource,
    namespace: str,
    options: Mapping[str, str],
    accept: str = "application/json",
) -> AsyncIterator[JsonObject]:
    base = resource.group_version.path
    path = (
        f"{base}/namespaces/{quote(namespace, safe='')}/{resource.resource}"
        if namespace
        else f"{base}/{resource.resource}"
    )
    query = {**options, "continue": ""}
    while True:
        text = urlencode({name: value for name, value in query.items() if value})
        page = await upstream.send_json("GET", path, None, query=text, headers={"Accept": accept})
        yield page
        query["continue"] = str(meta.metadata(page).get("continue") or "")
        if not query["continue"]:
            return


async def served_resources(upstream: Upstream) -> list[Served]:
    """Return the resources served, each in its group's preferred version. Raises ApiError when a group cannot say."""
    found: list[Served] = []
    for path in ("/api", "/apis"):
        document = await upstream.send_json("GET", path, None, headers=_DISCOVERY)
        if document.get("kind") != "APIGroupDiscoveryList":
            raise service_unavailable(
                f"{upstream.title} does not serve aggregated discovery: its contents are not known"
            )
        for group in document.get("items") or []:
            found += _preferred_version(upstream, group)
    return found


def _preferred_version(upstream: Upstream, group: JsonObject) -> list[Served]:
    """Return what the first version of a group serves, and what only later ones do."""
    served: dict[str, Served] = {}
    if meta.name(group) in _MEASUREMENTS:
        return []
    for version in group.get("versions") or []:
        if version.get("freshness") == "Stale":
            name = meta.name(group)
            raise service_unavailable(
                f"{upstream.title}: the API group {name!r} does not answer, its objects are not known"
            )
        group_version = GroupVersion(meta.name(group), str(version.get("version")))
        for entry in version.get("resources") or []:
            name = str(entry.get("resource"))
            one = Served(
                group_version.resource(name),
                namespaced=entry.get("scope") == "Namespaced",
                kind=str(meta.field(entry, "responseKind", "kind")),
                verbs=frozenset(entry.get("verbs") or ()),
            )
            served.setdefault(name, one)
    return list(served.values())
