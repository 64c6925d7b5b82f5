"""SqliteStorage: the shared suite, and what a file on disk adds to it."""

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from gateway.apimachinery.meta import ObjectKey
from gateway.storage.interface import Change, Compacted, StorageClosed, StorageError, StorageInUse, StoredEvent
from gateway.storage.sqlite import SqliteStorage
from gateway.storage.sqlite_database import FORMAT
from tests.gateway.storage.storage_suite import RESOURCE, StorageSuite, put, remove

OpenStorage = Callable[[], Awaitable[SqliteStorage]]


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def open_storage(tmp_path: Path, clock: Clock) -> AsyncIterator[OpenStorage]:
    opened: list[SqliteStorage] = []

    async def open_one() -> SqliteStorage:
        for storage in opened:
            await storage.close()
        opened.append(await SqliteStorage.open(tmp_path / "data" / "storage.db", now=clock, history_limit=50))
        return opened[-1]

    yield open_one
    for storage in opened:
        await storage.close()


class TestSqliteStorage(StorageSuite):
    """The promises of every back end."""


async def compacted(storage: SqliteStorage, upto: int) -> None:
    """Compact and wait until the writer's thread has done it."""
    storage.compact()
    for _ in range(200):
        try:
            await storage.list_at(RESOURCE, "", upto - 1, after=None, limit=1)
        except Compacted:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the history was not compacted")


async def test_everything_acknowledged_survives_a_restart(open_storage: OpenStorage) -> None:
    storage = await open_storage()
    first = await put(storage, "a", "one")
    second = await put(storage, "b", "one")
    await remove(storage, "b", second.revision)
    third = await put(storage, "a", "two", expected=first.revision)
    again = await open_storage()
    assert again.revision == third.revision
    assert [(stored.key.name, stored.revision) for stored in again.list(RESOURCE)] == [("a", third.revision)]
    watch = await again.watch(RESOURCE, first.revision)
    assert [event.type for event in await watch.next_batch()] == ["ADDED", "DELETED", "MODIFIED"]
    assert (await put(again, "c")).revision > third.revision


async def test_revisions_are_never_used_again_even_when_the_last_row_is_compacted(
    open_storage: OpenStorage, clock: Clock
) -> None:
    storage = await open_storage()
    first = await put(storage, "a")
    deletion = await remove(storage, "a", first.revision)
    storage.compact()
    clock.now += 10_000
    await compacted(storage, deletion.revision)
    again = await open_storage()
    assert again.revision == deletion.revision


async def test_a_new_store_starts_above_every_revision_of_a_deleted_one(tmp_path: Path, clock: Clock) -> None:
    old = await SqliteStorage.open(tmp_path / "old.db", now=clock)
    last = await put(old, "a")
    await old.close()
    clock.now += 1
    new = await SqliteStorage.open(tmp_path / "new.db", now=clock)
    assert new.revision > last.revision
    await new.close()


async def test_old_history_is_compacted_and_the_current_state_kept(open_storage: OpenStorage, clock: Clock) -> None:
    storage = await open_storage()
    start = storage.revision
    first = await put(storage, "a", "one")
    second = await put(storage, "a", "two", expected=first.revision)
    storage.compact()
    clock.now += 601
    third = await put(storage, "a", "three", expected=second.revision)
    await compacted(storage, second.revision)
    with pytest.raises(Compacted) as refusal:
        await storage.watch(RESOURCE, start)
    assert refusal.value.oldest == second.revision
    watch = await storage.watch(RESOURCE, second.revision)
    event = (await watch.next_batch())[0]
    assert event.revision == third.revision
    assert event.previous is not None
    assert event.previous.decode()["data"] == {"text": "two"}
    past = await storage.list_at(RESOURCE, "", second.revision, after=None, limit=5)
    assert [stored.revision for stored in past] == [second.revision]


async def test_history_beyond_the_count_limit_is_compacted(open_storage: OpenStorage) -> None:
    storage = await open_storage()
    start = storage.revision
    for number in range(60):
        await put(storage, f"n{number}")
    await compacted(storage, start + 10)
    assert len(storage.list(RESOURCE)) == 60
    assert len(await storage.list_at(RESOURCE, "", start + 12, after=None, limit=100)) == 12


async def test_a_quiet_resource_can_be_watched_from_long_ago(open_storage: OpenStorage, clock: Clock) -> None:
    storage = await open_storage()
    event = await put(storage, "a", resource="quiet")
    storage.compact()
    for number in range(60):
        await put(storage, f"n{number}")
    clock.now += 601
    await compacted(storage, event.revision + 2)
    watch = await storage.watch("quiet", event.revision)
    later = await put(storage, "b", resource="quiet")
    assert [found.revision for found in await watch.next_batch()] == [later.revision]


async def test_the_files_are_for_the_owner_alone(open_storage: OpenStorage, tmp_path: Path) -> None:
    storage = await open_storage()
    await put(storage, "a")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "data").iterdir()}
    assert set(modes.values()) == {0o600}
    assert {"storage.db", "storage.db-wal"} <= modes.keys()


async def test_a_second_opener_is_told_who_holds_the_store(open_storage: OpenStorage, tmp_path: Path) -> None:
    await open_storage()
    with pytest.raises(StorageInUse, match=rf"in use by another process \(process {os.getpid()}\); stop it"):
        await SqliteStorage.open(tmp_path / "data" / "storage.db", now=Clock())


async def test_a_foreign_or_newer_file_is_refused_in_plain_words(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.db"
    garbage.write_bytes(b"not a database at all, but long enough to be read as one" * 20)
    with pytest.raises(StorageError, match=r"cannot use .*garbage\.db as a store"):
        await SqliteStorage.open(garbage, now=Clock())
    newer = tmp_path / "newer.db"
    connection = sqlite3.connect(newer)
    connection.execute(f"PRAGMA user_version = {FORMAT + 1}")
    connection.close()
    with pytest.raises(StorageError, match=f"has format {FORMAT + 1}"):
        await SqliteStorage.open(newer, now=Clock())


async def damaged(open_storage: OpenStorage, path: Path) -> bytes:
    storage = await open_storage()
    for number in range(300):
        await put(storage, f"n{number}")
    await storage.close()
    content = path.read_bytes()
    return content[: len(content) // 2] + bytes(len(content) - len(content) // 2)


@pytest.mark.parametrize("first", [b"x", b"not a database", b"SQLite format 3\0 and then no more", bytes(100)])
async def test_a_file_that_is_no_store_is_left_as_it_is(tmp_path: Path, first: bytes) -> None:
    path = tmp_path / "storage.db"
    path.write_bytes(first)
    with pytest.raises(StorageError, match=r"cannot use .*storage\.db as a store: .*restore it from a backup"):
        await SqliteStorage.open(path, now=Clock())
    assert path.read_bytes() == first


async def test_a_damaged_file_is_refused_in_plain_words_and_left_as_it_is(
    open_storage: OpenStorage, tmp_path: Path
) -> None:
    path = tmp_path / "data" / "storage.db"
    content = await damaged(open_storage, path)
    path.write_bytes(content)
    for _ in range(2):  # the first did not keep the file for itself
        with pytest.raises(StorageError, match=r"cannot use .*storage\.db as a store: .* restore it from a backup"):
            await open_storage()
    assert path.read_bytes() == content


async def test_a_store_without_its_progress_is_refused(open_storage: OpenStorage, tmp_path: Path) -> None:
    path = tmp_path / "data" / "storage.db"
    await (await open_storage()).close()
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("DELETE FROM progress")
    connection.close()
    with pytest.raises(StorageError, match=r"cannot use .*storage\.db as a store: .* restore it from a backup"):
        await open_storage()


async def test_a_closed_store_ends_its_watches_and_refuses_writes(open_storage: OpenStorage) -> None:
    storage = await open_storage()
    watch = await storage.watch(RESOURCE, storage.revision)
    writes = asyncio.gather(*(put(storage, f"n{number}") for number in range(20)))
    await asyncio.sleep(0)
    await storage.close()
    assert len(await writes) == 20
    seen: list[str] = []
    while batch := await watch.next_batch():
        seen += [event.object.key.name for event in batch if event.object]
    assert len(seen) == 20
    with pytest.raises(StorageClosed):
        await put(storage, "late")
    with pytest.raises(StorageClosed):
        await storage.watch(RESOURCE, 0)


async def test_a_failed_commit_fails_its_writes_and_the_store_goes_on(
    open_storage: OpenStorage, tmp_path: Path
) -> None:
    storage = await open_storage()
    await put(storage, "a")
    blocker = sqlite3.connect(tmp_path / "data" / "storage.db", isolation_level=None)
    blocker.execute("ALTER TABLE revisions RENAME TO hidden")
    with pytest.raises(StorageError, match="could not be stored"):
        await put(storage, "b")
    blocker.execute("ALTER TABLE hidden RENAME TO revisions")
    blocker.close()
    assert storage.get(RESOURCE, ObjectKey("ns", "b")) is None
    await put(storage, "b")
    assert storage.get(RESOURCE, ObjectKey("ns", "b")) is not None


async def test_no_acknowledged_write_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "storage.db"
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.gateway.storage.write_loop", str(path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    acknowledged: dict[str, int] = {}
    for line in child.stdout:
        name, revision = line.split()
        acknowledged[name] = int(revision)
        if len(acknowledged) == 300:
            child.kill()
            break
    for line in child.stdout:  # what was said before the signal arrived counts too
        if line.endswith("\n"):
            name, revision = line.split()
            acknowledged[name] = int(revision)
    child.wait()
    child.stdout.close()
    storage = await SqliteStorage.open(path, now=Clock())
    kept = {stored.key.name: stored.revision for stored in storage.list(RESOURCE)}
    assert acknowledged.items() <= kept.items()
    assert storage.revision >= max(acknowledged.values())
    await storage.close()


async def test_a_listener_that_fails_harms_nobody_else(
    open_storage: OpenStorage, caplog: pytest.LogCaptureFixture
) -> None:
    storage = await open_storage()
    heard: list[int] = []

    def fail(event: StoredEvent) -> None:
        raise KeyError("junk")

    storage.listen(RESOURCE, fail)
    storage.listen(RESOURCE, lambda event: heard.append(event.revision))
    watch = await storage.watch(RESOURCE, storage.revision)
    written = [await asyncio.wait_for(put(storage, name), 10) for name in "ab"]
    revisions = [event.revision for event in written]
    assert heard == revisions
    assert [event.revision for event in await watch.next_batch()] == revisions
    assert [record.message for record in caplog.records] == [f"a listener failed on ADDED of {RESOURCE} ns/a"]


async def test_a_key_that_cannot_be_stored_fails_alone(open_storage: OpenStorage) -> None:
    storage = await open_storage()
    with pytest.raises(StorageError, match="could not be stored"):
        await asyncio.wait_for(storage.write(Change(RESOURCE, ObjectKey("ns", "\ud800"), 0, b'"name":"a"}}')), 10)
    assert (await asyncio.wait_for(put(storage, "a"), 10)).object is not None
