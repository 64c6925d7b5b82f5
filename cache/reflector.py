"""Keeps the copy of one resource of one member current: list, watch, and again, for ever.

The shell around a MemberFeed: it reads, waits and decides when to list anew; what the news means is the feed's. Follows
the contract of client-go's Reflector. A member that is down, frozen or mad costs only its own freshness.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from cache.encoded_object import DECODE_ERRORS
from cache.line_splitter import LineSplitter, LineTooLong
from cache.lister_watcher import Expired, ListerWatcher, ListWatchError, NotServed, TooLarge, Unavailable
from cache.member_answers import Malformed, bookmarked, read_line, refusal
from cache.member_feed import MemberFeed, Regressed
from cache.page_reader import Overfull, PageReader, Silent
from cache.turns import Turns

_logger = logging.getLogger(__name__)
_SLICE = 100
"""Objects applied without letting anything else run: about 2 ms."""
SAMPLE = 10
"""Objects looked at to tell whether a member is still the one that is known."""
_SHORT_WATCH = 1.0
"""Seconds. A watch that brings nothing and ends sooner is a failure, or the member would be asked in a tight loop."""
_FRUITLESS = 2
"""So many watches in a row may break off without having told anything; after that only lists tell what happens."""


@dataclass(frozen=True, slots=True)
class ReflectorSettings:
    """Durations are in seconds."""

    page_size: int = 200
    """Objects. A page is decoded in one go, and fills the memory with what it is made of and what comes of it; smaller
    ones are more requests, and more round trips to a member that is far away."""
    page_timeout: float = 30.0
    """How long one page may take before the member counts as frozen."""
    silence: float = 65.0
    """How long a watch may be silent before the member is looked at: bookmarks come about every minute."""
    watch_timeout: tuple[int, int] = (300, 600)
    """The member is asked to end a watch after a random time between these, as client-go does."""
    backoff: tuple[float, float] = (0.8, 30.0)
    """The first pause after a failure, and the longest; doubled in between, each with up to its length of jitter."""
    list_period: float = 6 * 3600.0
    """How long watches are gone on with, up to twice that; then everything is listed, and what no event told is found:
    a member may have been restored in a moment, with as many objects and the first of them the same."""
    member_size: int = 2 << 30
    """Most bytes of a kind that one member may have, as it sends them; it must not fill the memory of all."""
    not_served_pause: float = 60.0
    """How often to look whether a member has come to serve the resource."""


class _BrokenOff(ListWatchError):
    """A watch that was established ended in disorder; going on from the last version is safe."""


class Reflector:
    """Drives one feed from one lister-watcher."""

    def __init__(
        self,
        feed: MemberFeed,
        lister_watcher: ListerWatcher,
        *,
        jitter: Callable[[], float],
        changed: Callable[[], None],
        settings: ReflectorSettings,
        turns: Turns | None = None,
    ) -> None:
        """`jitter` gives random numbers in [0, 1); `changed` is called after news was applied.

        `turns` are shared with other reflectors: what they apply in one turn of the loop would add up.
        """
        self._feed = feed
        self._lister_watcher = lister_watcher
        self._jitter = jitter
        self._changed = changed
        self._settings = settings
        self._turns = turns or Turns()
        self._failures = 0
        self._resume = feed.resumes_from  # the member's version to watch from; empty: list first
        self._list_due = float("inf")
        self._reader = PageReader(
            lister_watcher,
            feed.heard,
            page_size=settings.page_size,
            page_timeout=settings.page_timeout,
            most=settings.member_size,
            turns=self._turns,
        )
        self._overfull = False  # whether it had too much when it was read last
        self._unmeasured = 0  # bytes of events since it was looked at how much there is
        self._established = False  # whether the present watch was answered
        self._returned = asyncio.Event()

    def member_returned(self) -> None:
        """The member is known to answer again: no need to wait for the next attempt as long as before."""
        self._failures = 0
        self._returned.set()

    async def run(self) -> None:
        """Follow the member until cancelled."""
        self._plan_list()
        while True:
            try:
                await self._follow()
                pause = 0.0
            except NotServed as error:
                pause = self._settings.not_served_pause
                await self._apply_absence(error)
            except ListWatchError as error:
                pause = self._pause(error)
                self._report(error)
            except Exception as error:
                # A fault of ours that one member's data brings out must not end the gateway for all the others.
                _logger.exception("the reflector of member %s failed", self._feed.cluster)
                self._resume = ""
                pause = self._pause(error)
                self._report(error)
            await self._rest(pause)

    async def _rest(self, pause: float) -> None:
        """Wait for the next attempt, or until the member is said to have returned."""
        self._returned.clear()
        try:
            async with asyncio.timeout(pause):
                await self._returned.wait()
        except TimeoutError:
            return
        # Many gateways may hear of it at once.
        await asyncio.sleep(self._settings.backoff[0] * self._jitter())

    async def _follow(self) -> None:
        """One list where needed and one watch."""
        try:
            if asyncio.get_running_loop().time() >= self._list_due:
                self._resume = ""
            await self._turns.take()  # where many members return at once, so does what it takes to connect to them
            if self._resume and not await self._is_the_same_member():
                _logger.warning("member %s was restored or replaced; it is read anew", self._feed.cluster)
                self._resume = ""
            if not self._resume:
                self._resume = await self._list()
            await self._watch()
        except _BrokenOff:
            if self._failures >= _FRUITLESS:
                self._resume = ""
            raise
        except ListWatchError:
            # The member may come back as another one, so only a complete list tells the truth.
            self._resume = ""
            raise

    async def _is_the_same_member(self) -> bool:
        """Look at a few objects before a watch is resumed: a restored API server would accept it and stay silent."""
        self._feed.asks()
        page = await self._reader.page(SAMPLE)
        if not self._feed.agrees_with(page.metadata.resource_version, page.items or []):
            return False
        try:
            self._feed.resumed_at(page.metadata.resource_version, page.total)
        except Regressed:
            return False
        return True

    def _report(self, error: Exception) -> None:
        if isinstance(error, _BrokenOff | Expired) and self._failures <= 1:
            return  # part of every day; the next attempt tells whether the member is gone
        self._feed.failed(str(error) or type(error).__name__, overfull=isinstance(error, Overfull))
        self._changed()

    def _pause(self, error: Exception) -> float:
        first, longest = self._settings.backoff
        pause = min(first * 2.0 ** min(self._failures, 10), longest) * (1 + self._jitter())
        self._failures += 1
        return max(pause, error.retry_after) if isinstance(error, Unavailable) else pause

    async def _apply_absence(self, error: NotServed) -> None:
        """A member without the resource has none of its objects, and that is known for certain."""
        self._resume = ""
        self._feed.begin_list()
        await self._forget(self._feed.unlisted(""))
        self._feed.end_list("")
        self._changed()
        _logger.debug("member %s: %s", self._feed.cluster, error)

    # List

    async def _list(self) -> str:
        """Read everything, in one way or another."""
        while True:
            try:
                if self._overfull:
                    await self._reader.weigh()  # nothing is taken before it is certain that it fits
                    self._overfull = False
                return await self._list_pages()
            except (Expired, TooLarge) as error:
                self._reader.otherwise(error)
            except Overfull:
                self._overfull = True
                raise

    async def _list_pages(self) -> str:
        self._feed.begin_list()
        resource_version = ""
        async with aclosing(self._reader.pages()) as pages:
            async for page in pages:
                items = page.items or []
                for start in range(0, len(items), _SLICE):
                    await self._turns.take()
                    self._feed.list_items(items[start : start + _SLICE])
                    self._changed()
                resource_version = page.metadata.resource_version
        await self._forget(self._feed.unlisted(resource_version))
        self._feed.end_list(resource_version)
        self._unmeasured = 0
        self._plan_list()
        self._changed()
        return resource_version

    def _plan_list(self) -> None:
        pause = self._settings.list_period * (1 + self._jitter())
        self._list_due = asyncio.get_running_loop().time() + pause

    async def _forget(self, keys: list[str]) -> None:
        for start in range(0, len(keys), _SLICE):
            await self._turns.take()
            self._feed.forget(keys[start : start + _SLICE])
            self._changed()

    # Watch

    async def _watch(self) -> None:
        """Follow one watch to its orderly end; the next one goes on where it ended."""
        shortest, longest = self._settings.watch_timeout
        timeout = shortest + int(self._jitter() * (longest - shortest))
        clock = asyncio.get_running_loop().time
        began, failures = clock(), self._failures
        splitter = LineSplitter()
        self._established = fruitful = False
        try:
            async with aclosing(
                self._lister_watcher.watch(resource_version=self._resume, timeout_seconds=timeout)
            ) as stream:
                while (chunk := await self._chunk(stream)) is not None:
                    if not self._established:
                        self._established = True
                        self._feed.contact()
                    if chunk and await self._apply(splitter, chunk):
                        fruitful, self._failures = True, 0
                        self._feed.contact()
            if splitter.unfinished:
                raise _BrokenOff("the watch ended inside an event")
            if not fruitful and clock() - began < _SHORT_WATCH:
                raise _BrokenOff("the watch ended as soon as it began")
        except Malformed:
            # Everything is listed again: not at once and for ever, whatever good events come before the bad one.
            self._failures = failures
            raise
        except _BrokenOff:
            # One that was merely quiet told all there was.
            if not splitter.unfinished and clock() - began >= _SHORT_WATCH:
                self._failures = 0
            raise

    async def _chunk(self, stream: AsyncGenerator[bytes, None]) -> bytes | None:
        """The next chunk, or None at the end."""
        try:
            async with asyncio.timeout(self._settings.silence):
                return await anext(stream, None)
        except TimeoutError:
            if self._established:
                # There may be nothing to tell: of Events a kube-apiserver sends no bookmarks. The next look tells.
                raise _BrokenOff(f"nothing heard for {self._settings.silence:g}s") from None
            raise Silent(f"nothing heard for {self._settings.silence:g}s") from None
        except Unavailable as error:
            if self._established:
                raise _BrokenOff(str(error)) from None
            raise

    async def _apply(self, splitter: LineSplitter, chunk: bytes) -> bool:
        """Apply the events that a chunk completes. Returns whether there were any."""
        try:
            await self._turns.take()
            lines = splitter.feed(chunk)
            for start in range(0, len(lines), _SLICE):
                if start:
                    await self._turns.take()
                for line in lines[start : start + _SLICE]:
                    self._apply_line(line)
                self._changed()
        except (LineTooLong, Regressed) as fault:
            raise Malformed(str(fault)) from None
        except DECODE_ERRORS as fault:
            raise Malformed(f"not a watch event: {fault}") from None
        self._changed()
        self._unmeasured += len(chunk)
        if self._unmeasured > self._settings.member_size // 4:
            await self._measure()
        return bool(lines)

    async def _measure(self) -> None:
        """Raise _Overfull when the member has come to have too much."""
        self._unmeasured = size = 0
        keys = self._feed.keys()
        for start in range(0, len(keys), _SLICE * 10):
            size += self._feed.size_of(keys[start : start + _SLICE * 10])
            await asyncio.sleep(0)
        if size > self._settings.member_size:
            self._overfull = True
            raise Overfull(self._settings.member_size)

    def _apply_line(self, encoded: bytes) -> None:
        line = read_line(encoded)
        match line.type:
            case "ADDED" | "MODIFIED" | "DELETED":
                self._feed.event(line.type, line.object)
            case "BOOKMARK":
                self._feed.progress(bookmarked(encoded))
            case "ERROR":
                raise refusal(encoded)
            case _:
                raise Malformed(f"a watch event of type {line.type!r}")
        self._resume = self._feed.reached
