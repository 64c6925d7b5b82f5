"""Several gateways over the same members, and the place where each publishes its checkpoints."""

import asyncio
from collections.abc import AsyncGenerator, Callable

from cache.checkpoints import Published
from cache.lister_watcher import ListerWatcher, Unavailable
from cache.multi_cluster_cache import CacheSettings, MultiClusterCache
from cache.reflector import ReflectorSettings
from gateway.apimachinery.schema import GroupVersionResource
from tests.support import virtual_time


class Board:
    """What every replica published last, by slot and kind."""

    def __init__(self) -> None:
        self.published: dict[tuple[int, GroupVersionResource], Published] = {}

    def peers(self, gvr: GroupVersionResource) -> "BoardPeers":
        return BoardPeers(self, gvr)

    def publish(self, slot: int, cache: MultiClusterCache) -> None:
        for gvr, cacher in cache.cachers().items():
            assert cacher.replicas is not None
            self.published[slot, gvr] = cacher.replicas.checkpoint()


class BoardPeers:
    def __init__(self, board: Board, gvr: GroupVersionResource) -> None:
        self._board = board
        self._gvr = gvr

    async def ask(self, slot: int) -> Published | None:
        await asyncio.sleep(0.01)
        return self.known(slot)

    def known(self, slot: int) -> Published | None:
        return self._board.published.get((slot, self._gvr))


class Distant:
    """A member seen from afar: everything comes later, in order."""

    def __init__(self, member: ListerWatcher, delay: float) -> None:
        self._member = member
        self.delay = delay
        self.broken = False
        """Whether what is on the way is lost, and the connection with it."""

    async def list(self, *, limit: int, continue_token: str) -> bytes:
        body = await self._member.list(limit=limit, continue_token=continue_token)
        await asyncio.sleep(self.delay)
        return body

    async def watch(self, *, resource_version: str, timeout_seconds: int) -> AsyncGenerator[bytes, None]:
        stream = self._member.watch(resource_version=resource_version, timeout_seconds=timeout_seconds)
        async for chunk in stream:
            await asyncio.sleep(self.delay)
            if self.broken:
                self.broken = False
                raise Unavailable("the connection broke")
            yield chunk


class Replica:
    """One gateway's cache, with a task that publishes."""

    def __init__(self, slot: int, board: Board, now: Callable[[], float] = virtual_time.now) -> None:
        self.slot = slot
        self.board = board
        self.cache = MultiClusterCache(
            now=now,
            jitter=lambda: 0.3 + 0.2 * slot,
            token_key=b"0123456789abcdef",
            settings=CacheSettings(reflector=ReflectorSettings(page_size=2), replica=slot),
        )
        self.cache.share(board.peers)

    async def publish(self) -> None:
        while True:
            self.board.publish(self.slot, self.cache)
            await asyncio.sleep(2)
