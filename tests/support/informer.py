"""A client of a merged watch that keeps a store as informers do, and objects to every illegal history."""

import json
from collections.abc import Iterable

from cache.merged_resource import MergedResource
from cache.watch_event import WatchEvent
from gateway.apimachinery.meta import JsonObject
from tests.support.fake_member import REVISION_ANNOTATION
from tests.support.merged_frames import merged_frame


class Informer:
    """Mutable state: the store by namespace/name, and the version up to which it is current."""

    def __init__(self, resource: MergedResource) -> None:
        self.resource = resource
        self.store: dict[str, JsonObject] = {}
        self.version = 0
        self.synced = False
        self.expired = False
        self.forward_only = False
        """Whether members never go back in time, so that objects must not either."""

    def replace(self, items: Iterable[JsonObject], version: str) -> None:
        """Begin with a list."""
        self.store = {_key(item): item for item in items}
        self.version = int(version)
        self.synced, self.expired = True, False

    def begin(self) -> None:
        """Begin with a watch that sends its initial state."""
        self.store, self.version, self.synced, self.expired = {}, 0, False, False

    def apply(self, batch: Iterable[WatchEvent]) -> None:
        for event in batch:
            frame = json.loads(merged_frame(self.resource, event))
            assert frame["type"] == event.type
            if event.type == "ERROR":
                assert frame["object"]["code"] == 410
                self.expired = True
                return
            assert frame["object"]["kind"] == self.resource.served.kind
            assert frame["object"]["apiVersion"] == self.resource.served.api_version
            version = int(frame["object"]["metadata"]["resourceVersion"])
            assert version == event.rv
            if event.type == "BOOKMARK":
                assert version >= self.version
                self.version = version
                self.synced = self.synced or event.initial_events_end
                continue
            assert version > self.version, f"{event} after {self.version}"
            self.version = version
            self._apply_object(event.type, frame["object"])

    def _apply_object(self, event_type: str, obj: JsonObject) -> None:
        key = _key(obj)
        known = self.store.get(key)
        if event_type == "ADDED":
            assert known is None, f"{key} was added twice"
            self.store[key] = obj
            return
        assert known is not None, f"{event_type} of unknown {key}"
        assert known["metadata"]["uid"] == obj["metadata"]["uid"], f"{key} became another object"
        if event_type == "DELETED":
            del self.store[key]
            return
        if self.forward_only:
            assert _revision(known) < _revision(obj), f"{key} went back in time"
        self.store[key] = obj

    @property
    def versions(self) -> dict[str, str]:
        return {key: obj["metadata"]["resourceVersion"] for key, obj in self.store.items()}


def _revision(obj: JsonObject) -> int:
    return int(obj["metadata"]["annotations"][REVISION_ANNOTATION])


def _key(obj: JsonObject) -> str:
    return f"{obj['metadata']['namespace']}/{obj['metadata']['name']}"
