"""One search of the merged objects: what a selection finds, as one caller sees it, in one piece or page by page.

It neither waits for a version nor decides whether the caller may go on from one: `merged_resource` does. However much
there is to be looked at, others get their turns meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import closing
from operator import attrgetter

from cache.cached_object import CachedObject
from cache.cacher import Cacher
from cache.past_state import PastState
from cache.selection import Selection
from cache.view import View
from cache.watcher import Visible

_SLICE = 2_000
"""Objects looked at without letting anything else run: about 1 ms."""
_SHOWN = 500
"""The same of a view in which objects may have to be renamed: up to 10 us each."""
_key = attrgetter("key")


class Search:
    """What is found are references to what is never changed: a snapshot."""

    def __init__(self, cacher: Cacher, selection: Selection, visible: Visible) -> None:
        """Search what `cacher` holds for a caller who may see the members for which `visible` is true."""
        self.view = _view(cacher, selection, visible)
        """How the caller sees what is found."""
        self._selection = selection
        self._cache = cacher.cache
        self._objects = cacher.cache.objects
        self._turns = cacher.turns

    async def index_labels(self) -> None:
        """See that what is selected by labels is found by an index, where there are many objects."""
        with closing(self._objects.index_labels(self._selection)) as steps:
            for _ in steps:
                await asyncio.sleep(0)

    def remembered(self) -> Sequence[CachedObject] | None:
        """All that is found now, where it was found before; None: it must be looked for."""
        return self._objects.found.of(self._selection) if self.view.plain else None

    async def whole(self, limit: int = 0) -> Sequence[CachedObject] | None:
        """All that is found now. With a limit None where that is more, or where many objects must be looked at for it.

        A page has the token that it would have had, whatever was asked for before: with a limit what is remembered is
        not looked at.
        """
        if limit == 0 and (remembered := self.remembered()) is not None:
            return remembered
        candidates = self._few_candidates() if limit else self._candidates()
        if candidates is None:
            return None
        found = await self._filtered(candidates)
        if self.view.plain and len(candidates) <= _SLICE:  # nothing has changed since they were looked for
            self._objects.found.keep(self._selection, found)
        return None if limit and len(found) > limit else found

    async def initial_state(self) -> tuple[Sequence[CachedObject], int]:
        """All that is found now, and the version of that."""
        revision = self._cache.revision
        return await self._filtered(self._candidates()), revision

    def past(self, revision: int) -> PastState:
        """What pages of the state at a known version are read from."""
        return self._cache.past(self._selection, revision, by_name=self.view.plain)

    async def page(self, past: PastState, after: str, limit: int) -> tuple[Sequence[CachedObject], bool]:
        """One page from behind a key, and whether more follows it; a limit of 0 is none. Raises ApiError 410."""
        items: list[CachedObject] = []
        view, visible, matches = self.view, self.view.visible, self._selection.matches
        while True:
            while not past.catch_up():  # noqa: ASYNC110  (nothing is waited for: others get a turn)
                await asyncio.sleep(0)
            page = past.page(after) if view.plain else view.page(past, after, self._objects.qualified())
            for scanned, obj in enumerate(page):
                if limit and len(items) == limit and visible(obj.cluster):
                    return items, True
                if scanned == _SLICE:
                    break
                after = obj.key
                if visible(obj.cluster) and matches(obj):
                    items.append(obj)
            else:
                return items, False
            await asyncio.sleep(0)

    def _candidates(self) -> Sequence[CachedObject]:
        """The objects among which are all that are selected."""
        named = self._named()
        return self._objects.candidates(self._selection) if named is None else named

    def _few_candidates(self) -> Sequence[CachedObject] | None:
        """The same; None where they are found only by looking at all there are."""
        named = self._named()
        return self._objects.few_candidates(self._selection) if named is None else named

    def _named(self) -> Sequence[CachedObject] | None:
        """Where one object is selected by a name that others may not call it by: who bears that in this view."""
        selection, view = self._selection, self.view
        if not selection.single_key or view.plain:
            return None
        owners = self._objects.owners(selection.namespace, selection.name, view.visible)
        return [obj for obj in owners if view.name(obj) == selection.name]

    async def _filtered(self, candidates: Sequence[CachedObject]) -> Sequence[CachedObject]:
        if self.view.plain:
            return candidates if self._selection.unrestricted else await self._selected(candidates)
        return await self._shown(candidates)

    async def _selected(self, candidates: Sequence[CachedObject]) -> Sequence[CachedObject]:
        found: list[CachedObject] = []
        for start in range(0, len(candidates), _SLICE):
            if start:
                await self._turns.take()
            found += self._selection.select(candidates[start : start + _SLICE])
        return found

    async def _shown(self, candidates: Sequence[CachedObject]) -> Sequence[CachedObject]:
        """What is selected by the names under which it is shown, in the order of these."""
        view = self.view
        found: list[CachedObject] = []
        for start in range(0, len(candidates), _SHOWN):
            if start:
                await self._turns.take()
            piece = candidates[start : start + _SHOWN]
            found += self._selection.select([view.shown(obj) for obj in piece if view.visible(obj.cluster)])
        found.sort(key=_key)
        return found


def _view(cacher: Cacher, selection: Selection, visible: Visible) -> View:
    """What is shown to somebody who may see some members, or asks for one object by its qualified name."""
    name = selection.only_name
    if "." not in name:
        return View(visible)
    members = (feed.cluster for feed in cacher.visible_feeds(visible))
    if not any(member and name.endswith(f".{member}") for member in members):
        return View(visible)
    owners = cacher.cache.objects.owners(selection.namespace, name, visible)
    return View(visible, "" if any(obj.original_name == name for obj in owners) else name)
