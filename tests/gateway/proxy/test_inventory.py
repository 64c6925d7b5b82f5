from typing import Any

import pytest
from aiohttp import web

from gateway.apimachinery import meta
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.schema import GroupResource, GroupVersionResource
from gateway.proxy import custom_kinds, inventory
from gateway.proxy.namespace_contents import namespace_contents
from tests.gateway.proxy.gateway_under_test import make_upstream
from tests.support.http_server import serve

PODS = GroupVersionResource("", "v1", "pods")


def discovery(*groups: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "APIGroupDiscoveryList", "items": list(groups)}


def resource(name: str, scope: str = "Namespaced", verbs: tuple[str, ...] = ("get", "list")) -> dict[str, Any]:
    return {"resource": name, "scope": scope, "verbs": list(verbs)}


def group(name: str, **versions: list[dict[str, Any]]) -> dict[str, Any]:
    listed = [{"version": version, "resources": resources} for version, resources in versions.items()]
    return {"metadata": {"name": name}, "versions": listed}


CORE = discovery(
    group("", v1=[resource("pods"), resource("nodes", "Cluster"), resource("bindings", verbs=("create",))])
)
NAMED = discovery(group("x.io", v2=[resource("as")], v1=[resource("as"), resource("bs")]))


class Member:
    def __init__(self, **overrides: Any) -> None:
        self.documents: dict[str, Any] = {"/api": CORE, "/apis": NAMED} | overrides
        self.asked: list[str] = []

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(request.raw_path.partition("?")[0])
        document = self.documents.get(request.path)
        if isinstance(document, int):
            return web.json_response({"kind": "Status", "code": document}, status=document)
        if document is None:
            return web.Response(status=404, text="404 page not found")
        return web.json_response(document)


async def run(member: Any, ask: Any) -> Any:
    async with serve(member) as url:
        upstream = make_upstream(url)
        try:
            return await ask(upstream)
        finally:
            await upstream.close()


async def test_a_namespace_is_every_listable_resource_once() -> None:
    pods = {"kind": "PodList", "apiVersion": "v1", "items": [{"metadata": {"name": "p"}}]}
    path = "/apis/x.io/v2/namespaces/shop/as"
    member = Member(
        **{"/api/v1/namespaces/shop/pods": pods, path: {"kind": "AList", "apiVersion": "x.io/v2", "items": None}}
    )
    found = await run(member, lambda upstream: namespace_contents(upstream, "shop"))
    assert [(str(resource), meta.name(obj), obj["kind"]) for resource, obj in found] == [("pods", "p", "Pod")]
    assert sorted(member.asked) == sorted(
        ["/api", "/apis", "/api/v1/namespaces/shop/pods", path, "/apis/x.io/v1/namespaces/shop/bs"]
    )


async def test_what_cannot_be_listed_makes_the_whole_unknown() -> None:
    with pytest.raises(ApiError):
        await run(
            Member(**{"/api/v1/namespaces/shop/pods": 403}),
            lambda upstream: namespace_contents(upstream, "shop"),
        )


async def test_a_group_that_does_not_answer_makes_the_whole_unknown() -> None:
    stale = group("x.io", v1=[])
    stale["versions"][0]["freshness"] = "Stale"
    with pytest.raises(ApiError, match=r"x\.io"):
        await run(Member(**{"/apis": discovery(stale)}), lambda upstream: namespace_contents(upstream, "shop"))


async def test_without_aggregated_discovery_nothing_is_claimed() -> None:
    with pytest.raises(ApiError, match="aggregated discovery"):
        await run(Member(**{"/api": {"kind": "APIVersions"}}), lambda upstream: namespace_contents(upstream, "shop"))


async def test_a_list_is_read_to_its_last_page() -> None:
    pages = {
        "": {
            "kind": "PodList",
            "apiVersion": "v1",
            "metadata": {"continue": "c/1"},
            "items": [{"metadata": {"name": "a"}}],
        },
        "c/1": {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [{"metadata": {"name": "b"}}]},
    }

    async def member(request: web.BaseRequest) -> web.StreamResponse:
        assert request.query["labelSelector"] == "a in (b,c)"
        assert request.query["fieldSelector"] == "x=y"
        return web.json_response(pages[request.query.get("continue", "")])

    found = await run(member, lambda upstream: inventory.list_all(upstream, PODS, labels="a in (b,c)", fields="x=y"))
    assert [(meta.name(obj), obj["kind"], obj["apiVersion"]) for obj in found] == [
        ("a", "Pod", "v1"),
        ("b", "Pod", "v1"),
    ]


async def test_instances_of_an_unknown_resource_are_none() -> None:
    assert await run(Member(), lambda upstream: custom_kinds.instances(upstream, "x.io", "cs")) == []


async def test_instances_are_read_in_the_version_that_is_asked_for() -> None:
    listed = {"kind": "AList", "apiVersion": "x.io/v1", "items": [{"metadata": {"name": "a"}, "spec": {"n": 1}}]}
    member = Member(**{"/apis/x.io/v1/as": listed})
    found = await run(member, lambda upstream: custom_kinds.instances(upstream, "x.io", "as", "v1"))
    assert [(obj["apiVersion"], obj["spec"]) for obj in found] == [("x.io/v1", {"n": 1})]
    assert await run(Member(), lambda upstream: custom_kinds.instances(upstream, "x.io", "as", "v3")) == []


@pytest.mark.parametrize("answer", [{"spec": {"versions": []}}, 404, None])
async def test_the_definition_of_a_custom_resource(answer: Any) -> None:
    member = Member(**{"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/as.x.io": answer})
    found = await run(member, lambda upstream: custom_kinds.definition(upstream, GroupResource("x.io", "as")))
    assert found == (answer if isinstance(answer, dict) else None)


async def test_a_definition_that_may_not_be_read_is_no_missing_one() -> None:
    member = Member(**{"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/as.x.io": 403})
    with pytest.raises(ApiError):
        await run(member, lambda upstream: custom_kinds.definition(upstream, GroupResource("x.io", "as")))
