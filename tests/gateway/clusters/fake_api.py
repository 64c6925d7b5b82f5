"""An API server that keeps whatever JSON it is sent, by path; enough for joining clusters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from gateway.apimachinery import errors
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.schema import GroupResource

CLUSTERS = "/apis/cluster.karmada.io/v1alpha1/clusters"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
SECRETS = "/api/v1/namespaces/karmada-cluster/secrets"
NAMESPACES = "/api/v1/namespaces"
STATUS = "/fleetgate/v1alpha1/clusters"


class FakeApi:
    """`collections` are the paths objects can be put under; `refuse` may answer a request instead."""

    def __init__(self, *, clusters_served: bool = True, gateway: bool = True) -> None:
        self.collections = {DEFINITIONS, SECRETS, NAMESPACES}
        if clusters_served:
            self.collections.add(CLUSTERS)
        self.gateway = gateway
        self.objects: dict[str, dict[str, Any]] = {}
        self.states: list[dict[str, Any]] = []
        self.requests: list[str] = []
        self.refuse: Callable[[web.BaseRequest], ApiError | None] = lambda _: None
        self.allowed: Callable[[dict[str, Any]], bool] = lambda _: True
        self.user: str | None = "gateway"

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path}")
        if refusal := self.refuse(request):
            return web.json_response(refusal.status, status=refusal.code)
        try:
            return web.json_response(await self._answer(request))
        except ApiError as error:
            return web.json_response(error.status, status=error.code)
        except LookupError:
            return web.Response(status=404, text="404 page not found\n")

    async def _answer(self, request: web.BaseRequest) -> dict[str, Any]:
        path = request.path
        if path == "/version":
            return {"gitVersion": "v1.36.3"}
        if path == STATUS and self.gateway:
            return {"kind": "ClusterStatusList", "items": self.states}
        if path.endswith("selfsubjectaccessreviews"):
            body = await request.json()
            return {"status": {"allowed": self.allowed(body["spec"]["resourceAttributes"])}}
        if path.endswith("selfsubjectreviews") and self.user is not None:
            return {"status": {"userInfo": {"username": self.user}}}
        if path in self.collections:
            return self._create(path, await request.json()) if request.method == "POST" else {"items": []}
        return self._single(request.method, path, await request.json() if request.method == "PUT" else {})

    def _create(self, path: str, obj: dict[str, Any]) -> dict[str, Any]:
        name = obj["metadata"]["name"]
        if f"{path}/{name}" in self.objects:
            raise errors.already_exists(GroupResource("", path.rpartition("/")[2]), name)
        self.objects[f"{path}/{name}"] = {**obj, "metadata": {**obj["metadata"], "resourceVersion": "1"}}
        if path == DEFINITIONS:
            self.collections.add(CLUSTERS)
        return obj

    def _single(self, method: str, path: str, obj: dict[str, Any]) -> dict[str, Any]:
        collection, _, name = path.rpartition("/")
        if collection not in self.collections:
            raise LookupError(path)
        if path not in self.objects:
            raise errors.not_found(GroupResource("", collection.rpartition("/")[2]), name)
        if method == "DELETE" and self.objects[path]["metadata"].get("finalizers"):
            self.objects[path]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        elif method == "DELETE":
            return self.objects.pop(path)
        if method == "PUT":
            assert obj["metadata"]["resourceVersion"] == self.objects[path]["metadata"]["resourceVersion"]
            self.objects[path] = obj
        return self.objects[path]
