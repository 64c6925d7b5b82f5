"""Readers of the merged view: informers that break off and resume, and those who get one object."""

import asyncio
import json
from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING

from cache.watch_event import WatchEvent
from cache.watcher import Watcher
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.options import parse_list_options
from tests.cache.model.pagers import read_pages
from tests.cache.model.script import ANEW
from tests.cache.model.timeline import Claim, but_for_version, key_of, read_frame, version_of
from tests.cache.model.views import View, cluster_of, original_name_of
from tests.support.merged_frames import merged_frame

if TYPE_CHECKING:
    from tests.cache.model.world import World


class Outlet:
    """Takes events for a follower while its task sleeps; not always, and not once it has broken off."""

    form = "lines"

    def __init__(self, follower: "Follower", watcher: Watcher) -> None:
        self._follower = follower
        self._watcher = watcher

    def encode(self, events: Sequence[WatchEvent]) -> bytes:
        pods = self._follower.world.pods
        return b"".join(merged_frame(pods, event) for event in events)

    def ready(self) -> bool:
        return not self._follower.slow or self._follower.random.random() < 0.3

    def write(self, data: bytes) -> None:
        if self._follower.watcher is self._watcher:
            try:
                self._follower.apply(data.splitlines(keepends=True))
            except AssertionError as fault:
                self._follower.fault = fault
                self._watcher.close()


class Follower:
    """An informer. Mutable state: its store, the version up to which that is current, and what it was before."""

    def __init__(self, world: "World", view: View, number: int, random: Random) -> None:
        self.world = world
        self.view = view
        self.random = random
        self.name = f"follower {number} of {view.query or view.namespace or 'everything'}"
        self.watch_list = number % 2 == 1
        self.slow = number % 3 == 2
        self.bookmarks = number % 5 != 4
        self.rides = number % 7 < 4
        self.fault: AssertionError | None = None
        self.store: dict[str, bytes] = {}
        self.version = 0
        self.synced = False
        self.past: list[tuple[int, dict[str, bytes]]] = []
        self.watcher: Watcher | None = None
        self.pause = 0.0

    def break_off(self, pause: float, back: int) -> None:
        """Lose the connection; go on after a pause, from where it was, so many steps earlier, or from nothing."""
        if self.watcher is None:
            return
        self.watcher.close()
        self.pause = pause
        if back == ANEW:
            self.synced = False
            self.watcher = None
        elif back and self.synced and self.past:
            version, store = self.past[-min(back, len(self.past))]
            self.version, self.store = version, dict(store)
            self.watcher = None  # what is still under way to it is lost

    async def run(self) -> None:
        while True:
            watcher = self.watcher = await self._begin()
            outlet = Outlet(self, watcher) if self.rides else None
            while batch := await watcher.next_batch(outlet):
                if self.watcher is not watcher:
                    break
                lines = [merged_frame(self.world.pods, event) for event in batch]
                if self.slow:
                    await asyncio.sleep(self.random.choice((0.0, 0.2, 1.0)))
                    if self.watcher is not watcher:
                        break
                self.apply(lines)
            if self.fault:
                raise self.fault
            if self.pause:
                await asyncio.sleep(self.pause)
                self.pause = 0.0

    async def _begin(self) -> Watcher:
        query = {**self.view.query}
        if self.bookmarks:
            query["allowWatchBookmarks"] = "true"
        if not self.synced:
            self.store, self.version, self.past = {}, 0, []
            if self.watch_list and self.bookmarks:
                query |= {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
            else:
                self.store, self.version = await read_pages(
                    self.world, self.view, self.name, lambda: self.random.choice((0, 0, 1, 3))
                )
                self._current()
        if self.synced:
            query["resourceVersion"] = str(self.version)
        options = parse_list_options(query, watch=True)
        timeout = self.random.choice((40, 400))
        return await self.world.pods.watch(
            self.view.namespace, options, visible=self.view.visible, timeout=timeout
        )  # fmt: skip

    def _current(self) -> None:
        self.synced = True
        self.past.append((self.version, dict(self.store)))
        self.world.timeline.claims.append(Claim(self.name, self.version, dict(self.store), self.view.wanted))

    def apply(self, lines: Sequence[bytes]) -> None:
        """Take what was sent."""
        for line in lines:
            self._apply(line)

    def _apply(self, line: bytes) -> None:
        event_type, body, obj = read_frame(line)
        if event_type == "ERROR":
            assert obj["code"] == 410, obj
            assert self.world.forgetful or not self.version, f"{self.name} lost the thread at {self.version}"
            self.synced = False
            return
        version = version_of(obj)
        assert (obj["kind"], obj["apiVersion"]) == ("Pod", "v1")
        if event_type == "BOOKMARK":
            assert version >= self.version, self.name
            self.version = version
            if self.synced or "k8s.io/initial-events-end" in obj["metadata"].get("annotations", {}):
                self._current()
            return
        assert version > self.version, f"{self.name}: {version} after {self.version}"
        self.version = version
        self._change(event_type, body, obj)
        if self.synced:
            self._current()

    def _change(self, event_type: str, body: bytes, obj: JsonObject) -> None:
        key = key_of(obj)
        known = self.store.get(key)
        if event_type == "ADDED":
            assert known is None, f"{self.name}: {key} was added twice"
            self.store[key] = body
            return
        assert known is not None, f"{self.name}: {event_type} of unknown {key}"
        if event_type == "DELETED":
            assert but_for_version(known) == but_for_version(body), f"{self.name}: the last state of {key}"
            del self.store[key]
        else:
            assert json.loads(known)["metadata"]["uid"] == obj["metadata"]["uid"]
            self.store[key] = body


async def get_one(world: "World", namespace: str, name: str) -> None:
    """Get an object by a name that it has or may be called by; it then bears that name."""
    before = world.present()
    try:
        obj = await world.pods.get(namespace, name)
    except ApiError as error:
        if error.code != 404 or f"{namespace}/{name}" in before:
            raise AssertionError(f"get {name}: {error}") from error
        return
    found = json.loads(world.pods.object(obj))
    assert (found["metadata"]["namespace"], found["metadata"]["name"]) == (namespace, name)
    assert name in {original_name_of(found), f"{original_name_of(found)}.{cluster_of(found)}"} | {
        key.split("/")[1] for key, uid in world.present().items() if uid == found["metadata"]["uid"]
    }
    listed = next(body for body in world.everything() if but_for_names(body) == but_for_names(found))
    key = key_of(listed)
    seen = {key: world.everything_encoded()[key]}
    world.timeline.claims.append(Claim(f"get {name}", world.revision(), seen, lambda other: key_of(other) == key))


def but_for_names(obj: JsonObject) -> JsonObject:
    metadata = {name: value for name, value in obj["metadata"].items() if name not in {"name", "annotations"}}
    return {**obj, "metadata": metadata | {"original": original_name_of(obj), "cluster": cluster_of(obj)}}
