"""A store of Cluster objects and Secrets in memory."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

from gateway.apimachinery.errors import ApiError, service_unavailable
from gateway.apimachinery.meta import JsonObject
from gateway.clusters.cluster import SecretReference
from gateway.clusters.source import ClustersNotServed, SourceLost


def cluster(name: str = "m1", endpoint: str = "https://10.0.0.1", **metadata: Any) -> JsonObject:
    spec = {"apiEndpoint": endpoint, "secretRef": {"namespace": "karmada-cluster", "name": name}}
    return {"metadata": {"name": name, "resourceVersion": "1", **metadata}, "spec": spec}


class FakeSource:
    def __init__(self, *clusters: JsonObject) -> None:
        self.objects = {obj["metadata"]["name"]: obj for obj in clusters}
        self.served = True
        self.error: ApiError | None = None
        self.lists = 0
        self.secret_reads: list[str] = []
        self.statuses: list[JsonObject] = []
        self.ours = True
        self._events: asyncio.Queue[tuple[str, JsonObject] | None] = asyncio.Queue()

    async def list_clusters(self) -> tuple[list[JsonObject], str]:
        self.lists += 1
        if not self.served:
            raise ClustersNotServed
        if self.error:
            raise self.error
        return list(self.objects.values()), "1"

    async def watch_clusters(self, resource_version: str) -> AsyncIterator[tuple[str, JsonObject]]:
        while event := await self._events.get():
            yield event
        raise SourceLost("cut")

    async def read_secret(self, reference: SecretReference) -> JsonObject | None:
        self.secret_reads.append(reference.name)
        values = {"token": b"t", "caBundle": b"CA"}
        return {"data": {key: base64.b64encode(value).decode() for key, value in values.items()}}

    async def owns_status(self) -> bool:
        return self.ours

    async def write_status(self, cluster: JsonObject) -> None:
        self.statuses.append(cluster)
        self.put(cluster)

    def put(self, obj: JsonObject) -> None:
        name = obj["metadata"]["name"]
        kind = "MODIFIED" if name in self.objects else "ADDED"
        self.objects[name] = obj
        self._events.put_nowait((kind, obj))

    def delete(self, name: str) -> None:
        self._events.put_nowait(("DELETED", self.objects.pop(name)))

    def cut(self) -> None:
        self._events.put_nowait(None)

    def fail(self) -> None:
        self.error = service_unavailable("the store is down")
        self.cut()
