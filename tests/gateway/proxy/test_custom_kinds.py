"""Objects of custom kinds count, whether their kind is served or not."""

from typing import Any

import pytest
from aiohttp import web

from gateway.apimachinery import meta
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.schema import GroupResource
from gateway.proxy import custom_kinds
from gateway.proxy.dependents import collectable
from gateway.proxy.namespace_contents import namespace_contents
from tests.gateway.proxy.gateway_under_test import make_upstream
from tests.support.http_server import serve

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
GEMS = "/apis/evil.io/v1/gems"
IN_SHOP = "/apis/evil.io/v1/namespaces/shop/gems"
ALL_VERBS = ["create", "delete", "get", "list", "watch"]
RUBY = {"apiVersion": "evil.io/v1", "kind": "GemList", "items": [{"metadata": {"name": "ruby", "uid": "u"}}]}
NO_PATH = "serve a version of it again first"


def gems(*, served: bool = True, scope: str = "Namespaced", **status: Any) -> dict[str, Any]:
    names = {"plural": "gems", "singular": "gem", "kind": "Gem", "listKind": "GemList"}
    conditions = [{"type": "Established", "status": "True"}]
    return {
        "metadata": {"name": "gems.evil.io"},
        "spec": {
            "group": "evil.io",
            "scope": scope,
            "names": names,
            "versions": [{"name": "v1", "served": served, "storage": True}],
        },
        "status": {"acceptedNames": names, "conditions": conditions, "storedVersions": ["v1"]} | status,
    }


def group(name: str, *resources: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": name}, "versions": [{"version": "v1", "resources": list(resources)}]}


def resource(name: str, kind: str, scope: str = "Namespaced") -> dict[str, Any]:
    return {"resource": name, "scope": scope, "verbs": ALL_VERBS, "responseKind": {"kind": kind}}


class Server:
    """An API server with one custom kind, which its discovery shows or not."""

    def __init__(self, definition: dict[str, Any], *, shown: bool = False, **lists: Any) -> None:
        groups = [
            group("apiextensions.k8s.io", resource("customresourcedefinitions", "CustomResourceDefinition", "Cluster"))
        ]
        if shown:
            groups.append(group("evil.io", resource("gems", "Gem")))
        self.documents = {
            "/api": {"kind": "APIGroupDiscoveryList", "items": []},
            "/apis": {"kind": "APIGroupDiscoveryList", "items": groups},
            DEFINITIONS: {"kind": "PartialObjectMetadataList", "items": [{"metadata": definition["metadata"]}]},
            f"{DEFINITIONS}/gems.evil.io": definition,
        } | lists

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        document = self.documents.get(request.path)
        if document is None:
            return web.Response(status=404, text="404 page not found")
        return web.json_response(document)


async def run(server: Server, ask: Any) -> Any:
    async with serve(server) as url:
        upstream = make_upstream(url)
        try:
            return await ask(upstream)
        finally:
            await upstream.close()


def all_gems(upstream: Any) -> Any:
    return custom_kinds.instances(upstream, "evil.io", "gems")


def one_version(upstream: Any) -> Any:
    return custom_kinds.instances(upstream, "evil.io", "gems", "v1")


def in_namespace(upstream: Any) -> Any:
    return namespace_contents(upstream, "shop")


def of_owner(upstream: Any) -> Any:
    owner = {"metadata": {"name": "o", "namespace": "shop", "uid": "o"}}
    return collectable(upstream, GroupResource("", "configmaps"), owner)


def of_cluster_owner(upstream: Any) -> Any:
    return collectable(upstream, GroupResource("", "nodes"), {"metadata": {"name": "o", "uid": "o"}})


QUESTIONS = [all_gems, one_version, in_namespace, of_owner, of_cluster_owner]
UNSERVED = {
    "no version served": gems(served=False),
    "not established": gems(conditions=[]),
    "another name": gems(acceptedNames={"plural": "stones"}),
    "said to be served, but not found": gems(),
}


@pytest.mark.parametrize("ask", QUESTIONS)
@pytest.mark.parametrize("definition", UNSERVED.values(), ids=UNSERVED.keys())
@pytest.mark.parametrize("shown", [False, True])
async def test_where_a_kind_is_not_served_nothing_is_claimed(ask: Any, definition: Any, shown: bool) -> None:
    with pytest.raises(ApiError, match=f"does not serve gems.evil.io, .*: {NO_PATH}"):
        await run(Server(definition, shown=shown), ask)


@pytest.mark.parametrize("ask", QUESTIONS)
@pytest.mark.parametrize("shown", [False, True])
async def test_what_is_served_is_listed_though_discovery_lags_behind(ask: Any, shown: bool) -> None:
    found = await run(Server(gems(), shown=shown, **{GEMS: RUBY, IN_SHOP: RUBY}), ask)
    objects = [entry[1] if isinstance(entry, tuple) else entry for entry in found]
    rubies = [obj for obj in objects if meta.name(obj) == "ruby"]
    assert [(obj["kind"], meta.uid(obj)) for obj in rubies] == [("Gem", "u")]


NEVER = {
    "its names were never accepted": gems(
        conditions=[{"type": "Established", "status": "False", "reason": "NotAccepted"}]
    ),
    "nobody has looked at its names": gems(conditions=[], acceptedNames={}),
    "nothing was stored": gems(conditions=[], storedVersions=[]),
}


@pytest.mark.parametrize("ask", QUESTIONS)
@pytest.mark.parametrize("definition", NEVER.values(), ids=NEVER.keys())
async def test_a_definition_that_never_had_objects_stands_in_nobodys_way(ask: Any, definition: Any) -> None:
    found = await run(Server(definition), ask)
    assert [entry for entry in found if not isinstance(entry, tuple) or entry[0].resource == "gems"] == []


@pytest.mark.parametrize("ask", [in_namespace, of_owner, of_cluster_owner])
async def test_one_that_is_going_takes_its_objects_along_anyway(ask: Any) -> None:
    definition = gems(served=False)
    definition["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    found = await run(Server(definition), ask)
    assert [entry for entry in found if entry[0].resource == "gems"] == []


@pytest.mark.parametrize("ask", [in_namespace, of_owner])
async def test_what_has_no_namespace_is_in_none(ask: Any) -> None:
    assert await run(Server(gems(served=False, scope="Cluster")), ask) == []
    with pytest.raises(ApiError, match=NO_PATH):
        await run(Server(gems(served=False, scope="Cluster")), of_cluster_owner)


async def test_a_kind_that_goes_while_its_namespace_is_listed_is_gone() -> None:
    server = Server(gems(), shown=True)
    server.documents[DEFINITIONS] = {"kind": "PartialObjectMetadataList", "items": []}
    assert await run(server, in_namespace) == []
