"""The two ends of a worker's channel: what is told, what is asked, and in which order."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

import msgspec
import pytest

from cache.cacher import Cacher, CacherSettings
from cache.history import HistoryLimits
from cache.observed_object import ObservedObject
from cache.resource_kind import BUILT_IN_KINDS
from gateway.apimachinery.errors import ApiError, service_unavailable
from gateway.audit.config import AuditConfig
from gateway.audit.record import AuditRecord
from gateway.authorization.authorizer import Attributes, Decision, Outcome
from gateway.request import UserInfo, parse_request_info
from gateway.workers import core_end
from gateway.workers.channel import Channel
from gateway.workers.core_end import CoreEnd, CoreParts
from gateway.workers.messages import Accepting, Measured, MeasuredFamily, MeasuredSample, Settings
from gateway.workers.process import followed_cachers
from gateway.workers.worker_end import RelayedAudit, WorkerEnd
from tests.cache.test_cached_object import encoded
from tests.support.gateway_chain import ALLOW, DENY
from tests.support.objects import pod

SLOT = 5
ALICE = UserInfo("alice", uid="1", groups=("a", "b"), extra={"k": ("v", "w")}, credential_fingerprint="f")
ASKED = Attributes(ALICE, "list", api_version="v1", namespace="shop", resource="pods", label_selector="a=b")
SETTINGS = Settings("/nowhere", "h", ("n",), (), ("*",), (), AuditConfig(), SLOT, True, 1 << 30, 1.0, logging.WARNING)


class Core:
    """What a core end needs of a core."""

    def __init__(self) -> None:
        limits = CacherSettings(history=HistoryLimits(events=2_000, quiet_events=2_000))
        self.cachers = [Cacher(kind, now=lambda: 1_700_000_000.0, settings=limits) for kind in BUILT_IN_KINDS]
        self.pods = self.cachers[0]
        for cacher in self.cachers:
            cacher.cache._clock.slot = SLOT
            cacher.cache.mark()
        self.asked: list[Attributes] = []
        self.records: list[AuditRecord] = []
        self.measured: list[MeasuredFamily] = []
        self.decide: Callable[[Attributes], Awaitable[Decision]] = self.allow
        self.opened = asyncio.Event()
        self.opened.set()

    async def allow(self, _attributes: Attributes) -> Decision:
        return ALLOW

    async def authorize(self, attributes: Attributes) -> Decision:
        self.asked.append(attributes)
        return await self.decide(attributes)

    async def complete(self, record: AuditRecord) -> None:
        self.records.append(record)

    def put(self, name: str, rv: int = 1) -> None:
        observed = ObservedObject(encoded(pod(name, uid=name, rv=str(rv))))
        self.pods.feed("m1").synced = True
        self.pods.cache.observe("m1", observed)
        self.pods.changed()

    @asynccontextmanager
    async def worker(self, settings: Settings = SETTINGS) -> AsyncIterator[tuple[CoreEnd, WorkerEnd]]:
        ours, theirs = socket.socketpair()
        parts = CoreParts(self.cachers, self, self.complete, self.opened)
        core, worker = CoreEnd(parts, self._take), WorkerEnd(followed_cachers)
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(core.run(ours, settings))
            await worker.connect(theirs)
            yield core, worker
            running.cancel()

    def _take(self, families: Sequence[MeasuredFamily]) -> None:
        self.measured += families


@pytest.fixture
async def core() -> Core:
    return Core()


def names(cacher: Cacher) -> list[str]:
    return [obj.name for obj in cacher.cache.objects.everything()]


async def test_a_worker_begins_with_all_there_is(core: Core) -> None:
    for number in range(500):
        core.put(f"p{number:03}")
    async with core.worker() as (_, worker):
        assert await worker.settings == SETTINGS
        await worker.open.wait()
        followed = worker.cachers[0]
        assert [obj.raw for obj in followed.cache.objects.everything()] == [
            obj.raw for obj in core.pods.cache.objects.everything()
        ]
        assert followed.cache.objects.everything()[0].cells, "rows are made by each process"
        assert followed.cache.revision == core.pods.cache.revision
        assert [feed.cluster for feed in followed.feeds.values()] == ["m1"]


async def test_nothing_is_told_before_the_core_serves(core: Core) -> None:
    core.opened.clear()
    async with core.worker() as (_, worker):
        await asyncio.sleep(0.05)
        assert not worker.settings.done()
        core.opened.set()
        await worker.open.wait()


async def test_an_answer_comes_behind_all_that_was_known_when_it_was_given(core: Core) -> None:
    async with core.worker() as (_, worker):
        await worker.open.wait()
        for burst in (1, 10, 1_000):
            for number in range(burst):
                core.put(f"p{burst}-{number}")
            assert (await worker.authorize(ASKED)).allowed
            assert worker.cachers[0].cache.revision == core.pods.cache.revision
            assert names(worker.cachers[0]) == names(core.pods)


async def test_the_core_decides(core: Core) -> None:
    async def deny(_attributes: Attributes) -> Decision:
        return DENY

    async def fail(_attributes: Attributes) -> Decision:
        raise service_unavailable("the store is away", retry_after_seconds=7)

    async def break_down(_attributes: Attributes) -> Decision:
        raise ValueError("a fault of ours")

    async with core.worker() as (_, worker):
        assert await worker.authorize(ASKED) == ALLOW
        assert core.asked == [ASKED]
        core.decide = deny
        assert await worker.authorize(ASKED) == DENY
        core.decide = fail
        with pytest.raises(ApiError, match="the store is away") as caught:
            await worker.authorize(ASKED)
        assert (caught.value.code, caught.value.headers) == (503, {"Retry-After": "7"})
        core.decide = break_down
        with pytest.raises(ApiError, match="could not be judged") as caught:
            await worker.authorize(ASKED)
        assert caught.value.code == 500


async def test_answers_go_to_those_who_asked(core: Core) -> None:
    async def slow_for_bob(attributes: Attributes) -> Decision:
        await asyncio.sleep(0.05 if attributes.user.name == "bob" else 0)
        return Decision(Outcome.ALLOW, attributes.user.name)

    core.decide = slow_for_bob
    async with core.worker() as (_, worker):
        callers = ["bob", "alice", "bob", "carol"]
        asked = [worker.authorize(Attributes(UserInfo(name), "get")) for name in callers]
        assert [decision.reason for decision in await asyncio.gather(*asked)] == callers


async def test_who_gives_up_his_question_harms_nobody(core: Core) -> None:
    async with core.worker() as (_, worker):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await worker.authorize(ASKED)
        assert (await worker.authorize(ASKED)).allowed


@pytest.mark.parametrize(("recorded", "code", "expected"), [("secrets", 200, 0), ("pods", 200, 1), ("secrets", 403, 1)])
async def test_what_the_policy_wants_is_recorded_by_the_core(
    core: Core, recorded: str, code: int, expected: int
) -> None:
    record = AuditRecord("7", 1.5, "/api/v1/pods?a=b", ("127.0.0.1",), "kubectl", code=code, annotations={"a": "b"})
    record.info = parse_request_info("GET", "/api/v1/pods", {})
    record.user = record.impersonated = ALICE
    async with core.worker() as (_, worker):
        await RelayedAudit(worker, AuditConfig(recorded_reads=(recorded,))).complete(record)
        assert core.records == [record] * expected


async def test_metrics_and_readiness_of_a_worker(core: Core) -> None:
    family = MeasuredFamily("a", "counter", "A.", [MeasuredSample("a_total", {"b": "c"}, 2.0)])
    async with core.worker() as (end, worker):
        worker.send(Measured([family]))
        worker.send(Accepting())
        await end.accepting.wait()
        assert core.measured == [family]


async def test_the_end_in_order_and_the_end_of_a_core(core: Core) -> None:
    async with core.worker() as (end, worker):
        await worker.open.wait()
        end.drain()
        await worker.draining.wait()
    async with asyncio.timeout(5):
        await worker.wait_closed()
    with pytest.raises(ApiError) as caught:
        await worker.authorize(ASKED)
    assert caught.value.code == 503


async def test_a_worker_that_lags_too_far_is_let_go(core: Core) -> None:
    async with core.worker() as (_, worker):
        await worker.open.wait()
        for number in range(10_000):
            core.put("web", rv=1 + number)
        await worker.wait_closed()


async def test_a_worker_that_says_nothing_any_more_is_let_go(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core_end, "_SILENCE", 0.1)
    async with core.worker() as (_, worker):
        worker.send(Accepting())
        for _ in range(6):
            worker.send(Measured([]))
            await asyncio.sleep(0.05)
        assert (await worker.authorize(ASKED)).allowed
        await worker.wait_closed()


async def test_a_member_that_joins_is_known_with_the_next_answer(core: Core) -> None:
    async with core.worker() as (_, worker):
        await worker.open.wait()
        for name in ("m1", "m2", "m3"):
            core.pods.feed(name)
            await worker.authorize(ASKED)
            assert list(worker.cachers[0].feeds) == list(core.pods.feeds)


async def test_a_core_that_knows_less_tells_less(core: Core) -> None:
    core.put("web")
    async with core.worker(msgspec.structs.replace(SETTINGS, answers_reads=False)) as (_, worker):
        await worker.open.wait()
        assert names(worker.cachers[0]) == []
        assert (await worker.authorize(ASKED)).allowed


async def test_frames_are_put_together_however_they_arrive() -> None:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    loop = asyncio.get_running_loop()
    received: list[int] = []
    channel: Channel[int] = Channel(received.extend, msgspec.msgpack.Decoder(list[int]))
    await channel.open(ours)
    frames = b"".join(
        len(frame).to_bytes(4, "big") + frame for frame in map(msgspec.msgpack.encode, ([1, 2], [], list(range(99))))
    )
    for size in (1, 3, len(frames)):
        for start in range(0, len(frames), size):
            await loop.sock_sendall(theirs, frames[start : start + size])
            await asyncio.sleep(0)
    theirs.close()
    async with asyncio.timeout(5):
        await channel.closed
    assert received == [1, 2, *range(99)] * 3
    channel.send([1])
    assert isinstance(partial(channel.close)(), type(None))
