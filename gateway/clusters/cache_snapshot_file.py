"""The SQLite file that holds what the cross-cluster cache held. Blocking; `cache_snapshot` calls it from a thread."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from cache.caller_views import SavedViews
from cache.saved_state import SavedChanges, SavedKind, SavedMember
from gateway.apimachinery.schema import GroupVersionResource
from gateway.clusters.cache_snapshot_pieces import Piece, Replay, decode, encode, parted, tidied

FORMAT = 2
"""What `user_version` must say; a file of another format is set aside."""
_APPLICATION = 0x666C6743
"""Marks the file as ours."""
_SCHEMA = f"""
BEGIN;
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {FORMAT};
CREATE TABLE replica (slot INTEGER NOT NULL);
CREATE TABLE kinds (resource TEXT PRIMARY KEY, checkpoint INTEGER, horizon INTEGER, gaps TEXT, members TEXT);
CREATE TABLE pieces (id INTEGER PRIMARY KEY, resource TEXT, data BLOB);
CREATE TABLE views (resource TEXT PRIMARY KEY, checkpoint INTEGER, content TEXT);
COMMIT;
"""
_PAGE = 16 * 1024
"""Bytes of a page of the file: a piece takes many of the usual ones, each of which costs."""
_SPARE = 10_000
"""So many records that are not needed any more are not worth going through the others."""


class SnapshotUnusable(Exception):
    """A file that is no snapshot of this gateway; the text says why."""


class SnapshotFile:
    """The file. Used by one thread at a time; raises sqlite3.Error where the disk does not do as it is told."""

    def __init__(self, path: Path, slot: int) -> None:
        """Open it, or make it. Raises SnapshotUnusable, and sqlite3.OperationalError while another process has it."""
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        path.chmod(0o600)
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=2)
        self._buffer = bytearray()
        self._records: dict[str, int] = {}  # by resource, in all pieces
        self._needed: dict[str, int] = {}  # of those, when they were gone through last
        try:
            self._prepare(slot)
        except sqlite3.OperationalError:
            self.close()
            raise
        except (sqlite3.DatabaseError, SnapshotUnusable) as fault:
            self.close()
            raise SnapshotUnusable(str(fault)) from None

    def _prepare(self, slot: int) -> None:
        connection = self._connection
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute(f"PRAGMA page_size = {_PAGE}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA journal_size_limit = {64 * 1024 * 1024}")
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if not tables:
            connection.executescript(_SCHEMA)
            connection.execute("INSERT INTO replica VALUES (?)", (slot,))
            return
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if (application, version) != (_APPLICATION, FORMAT):
            raise SnapshotUnusable("it is of another format")
        if connection.execute("SELECT slot FROM replica").fetchall() != [(slot,)]:
            raise SnapshotUnusable("it is of another replica")

    def read(self) -> dict[GroupVersionResource, SavedKind]:
        """Read all of it. Raises SnapshotUnusable."""
        try:
            return dict(map(self._kind, self._connection.execute("SELECT * FROM kinds").fetchall()))
        except (sqlite3.DatabaseError, msgspec.MsgspecError, TypeError, ValueError) as fault:
            raise SnapshotUnusable(str(fault)) from None

    def _kind(self, row: tuple[str, int, int, str, str]) -> tuple[GroupVersionResource, SavedKind]:
        resource, checkpoint, horizon, gaps, members = row
        group, version, name = resource.split("/")
        replay = Replay()
        records = 0
        for piece in self._pieces(self._ids(resource)):
            replay.take(piece)
            records += piece.records
        tombstones = replay.after(horizon)
        self._records[resource] = records
        self._needed[resource] = len(replay.objects) + len(tombstones)
        return GroupVersionResource(group, version, name), SavedKind(
            checkpoint,
            horizon,
            msgspec.json.decode(gaps, type=list[tuple[int, int]]),
            msgspec.json.decode(members, type=list[SavedMember]),
            replay.objects.values(),
            tombstones,
            self._views(resource, checkpoint),
        )

    def _views(self, resource: str, checkpoint: int) -> SavedViews | None:
        query = "SELECT content FROM views WHERE resource = ? AND checkpoint = ?"
        row = self._connection.execute(query, (resource, checkpoint)).fetchone()
        return msgspec.json.decode(row[0], type=SavedViews) if row else None

    def write(self, changes: Iterable[SavedChanges]) -> None:
        """Turn the last snapshot into the next, or leave it as it is."""
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            for change in changes:
                self._write_kind(change)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _write_kind(self, change: SavedChanges) -> None:
        execute, state, resource = self._connection.execute, change.state, _text(change.gvr)
        if change.whole:
            execute("DELETE FROM pieces WHERE resource = ?", (resource,))
            self._records[resource] = self._needed[resource] = 0
        self._append(resource, parted(change))
        needed = max(change.count, self._needed.get(resource, 0))
        if self._records[resource] > 2 * needed + _SPARE:
            self._tidy_up(resource, state.horizon)
        facts = msgspec.json.encode(state.gaps).decode(), msgspec.json.encode(state.members).decode()
        execute("REPLACE INTO kinds VALUES (?, ?, ?, ?, ?)", (resource, state.checkpoint, state.horizon, *facts))
        if state.views is None:
            execute("UPDATE views SET checkpoint = ? WHERE resource = ?", (state.checkpoint, resource))
        else:
            content = msgspec.json.encode(state.views).decode()
            execute("REPLACE INTO views VALUES (?, ?, ?)", (resource, state.checkpoint, content))

    def _append(self, resource: str, pieces: Iterable[Piece]) -> int:
        """Add pieces, and return how many records they have."""
        count = 0
        for piece in pieces:
            row = resource, encode(piece, self._buffer)
            self._connection.execute("INSERT INTO pieces (resource, data) VALUES (?, ?)", row)
            count += piece.records
        self._records[resource] = self._records.get(resource, 0) + count
        return count

    def _tidy_up(self, resource: str, horizon: int) -> None:
        """Put other pieces in the place of those there are, without what is not needed any more."""
        ids = self._ids(resource)
        self._records[resource] = 0
        pieces = tidied(self._pieces(ids), self._pieces(ids), horizon)
        self._needed[resource] = self._append(resource, pieces)
        self._connection.execute("DELETE FROM pieces WHERE resource = ? AND id <= ?", (resource, ids[-1]))

    def _ids(self, resource: str) -> list[int]:
        query = "SELECT id FROM pieces WHERE resource = ? ORDER BY id"
        return [number for (number,) in self._connection.execute(query, (resource,))]

    def _pieces(self, ids: Iterable[int]) -> Iterator[Piece]:
        for number in ids:
            (data,) = self._connection.execute("SELECT data FROM pieces WHERE id = ?", (number,)).fetchone()
            yield decode(data)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


def _text(gvr: GroupVersionResource) -> str:
    return f"{gvr.group}/{gvr.version}/{gvr.resource}"


def set_aside(path: Path) -> Path:
    """Move a file that cannot be used out of the way, and return where it is now."""
    aside = path.with_suffix(".unusable")
    path.rename(aside)
    Path(f"{path}-wal").unlink(missing_ok=True)
    return aside
