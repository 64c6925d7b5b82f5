"""The federation store's write port with the members' Pods beside it."""

import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from cache.watcher import Visible, everyone
from gateway.apimachinery.errors import ApiError, service_unavailable
from gateway.apimachinery.meta import ObjectKey
from gateway.apimachinery.options import ListOptions
from gateway.apimachinery.schema import GroupResource, GroupVersionResource
from gateway.handlers.federation_target import FederationWriteTarget
from gateway.handlers.write_decoding import decode_write
from gateway.write_request import Precondition
from tests.gateway.handlers.memory_target import MemoryTarget
from tests.gateway.handlers.write_support import DEPLOYMENT, WEB, pod, scope, workload

PODS = GroupResource("", "pods")
DEPLOYMENTS = GroupResource("apps", "deployments")


class CachedPods:
    """Stands for the merged Pods of all members."""

    served = SimpleNamespace(gvr=GroupVersionResource("", "v1", "pods"))

    def __init__(self, *pods: Any) -> None:
        self._pods = pods

    async def list(self, namespace: str, options: ListOptions, *, visible: Visible = everyone) -> Any:
        assert options == ListOptions(), "all of them, without paging"
        within = [one for one in self._pods if one["metadata"]["namespace"] == namespace]
        items = [SimpleNamespace(cluster=f"m{one['metadata']['name'][-1]}", pod=one) for one in within]
        return SimpleNamespace(items=[item for item in items if visible(item.cluster)])

    def object(self, stored: Any) -> bytes:
        return json.dumps(stored.pod).encode()


def target_over(store: MemoryTarget, *pods: Any, visible: Visible = everyone) -> FederationWriteTarget:
    """Put Pods beside a store: web-1 is in the member m1, web-2 in m2."""
    cached: Any = CachedPods(*pods)

    async def seen() -> Visible:
        return visible

    return FederationWriteTarget(store, cached, seen)


async def test_a_namespace_holds_what_the_store_has_and_the_members_run() -> None:
    store = MemoryTarget(DEPLOYMENT)
    store.contents = [(DEPLOYMENTS, workload())]
    elsewhere = {"kind": "Pod", "metadata": {"name": "other", "namespace": "bank"}}
    found = await target_over(store, pod("web-1"), pod("web-2"), elsewhere).namespace_contents("shop")
    assert found == [(DEPLOYMENTS, workload()), (PODS, pod("web-1")), (PODS, pod("web-2"))]


async def test_pods_of_members_that_the_caller_does_not_see_have_no_names() -> None:
    target = target_over(MemoryTarget(DEPLOYMENT), pod("web-1"), pod("web-2"), visible=lambda cluster: cluster == "m1")
    (_, seen), (_, hidden) = await target.namespace_contents("shop")
    assert seen == pod("web-1")
    assert "name" not in hidden["metadata"]
    assert {**hidden, "metadata": {**hidden["metadata"], "name": "web-2"}} == pod("web-2")


async def test_the_stores_own_answer_is_not_changed() -> None:
    store = MemoryTarget(DEPLOYMENT)
    contents: Sequence[Any] = [(DEPLOYMENTS, workload())]
    store.contents = contents
    await target_over(store, pod("web-1")).namespace_contents("shop")
    assert contents == [(DEPLOYMENTS, workload())]


async def test_a_store_that_cannot_say_what_it_holds_is_no_empty_one() -> None:
    store = MemoryTarget(DEPLOYMENT)
    store.contents = service_unavailable("away")
    with pytest.raises(ApiError, match="away"):
        await target_over(store, pod("web-1")).namespace_contents("shop")


async def test_everything_else_is_the_stores() -> None:
    store = MemoryTarget(DEPLOYMENT, workload())
    target = target_over(store, pod("web"))
    asked = scope("DELETE", WEB)
    key = ObjectKey("shop", "web")
    old = await target.read(asked, key)
    assert old is not None
    assert [one["metadata"]["name"] for one in await target.list(asked, "shop", "", "")] == ["web"]
    assert await target.instances("apps.kruise.io", "clonesets") == []
    assert await target.definition(DEPLOYMENTS) == await store.definition(DEPLOYMENTS)
    request = decode_write(asked, b"")
    assert (await target.preview(request))["kind"] == "Status"
    seen = Precondition(old["metadata"]["uid"], old["metadata"]["resourceVersion"])
    assert (await target.apply(request, seen)).code == 200
    assert key not in store.objects
