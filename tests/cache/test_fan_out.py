"""Watchers that ride along: what is written to their clients while their tasks sleep."""

import asyncio
import itertools

import pytest

from cache import fan_out
from cache.merged_resource import MergedResource
from cache.sight import Sight
from cache.watch_event import WatchEvent
from cache.watcher import Watcher
from gateway.apimachinery.options import parse_list_options
from tests.cache.test_merged_resource import Desk


class Client:
    """An outlet that writes down what it is given."""

    def __init__(self, form="lines"):
        self.form = form
        self.takes = True
        self.written: list[bytes] = []
        self.encoded = 0

    def encode(self, events):
        self.encoded += 1
        return "".join(f"{event.type} {event.object.name};" for event in events).encode()

    def ready(self):
        return self.takes

    def write(self, data):
        self.written.append(data)

    @property
    def told(self):
        return b"".join(self.written).decode().split(";")[:-1]


class Stage(Desk):
    """Watches with clients, each driven by a task as the handler of a watch does it."""

    def __init__(self, **limits) -> None:
        super().__init__(**limits)
        self.returned: dict[Client, list[WatchEvent]] = {}
        self.watchers: dict[Client, Watcher] = {}
        self.tasks: dict[Client, asyncio.Task[None]] = {}
        self.wakes = 0

    @property
    def riders(self) -> int:
        return len(self.cacher._fan_out)

    async def join(self, client=None, *, visible=None, timeout=1_000.0, **query):
        client = client or Client()
        query = {"resourceVersion": str(self.cacher.cache.revision)} | query
        options = parse_list_options(query, watch=True)
        resource: MergedResource = self.pods
        kwargs = {"visible": visible} if visible else {}
        watcher = self.watchers[client] = await resource.watch("", options, timeout=timeout, **kwargs)
        self.tasks[client] = asyncio.get_running_loop().create_task(self._follow(client, watcher))
        await turns()
        return client

    async def _follow(self, client, watcher):
        told = self.returned[client] = []
        while batch := await watcher.next_batch(client):
            self.wakes += 1
            told += batch

    def end(self):
        for task in self.tasks.values():
            task.cancel()


async def turns(count=20):
    for _ in range(count):
        await asyncio.sleep(0)


async def rest():
    await asyncio.sleep(0.2)


@pytest.fixture
async def stage():
    stage = Stage()
    yield stage
    stage.end()


async def test_many_are_told_without_being_woken_and_from_one_encoding(stage):
    clients = [await stage.join() for _ in range(600)]
    stage.put("a")
    stage.put("b")
    await rest()
    assert all(client.written == [b"ADDED a;ADDED b;"] for client in clients)
    assert sum(client.encoded for client in clients) == 1
    assert stage.wakes == 0


async def test_what_happens_at_once_after_another_shares_a_write(stage):
    clients = [await stage.join() for _ in range(1_000)]
    stage.put("first")
    await turns()
    assert clients[0].told == ["ADDED first"], "who has rested is told at once"
    for number in range(10):
        stage.put(f"p{number}")
        await asyncio.sleep(0.001)
    assert clients[0].told == ["ADDED first"]
    await rest()
    assert [len(client.written) for client in (clients[0], clients[-1])] == [2, 2]
    assert len(clients[0].told) == 11


async def test_few_are_told_everything_at_once(stage):
    client = await stage.join()
    for number in range(5):
        stage.put(f"p{number}")
        await asyncio.sleep(0.001)
    assert len(client.written) == 5


async def test_no_turn_serves_too_many(stage, monkeypatch):
    monkeypatch.setattr(fan_out, "_SLICE", 10)
    clients = [await stage.join() for _ in range(35)]
    stage.put("a")
    counts = []
    while (written := sum(len(client.written) for client in clients)) < 35:
        counts.append(written)
        await asyncio.sleep(0)
    assert {10, 20, 30} <= set(counts)
    await rest()
    monkeypatch.setattr(fan_out, "_SLICE_BYTES", 1)
    stage.put("b")
    most = 0
    while (now := sum(len(client.written) for client in clients)) < 70:
        most, written = max(most, now - written), now
        await asyncio.sleep(0)
    assert most == 1


async def test_no_turn_takes_long(stage, monkeypatch):
    # By this clock whoever is served takes longer than all may together.
    monkeypatch.setattr(fan_out, "thread_time", itertools.count().__next__)
    clients = [await stage.join() for _ in range(20)]
    stage.put("a")
    most = written = 0
    while written < 20:
        now = sum(len(client.written) for client in clients)
        most, written = max(most, now - written), now
        await asyncio.sleep(0)
    assert most == 1


async def test_each_is_told_what_he_asked_for(stage):
    everything = await stage.join()
    web = await stage.join(labelSelector="app=web")
    own = await stage.join(Client("rows"), visible=lambda cluster: cluster == "m2")
    stage.put("a", labels={"app": "web"})
    stage.put("b", cluster="m2")
    await rest()
    stage.put("a", labels={"app": "db"}, rv="11")
    await rest()
    assert everything.told == ["ADDED a", "ADDED b", "MODIFIED a"]
    assert web.told == ["ADDED a", "DELETED a"]
    assert own.told == ["ADDED b"]
    assert stage.wakes == 0


ANCHORED = (
    {"fieldSelector": "spec.nodeName=n1"},
    {"fieldSelector": "metadata.name=web,metadata.namespace=default"},
    {"labelSelector": "app=web"},
    {"labelSelector": "app in (web)", "fieldSelector": "status.phase=Running"},
    {"fieldSelector": "metadata.namespace=default"},
)


@pytest.mark.parametrize("query", ANCHORED)
async def test_who_is_not_concerned_is_not_asked(stage, query, monkeypatch):
    asked = []
    see = Sight.see
    monkeypatch.setattr(Sight, "see", lambda sight, event, since=0: asked.append(event) or see(sight, event, since))
    facts = {"namespace": "default", "node": "n1", "labels": {"app": "web"}, "phase": "Running"}
    other = {"namespace": "other", "node": "n2", "labels": {"app": "db"}, "phase": "Running"}
    client = await stage.join(allowWatchBookmarks="true", timeout=100.0, **query)
    for number in range(3):
        stage.put(f"p{number}", **other)
        await rest()
    assert asked == []
    stage.put("web", **facts)
    await rest()
    stage.put("web", rv="11", **{**facts, "node": "n2", "labels": {"app": "db"}})
    await rest()
    stage.put("other", **other)
    client.takes = False
    stage.put("web", rv="12", **facts)
    await rest()
    stage.put("other", rv="11", **other)
    await rest()
    client.takes = True
    await rest()
    stage.cacher.cache.forget("m1", "default/web")
    stage.cacher.changed()
    await rest()
    kept = "namespace" in str(query)
    again = ["MODIFIED web", "MODIFIED web"] if kept else ["DELETED web", "ADDED web"]
    assert client.told == ["ADDED web", *again, "DELETED web"]
    stage.put("other", rv="13", **other)
    await asyncio.sleep(60)
    assert [event.rv for event in stage.returned[client]] == [stage.cacher.cache.revision]


async def test_after_many_events_each_is_asked(stage, monkeypatch):
    monkeypatch.setattr("cache.watch_cache._LOOKED_THROUGH", 2)
    client = await stage.join(labelSelector="app=web")
    for number in range(5):
        stage.put(f"p{number}", labels={"app": "web" if number == 4 else "db"})
    await rest()
    assert client.told == ["ADDED p4"]


async def test_another_form_is_encoded_for_itself(stage):
    lines, rows = await stage.join(Client("lines")), await stage.join(Client("rows"))
    stage.put("a")
    await rest()
    assert (lines.encoded, rows.encoded) == (1, 1)


async def test_a_client_that_does_not_read_lags_and_is_told_later(stage):
    slow, quick = await stage.join(), await stage.join()
    slow.takes = False
    for number in range(3):
        stage.put(f"p{number}")
        await rest()
    assert (len(quick.written), slow.written) == (3, [])
    slow.takes = True
    await rest()
    assert slow.written == [b"ADDED p0;ADDED p1;ADDED p2;"]
    assert stage.wakes == 0


async def test_a_client_that_catches_up_costs_the_others_no_writes(stage, monkeypatch):
    monkeypatch.setattr(fan_out, "_PIECE_EVENTS", 2)
    slow = await stage.join()
    others = [await stage.join() for _ in range(1_000)]
    slow.takes = False
    for number in range(10):
        stage.put(f"p{number}")
    await rest()
    stage.put("last")
    await turns()
    assert (len(others[0].written), slow.written) == (6, [])
    slow.takes = True
    stage.put("news")
    await asyncio.sleep(0.06)
    assert len(slow.told) == 12
    assert len(others[0].written) == len(others[-1].written) == 6, "one event waits as long as it would without him"
    await rest()
    assert {len(client.written) for client in others} == {7}
    assert all(client.told == slow.told for client in others)


async def test_a_lagging_client_falls_off_the_history(stage):
    stage.end()
    short = Stage(events=3)
    slow = await short.join()
    slow.takes = False
    for number in range(5):
        short.put(f"p{number}")
    await rest()
    slow.takes = True
    await rest()
    assert slow.written == []
    assert [event.status["code"] for event in short.returned[slow]] == [410]
    assert short.tasks[slow].done()
    assert short.riders == 0


async def test_a_piece_is_bounded_and_whole_ones_follow_at_once(stage, monkeypatch):
    monkeypatch.setattr(fan_out, "_PIECE_EVENTS", 2)
    clients = [await stage.join() for _ in range(1_000)]
    for number in range(5):
        stage.put(f"p{number}")
    await turns(2 * 1_000 // fan_out._SLICE + 10)
    assert [data.count(b";") for data in clients[0].written] == [2, 2]
    await rest()
    assert all([data.count(b";") for data in client.written] == [2, 2, 1] for client in clients)


@pytest.mark.parametrize("limit", ["_PIECE_EVENTS", "_PIECE_BYTES"])
async def test_a_whole_piece_waits_for_nothing(stage, monkeypatch, limit):
    clients = [await stage.join() for _ in range(1_000)]
    stage.put("first")
    await turns()
    history = stage.cacher.cache.history
    size = history.read(history.end - 1, 1)[0].object.size
    monkeypatch.setattr(fan_out, limit, 3 if limit == "_PIECE_EVENTS" else int(2.5 * size))
    for number in range(3):
        assert len(clients[0].written) == 1
        stage.put(f"p{number}")
        await turns()
    assert [len(client.told) for client in (clients[0], clients[-1])] == [4, 4]
    assert len(clients[0].written) == 2
    stage.put("last")
    await turns()
    assert len(clients[0].written) == 2, "the next rest is as long as any"
    await rest()
    assert all(len(client.written) == 3 for client in clients)


async def test_who_leaves_in_the_middle_is_not_written_to(stage, monkeypatch):
    monkeypatch.setattr(fan_out, "_SLICE", 1)
    clients = [await stage.join() for _ in range(10)]
    stage.put("a")
    await turns(3)
    left = [client for client in clients if not client.written]
    assert left
    for client in left:
        stage.tasks[client].cancel()
    await rest()
    assert not any(client.written for client in left)
    assert stage.riders == 10 - len(left)


async def test_nobody_misses_what_happens_between_two_rides(stage):
    client = await stage.join(allowWatchBookmarks="true", timeout=500.0)
    stage.put("a")
    await asyncio.sleep(60)
    stage.put("b")
    await asyncio.sleep(60)
    assert client.told == ["ADDED a", "ADDED b"]
    bookmarks = stage.returned[client]
    assert [event.type for event in bookmarks] == ["BOOKMARK", "BOOKMARK"]
    first, second = (event.rv for event in bookmarks)
    assert first < second == stage.cacher.cache.revision


async def test_the_time_is_kept(stage):
    client = await stage.join(timeout=30.0)
    await asyncio.sleep(29)
    stage.put("a")
    await asyncio.sleep(0.5)
    assert not stage.tasks[client].done()
    await asyncio.sleep(1)
    assert stage.tasks[client].done()
    assert (client.told, stage.returned[client]) == (["ADDED a"], [])


async def test_who_is_told_to_end_ends_and_wakes_nobody_else(stage):
    ended, other = [await stage.join() for _ in range(2)]
    stage.watchers[ended].close()
    await turns()
    assert stage.tasks[ended].done()
    assert stage.returned[ended] == []
    assert stage.riders == 1
    stage.put("a")
    await rest()
    assert (other.told, ended.told) == (["ADDED a"], [])


async def test_who_wants_to_look_himself_is_given_the_next_events(stage):
    client = await stage.join()
    client.takes = False
    stage.put("a")
    await turns()
    stage.watchers[client].look()
    await turns()
    assert [event.type for event in stage.returned[client]] == ["ADDED"]
    assert client.written == []


async def test_the_initial_state_is_no_ride(stage):
    stage.put("a")
    client = await stage.join(
        sendInitialEvents="true",
        resourceVersionMatch="NotOlderThan",
        allowWatchBookmarks="true",
        resourceVersion="",
    )
    assert [event.type for event in stage.returned[client]] == ["ADDED", "BOOKMARK"]
    stage.put("b")
    await rest()
    assert client.told == ["ADDED b"]


async def test_what_is_told_differently_to_each_is_left_to_the_watchers(stage):
    obj = stage.put("a")
    since = stage.cacher.cache.revision
    clients = [await stage.join(), await stage.join()]
    stage.cacher.cache.retell(obj, since)
    stage.cacher.changed()
    await rest()
    assert [[event.type for event in stage.returned[client]] for client in clients] == [["MODIFIED"]] * 2
    stage.put("b")
    await rest()
    assert [client.told for client in clients] == [["ADDED b"]] * 2


async def test_a_version_that_is_found_to_be_lost_ends_the_ride(stage):
    stage.put("a")
    client = await stage.join()
    stage.cacher.cache.resumption._lose_since(stage.cacher.cache.revision)
    stage.cacher.changed()
    await rest()
    assert [event.status["code"] for event in stage.returned[client]] == [410]
    assert stage.tasks[client].done()


async def test_a_fault_of_one_form_is_met_by_its_own_watchers(stage, monkeypatch, caplog):
    class Broken(Client):
        def encode(self, events):
            raise ValueError("no such form")

    broken, whole = await stage.join(Broken("broken")), await stage.join()
    stage.put("a")
    await rest()
    assert whole.told == ["ADDED a"]
    assert [event.type for event in stage.returned[broken]] == ["ADDED"]
    assert "no such form" in caplog.text
