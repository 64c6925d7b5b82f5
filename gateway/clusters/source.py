"""Where Cluster objects and their Secrets are read: the port, and the remote federation store behind it.

The registry follows whichever store there is through this port (embedded_source.py is the other one) and knows neither;
nothing is kept here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol
from urllib.parse import quote

import aiohttp
import msgspec

from cache.line_splitter import LineSplitter, LineTooLong
from gateway.apimachinery import meta
from gateway.apimachinery.errors import ApiError, PathNotFound
from gateway.apimachinery.meta import JsonObject
from gateway.clusters.cluster import CLUSTERS, MANAGED_BY, MANAGED_BY_LABEL, SecretReference
from gateway.clusters.upstream import Upstream

_CLUSTERS_PATH = f"{CLUSTERS.group_version.path}/{CLUSTERS.resource}"
_CRD_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/clusters.cluster.karmada.io"


class ClustersNotServed(Exception):
    """The store has no cluster.karmada.io: members come from elsewhere, or the kind is yet to be installed."""


class SourceLost(Exception):
    """The watch broke off or is too old; list again."""


class ClusterSource(Protocol):
    """Cluster objects and Secrets of a store, read with the gateway's own right."""

    async def list_clusters(self) -> tuple[list[JsonObject], str]:
        """Return all Cluster objects and the resourceVersion to watch from. Raises ClustersNotServed or ApiError."""
        ...

    def watch_clusters(self, resource_version: str) -> AsyncIterator[tuple[str, JsonObject]]:
        """Yield (event type, Cluster object) until the watch ends. Raises SourceLost or ApiError."""
        ...

    async def read_secret(self, reference: SecretReference) -> JsonObject | None:
        """Return a Secret, None when there is none. Raises ApiError."""
        ...

    async def owns_status(self) -> bool:
        """Whether the status of Cluster objects is ours to write, because no Karmada controller does."""
        ...

    async def write_status(self, cluster: JsonObject) -> None:
        """Store a Cluster object's status. Raises ApiError; a conflict means that somebody else was faster."""
        ...


class RemoteClusterSource:
    """The remote federation store."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def list_clusters(self) -> tuple[list[JsonObject], str]:
        """List at the store."""
        try:
            document = await self._upstream.get_json(_CLUSTERS_PATH)
        except PathNotFound:
            raise ClustersNotServed from None
        except ApiError as error:
            if error.code == 404:
                raise ClustersNotServed from None
            raise
        items = document.get("items")
        return list(items) if isinstance(items, list) else [], meta.resource_version(document)

    async def watch_clusters(self, resource_version: str) -> AsyncIterator[tuple[str, JsonObject]]:
        """Watch at the store."""
        query = f"watch=true&allowWatchBookmarks=true&resourceVersion={resource_version}"
        response = await self._upstream.get(
            _CLUSTERS_PATH, query=query, headers={"Accept": "application/json"}, timeout=None
        )
        try:
            if response.status != 200:
                raise SourceLost(f"the watch was refused with {response.status}")
            lines = LineSplitter()
            async for chunk in response.content.iter_any():
                for line in lines.feed(chunk):
                    event = msgspec.json.decode(line)
                    if event["type"] == "ERROR":
                        raise SourceLost(str(event["object"].get("message")))
                    yield event["type"], event["object"]
        except (aiohttp.ClientError, OSError, LineTooLong, msgspec.DecodeError, KeyError, TypeError) as error:
            raise SourceLost(str(error)) from error
        finally:
            response.close()

    async def read_secret(self, reference: SecretReference) -> JsonObject | None:
        """Read at the store."""
        namespace, name = quote(reference.namespace, safe=""), quote(reference.name, safe="")
        return await self._upstream.find_json(f"/api/v1/namespaces/{namespace}/secrets/{name}")

    async def owns_status(self) -> bool:
        """Look whether the kind is our own CustomResourceDefinition; Karmada serves it without one."""
        try:
            definition = await self._upstream.get_json(_CRD_PATH)
        except (ApiError, PathNotFound):
            return False
        return meta.labels(definition).get(MANAGED_BY_LABEL) == MANAGED_BY

    async def write_status(self, cluster: JsonObject) -> None:
        """Write at the store."""
        await self._upstream.send_json("PUT", f"{_CLUSTERS_PATH}/{meta.name(cluster)}/status", cluster)
