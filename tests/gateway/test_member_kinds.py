"""Kinds that are cached by configuration, from a member's discovery to the rows of a Table."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from cache.multi_cluster_cache import MultiClusterCache
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.options import ListOptions
from gateway.clusters.credentials import Credentials, StaticCredentials
from gateway.clusters.endpoint import Endpoint
from gateway.clusters.lister_watcher import HttpListerWatcher
from gateway.clusters.upstream import Upstream
from gateway.config import CacheConfig
from gateway.discovery.documents import DiscoveryDocuments
from gateway.discovery.surface import ApiSurface
from gateway.member_kinds import MemberKinds
from gateway.printers.printer import MERGED_POD_PRINTER, MergedPrinter
from gateway.request import RequestInfo, parse_request_info
from tests.gateway.discovery.builders import CORE, NODES, SHOP, TOYS, group, resource
from tests.support.http_server import serve

SIZE = {"name": "Size", "type": "string", "jsonPath": ".spec.size"}
COLOUR = {"name": "Colour", "type": "string", "jsonPath": ".spec.colour"}


class Member:
    """An API server with toys and nodes, and with a right that may be missing."""

    def __init__(self, name: str, column: JsonObject) -> None:
        self.name = name
        self.column = column
        self.forbidden = ""
        self.shop = SHOP

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path in {"/api", "/apis"}:
            document = DiscoveryDocuments(ApiSurface([CORE, self.shop])).aggregated("v2", core=request.path == "/api")
            return web.Response(body=document.body, content_type="application/json")
        if "customresourcedefinitions" in request.path:
            return web.json_response(
                {"spec": {"versions": [{"name": "v1", "additionalPrinterColumns": [self.column]}]}}
            )
        plural = request.path.rpartition("/")[2]
        if plural == self.forbidden:
            return web.json_response({"kind": "Status", "message": f"{plural} is forbidden"}, status=403)
        if request.query.get("watch"):
            stream = web.StreamResponse()
            await stream.prepare(request)
            await asyncio.Event().wait()
        metadata = {"name": f"{plural}-of-{self.name}", "uid": f"{plural}-{self.name}", "resourceVersion": "3"}
        spec = {"size": "L", "colour": "red"}
        return web.json_response(
            {"metadata": {"resourceVersion": "5"}, "items": [{"metadata": metadata, "spec": spec}]}
        )


class Setting:
    """A running cache with kinds of a configuration, and its members."""

    def __init__(self, stack: AsyncExitStack, *resources: str) -> None:
        self._stack = stack
        self.cache = MultiClusterCache(now=lambda: 0.0, jitter=lambda: 0.5, token_key=b"0123456789abcdef")
        self.kinds = MemberKinds(CacheConfig(resources=resources), self.cache)

    async def join(self, member: Member) -> None:
        url = await self._stack.enter_async_context(serve(member.answer))
        upstream = Upstream(member.name, Endpoint(url), StaticCredentials(Credentials(token="t")), now=lambda: 0.0)
        self._stack.push_async_callback(upstream.close)
        await self.cache.add_cluster(member.name, lambda gvr: HttpListerWatcher(upstream, gvr))
        self.kinds.join(member.name, upstream)
        await self.kinds.resources.wait_asked(30)

    async def rows(self, info: RequestInfo) -> tuple[list[str], list[list[Any]]]:
        """The Table of a resource: the names of its columns, and its cells."""
        merged = self.cache.resource(info.group_version_resource)
        assert merged is not None
        await merged.wait_synced(30)
        printer = self.kinds.printer(info)
        items = (await merged.list("", ListOptions())).items
        cells = [json.loads(b"{" + printer.row(item, 0.0) + b"}")["cells"] for item in items]
        return [column.name for column in printer.columns], cells


@asynccontextmanager
async def setting(*resources: str) -> AsyncIterator[Setting]:
    async with AsyncExitStack() as stack:
        built = Setting(stack, *resources)
        tasks = [asyncio.get_running_loop().create_task(run()) for run in (built.cache.run, built.kinds.loop)]
        await asyncio.sleep(0)
        yield built
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def asked(path: str) -> RequestInfo:
    return parse_request_info("GET", path, {})


NODES_ASKED, TOYS_ASKED = asked("/api/v1/nodes"), asked("/apis/shop.example.com/v1/toys")


async def test_a_kind_of_kubernetes_has_its_own_table() -> None:
    async with setting("nodes") as there:
        await there.join(Member("m1", SIZE))
        columns, rows = await there.rows(NODES_ASKED)
        assert columns[:6] == ["Name", "Status", "Roles", "Age", "Cluster", "Version"]
        assert [row[:5] for row in rows] == [["nodes-of-m1", "Unknown", "<none>", "<unknown>", "m1"]]
        printer = there.kinds.printer(NODES_ASKED)
        assert isinstance(printer, MergedPrinter)
        assert printer.built_in
        assert there.kinds.found == {"nodes": NODES.gvr}


async def test_a_custom_kind_has_the_columns_of_its_members() -> None:
    async with setting("toys.shop.example.com") as there:
        await there.join(Member("m1", SIZE))
        alone = there.kinds.printer(TOYS_ASKED)
        assert not alone.built_in
        assert there.kinds.printer(TOYS_ASKED) is alone
        await there.join(Member("m2", COLOUR))
        columns, rows = await there.rows(TOYS_ASKED)
        assert columns == ["Name", "Size", "Colour", "Cluster"]
        assert rows == [["toys-of-m1", "L", "<none>", "m1"], ["toys-of-m2", "<none>", "red", "m2"]]
        assert there.kinds.found == {"toys.shop.example.com": TOYS.gvr}


async def test_a_right_that_is_missing_concerns_that_member_and_that_kind() -> None:
    async with setting("nodes", "toys.shop.example.com") as there:
        narrow = Member("m2", SIZE)
        narrow.forbidden = "nodes"
        await there.join(Member("m1", SIZE))
        await there.join(narrow)
        async with asyncio.timeout(30):
            while not there.kinds.unreadable():
                await asyncio.sleep(0.01)
        assert there.kinds.unreadable() == {"m2": {"nodes": "403 nodes is forbidden"}}
        _, toys = await there.rows(TOYS_ASKED)
        assert len(toys) == 2


async def test_a_member_with_other_versions_only_is_said_to_be_missing() -> None:
    async with setting("toys.shop.example.com") as there:
        await there.join(Member("m1", SIZE))
        newer = Member("m2", SIZE)
        newer.shop = group(resource("shop.example.com/v2", "toys", "Toy", custom=True))
        await there.join(newer)
        why = "it is served there as v2 only"
        assert there.kinds.unreadable()["m2"]["toys.shop.example.com"] == why


@pytest.mark.parametrize("name", ["pods", "pods.v1.", "events", "events.events.k8s.io"])
async def test_what_is_cached_always_need_not_be_named(name: str) -> None:
    async with setting(name) as there:
        await there.join(Member("m1", SIZE))
        assert there.kinds.found == {}
        assert not there.kinds.resources.missing
        assert there.kinds.printer(asked("/api/v1/pods")) is MERGED_POD_PRINTER


async def test_the_columns_of_hidden_members_are_not_shown() -> None:
    async with setting("toys.shop.example.com") as there:
        await there.join(Member("m1", SIZE))
        await there.join(Member("m2", COLOUR))

        def names(*visible: str) -> list[str]:
            return [column.name for column in there.kinds.printer(TOYS_ASKED, visible.__contains__).columns]

        assert names("m1") == ["Name", "Size", "Cluster"]
        assert names("m2") == ["Name", "Colour", "Cluster"]
        assert names("m1", "m2") == ["Name", "Size", "Colour", "Cluster"]
        assert names() == ["Name", "Age", "Cluster"]
        first = there.kinds.printer(TOYS_ASKED, "m1".__eq__)
        assert there.kinds.printer(TOYS_ASKED, ["m1", "m3"].__contains__) is first, (
            "who sees the same shares its frames"
        )
