import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from gateway.apimachinery.meta import JsonObject
from gateway.clusters.credentials import Credentials, StaticCredentials
from gateway.clusters.endpoint import Endpoint
from gateway.clusters.upstream import Upstream
from gateway.discovery import member_resources
from gateway.discovery.documents import DiscoveryDocuments
from gateway.discovery.member_resources import MemberResources
from gateway.discovery.resource_name import parse_resource_names
from gateway.discovery.surface import ApiGroup, ApiResource, ApiSurface, ApiVersion
from tests.gateway.discovery.builders import CORE, NODES, SHOP, TOYS, group, resource
from tests.support.http_server import serve

SIZE = {"name": "Size", "type": "string", "jsonPath": ".spec.size"}
PRICE = {"name": "Price", "type": "integer", "jsonPath": ".spec.price", "priority": 1}


class Server:
    """A member: what it serves, and what its definition of toys declares; None where it may not be read."""

    def __init__(self, *groups: ApiGroup, columns: Sequence[JsonObject] | None = ()) -> None:
        self.groups = list(groups)
        self.columns = columns
        self.down = False
        self.looks = 0

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if self.down:
            return web.Response(status=503, text="out of order")
        if "customresourcedefinitions" in request.path:
            return self._definition(request.path)
        self.looks += request.path == "/apis"
        document = DiscoveryDocuments(ApiSurface(self.groups)).aggregated("v2", core=request.path == "/api")
        return web.Response(body=document.body, content_type="application/json")

    def _definition(self, path: str) -> web.Response:
        assert path.endswith("/toys.shop.example.com")
        if self.columns is None:
            return web.json_response(
                {"kind": "Status", "code": 403, "reason": "Forbidden", "message": "no"}, status=403
            )
        version = {"name": "v1", "additionalPrinterColumns": list(self.columns)}
        return web.json_response({"spec": {"versions": [version, {"name": "v2"}]}})


class Fleet:
    """What is found in some members, and in which order it was told."""

    def __init__(self, stack: AsyncExitStack, *names: str) -> None:
        self._stack = stack
        self.told: list[ApiResource] = []
        self.found = MemberResources(parse_resource_names(names), found=self._tell, now=lambda: 0.0)

    async def _tell(self, resource: ApiResource) -> None:
        assert resource not in self.found.resources, "it must be cached before it is served"
        self.told.append(resource)

    async def join(self, name: str, server: Server) -> None:
        url = await self._stack.enter_async_context(serve(server.answer))
        upstream = Upstream(name, Endpoint(url), StaticCredentials(Credentials(token="t")), now=lambda: 0.0)
        self._stack.push_async_callback(upstream.close)
        self.found.join(name, upstream)
        await self.found.wait_asked(30)

    async def until(self, generation: int) -> None:
        async with asyncio.timeout(30):
            while self.found.generation < generation:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def fleet(*names: str) -> AsyncIterator[Fleet]:
    async with AsyncExitStack() as stack:
        built = Fleet(stack, *names)
        task = asyncio.get_running_loop().create_task(built.found.run())
        await asyncio.sleep(0)
        yield built
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(member_resources, "SEARCH_INTERVAL", 0.01)
    monkeypatch.setattr(member_resources, "INTERVAL", 0.01)


def missing(found: MemberResources) -> list[str]:
    return [name.text for name in found.missing]


async def test_what_a_member_has_is_told_and_then_served_as_the_members_own() -> None:
    async with fleet("nodes", "toys.shop.example.com") as members:
        await members.join("m1", Server(CORE, SHOP))
        nodes, toys = members.found.resources
        assert (nodes.kind, nodes.namespaced, nodes.merged) == ("Node", False, True)
        assert [subresource.name for subresource in nodes.subresources] == ["proxy", "status"]
        assert (toys.gvr, toys.custom, toys.merged) == (TOYS.gvr, True, True)
        assert members.told == [nodes, toys]
        assert missing(members.found) == []


async def test_custom_objects_are_deleted_one_by_one() -> None:
    """Each is judged by the definition of its own member."""
    toys = replace(TOYS, verbs=("delete", "deletecollection", "get", "list", "watch"))
    nodes = replace(NODES, verbs=toys.verbs)
    async with fleet("nodes", "toys.shop.example.com") as members:
        await members.join("m1", Server(group(nodes), group(toys)))
        assert [found.verbs for found in members.found.resources] == [nodes.verbs, ("delete", "get", "list", "watch")]


async def test_what_no_member_has_is_awaited(caplog: pytest.LogCaptureFixture) -> None:
    async with fleet("nodes", "toys.shop.example.com") as members:
        await members.join("m1", Server(CORE))
        assert missing(members.found) == ["toys.shop.example.com"]
        assert members.found.all_asked
        assert "no member serves toys.shop.example.com" in caplog.text
        generation = members.found.generation
        await members.join("m2", Server(CORE, SHOP))
        await members.until(generation + 1)
        assert missing(members.found) == []


@pytest.mark.usefixtures("quick")
async def test_a_definition_that_a_member_gets_later_is_found() -> None:
    async with fleet("toys.shop.example.com") as members:
        server = Server(CORE)
        await members.join("m1", server)
        assert not members.told
        server.groups.append(SHOP)
        await members.until(1)
        assert [resource.kind for resource in members.told] == ["Toy"]


@pytest.mark.usefixtures("quick")
async def test_a_member_that_is_away_leaves_what_is_missing_unknown() -> None:
    async with fleet("toys.shop.example.com") as members:
        server = Server(SHOP)
        server.down = True
        await members.join("m1", server)
        states = [members.found.all_asked]
        server.down = False
        await members.until(1)
        states.append(members.found.all_asked)
        assert states == [False, True]
        server.down = True
        assert [resource.kind for resource in members.found.resources] == ["Toy"]


async def test_the_version_stays_whatever_members_come_and_go() -> None:
    newer = ApiGroup("shop.example.com", (ApiVersion("v2", (resource("shop.example.com/v2", "toys", "Toy"),)),))
    async with fleet("toys.shop.example.com") as members:
        await members.join("m2", Server(SHOP))
        await members.join("m1", Server(newer))
        toys = TOYS.gvr.group_resource
        assert members.found.only_in_other_versions() == {"m1": {toys: ("v2",)}}
        members.found.leave("m2")
        assert [found.gvr for found in members.found.resources] == [TOYS.gvr]
        assert len(members.told) == 1


@pytest.mark.usefixtures("quick")
async def test_verbs_and_subresources_follow_the_members() -> None:
    server = Server(group(resource("shop.example.com/v1", "toys", "Toy", custom=True)))
    async with fleet("toys.shop.example.com") as members:
        await members.join("m1", server)
        server.groups = [group(resource("shop.example.com/v1", "toys", "Toy", "scale", custom=True))]
        await members.until(2)
        assert [subresource.name for subresource in members.found.resources[0].subresources] == ["scale"]
        assert len(members.told) == 1


def column_names(found: MemberResources) -> dict[str, list[str]]:
    return {name: [column.name for column in columns] for name, columns in found.columns(TOYS.gvr).items()}


async def test_columns_are_known_by_member_before_the_resource_is_served() -> None:
    async with fleet("toys.shop.example.com") as members:
        seen: list[Any] = []
        tell = members._tell

        async def told(resource: ApiResource) -> None:
            seen.append(column_names(members.found))
            await tell(resource)

        members.found._found = told
        await members.join("m1", Server(SHOP, columns=[SIZE]))
        assert seen == [{"m1": ["Size"]}]
        await members.join("m2", Server(SHOP, columns=[PRICE, {"name": "broken"}]))
        await members.join("m3", Server(SHOP, columns=None))
        assert column_names(members.found) == {"m1": ["Size"], "m2": ["Price"]}
        assert members.found.columns(TOYS.gvr)["m2"][0].priority == 1


@pytest.mark.usefixtures("quick")
async def test_columns_that_change_are_seen_and_others_are_the_same_object() -> None:
    server = Server(SHOP, columns=[SIZE])
    async with fleet("toys.shop.example.com") as members:
        await members.join("m1", server)
        before, looks = members.found.columns(TOYS.gvr), server.looks
        async with asyncio.timeout(30):
            while server.looks < looks + 2:
                await asyncio.sleep(0.01)
        assert members.found.columns(TOYS.gvr) is before
        server.columns = [PRICE]
        async with asyncio.timeout(30):
            while column_names(members.found) != {"m1": ["Price"]}:
                await asyncio.sleep(0.01)


async def test_without_names_nobody_is_asked() -> None:
    async with fleet() as members:
        server = Server(CORE)
        await members.join("m1", server)
        assert server.looks == 0
        assert members.found.all_asked


async def test_who_asks_for_what_is_not_found_has_the_members_looked_at_now() -> None:
    async with fleet("toys.shop.example.com") as members:
        first, second = Server(CORE), Server(CORE)
        await members.join("m1", first)
        await members.join("m2", second)
        looks = first.looks
        second.groups.append(SHOP)
        await members.found.look()
        assert missing(members.found) == []
        assert first.looks == looks + 1
        await members.found.look()
        assert first.looks == looks + 1, "there is nothing to look for"


async def test_many_who_ask_have_the_members_looked_at_once() -> None:
    async with fleet("toys.shop.example.com") as members:
        server = Server(CORE)
        await members.join("m1", server)
        looks = server.looks
        for _ in range(3):
            await members.found.look()
        assert server.looks == looks + 1
