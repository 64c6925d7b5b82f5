"""The current objects of one resource in memory, ordered as lists are. Pure; owned by the back end, its only writer."""

from __future__ import annotations

from bisect import bisect_left, insort

from gateway.apimachinery.meta import ObjectKey
from gateway.storage.interface import StoredObject


class ObjectTable:
    """Objects by key, and their keys sorted by namespace, then name."""

    def __init__(self) -> None:
        """Start empty."""
        self._objects: dict[ObjectKey, StoredObject] = {}
        self._keys: list[tuple[str, str]] = []

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, key: ObjectKey) -> StoredObject | None:
        """Return the object under a key."""
        return self._objects.get(key)

    def put(self, stored: StoredObject) -> None:
        """Add or replace an object."""
        if stored.key not in self._objects:
            insort(self._keys, (stored.key.namespace, stored.key.name))
        self._objects[stored.key] = stored

    def remove(self, key: ObjectKey) -> None:
        """Remove an object that is there."""
        del self._objects[key]
        del self._keys[bisect_left(self._keys, (key.namespace, key.name))]

    def list(self, namespace: str) -> list[StoredObject]:
        """Return the objects of a namespace, or of all for "", in order: a snapshot."""
        keys = self._keys
        if namespace:
            keys = keys[bisect_left(keys, (namespace, "")) : bisect_left(keys, (namespace + "\0", ""))]
        objects = self._objects
        return [objects[ObjectKey(*key)] for key in keys]
