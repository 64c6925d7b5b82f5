"""Labels that callers lately selected by: their objects are found without looking at all of them. One writer.

Which of an object's labels matter is known only from what is asked. So a label is indexed when it is first selected by,
and given up when enough others were asked for since.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Generator, Iterable, Mapping, Sequence

LABELS = 8
"""So many are indexed at a time: about fifty bytes for each object that bears one."""
_OF_ONE_SELECTOR = 3
"""What a longer selector asks besides is compared in what these leave."""
_SLICE = 2_000
"""Objects taken in without letting anything else run: about 2 ms."""

Labels = Mapping[str, str]
LabelTerm = tuple[str, tuple[str, ...]]
"""A label, and the values of which it must have one."""

_NO_KEYS: Collection[str] = ()


class _ByValue:
    """The keys of objects by their values of one label: a set, or the only one there is."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._keys: dict[str, str | set[str]] = {}
        self.complete = False

    def add(self, key: str, labels: Labels) -> None:
        value = labels.get(self._label)
        if value is None:
            return
        known = self._keys.get(value)
        if known is None:
            self._keys[value] = key
        elif isinstance(known, set):
            known.add(key)
        elif known != key:
            self._keys[value] = {known, key}

    def remove(self, key: str, labels: Labels) -> None:
        value = labels.get(self._label)
        if value is None:
            return
        known = self._keys.get(value)
        if isinstance(known, set):
            known.discard(key)
        if not known or known == key:
            self._keys.pop(value, None)

    def keys(self, value: str) -> Collection[str]:
        known = self._keys.get(value, _NO_KEYS)
        return (known,) if isinstance(known, str) else known


class LabelIndex:
    """The keys of objects by the values of some labels; the label asked for last stands last."""

    def __init__(self, limit: int = LABELS) -> None:
        """Index no label yet, and never more than `limit` of them."""
        self._limit = limit
        self._labels: OrderedDict[str, _ByValue] = OrderedDict()

    def add(self, key: str, labels: Labels) -> None:
        """An object with these labels stands under a key from now on; it may be known already."""
        for by_value in self._labels.values():
            by_value.add(key, labels)

    def remove(self, key: str, labels: Labels) -> None:
        """An object with these labels no longer stands under a key."""
        for by_value in self._labels.values():
            by_value.remove(key, labels)

    def replace(self, key: str, labels: Labels, previous: Labels) -> None:
        """The object under a key has other labels now."""
        if labels is not previous:
            self.remove(key, previous)
            self.add(key, labels)

    def learn(self, terms: Sequence[LabelTerm], objects: Iterable[tuple[str, Labels | None]]) -> Generator[None]:
        """Index the labels of some terms that are not. Lets go of control after every few objects.

        `objects` are the keys there are when it begins, each with the labels its object has when its turn comes, None
        when it is gone by then; what changes meanwhile is told by the other methods. What is not run to its end is to
        be closed.
        """
        missing: list[_ByValue] = []
        for label, _ in terms[:_OF_ONE_SELECTOR]:
            if label not in self._labels:
                self._labels[label] = by_value = _ByValue(label)
                missing.append(by_value)
            self._labels.move_to_end(label)
        if not missing:
            return
        while len(self._labels) > self._limit:
            self._labels.popitem(last=False)
        try:
            for number, (key, labels) in enumerate(objects, start=1):
                if labels:
                    for by_value in missing:
                        by_value.add(key, labels)
                if number % _SLICE == 0:
                    yield
            for by_value in missing:
                by_value.complete = True
        finally:
            unread = [label for label, held in self._labels.items() if held in missing and not held.complete]
            for label in unread:
                del self._labels[label]

    def find(self, terms: Sequence[LabelTerm]) -> Sequence[Collection[str]] | None:
        """The keys under each value of the term that has the fewest; None when no term's label is indexed."""
        found = [
            [held.keys(value) for value in values]
            for label, values in terms
            if (held := self._labels.get(label)) and held.complete
        ]
        return min(found, key=lambda sets: sum(map(len, sets))) if found else None
