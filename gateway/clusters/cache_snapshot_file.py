"""The SQLite file that holds what the cross-cluster cache held. Blocking; `cache_snapshot` calls it from a thread."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path

import msgspec

from cache.caller_views import SavedViews
from cache.saved_state import SavedChanges, SavedKind, SavedMember, SavedObject
from gateway.apimachinery.schema import GroupVersionResource

FORMAT = 1
"""What `user_version` must say; a file of another format is set aside."""
_APPLICATION = 0x666C6743
"""Marks the file as ours."""
_SCHEMA = f"""
BEGIN;
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {FORMAT};
CREATE TABLE replica (slot INTEGER NOT NULL);
CREATE TABLE kinds (resource TEXT PRIMARY KEY, checkpoint INTEGER, horizon INTEGER, gaps TEXT, members TEXT);
CREATE TABLE objects (resource TEXT, key TEXT, cluster TEXT, original_name TEXT, member_rv TEXT, added INTEGER,
    raw BLOB, PRIMARY KEY (resource, key));
CREATE TABLE tombstones (resource TEXT, rv INTEGER, key TEXT, cluster TEXT, original_name TEXT, member_rv TEXT,
    added INTEGER, raw BLOB, PRIMARY KEY (resource, rv));
COMMIT;
"""
_VIEWS = """CREATE TABLE IF NOT EXISTS views (resource TEXT PRIMARY KEY, checkpoint INTEGER, content TEXT)"""
"""Good for that very checkpoint only: a gateway that does not know this table writes others."""
_ADDED_BEFORE = "(SELECT added FROM objects WHERE resource = :resource AND key = :key)"
_BURY = f"""INSERT OR IGNORE INTO tombstones VALUES (:resource, :rv, :key, :cluster, :original_name, :member_rv,
    ifnull(nullif(:added, 0), ifnull({_ADDED_BEFORE}, 0)), :raw)
"""  # noqa: S608  (put together from constants)
_PUT = """INSERT INTO objects VALUES (:resource, :key, :cluster, :original_name, :member_rv, :added, :raw)
ON CONFLICT (resource, key) DO UPDATE SET cluster = excluded.cluster, original_name = excluded.original_name,
    member_rv = excluded.member_rv, added = ifnull(nullif(excluded.added, 0), added), raw = excluded.raw
"""


class SnapshotUnusable(Exception):
    """A file that is no snapshot of this gateway; the text says why."""


class SnapshotFile:
    """The file. Used by one thread at a time; raises sqlite3.Error where the disk does not do as it is told."""

    def __init__(self, path: Path, slot: int) -> None:
        """Open it, or make it. Raises SnapshotUnusable, and sqlite3.OperationalError while another process has it."""
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        path.chmod(0o600)
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=2)
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
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA journal_size_limit = {64 * 1024 * 1024}")
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if not tables:
            connection.executescript(_SCHEMA)
            connection.execute("INSERT INTO replica VALUES (?)", (slot,))
            connection.execute(_VIEWS)
            return
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if (application, version) != (_APPLICATION, FORMAT):
            raise SnapshotUnusable("it is of another format")
        if connection.execute("SELECT slot FROM replica").fetchall() != [(slot,)]:
            raise SnapshotUnusable("it is of another replica")
        connection.execute(_VIEWS)

    def read(self) -> dict[GroupVersionResource, SavedKind]:
        """Read all of it. Raises SnapshotUnusable."""
        try:
            return dict(map(self._kind, self._connection.execute("SELECT * FROM kinds").fetchall()))
        except (sqlite3.DatabaseError, msgspec.MsgspecError, TypeError, ValueError) as fault:
            raise SnapshotUnusable(str(fault)) from None

    def _kind(self, row: tuple[str, int, int, str, str]) -> tuple[GroupVersionResource, SavedKind]:
        resource, checkpoint, horizon, gaps, members = row
        group, version, name = resource.split("/")
        query = "SELECT key, cluster, original_name, member_rv, added, raw FROM {} WHERE resource = ?"
        objects, tombstones = (
            [SavedObject(*record) for record in self._connection.execute(query.format(table), (resource,))]
            for table in ("objects", "tombstones")
        )
        return GroupVersionResource(group, version, name), SavedKind(
            checkpoint,
            horizon,
            msgspec.json.decode(gaps, type=list[tuple[int, int]]),
            msgspec.json.decode(members, type=list[SavedMember]),
            objects,
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
            execute("DELETE FROM objects WHERE resource = ?", (resource,))
            execute("DELETE FROM tombstones WHERE resource = ?", (resource,))
        many = self._connection.executemany
        many(_BURY, ({**_row(resource, record), "rv": _version(record)} for record in state.tombstones))
        many("DELETE FROM objects WHERE resource = ? AND key = ?", ((resource, key) for key in change.gone))
        many(_PUT, (_row(resource, record) for record in state.objects))
        execute("DELETE FROM tombstones WHERE resource = ? AND rv <= ?", (resource, state.horizon))
        facts = msgspec.json.encode(state.gaps).decode(), msgspec.json.encode(state.members).decode()
        execute("REPLACE INTO kinds VALUES (?, ?, ?, ?, ?)", (resource, state.checkpoint, state.horizon, *facts))
        if state.views is None:
            execute("UPDATE views SET checkpoint = ? WHERE resource = ?", (state.checkpoint, resource))
        else:
            content = msgspec.json.encode(state.views).decode()
            execute("REPLACE INTO views VALUES (?, ?, ?)", (resource, state.checkpoint, content))

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


class _Metadata(msgspec.Struct, gc=False, rename={"version": "resourceVersion"}):
    version: str


class _Versioned(msgspec.Struct, gc=False):
    metadata: _Metadata


_version_decoder = msgspec.json.Decoder(_Versioned)


def _version(record: SavedObject) -> int:
    return int(_version_decoder.decode(record.raw).metadata.version)


def _row(resource: str, record: SavedObject) -> dict[str, object]:
    return {"resource": resource, **msgspec.structs.asdict(record)}


def _text(gvr: GroupVersionResource) -> str:
    return f"{gvr.group}/{gvr.version}/{gvr.resource}"


def set_aside(path: Path) -> Path:
    """Move a file that cannot be used out of the way, and return where it is now."""
    aside = path.with_suffix(".unusable")
    path.rename(aside)
    Path(f"{path}-wal").unlink(missing_ok=True)
    return aside
