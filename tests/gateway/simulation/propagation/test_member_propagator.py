"""A member whose own objects come in later than the federation's wishes."""

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.clusters.upstream import Upstream
from gateway.simulation.propagation.member_propagator import MemberPropagator
from tests.gateway.simulation.builders import deployment

WEB = ObjectKey("shop", "web")


class Answer(AbstractAsyncContextManager[None]):
    """A list."""

    status = 200

    async def __aexit__(self, *_: object) -> None:
        return None


class SlowMember:
    """Answers its list when it is let, and holds its watch open for ever."""

    name = "member1"

    def __init__(self) -> None:
        self.may_list = asyncio.Event()
        self.applied: asyncio.Queue[str] = asyncio.Queue()

    async def get(self, path: str, *, query: str = "", **_: Any) -> Answer:
        await (asyncio.Event() if "watch" in query else self.may_list).wait()
        return Answer()

    async def read_body(self, _: Answer, **__: Any) -> bytes:
        return b'{"metadata":{"resourceVersion":"1"},"items":[]}'

    async def send_json(self, method: str, path: str, body: JsonObject, **_: Any) -> JsonObject:
        await self.applied.put(f"{method} {path}")
        return {}


async def test_a_wish_that_came_before_the_members_first_list_is_not_forgotten() -> None:
    member = SlowMember()
    propagator = MemberPropagator(cast("Upstream", member), lambda _: deployment("web", 2), lambda _: None)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(propagator.run())
        propagator.look_at(WEB)
        while not propagator._waiting:  # until the wish has been looked at, too early
            await asyncio.sleep(0)
        assert member.applied.empty()
        member.may_list.set()
        assert await member.applied.get() == "PATCH /apis/apps/v1/namespaces/shop/deployments/web"
        running.cancel()
