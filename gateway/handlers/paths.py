"""Requests that name no resource: health, metrics, the state of members, and the discovery documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from aiohttp import web

from gateway.apimachinery.errors import PathNotFound, method_not_allowed
from gateway.apimachinery.meta import JsonObject
from gateway.handlers.health import HealthEndpoint
from gateway.handlers.response import body_response, object_response
from gateway.metrics import CONTENT_TYPE, Metrics
from gateway.request import RequestInfo

CLUSTERS_PATH = "/fleetgate/v1alpha1/clusters"


class Documents(Protocol):
    """The discovery documents (gateway/handlers/discovery.py)."""

    async def respond(self, request: web.BaseRequest, info: RequestInfo) -> web.StreamResponse:
        """Answer a discovery path. Raises PathNotFound for any other."""
        ...


class PathHandler:
    """Answers by path.

    Args:
        health: the endpoints by name.
        metrics: what `/metrics` shows.
        documents: everything about which APIs exist.
        clusters: the state of all members, as `fleetgate clusters` shows it; None where there are none.
    """

    def __init__(
        self,
        health: Mapping[str, HealthEndpoint],
        metrics: Metrics,
        documents: Documents,
        clusters: Callable[[], JsonObject] | None,
    ) -> None:
        """Keep the parts."""
        self._health = health
        self._metrics = metrics
        self._documents = documents
        self._clusters = clusters

    async def handle(self, request: web.BaseRequest, info: RequestInfo) -> web.StreamResponse:
        """Answer one request. Raises ApiError or PathNotFound."""
        first, _, rest = info.path.strip("/").partition("/")
        if endpoint := self._health.get(first):
            return await endpoint.respond(request, rest)
        if info.path == "/metrics":
            _only_get(info)
            return body_response(request, self._metrics.render(), CONTENT_TYPE)
        if info.path == CLUSTERS_PATH and self._clusters is not None:
            _only_get(info)
            return object_response(request, self._clusters())
        if first == "clusters":
            raise PathNotFound
        return await self._documents.respond(request, info)


def _only_get(info: RequestInfo) -> None:
    if info.verb not in {"get", "head"}:
        raise method_not_allowed()
