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
        # The member's deadlines must not fall into the pauses here, so it is read by a task of its own.
        arrived: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        reading = asyncio.get_running_loop().create_task(self._read(arrived, resource_version, timeout_seconds))
        try:
            while (chunk := await arrived.get()) is not None:
                await asyncio.sleep(self.delay)
                if self.broken:
                    self.broken = False
                    raise Unavailable("the connection broke")
                if isinstance(chunk, Exception):
                    raise chunk
                yield chunk
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _read(self, arrived: "asyncio.Queue[bytes | Exception | None]", version: str, seconds: int) -> None:
        try:
            async for chunk in self._member.watch(resource_version=version, timeout_seconds=seconds):
                arrived.put_nowait(chunk)
            arrived.put_nowait(None)
        except Exception as error:
            arrived.put_nowait(error)


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
