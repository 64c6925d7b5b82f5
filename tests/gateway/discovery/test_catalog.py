from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject
from gateway.discovery.allow_list import AllowList
from gateway.discovery.catalog import DOCUMENT_AGE, Catalog
from gateway.discovery.embedded import EmbeddedDiscovery
from gateway.discovery.resource_name import ResourceName, parse_resource_names
from gateway.discovery.surface import ApiGroup, ApiResource, ApiVersion
from gateway.request import RequestInfo, parse_request_info
from tests.gateway.discovery.builders import APPS, CORE, SHOP, TOYS, StubRegistry, toy_crd


class Source:
    """A store whose changes are found by asking only."""

    def __init__(self, *groups: ApiGroup) -> None:
        self.there = list(groups)
        self.asked: list[float] = []
        self.reachable = True
        self.generation = 0
        self.version: JsonObject | None = None
        self._known: list[ApiGroup] = []

    @property
    def synced(self) -> bool:
        return bool(self.asked) and self.reachable

    def groups(self) -> Sequence[ApiGroup]:
        return self._known

    async def refresh(self, *, max_age: float = 0.0) -> None:
        self.asked.append(max_age)
        if self.reachable and self._known != self.there:
            self._known = list(self.there)
            self.generation += 1

    async def run(self) -> None:
        raise NotImplementedError


def asked(path: str) -> RequestInfo:
    return parse_request_info("GET", path, {})


def catalog(source: Source) -> Catalog:
    return Catalog(source, allow_list=AllowList(("*",), ("nodes",)))


async def test_before_the_store_was_read_the_merged_kinds_are_served() -> None:
    served = catalog(Source(CORE))
    assert not served.synced
    assert served.version is None
    assert served.surface.serves(asked("/api/v1/pods"))
    assert not served.surface.serves(asked("/api/v1/configmaps"))


async def test_a_known_resource_costs_no_question() -> None:
    source = Source(CORE, APPS)
    served = catalog(source)
    await served.fresh_documents()
    assert source.asked == [DOCUMENT_AGE]
    assert (await served.surface_for(asked("/apis/apps/v1/deployments"))).serves(asked("/apis/apps/v1/deployments"))
    await served.surface_for(asked("/api/v1/namespaces/a/pods/x/log"))
    await served.surface_for(asked("/clusters/m1/apis/unknown.example.com/v1/things"))
    assert source.asked == [DOCUMENT_AGE]


async def test_an_unknown_resource_is_looked_for_before_it_is_refused() -> None:
    source = Source(CORE)
    served = catalog(source)
    await served.fresh_documents()
    info = asked("/apis/shop.example.com/v1/toys")
    assert not (await served.surface_for(info)).serves(info)
    source.there.append(SHOP)
    assert (await served.surface_for(info)).serves(info)
    assert source.asked == [DOCUMENT_AGE, 0.0, 0.0]


async def test_what_is_denied_stays_so_however_often_the_store_is_asked() -> None:
    served = catalog(Source(CORE))
    info = asked("/api/v1/nodes")
    assert not (await served.surface_for(info)).serves(info)


async def test_nothing_is_called_unknown_before_the_store_was_read() -> None:
    source = Source(CORE)
    source.reachable = False
    served = catalog(source)
    with pytest.raises(ApiError) as refused:
        await served.surface_for(asked("/api/v1/configmaps"))
    assert (refused.value.code, refused.value.headers["Retry-After"]) == (503, "1")
    pods = asked("/api/v1/pods")
    assert (await served.surface_for(pods)).serves(pods)


async def test_an_unknown_resource_of_a_stale_version_is_unavailable_not_gone() -> None:
    served = catalog(Source(ApiGroup("metrics.k8s.io", (ApiVersion("v1beta1", (), stale=True),))))
    with pytest.raises(ApiError, match=r"metrics\.k8s\.io/v1beta1") as refused:
        await served.surface_for(asked("/apis/metrics.k8s.io/v1beta1/nodes"))
    assert refused.value.code == 503


async def test_a_surface_and_its_documents_are_one_snapshot() -> None:
    source = Source(CORE)
    served = catalog(source)
    documents = await served.fresh_documents()
    assert served.documents is documents
    assert served.surface is documents.surface
    source.there.append(SHOP)
    assert (await served.fresh_documents()).surface.group(SHOP.name) == SHOP
    assert documents.surface.group(SHOP.name) is None


async def test_a_custom_resource_of_the_embedded_store_is_served_at_once() -> None:
    registry = StubRegistry()
    served = Catalog(EmbeddedDiscovery(registry), allow_list=AllowList())
    info = asked("/apis/shop.example.com/v1/namespaces/a/toys/x")
    assert not served.surface.serves(info)
    registry.add_crd(toy_crd())
    assert served.surface.serves(info)
    assert served.synced
    assert served.version is not None


class OfMembers:
    """What the members serve beside Pods and Events."""

    def __init__(self, *texts: str) -> None:
        self._names = parse_resource_names(texts)
        self.generation = 0
        self.resources: list[ApiResource] = []
        self.all_asked = False
        self.on_look: Callable[[], None] = lambda: None

    async def look(self) -> None:
        self.on_look()

    @property
    def missing(self) -> list[ResourceName]:
        found = {resource.gvr.group_resource for resource in self.resources}
        return [name for name in self._names if not name.group_resources & found]

    def add(self, resource: ApiResource) -> None:
        self.resources.append(replace(resource, merged=True))
        self.generation += 1


async def test_what_a_member_is_found_to_have_is_served_at_once_even_if_the_store_does_not() -> None:
    members = OfMembers("toys.shop.example.com", "nodes")
    served = Catalog(Source(CORE), allow_list=AllowList(), members=members)
    await served.fresh_documents()
    toys, nodes = asked("/apis/shop.example.com/v1/toys"), asked("/api/v1/nodes")
    for unknown in (toys, nodes):
        with pytest.raises(ApiError, match="is not known yet") as refused:
            await served.surface_for(unknown)
        assert refused.value.code == 503
    members.add(TOYS)
    assert (await served.surface_for(toys)).is_merged(toys)
    members.all_asked = True
    assert not (await served.surface_for(nodes)).serves(nodes)
    document = served.documents.aggregated("v2", core=False).obj
    assert [(item["metadata"]["name"], item["versions"][0]["resources"][0]["resource"]) for item in document["items"]][
        -1
    ] == ("shop.example.com", "toys")


async def test_what_a_member_has_got_a_moment_ago_is_served_to_who_asks_for_it() -> None:
    members = OfMembers("toys.shop.example.com")
    members.all_asked = True
    served = Catalog(Source(CORE), allow_list=AllowList(), members=members)
    toys = asked("/apis/shop.example.com/v1/toys")
    assert not (await served.surface_for(toys)).serves(toys)
    members.on_look = lambda: members.add(TOYS)
    assert (await served.surface_for(toys)).is_merged(toys)
