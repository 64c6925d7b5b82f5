"""The Storage back end on SQLite: durable in a file, current objects in memory, events published after their commit.

Reads of the current state never leave the event loop; the past is read in a reader's thread; writes go to the writer's
thread (sqlite_writer.py). A write is visible to readers and watchers only after it is on disk, and acknowledged only
after it is visible.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from sqlite3 import Connection
from typing import Any, TypeVar, cast

from gateway.apimachinery.meta import ObjectKey
from gateway.storage.file_lock import FileLock
from gateway.storage.interface import Change, StorageClosed, StoredEvent, StoredObject
from gateway.storage.object_table import ObjectTable
from gateway.storage.sqlite_database import (
    connect,
    plain_failures,
    prepare,
    read_count,
    read_current,
    read_events,
    read_list,
    read_progress,
)
from gateway.storage.sqlite_writer import Outcome, SqliteWriter
from gateway.storage.watching import StoreWatch, Watchers

T = TypeVar("T")

logger = logging.getLogger(__name__)

HISTORY_AGE = 600.0
"""Seconds for which the past can be listed and watched from (kube-apiserver: 5 to 10 minutes)."""

HISTORY_LIMIT = 50_000
"""Revisions kept at most, however young."""

COMPACTION_INTERVAL = 60.0
"""Seconds between compactions."""


class SqliteStorage:
    """A store in one SQLite file, used from the event loop it was opened in. Made by `await SqliteStorage.open(…)`.

    Mutable state (`_tables`, `_changed_at`, `_revision`) is written by `_publish` alone, in the event loop.
    """

    def __init__(
        self,
        path: Path,
        *,
        now: Callable[[], float],
        history_age: float = HISTORY_AGE,
        history_limit: int = HISTORY_LIMIT,
    ) -> None:
        """Use `open`."""
        self._path = path
        self._now = now
        self._history_age = history_age
        self._history_limit = history_limit
        self._loop = asyncio.get_running_loop()
        self._tables: defaultdict[str, ObjectTable] = defaultdict(ObjectTable)
        self._changed_at: dict[str, int] = {}
        self._opened_at = 0
        self._revision = 0
        self._watchers = Watchers()
        self._listeners: defaultdict[str, list[Callable[[StoredEvent], None]]] = defaultdict(list)
        self._failed_listeners: set[Callable[[StoredEvent], None]] = set()
        self._marks: deque[tuple[float, int]] = deque()
        self._closed = False

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        now: Callable[[], float],
        history_age: float = HISTORY_AGE,
        history_limit: int = HISTORY_LIMIT,
    ) -> SqliteStorage:
        """Open the store, creating it when absent, and read its current objects.

        Raises StorageInUse when another process has it open, StorageError when the file cannot be used.
        """
        storage = cls(path, now=now, history_age=history_age, history_limit=history_limit)
        await asyncio.to_thread(storage._load)
        return storage

    def _load(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = FileLock(self._path)
        try:
            # A store made anew starts above every revision its deleted predecessor can have issued.
            prepare(self._path, first_revision=int(self._now() * 1_000_000))
            with plain_failures(self._path):
                self._reader_connection: Connection = connect(self._path, any_thread=True)
                self._read_all()
        except BaseException:
            self._lock.release()
            raise
        self._opened_at = self._revision
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="storage-reader")
        self._writer = SqliteWriter(self._path, self._revision, self._deliver, self._now)

    def _read_all(self) -> None:
        try:
            self._revision, _ = read_progress(self._reader_connection)
            for resource, stored in read_current(self._reader_connection):
                self._tables[resource].put(stored)
        except BaseException:
            self._reader_connection.close()
            raise

    async def run(self) -> None:
        """Compact the history now and then, until cancelled."""
        while True:
            self.compact()
            await asyncio.sleep(COMPACTION_INTERVAL)

    def compact(self) -> None:
        """Let go of history that is older than the age limit or beyond the count limit."""
        now = self._now()
        self._marks.append((now, self._revision))
        upto = self._revision - self._history_limit
        while self._marks and self._marks[0][0] <= now - self._history_age:
            upto = max(upto, self._marks.popleft()[1])
        if upto > 0:
            self._writer.compact(upto)

    async def close(self) -> None:
        """Finish the writes under way, end all watches and let go of the file."""
        if self._closed:
            return
        self._closed = True
        await asyncio.to_thread(self._writer.close)
        await asyncio.to_thread(self._reader.shutdown)
        self._watchers.close()
        self._reader_connection.close()
        self._lock.release()

    @property
    def revision(self) -> int:
        """The revision of the latest write that readers can see."""
        return self._revision

    def changed_at(self, resource: str) -> int:
        """Return a revision at or after the resource's latest change: from there on the current state is exact."""
        return self._changed_at.get(resource, self._opened_at) if resource else self._revision

    def get(self, resource: str, key: ObjectKey) -> StoredObject | None:
        """Return the current version of an object, or None."""
        table = self._tables.get(resource)
        return table.get(key) if table is not None else None

    def list(self, resource: str, namespace: str = "") -> Sequence[StoredObject]:
        """Return the current objects of a resource, ordered by namespace and name; "" is every namespace."""
        table = self._tables.get(resource)
        return table.list(namespace) if table is not None else []

    async def list_at(
        self, resource: str, namespace: str, revision: int, *, after: ObjectKey | None, limit: int
    ) -> Sequence[StoredObject]:
        """Return at most `limit` objects behind the key `after`, as they were at a revision. Raises Compacted."""
        return await self._read(read_list, resource, namespace, revision, after, limit)

    async def count_at(self, resource: str, namespace: str, revision: int, *, after: ObjectKey | None) -> int:
        """Return how many objects `list_at` would return without a limit. Raises Compacted."""
        return await self._read(read_count, resource, namespace, revision, after)

    async def write(self, change: Change) -> StoredEvent:
        """Write durably and return what happened, after readers and watchers can see it.

        Raises RevisionMismatch, StorageError (nothing was written then). A caller that is cancelled meanwhile does not
        undo the write.
        """
        ticket: asyncio.Future[StoredEvent] = self._loop.create_future()
        self._writer.submit(ticket, change)
        return await ticket

    async def watch(self, resource: str, after: int) -> StoreWatch:
        """Watch a resource ("" is all) from behind a revision. Raises Compacted."""
        if self._closed:
            raise StorageClosed("the store is closed")
        watch = self._watchers.add(resource)
        upto = self._revision
        if after < self.changed_at(resource):
            try:
                watch.prepend(await self._read(read_events, resource, after, upto))
            except BaseException:
                watch.close()
                raise
        return watch

    def listen(self, resource: str, listener: Callable[[StoredEvent], None]) -> None:
        """Call a quick function on every event of a resource ("" is all), before the write is acknowledged.

        What it raises is logged, the first time, and keeps nobody else from the event.
        """
        self._listeners[resource].append(listener)

    async def _read(self, read: Callable[..., T], *arguments: Any) -> T:
        if self._closed:
            raise StorageClosed("the store is closed")
        return await self._loop.run_in_executor(self._reader, read, self._reader_connection, *arguments)

    def _deliver(self, outcomes: Sequence[Outcome]) -> None:
        self._loop.call_soon_threadsafe(self._publish, outcomes)

    def _publish(self, outcomes: Sequence[Outcome]) -> None:
        """Make the commits visible, then acknowledge them: readers never lag behind what a writer was told."""
        for outcome in outcomes:
            ticket = cast("asyncio.Future[StoredEvent]", outcome.ticket)
            if outcome.error is not None:
                if not ticket.done():
                    ticket.set_exception(outcome.error)
                continue
            event = self._apply(outcome)
            self._tell_listeners(event)
            self._watchers.publish(event)
            if not ticket.done():
                ticket.set_result(event)

    def _tell_listeners(self, event: StoredEvent) -> None:
        for listener in (*self._listeners[event.resource], *self._listeners[""]):
            try:
                listener(event)
            except Exception:
                # The write is done: its author and the other listeners are told so, whatever one of them makes of it.
                if listener not in self._failed_listeners:
                    self._failed_listeners.add(listener)
                    key = event.object.key if event.object is not None else ""
                    logger.exception("a listener failed on %s of %s %s", event.type, event.resource, key)

    def _apply(self, outcome: Outcome) -> StoredEvent:
        change, revision = outcome.change, outcome.revision
        table = self._tables[change.resource]
        previous = table.get(change.key)
        if change.value is not None:
            stored = StoredObject.from_value(change.key, revision, change.value, outcome.written_at)
            table.put(stored)
            event = StoredEvent(
                "MODIFIED" if previous else "ADDED", revision, stored, previous, resource=change.resource
            )
        else:
            if previous is None:  # the writer deletes only what stands at the expected revision
                raise RuntimeError(f"deleted {change.resource} {change.key} that was never read")
            last = previous.at(revision, outcome.written_at)
            table.remove(change.key)
            event = StoredEvent("DELETED", revision, last, previous, resource=change.resource)
        self._changed_at[change.resource] = revision
        self._revision = revision
        return event
