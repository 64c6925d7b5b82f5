"""The current objects of one resource in memory, ordered as lists are. Pure; owned by the back end, its only writer."""

from __future__ import annotations

from bisect import bisect_left

from gateway.apimachinery.meta import ObjectKey
from gateway.storage.interface import StoredObject


class ObjectTable:
    """Objects by key, and in the order of their keys: by namespace, then name."""

    def __init__(self) -> None:
        """Start empty."""
        self._objects: dict[ObjectKey, StoredObject] = {}
        self._keys: list[tuple[str, str]] = []
        self._ordered: list[StoredObject] = []

    def __len__(self) -> int:
        return len(self._ordered)

    def get(self, key: ObjectKey) -> StoredObject | None:
        """Return the object under a key."""
        return self._objects.get(key)

    def put(self, stored: StoredObject) -> None:
        """Add or replace an object."""
        place = self._place(stored.key)
        if stored.key in self._objects:
            self._ordered[place] = stored
        else:
            self._keys.insert(place, (stored.key.namespace, stored.key.name))
            self._ordered.insert(place, stored)
        self._objects[stored.key] = stored

    def remove(self, key: ObjectKey) -> None:
        """Remove an object that is there."""
        place = self._place(key)
        del self._objects[key], self._keys[place], self._ordered[place]

    def list(self, namespace: str) -> list[StoredObject]:
        """Return the objects of a namespace, or of all for "", in order: a snapshot."""
        if not namespace:
            return self._ordered.copy()
        return self._ordered[bisect_left(self._keys, (namespace, "")) : bisect_left(self._keys, (namespace + "\0", ""))]

    def _place(self, key: ObjectKey) -> int:
        return bisect_left(self._keys, (key.namespace, key.name))
