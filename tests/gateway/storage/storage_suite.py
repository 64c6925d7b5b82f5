"""What every Storage promises, as one suite: a back end's tests inherit it and give an `open_storage` fixture."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gateway.apimachinery.meta import ObjectKey
from gateway.storage.interface import (
    Change,
    Compacted,
    RevisionMismatch,
    Storage,
    StoredEvent,
    encode_value,
)

OpenStorage = Callable[[], Awaitable[Storage]]
RESOURCE = "configmaps"


def value(name: str, text: str = "") -> bytes:
    return encode_value(
        {
            "kind": "ConfigMap",
            "apiVersion": "v1",
            "data": {"text": text},
            "metadata": {"name": name, "labels": {"a": text}},
        }
    )


async def put(
    storage: Storage, name: str, text: str = "", *, expected: int = 0, namespace: str = "ns", resource: str = RESOURCE
) -> StoredEvent:
    return await storage.write(Change(resource, ObjectKey(namespace, name), expected, value(name, text)))


async def remove(storage: Storage, name: str, expected: int) -> StoredEvent:
    return await storage.write(Change(RESOURCE, ObjectKey("ns", name), expected, None))


class StorageSuite:
    async def test_a_written_object_is_read_back_with_its_revision(self, open_storage: OpenStorage) -> None:
        storage = await open_storage()
        event = await put(storage, "a", "one")
        stored = storage.get(RESOURCE, ObjectKey("ns", "a"))
        assert stored is not None
        assert event.type == "ADDED"
        assert stored.revision == event.revision == storage.revision
        assert stored.decode() == {
            "metadata": {"resourceVersion": str(event.revision), "name": "a", "labels": {"a": "one"}},
            "data": {"text": "one"},
        }
        assert stored.metadata.labels == {"a": "one"}

    async def test_revisions_rise_over_all_resources(self, open_storage: OpenStorage) -> None:
        storage = await open_storage()
        revisions = [(await put(storage, "a", resource=resource)).revision for resource in ("x", "y", "z")]
        assert revisions == sorted(set(revisions))

    async def test_creating_what_exists_is_refused_with_its_revision(self, open_storage: OpenStorage) -> None:
        storage = await open_storage()
        first = await put(storage, "a")
        with pytest.raises(RevisionMismatch) as refusal:
            await put(storage, "a")
        assert refusal.value.current == first.revision

    async def test_replacing_another_version_is_refused_and_changes_nothing(self, open_storage: OpenStorage) -> None:
        storage = await open_storage()
        first = await put(storage, "a", "one")
        second = await put(storage, "a", "two", expected=first.revision)
        with pytest.raises(RevisionMismatch):
            await put(storage, "a", "three", expected=first.revision)
        stored = storage.get(RESOURCE, ObjectKey("ns", "a"))
        assert stored is not None
        assert stored.revision == second.revision

    async def test_replacing_or_deleting_what_is_absent_is_refused(self, open_storage: OpenStorage) -> None:
        storage = await open_storage()
        with pytest.raises(RevisionMismatch) as refusal:
            await put(storage, "a", expected=5)
        assert refusal.value.current == 0
        with pytest.raises(RevisionMismatch):
            await remove(storage, "a", 5)

    async def test_a_deletion_reports_the_last_state_under_its_own_revision(self, open_storage: OpenStorage) -> None:
        storage = await open_storage()
        first = await put(storage, "a", "one")
        event = await remove(storage, "a", first.revision)
        assert event.type == "DELETED"
        assert event.object is not None
        assert event.object.decode()["metadata"]["resourceVersion"] == str(event.revision)
        assert event.object.decode()["data"] == {"text": "one"}
        assert event.revision > first.revision
        assert storage.get(RESOURCE, ObjectKey("ns", "a")) is None

    async def test_only_one_of_many_concurrent_writers_of_a_version_wins(self, open_storage: OpenStorage) -> None:
        storage = await open_storage()
        first = await put(storage, "a")
        results = await asyncio.gather(
            *(put(storage, "a", str(number), expected=first.revision) for number in range(20)), return_exceptions=True
        )
        assert sum(isinstance(result, StoredEvent) for result in results) == 1
        assert sum(isinstance(result, RevisionMismatch) for result in results) == 19

    async def test_lists_are_ordered_and_limited_to_the_namespace(self, open_storage: OpenStorage) -> None:
        storage = await open_storage()
        for namespace, name in (("b", "x"), ("a", "z"), ("a-b", "q"), ("a", "y"), ("", "w")):
            await put(storage, name, namespace=namespace)
        assert [str(stored.key) for stored in storage.list(RESOURCE)] == ["w", "a/y", "a/z", "a-b/q", "b/x"]
        assert [stored.key.name for stored in storage.list(RESOURCE, "a")] == ["y", "z"]
        assert list(storage.list("others")) == []

    async def test_the_past_is_listed_as_it_was(self, open_storage: OpenStorage) -> None:
        storage = await open_storage()
        first = await put(storage, "a", "one")
        await put(storage, "b", "one")
        then = storage.revision
        await put(storage, "a", "two", expected=first.revision)
        await remove(storage, "b", then)
        await put(storage, "c", "one")
        past = await storage.list_at(RESOURCE, "ns", then, after=None, limit=10)
        assert [(stored.key.name, stored.decode()["data"]["text"]) for stored in past] == [("a", "one"), ("b", "one")]
        assert [stored.revision for stored in past] == [first.revision, then]
        behind = await storage.list_at(RESOURCE, "", then, after=ObjectKey("ns", "a"), limit=10)
        assert [stored.key.name for stored in behind] == ["b"]
        assert await storage.count_at(RESOURCE, "", then, after=ObjectKey("ns", "a")) == 1
        assert len(await storage.list_at(RESOURCE, "", then, after=None, limit=1)) == 1

    async def test_a_name_used_again_has_two_lives(self, open_storage: OpenStorage) -> None:
        storage = await open_storage()
        first = await put(storage, "a", "one")
        deletion = await remove(storage, "a", first.revision)
        second = await put(storage, "a", "two")
        assert second.type == "ADDED"
        assert await storage.list_at(RESOURCE, "", deletion.revision, after=None, limit=5) == []
        watch = await storage.watch(RESOURCE, first.revision)
        assert [(event.type, event.previous is None) for event in await watch.next_batch()] == [
            ("DELETED", False),
            ("ADDED", True),
        ]

    async def test_a_watch_replays_the_past_then_follows(self, open_storage: OpenStorage) -> None:
        storage = await open_storage()
        first = await put(storage, "a", "one")
        second = await put(storage, "a", "two", expected=first.revision)
        await put(storage, "a", resource="others")
        third = await remove(storage, "a", second.revision)
        watch = await storage.watch(RESOURCE, first.revision)
        replayed = await watch.next_batch()
        assert [(event.type, event.revision) for event in replayed] == [
            ("MODIFIED", second.revision),
            ("DELETED", third.revision),
        ]
        assert replayed[0].previous is not None
        assert replayed[0].previous.decode()["data"] == {"text": "one"}
        assert replayed[1].object is not None
        assert replayed[1].object.decode()["data"] == {"text": "two"}
        waiting = asyncio.get_running_loop().create_task(watch.next_batch())
        fourth = await put(storage, "a", "four")
        assert [event.revision for event in await waiting] == [fourth.revision]

    async def test_no_event_is_lost_or_doubled_between_replay_and_following(self, open_storage: OpenStorage) -> None:
        storage = await open_storage()
        start = storage.revision

        async def write_many() -> None:
            for number in range(60):
                await put(storage, f"n{number}")

        async def follow() -> list[int]:
            watch = await storage.watch("", start)
            seen: list[int] = []
            while len(seen) < 60:
                seen += [event.revision for event in await watch.next_batch()]
            return seen

        async def follow_later() -> list[int]:
            await asyncio.sleep(0.005)
            return await follow()

        _, *seen = await asyncio.gather(write_many(), follow(), follow_later())
        assert seen[0] == seen[1] == sorted(set(seen[0]))

    async def test_a_watch_of_everything_sees_every_resource(self, open_storage: OpenStorage) -> None:
        storage = await open_storage()
        start = storage.revision
        await put(storage, "a", resource="x")
        await put(storage, "a", resource="y")
        watch = await storage.watch("", start)
        assert [event.resource for event in await watch.next_batch()] == ["x", "y"]

    async def test_listeners_run_before_the_write_is_acknowledged(self, open_storage: OpenStorage) -> None:
        storage = await open_storage()
        heard: list[int] = []
        storage.listen(RESOURCE, lambda event: heard.append(event.revision))
        event = await put(storage, "a")
        await put(storage, "a", resource="others")
        assert heard == [event.revision]

    async def test_a_closed_watch_ends(self, open_storage: OpenStorage) -> None:
        storage = await open_storage()
        watch = await storage.watch(RESOURCE, storage.revision)
        waiting = asyncio.get_running_loop().create_task(watch.next_batch())
        await asyncio.sleep(0)
        watch.close()
        assert await waiting == []
        await put(storage, "a")
        assert await watch.next_batch() == []

    async def test_history_from_before_the_store_is_gone(self, open_storage: OpenStorage) -> None:
        storage = await open_storage()
        with pytest.raises(Compacted):
            await storage.watch(RESOURCE, storage.changed_at(RESOURCE) - 1)
        with pytest.raises(Compacted):
            await storage.list_at(RESOURCE, "", storage.revision - 1, after=None, limit=1)
