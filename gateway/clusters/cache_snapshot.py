"""Keeps on disk what the cross-cluster cache holds, so that a restart goes on where the last run ended.

One SQLite file, written about once a second in a thread of its own, each time in one transaction and only what changed.
What cannot be used is set aside, and what cannot be written is done without: the members are the truth, and a snapshot
only spares clients a new list.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import sqlite3
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from cache.multi_cluster_cache import MultiClusterCache
from cache.saved_state import SavedKind
from gateway.apimachinery.schema import GroupVersionResource
from gateway.clusters.cache_snapshot_file import SnapshotFile, SnapshotUnusable, set_aside

_INTERVAL = 1.0
"""Seconds."""
_KEY_LENGTH = 32
_T = TypeVar("_T")

_log = logging.getLogger(__name__)


class CacheSnapshot:
    """Keeps the snapshot of one cache. Mutable state: `_file`, None once snapshots are off."""

    def __init__(self, path: Path, slot: int) -> None:
        """Keep it in a file of that path; `slot` is that of the cache's resourceVersions."""
        self._path = path
        self._slot = slot
        self._file: SnapshotFile | None = None
        self._cache: MultiClusterCache | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cache snapshot")

    @property
    def active(self) -> bool:
        """Whether snapshots are written."""
        return self._file is not None

    async def recover(self, cache: MultiClusterCache) -> None:
        """Give a new cache what the last run held. Never fails: without a usable snapshot the cache stays empty."""
        try:
            saved = await self._open()
            try:
                await cache.recover(saved)
            except (ValueError, TypeError) as fault:
                await self._set_aside(fault)
        except (sqlite3.Error, OSError) as fault:
            self._turn_off(fault)
        self._cache = cache

    async def _open(self) -> Mapping[GroupVersionResource, SavedKind]:
        try:
            self._file = await self._do(SnapshotFile, self._path, self._slot)
            return await self._do(self._file.read)
        except SnapshotUnusable as fault:
            await self._set_aside(fault)
            return {}

    async def _set_aside(self, fault: Exception) -> None:
        """Begin a new file; the old one stays beside it for whoever wants to know."""
        if self._file is not None:
            self._file.close()
        aside = await self._do(set_aside, self._path)
        _log.warning("the cache snapshot %s cannot be used and is set aside as %s: %s", self._path, aside.name, fault)
        self._file = await self._do(SnapshotFile, self._path, self._slot)

    def _turn_off(self, fault: Exception) -> None:
        _log.error("no cache snapshots from now on, clients may have to list anew after a restart: %s", fault)
        if self._file is not None:
            self._file.close()
        self._file = None

    async def run(self) -> None:
        """Write a snapshot about every second while something changes, and a last one when cancelled."""
        try:
            while self.active:
                await asyncio.sleep(_INTERVAL)
                await self.write()
            await asyncio.get_running_loop().create_future()
        finally:
            await self.write()
            if self._file is not None:
                await self._do(self._file.close)
            self._thread.shutdown(wait=False)

    async def write(self) -> None:
        """Write what changed. A disk that does not take it turns snapshots off."""
        if self._file is None or self._cache is None:
            return
        cursors = self._cache.snapshot_cursors()
        collected = [(cursor, changes) for cursor in cursors if (changes := await cursor.collect())]
        if not collected:
            return
        try:
            await self._do(self._file.write, [changes for _, changes in collected])
        except (sqlite3.Error, OSError) as fault:
            self._turn_off(fault)
            return
        for cursor, changes in collected:
            cursor.written(changes)

    async def _do(self, act: Callable[..., _T], *arguments: object) -> _T:
        """Act in the one thread that uses the file; what was begun there is finished before what is asked for later."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, act, *arguments)


def continue_token_key(path: Path) -> bytes:
    """Return the secret of continue tokens, made at the first start, so that pagers outlive a restart.

    Raises OSError when it cannot be kept.
    """
    try:
        if len(key := path.read_bytes()) >= _KEY_LENGTH:
            return key
    except FileNotFoundError:
        pass
    key = secrets.token_bytes(_KEY_LENGTH)
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)
    fresh.rename(path)
    return key
