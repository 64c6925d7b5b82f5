"""The one thread that writes to the database: it takes what waits, commits it together, and reports.

Group commit is what makes `synchronous=FULL` cheap: writes that arrive while a commit is on its way to the disk share
the next one. A write is reported only when its commit is on disk; a failed commit fails every write in it.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.storage.interface import Change, RevisionMismatch, StorageClosed, StorageError
from gateway.storage.sqlite_database import connect

BATCH_LIMIT = 256
"""Writes in one commit: enough to share the disk's latency, few enough that nobody waits long."""

COMPACTION_CHUNK = 500
"""Rows deleted in one transaction, so that compaction never delays a write by much."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a change: its revision, or the error. `ticket` is whatever the submitter gave."""

    ticket: object
    change: Change
    revision: int
    written_at: float
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class _Compact:
    upto: int


class SqliteWriter:
    """Owns the writing connection and its thread. Changes go in by `submit`, outcomes come out by `deliver`.

    Args:
        path: the prepared database.
        revision: the highest revision ever issued.
        deliver: called in the writer's thread with the outcomes of one commit; must only pass them on.
        now: seconds since the epoch.
    """

    def __init__(
        self, path: Path, revision: int, deliver: Callable[[Sequence[Outcome]], None], now: Callable[[], float]
    ) -> None:
        """Start the thread."""
        self._path = path
        self._revision = revision  # written by the thread alone
        self._deliver = deliver
        self._now = now
        self._queue: queue.SimpleQueue[tuple[object, Change] | _Compact | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"storage-writer {path}", daemon=True)
        self._thread.start()

    def submit(self, ticket: object, change: Change) -> None:
        """Queue a change. Raises StorageClosed."""
        if self._closed:
            raise StorageClosed("the store is closed")
        self._queue.put((ticket, change))

    def compact(self, upto: int) -> None:
        """Forget what was superseded up to a revision, in the pauses between writes."""
        if not self._closed:
            self._queue.put(_Compact(upto))

    def close(self) -> None:
        """Commit what is queued, then end the thread. Blocks for as long as that takes."""
        self._closed = True
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        connection = connect(self._path)
        compactions: list[int] = []
        try:
            while True:
                batch, last = self._take(compactions, wait=not compactions)
                if batch:
                    self._deliver(self._commit(connection, batch))
                if last:
                    return
                if compactions and not batch:
                    self._compact_some(connection, compactions)
        finally:
            connection.close()

    def _take(self, compactions: list[int], *, wait: bool) -> tuple[list[tuple[object, Change]], bool]:
        """Return the writes that wait, and whether the end was asked for behind them."""
        batch: list[tuple[object, Change]] = []
        while len(batch) < BATCH_LIMIT:
            try:
                item = self._queue.get(block=wait and not batch)
            except queue.Empty:
                break
            if item is None:
                return batch, True
            if isinstance(item, _Compact):
                compactions.append(item.upto)
                break
            batch.append(item)
        return batch, False

    def _commit(self, connection: sqlite3.Connection, batch: Sequence[tuple[object, Change]]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        written_at = self._now()
        revision = self._revision
        try:
            connection.execute("BEGIN IMMEDIATE")
            for ticket, change in batch:
                try:
                    self._apply(connection, change, revision + 1, written_at)
                except RevisionMismatch as error:
                    outcomes.append(Outcome(ticket, change, 0, written_at, error))
                else:
                    revision += 1
                    outcomes.append(Outcome(ticket, change, revision, written_at))
            connection.execute("COMMIT")
        except Exception as error:  # a key that SQLite cannot hold is none of its errors; the thread must outlive it
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            failure = StorageError(f"the write could not be stored: {error}")
            return [Outcome(ticket, change, 0, written_at, failure) for ticket, change in batch]
        self._revision = revision
        return outcomes

    @staticmethod
    def _apply(connection: sqlite3.Connection, change: Change, revision: int, written_at: float) -> None:
        """Write one change, or raise RevisionMismatch before anything is written."""
        key = (change.resource, change.key.namespace, change.key.name)
        row = connection.execute(
            "SELECT revision FROM revisions WHERE resource = ? AND namespace = ? AND name = ? AND superseded IS NULL",
            key,
        ).fetchone()
        current = row[0] if row else 0
        if current != change.expected:
            raise RevisionMismatch(current)
        if current:
            connection.execute("UPDATE revisions SET superseded = ? WHERE revision = ?", (revision, current))
        superseded = revision if change.value is None else None
        connection.execute(
            "INSERT INTO revisions VALUES (?, ?, ?, ?, ?, ?, ?)", (revision, *key, superseded, written_at, change.value)
        )

    def _compact_some(self, connection: sqlite3.Connection, compactions: list[int]) -> None:
        """Delete one chunk of superseded rows; the task is done when a chunk comes out short."""
        upto = compactions[0]
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(
                "UPDATE progress SET revision = max(revision, ?), compacted = max(compacted, ?)", (self._revision, upto)
            )
            deleted = connection.execute(
                "DELETE FROM revisions WHERE revision IN"
                " (SELECT revision FROM revisions WHERE superseded <= ? LIMIT ?)",
                (upto, COMPACTION_CHUNK),
            ).rowcount
            connection.execute("COMMIT")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            deleted = 0  # the next compaction tries again
        if deleted < COMPACTION_CHUNK:
            compactions.pop(0)
