"""Fields that many callers select by: their objects are found without looking at all of them. One writer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from cache.workloads import WORKLOAD_FIELD, owner_names, parse_workload

Term = tuple[str, str]
"""A field, and a key that objects with the wanted value are found under."""


def _itself(value: str) -> Sequence[str]:
    return (value,) if value else ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a selector asks of a field."""

    key: str
    """Everything that matches is found under this key."""
    matches: Callable[[str], bool]
    """Whether an object's value is what is asked for."""


def _equal(value: str) -> Wanted:
    return Wanted(value, value.__eq__)


def _workload(value: str) -> Wanted:
    workload = parse_workload(value)
    return Wanted(workload.name, workload.owns)


@dataclass(frozen=True, slots=True)
class IndexedField:
    """A field that is indexed, and how its values are understood."""

    name: str
    wanted: Callable[[str], Wanted] = _equal
    """Reads the value in a selector. Raises ApiError 400 where it has none of the forms it may have."""
    keys: Callable[[str], Sequence[str]] = _itself
    """The keys under which an object with a value is found."""


NODE_NAME = IndexedField("spec.nodeName")
INVOLVED_UID = IndexedField("involvedObject.uid")
WORKLOAD = IndexedField(WORKLOAD_FIELD, _workload, owner_names)


class FieldIndex:
    """The keys of objects by the values of the indexed fields of their kind."""

    def __init__(self, fields: Sequence[IndexedField], names: Sequence[str]) -> None:
        """`names` are all fields of the kind, in the order of the values of objects."""
        self._fields = [(names.index(field.name), field) for field in fields]
        # Dicts, because they take half the memory of sets.
        self._keys: dict[str, dict[str, dict[str, None]]] = {field.name: {} for field in fields}

    def add(self, key: str, values: Sequence[str]) -> None:
        """An object with these values stands under a key from now on."""
        for position, field in self._fields:
            known = self._keys[field.name]
            for wanted in field.keys(values[position]):
                keys = known.get(wanted)
                if keys is None:
                    known[wanted] = {key: None}
                else:
                    keys[key] = None

    def remove(self, key: str, values: Sequence[str]) -> None:
        """An object with these values no longer stands under a key."""
        for name, wanted in self.terms(values):
            if keys := self._keys[name].get(wanted):
                keys.pop(key, None)
                if not keys:
                    del self._keys[name][wanted]

    def terms(self, values: Sequence[str]) -> Iterable[Term]:
        """Under what an object with these values is found."""
        # A term may come twice, where a Pod's owners have the same name.
        return [(field.name, key) for position, field in self._fields for key in field.keys(values[position])]

    def replace(self, key: str, values: Sequence[str], previous: Sequence[str]) -> None:
        """The object under a key has other values now."""
        if any(values[position] != previous[position] for position, _ in self._fields):
            self.remove(key, previous)
            self.add(key, values)

    def find(self, terms: Iterable[Term]) -> Collection[str]:
        """The keys of the term that has the fewest."""
        return min((self._keys[name].get(wanted, {}) for name, wanted in terms), key=len)
