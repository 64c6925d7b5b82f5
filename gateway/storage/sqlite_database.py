"""The SQLite file: its schema, its settings, and the statements that read it.

A row is one version of one object and is valid for the revisions from its own up to (not including) `superseded`; the
row of a deletion has no value and is superseded by itself, so it is valid at none. The current objects are the rows
that nothing supersedes. Nothing here is asynchronous; connections belong to the thread that opened them.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from gateway.apimachinery.meta import ObjectKey
from gateway.storage.interface import Compacted, StorageError, StoredEvent, StoredObject

FORMAT = 1
"""Version of the schema, kept in the file's user_version."""

_WAL_LIMIT = 64 * 1024 * 1024
"""Bytes the write-ahead log keeps on disk after a checkpoint."""

_MAGIC = b"SQLite format 3\0"
_SHORTEST = 512
"""Bytes of the smallest database; what is shorter, SQLite takes for an empty one and writes over."""

_WAY_OUT = (
    "restore it from a backup, or move it away, with the files beside it whose names begin alike, to start with an "
    "empty store; nothing was deleted"
)

_SCHEMA = """
CREATE TABLE revisions (
    revision   INTEGER PRIMARY KEY,
    resource   TEXT NOT NULL,
    namespace  TEXT NOT NULL,
    name       TEXT NOT NULL,
    superseded INTEGER,
    written_at REAL NOT NULL,
    value      BLOB
);
CREATE INDEX revisions_by_key ON revisions (resource, namespace, name, superseded);
CREATE INDEX revisions_by_superseded ON revisions (superseded) WHERE superseded IS NOT NULL;
CREATE TABLE progress (revision INTEGER NOT NULL, compacted INTEGER NOT NULL);
"""


def connect(path: Path, *, any_thread: bool = False) -> sqlite3.Connection:
    """Open a connection that is durable (WAL, synchronous=FULL) and manages its transactions by hand.

    It is for the calling thread alone, or with `any_thread` for threads that use it one after the other.
    """
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=not any_thread)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA busy_timeout = 10000")
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT}")
    return connection


@contextmanager
def plain_failures(path: Path) -> Iterator[None]:
    """Turn what SQLite raises while a store is opened into a StorageError for people."""
    try:
        yield
    except sqlite3.OperationalError as error:  # the disk, the rights: the file may be fine
        raise StorageError(f"cannot use {path} as a store: {error}") from error
    except sqlite3.DatabaseError as error:
        raise _unusable(path, str(error)) from error


def _unusable(path: Path, why: str) -> StorageError:
    return StorageError(f"cannot use {path} as a store: {why}; {_WAY_OUT}")


def prepare(path: Path, first_revision: int) -> None:
    """Create the file (mode 0600) or check that it is one of ours. Raises StorageError when it cannot be used."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        head = os.read(descriptor, _SHORTEST)
    finally:
        os.close(descriptor)
    if head and (len(head) < _SHORTEST or not head.startswith(_MAGIC)):
        raise _unusable(path, "file is not a database")
    os.chmod(path, 0o600)
    with plain_failures(path), closing(connect(path)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            connection.executescript(f"BEGIN IMMEDIATE;{_SCHEMA}PRAGMA user_version = {FORMAT};")
            connection.execute("INSERT INTO progress VALUES (?, ?)", (first_revision, first_revision))
            connection.execute("COMMIT")
        elif version != FORMAT:
            raise StorageError(f"{path} has format {version}; this version of fleetgate reads format {FORMAT}")
        elif connection.execute("SELECT count(*) FROM progress").fetchone() != (1,):
            raise _unusable(path, "it does not say how far it was written")


def read_progress(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return the highest revision ever issued and the one up to which history is compacted."""
    revision, compacted = connection.execute("SELECT revision, compacted FROM progress").fetchone()
    (latest,) = connection.execute("SELECT max(revision) FROM revisions").fetchone()
    return max(revision, latest or 0), compacted


def read_current(connection: sqlite3.Connection) -> Iterator[tuple[str, StoredObject]]:
    """Yield every current object with its resource."""
    rows = connection.execute(
        "SELECT resource, namespace, name, revision, value, written_at FROM revisions WHERE superseded IS NULL"
    )
    for resource, namespace, name, revision, value, written_at in rows:
        yield resource, StoredObject.from_value(ObjectKey(namespace, name), revision, value, written_at)


def _range(namespace: str, after: ObjectKey | None) -> tuple[str, list[str]]:
    clause, values = "", []
    if namespace:
        clause, values = " AND namespace = ?", [namespace]
    if after is not None:
        clause += " AND (namespace, name) > (?, ?)"
        values += [after.namespace, after.name]
    return clause, values


def _check_history(connection: sqlite3.Connection, revision: int) -> None:
    (compacted,) = connection.execute("SELECT compacted FROM progress").fetchone()
    if revision < compacted:
        raise Compacted(compacted)


def read_list(
    connection: sqlite3.Connection, resource: str, namespace: str, revision: int, after: ObjectKey | None, limit: int
) -> list[StoredObject]:
    """Return objects of a resource as they were at a revision, in order. Raises Compacted."""
    clause, values = _range(namespace, after)
    connection.execute("BEGIN")
    try:
        _check_history(connection, revision)
        rows = connection.execute(
            "SELECT namespace, name, revision, value, written_at FROM revisions"  # noqa: S608 - constant clauses only
            " WHERE resource = ? AND revision <= ? AND (superseded IS NULL OR superseded > ?)"
            f"{clause} ORDER BY namespace, name LIMIT ?",
            [resource, revision, revision, *values, limit],
        ).fetchall()
    finally:
        connection.execute("COMMIT")
    return [
        StoredObject.from_value(ObjectKey(namespace, name), at, value, written_at)
        for namespace, name, at, value, written_at in rows
    ]


def read_count(
    connection: sqlite3.Connection, resource: str, namespace: str, revision: int, after: ObjectKey | None
) -> int:
    """Return how many objects `read_list` finds without a limit. Raises Compacted."""
    clause, values = _range(namespace, after)
    connection.execute("BEGIN")
    try:
        _check_history(connection, revision)
        (count,) = connection.execute(
            "SELECT count(*) FROM revisions"  # noqa: S608 - constant clauses only
            f" WHERE resource = ? AND revision <= ? AND (superseded IS NULL OR superseded > ?){clause}",
            [resource, revision, revision, *values],
        ).fetchone()
    finally:
        connection.execute("COMMIT")
    return int(count)


def read_events(connection: sqlite3.Connection, resource: str, after: int, upto: int) -> list[StoredEvent]:
    """Return what happened to a resource ("" is all) behind `after` up to and including `upto`. Raises Compacted."""
    clause, values = (" AND this.resource = ?", [resource]) if resource else ("", [])
    connection.execute("BEGIN")
    try:
        _check_history(connection, after)
        rows = connection.execute(
            "SELECT this.resource, this.namespace, this.name, this.revision, this.value, this.written_at,"  # noqa: S608  (no value is spliced in)
            " before.revision, before.value, before.written_at FROM revisions AS this"
            " LEFT JOIN revisions AS before ON before.superseded = this.revision AND before.revision < this.revision"
            f" WHERE this.revision > ? AND this.revision <= ?{clause} ORDER BY this.revision",
            [after, upto, *values],
        ).fetchall()
    finally:
        connection.execute("COMMIT")
    return [_event(row[0], ObjectKey(row[1], row[2]), row[3:6], row[6:9]) for row in rows]


def _event(
    resource: str, key: ObjectKey, this: tuple[int, bytes | None, float], before: tuple[int | None, bytes, float]
) -> StoredEvent:
    """What led from one version to another; of each its revision, its value, and when it was written."""
    revision, value, written_at = this
    before_revision, before_value, before_written_at = before
    previous = None
    if before_revision is not None:
        previous = StoredObject.from_value(key, before_revision, before_value, before_written_at)
    if value is None:
        last = StoredObject.from_value(key, revision, before_value, written_at)
        return StoredEvent("DELETED", revision, last, previous, resource=resource)
    stored = StoredObject.from_value(key, revision, value, written_at)
    return StoredEvent("MODIFIED" if previous else "ADDED", revision, stored, previous, resource=resource)
