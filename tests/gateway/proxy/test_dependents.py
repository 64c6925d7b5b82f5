from typing import Any

import pytest
from aiohttp import web

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.schema import GroupResource
from gateway.proxy.dependents import collectable
from tests.gateway.proxy.gateway_under_test import make_upstream
from tests.support.http_server import serve

ALL_VERBS = ["create", "delete", "get", "list", "watch"]
MAPS = GroupResource("", "configmaps")
PODS = GroupResource("", "pods")
CASCADING = {"policy.kruise.io/delete-protection": "Cascading"}


def resource(name: str, kind: str, scope: str = "Namespaced", verbs: list[str] = ALL_VERBS) -> dict[str, Any]:
    return {"resource": name, "scope": scope, "verbs": verbs, "responseKind": {"kind": kind}}


def discovery(**groups: list[dict[str, Any]]) -> dict[str, Any]:
    items = [
        {"metadata": {"name": "" if name == "core" else name}, "versions": [{"version": "v1", "resources": resources}]}
        for name, resources in groups.items()
    ]
    return {"kind": "APIGroupDiscoveryList", "items": items}


CORE = discovery(
    core=[
        resource("configmaps", "ConfigMap"),
        resource("pods", "Pod"),
        resource("persistentvolumeclaims", "PersistentVolumeClaim"),
        resource("events", "Event"),
        resource("nodes", "Node", "Cluster"),
        resource("bindings", "Binding", verbs=["create"]),
    ]
)
MEASURED = discovery(apps=[resource("deployments", "Deployment")])
MEASURED["items"].append(
    {"metadata": {"name": "metrics.k8s.io"}, "versions": [{"version": "v1beta1", "freshness": "Stale"}]}
)


class Server:
    """Answers lists of metadata page by page, and remembers what it was asked."""

    def __init__(self, **lists: list[dict[str, Any]] | int) -> None:
        self.lists = lists
        self.asked: list[str] = []

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path in {"/api", "/apis"}:
            return web.json_response(CORE if request.path == "/api" else MEASURED)
        selector = request.query.get("labelSelector", "")
        only_metadata = "as=PartialObjectMetadataList" in request.headers["Accept"]
        self.asked.append(request.path + (f"?{selector}" if selector else ""))
        assert only_metadata is not bool(selector)
        found = self.lists.get(request.path.rpartition("/")[2], [])
        if isinstance(found, int):
            return web.json_response({"kind": "Status", "code": found, "message": "no"}, status=found)
        if selector:
            name, _, value = selector.partition("=")
            items = [item for item in found if item["metadata"].get("labels", {}).get(name) == value]
            return web.json_response({"kind": "PodList", "apiVersion": "v1", "items": items})
        start = int(request.query.get("continue", "0"))
        items = [{"metadata": item["metadata"]} for item in found[start : start + 1]]
        following = {"continue": str(start + 1)} if start + 1 < len(found) else {}
        return web.json_response({"kind": "PartialObjectMetadataList", "metadata": following, "items": items})


async def run(server: Server, resource: GroupResource, obj: dict[str, Any]) -> Any:
    async with serve(server) as url:
        upstream = make_upstream(url)
        try:
            return await collectable(upstream, resource, obj)
        finally:
            await upstream.close()


def owner(namespace: str = "shop", **fields: Any) -> dict[str, Any]:
    return {"metadata": {"name": "o", "uid": "u", **({"namespace": namespace} if namespace else {})}, **fields}


async def test_in_a_namespace_everything_that_could_be_collected_is_listed_by_its_metadata() -> None:
    item = {"metadata": {"name": "a", "uid": "ua", "managedFields": [{}], "ownerReferences": []}}
    server = Server(configmaps=[item, {"metadata": {"name": "b"}}])
    found = await run(server, MAPS, owner())
    assert found == [
        (MAPS, {"kind": "ConfigMap", "metadata": {"name": "a", "uid": "ua", "ownerReferences": []}}),
        (MAPS, {"kind": "ConfigMap", "metadata": {"name": "b"}}),
    ]
    assert sorted(server.asked) == [
        "/api/v1/namespaces/shop/configmaps",
        "/api/v1/namespaces/shop/configmaps",
        "/api/v1/namespaces/shop/persistentvolumeclaims",
        "/api/v1/namespaces/shop/pods",
        "/apis/apps/v1/namespaces/shop/deployments",
    ]


async def test_a_cluster_scoped_owner_may_own_anything_anywhere() -> None:
    server = Server()
    await run(server, GroupResource("", "nodes"), owner(""))
    assert sorted(server.asked) == [
        "/api/v1/configmaps",
        "/api/v1/nodes",
        "/api/v1/persistentvolumeclaims",
        "/api/v1/pods",
        "/apis/apps/v1/deployments",
    ]


async def test_a_pod_is_asked_for_claims_if_it_has_any_at_all() -> None:
    server = Server()
    with_claim = {"volumes": [{"name": "v", "ephemeral": {}}]}
    await run(server, PODS, owner(spec=with_claim))
    assert server.asked == ["/api/v1/namespaces/shop/persistentvolumeclaims"]
    server = Server()
    assert await run(server, PODS, owner(spec={"volumes": [{"name": "v", "emptyDir": {}}]})) == []
    assert await run(server, GroupResource("", "events"), owner()) == []
    assert server.asked == []


async def test_what_cascading_protects_is_whole() -> None:
    guarded = {"metadata": {"name": "p", "uid": "up", "labels": CASCADING}, "status": {"phase": "Failed"}}
    plain = {"metadata": {"name": "q", "uid": "uq"}, "status": {"phase": "Running"}}
    server = Server(pods=[guarded, plain])
    whole, thin = [obj for resource, obj in await run(server, MAPS, owner()) if resource == PODS]
    assert whole["status"] == {"phase": "Failed"}
    assert "status" not in thin
    assert [path for path in server.asked if "?" in path] == [
        "/api/v1/namespaces/shop/pods?policy.kruise.io/delete-protection=Cascading"
    ]


@pytest.mark.parametrize("code", [403, 410, 500])
async def test_what_cannot_be_listed_makes_the_whole_unknown(code: int) -> None:
    with pytest.raises(ApiError):
        await run(Server(pods=code), MAPS, owner())
