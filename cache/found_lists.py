"""What selections found, for as long as nothing of it changes.

Who asks for the objects of a label or node again finds them in one place of memory, instead of looking each of them up
by a name. Pure. One writer; what is returned is never changed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable, Sequence

from cache.cached_object import CachedObject
from cache.selection import Query, Selection

_ANCHORS = 64
"""Labels and fields by which was selected, each with one value: so many are remembered."""
_QUERIES = 8
"""Selections of one of them, which differ in what else they ask."""
LONGEST = 2_000
"""What finds more objects is looked for anew: 8 bytes for each of them."""


class FoundLists:
    """Lists by what all their objects have in common; the one asked for last stands last."""

    def __init__(self, limit: int = _ANCHORS) -> None:
        """Remember nothing yet, and never the lists of more than `limit` labels and fields."""
        self._limit = limit
        self._lists: OrderedDict[Hashable, dict[Query, Sequence[CachedObject]]] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._lists)

    def of(self, selection: Selection) -> Sequence[CachedObject] | None:
        """All that is selected, in key order, if that is remembered."""
        anchor = selection.anchor
        lists = self._lists.get(anchor)
        if lists is None:
            return None
        self._lists.move_to_end(anchor)
        return lists.get(selection.query)

    def keep(self, selection: Selection, objects: Sequence[CachedObject]) -> None:
        """Remember what is selected now. What has no label or indexed field in common is not remembered."""
        anchor = selection.anchor
        if not isinstance(anchor, tuple) or len(objects) > LONGEST:
            return
        lists = self._lists.setdefault(anchor, {})
        if len(lists) >= _QUERIES:
            lists.clear()
        lists[selection.query] = tuple(objects)
        while len(self._lists) > self._limit:
            self._lists.popitem(last=False)

    def forget(self, anchors: Iterable[Hashable]) -> None:
        """An object with these anchors comes, goes or changes."""
        for anchor in anchors:
            self._lists.pop(anchor, None)
