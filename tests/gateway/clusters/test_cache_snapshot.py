"""The snapshot of the cache on disk: what is kept, what is set aside, and what happens when the disk is full."""

import asyncio
import json
import secrets
import sqlite3
import stat

import msgspec
import pytest

from cache.multi_cluster_cache import CacheSettings, MultiClusterCache
from cache.observed_object import ObservedObject
from gateway.apimachinery.schema import GroupVersionResource
from gateway.clusters import cache_snapshot, cache_snapshot_file
from gateway.clusters.cache_snapshot import CacheSnapshot, continue_token_key
from gateway.clusters.cache_snapshot_pieces import Piece, decode, encode
from tests.support.objects import pod

PODS = GroupVersionResource("", "v1", "pods")


def new_cache(replica=0):
    return MultiClusterCache(
        now=lambda: 1_700_000_000.0, jitter=lambda: 0.5, token_key=b"k" * 16, settings=CacheSettings(replica=replica)
    )


def observe(cache, name="web", **facts):
    cacher = cache._cachers[PODS]
    cacher.feed("m1").begin_list()
    cacher.feed("m1").end_list("5")
    return cacher.cache.observe("m1", ObservedObject(json.dumps(pod(name, **facts)).encode()))


def held(cache):
    return cache._cachers[PODS].cache.objects.everything()


async def keep(path, *names):
    """A run that ends in order."""
    cache, snapshot = new_cache(), CacheSnapshot(path, 0)
    await snapshot.recover(cache)
    running = asyncio.get_running_loop().create_task(snapshot.run())
    await asyncio.sleep(0)
    objects = [observe(cache, name, uid=name) for name in names]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return objects


async def recovered(path, replica=0):
    cache, snapshot = new_cache(replica), CacheSnapshot(path, replica)
    await snapshot.recover(cache)
    return cache, snapshot


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache.sqlite"


async def test_the_last_state_is_written_when_it_ends(path):
    objects = await keep(path, "one", "two")
    cache, snapshot = await recovered(path)
    assert held(cache) == objects
    assert snapshot.active
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()] == [0o600] * len(
        list(path.parent.iterdir())
    )


async def test_it_is_written_again_and_again(path, monkeypatch):
    monkeypatch.setattr(cache_snapshot, "_INTERVAL", 0.01)
    cache, snapshot = await recovered(path)
    running = asyncio.get_running_loop().create_task(snapshot.run())
    observe(cache)
    async with asyncio.timeout(30):
        while await snapshot._do(lambda: snapshot._file.read().get(PODS)) is None:
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize("content", [b"not a database" * 100, b"SQLite format 3\0" + b"\xff" * 4_096])
async def test_a_file_that_is_no_snapshot_is_set_aside(path, content, caplog):
    path.write_bytes(content)
    cache, snapshot = await recovered(path)
    assert held(cache) == []
    assert snapshot.active
    assert path.with_suffix(".unusable").read_bytes() == content
    assert "is set aside as cache.unusable" in caplog.text
    observe(cache)
    await snapshot.write()
    snapshot._file.close()
    assert len(held((await recovered(path))[0])) == 1


@pytest.mark.parametrize(
    "damage",
    [
        "PRAGMA user_version = 99",
        "PRAGMA application_id = 1",
        "UPDATE replica SET slot = 7",
        "DROP TABLE pieces",
        "UPDATE kinds SET members = '{'",
        "UPDATE kinds SET resource = resource || '/x'",
        "UPDATE pieces SET data = x'7b7d'",
        "UPDATE pieces SET data = x'ffffff7f00'",
        "UPDATE pieces SET data = 'text'",
        "UPDATE pieces SET data = NULL",
    ],
)
async def test_a_file_that_makes_no_sense_is_set_aside(path, damage):
    await keep(path, "one")
    with sqlite3.connect(path) as connection:
        connection.execute(damage)
    connection.close()
    cache, snapshot = await recovered(path)
    assert held(cache) == []
    assert snapshot.active
    assert path.with_suffix(".unusable").exists()


@pytest.mark.parametrize(
    "damage",
    [
        {"raw": b"{}"},
        {"raw": b"text"},
        {"key": "default/other"},
        {"raw": b'{"metadata":{"name":"one","namespace":"default","uid":"1","resourceVersion":"x"}}'},
    ],
)
@pytest.mark.parametrize("part", ["objects", "buried"])
async def test_a_piece_that_makes_no_sense_has_the_file_set_aside(path, part, damage):
    await keep(path, "one")
    with sqlite3.connect(path) as connection:
        ((data,),) = connection.execute("SELECT data FROM pieces").fetchall()
        (record,) = decode(data).objects
        parts = {"buried": [], "gone": [], "objects": [], part: [msgspec.structs.replace(record, **damage)]}
        connection.execute("UPDATE pieces SET data = ?", (encode(Piece(**parts), bytearray()),))
        connection.execute("UPDATE kinds SET horizon = 1")
    connection.close()
    cache, snapshot = await recovered(path)
    assert held(cache) == []
    assert snapshot.active
    assert path.with_suffix(".unusable").exists()


async def test_the_snapshot_of_another_replica_is_not_ours(path):
    await keep(path, "one")
    cache, _ = await recovered(path, replica=3)
    assert held(cache) == []


async def test_a_full_disk_turns_snapshots_off(path, caplog):
    cache, snapshot = await recovered(path)
    (pages,) = snapshot._file._connection.execute("PRAGMA page_count").fetchone()
    snapshot._file._connection.execute(f"PRAGMA max_page_count = {pages}")
    observe(cache, labels={"long": secrets.token_hex(200_000)})
    await snapshot.write()
    assert not snapshot.active
    assert "no cache snapshots from now on" in caplog.text
    assert "full" in caplog.text
    await snapshot.write()
    assert len(held(cache)) == 1


async def test_a_failed_write_leaves_the_last_snapshot(path):
    (first,) = await keep(path, "one")
    cache, snapshot = await recovered(path)
    (pages,) = snapshot._file._connection.execute("PRAGMA page_count").fetchone()
    snapshot._file._connection.execute(f"PRAGMA max_page_count = {pages}")
    observe(cache, "one", uid="other", rv="11")
    observe(cache, "two", uid="two", labels={"long": secrets.token_hex(200_000)})
    await snapshot.write()
    assert held((await recovered(path))[0]) == [first]


async def test_two_gateways_on_one_file(path, monkeypatch, caplog):
    cache, snapshot = await recovered(path)
    observe(cache)
    await snapshot.write()
    connect = sqlite3.connect
    monkeypatch.setattr(
        cache_snapshot_file.sqlite3, "connect", lambda *args, **more: connect(*args, **{**more, "timeout": 0.1})
    )
    other, second = await recovered(path)
    assert (second.active, held(other)) == (False, [])
    assert "locked" in caplog.text
    assert snapshot.active
    assert not path.with_suffix(".unusable").exists()


async def test_a_directory_that_cannot_be_written(tmp_path):
    cache, snapshot = await recovered(tmp_path / "missing" / "cache.sqlite")
    assert not snapshot.active
    await snapshot.write()
    assert held(cache) == []


def test_the_secret_of_continue_tokens_is_kept(tmp_path):
    path = tmp_path / "continue-token.key"
    key = continue_token_key(path)
    assert len(key) == 32
    assert continue_token_key(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_bytes(b"short")
    assert len(continue_token_key(path)) == 32
