"""Propagation between real API servers: a federation and two members, each a simulated cluster over TLS."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject
from gateway.clusters.upstream import Upstream
from gateway.simulation.propagation.propagator import Propagator
from tests.gateway.simulation.builders import deployment
from tests.gateway.simulation.served import (
    DEPLOYMENTS,
    ServedMember,
    served_gateway,
    served_member,
    until,
    upstream,
)

SHOP = "/apis/apps/v1/namespaces/shop/deployments"
MERGE = {"Content-Type": "application/merge-patch+json"}


def new(name: str, replicas: int) -> JsonObject:
    return {"metadata": {"name": name, "labels": {"app": name}}, "spec": deployment(name, replicas)["spec"]}


class Fleet:
    def __init__(self, federation: Upstream, members: list[ServedMember]) -> None:
        self.federation = federation
        self.members = members

    async def replicas(self, path: str) -> list[int | None]:
        """What each member is told to have of a Deployment, None where it has none."""
        found: list[int | None] = []
        for member in self.members:
            try:
                found.append((await member.admin.get_json(path))["spec"]["replicas"])
            except ApiError as error:
                if error.code != 404:
                    raise
                found.append(None)
        return found

    async def until_divided(self, path: str, *replicas: int | None) -> None:
        async def divided() -> bool:
            return await self.replicas(path) == list(replicas)

        await until(divided)

    async def until_status(self, path: str, **expected: Any) -> JsonObject:
        """Wait until the federated object's status has these values; return the object."""
        seen: JsonObject = {}

        async def so() -> bool:
            nonlocal seen
            seen = await self.federation.get_json(path)
            return all((seen.get("status") or {}).get(name) == value for name, value in expected.items())

        await until(so)
        return seen


@asynccontextmanager
async def propagating(federation: Upstream, members: list[Upstream]) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(Propagator(federation, members, time.time).run())
        yield
        running.cancel()


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    async with AsyncExitStack() as stack:
        federation = await stack.enter_async_context(served_gateway(tmp_path / "gateway"))
        members = [
            await stack.enter_async_context(served_member(tmp_path / f"member{number}", number=number))
            for number in (1, 2)
        ]
        await stack.enter_async_context(propagating(federation, [member.admin for member in members]))
        yield Fleet(federation, members)


async def test_a_deployment_is_divided_and_its_status_comes_back(fleet: Fleet) -> None:
    await fleet.federation.send_json("POST", DEPLOYMENTS, new("web", 3))
    web = f"{DEPLOYMENTS}/web"
    await fleet.until_divided(web, 2, 1)
    federated = await fleet.until_status(web, observedGeneration=1, availableReplicas=3, updatedReplicas=3)
    assert {each["type"]: each["status"] for each in federated["status"]["conditions"]} == {
        "Available": "True",
        "Progressing": "True",
    }
    part = await fleet.members[0].admin.get_json(web)
    assert part["metadata"]["labels"] == {"app": "web", "simulation.fleetgate.io/propagated": "true"}
    events = await fleet.federation.get_json("/api/v1/namespaces/default/events")
    told = [event for event in events["items"] if event["reason"] == "ReplicasDivided"]
    assert [event["message"] for event in told] == ["Divided over the members: member1 2, member2 1"]
    assert told[0]["involvedObject"]["uid"] == federated["metadata"]["uid"]


async def test_changes_follow_and_so_does_the_end(fleet: Fleet) -> None:
    await fleet.federation.send_json("POST", DEPLOYMENTS, new("web", 2))
    web = f"{DEPLOYMENTS}/web"
    await fleet.until_divided(web, 1, 1)
    change = {"metadata": {"labels": {"tier": "front"}}, "spec": {"replicas": 5, "minReadySeconds": 1}}
    await fleet.federation.send_json("PATCH", web, change, headers=MERGE)
    await fleet.until_divided(web, 3, 2)
    await fleet.until_status(web, observedGeneration=2, availableReplicas=5)
    removal = {"metadata": {"labels": {"tier": None}}, "spec": {"replicas": 4, "minReadySeconds": None}}
    await fleet.federation.send_json("PATCH", web, removal, headers=MERGE)
    await fleet.until_divided(web, 2, 2)
    part = await fleet.members[1].admin.get_json(web)
    assert "tier" not in part["metadata"]["labels"]
    assert "minReadySeconds" not in part["spec"]
    await fleet.federation.send_json("DELETE", web, {"propagationPolicy": "Background"})
    await fleet.until_divided(web, None, None)


async def test_a_namespace_that_a_member_lacks_is_created_there(fleet: Fleet) -> None:
    await fleet.federation.send_json("POST", "/api/v1/namespaces", {"metadata": {"name": "shop"}})
    await fleet.federation.send_json("POST", SHOP, new("cart", 2))
    await fleet.federation.send_json("POST", SHOP, new("till", 2))
    await fleet.until_divided(f"{SHOP}/cart", 1, 1)
    await fleet.until_divided(f"{SHOP}/till", 1, 1)


async def test_what_is_changed_in_a_member_is_put_right_and_what_is_its_own_is_left_alone(fleet: Fleet) -> None:
    own = f"{DEPLOYMENTS}/own"
    await fleet.members[0].admin.send_json("POST", DEPLOYMENTS, new("own", 1))
    await fleet.federation.send_json("POST", DEPLOYMENTS, new("web", 4))
    web = f"{DEPLOYMENTS}/web"
    await fleet.until_divided(web, 2, 2)
    await fleet.members[0].admin.send_json("PATCH", web, {"spec": {"replicas": 7}}, headers=MERGE)
    await fleet.members[1].admin.send_json("DELETE", web, None)
    await fleet.until_status(web, availableReplicas=4)
    await fleet.until_divided(web, 2, 2)
    assert await fleet.replicas(own) == [1, None]


async def test_a_member_that_was_away_catches_up(tmp_path: Path) -> None:
    async with served_gateway(tmp_path / "gateway") as federation:
        async with served_member(tmp_path / "member1") as member:
            port = int(member.url.rpartition(":")[2])
            async with propagating(federation, [member.admin]):
                for name in ("stays", "goes"):
                    await federation.send_json("POST", DEPLOYMENTS, new(name, 1))
                    await Fleet(federation, [member]).until_divided(f"{DEPLOYMENTS}/{name}", 1)
        away = upstream("member1", tmp_path / "member1" / "admin.kubeconfig")
        async with propagating(federation, [away]):
            await federation.send_json("DELETE", f"{DEPLOYMENTS}/goes", None)
            await federation.send_json("PATCH", f"{DEPLOYMENTS}/stays", {"spec": {"replicas": 2}}, headers=MERGE)
            async with served_member(tmp_path / "member1", port=port) as member:
                await Fleet(federation, [member]).until_divided(f"{DEPLOYMENTS}/stays", 2)
                await Fleet(federation, [member]).until_divided(f"{DEPLOYMENTS}/goes", None)
        await away.close()
