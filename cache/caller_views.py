"""Since which version each caller sees what he sees now of one merged resource.

Whoever may see another set of members than when he listed must list anew: what he did not see then is in no event that
is yet to come. So a change of his view is a version of its own, and he goes on only from that or a later one. What
a run knows is good for the next one, but for versions that no snapshot tells of: whoever was told those may have had
another view by then. Pure.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

import msgspec

from cache.resumption import Range

WHOLE = "*"
"""Stands for the view of all members, those that are yet to join as well."""
CALLERS = 10_000
"""So many are remembered; of others it is not known what they saw, and they list anew."""


class SavedViews(msgspec.Struct, frozen=True):
    """What is known at one version, for the next run."""

    views: Mapping[str, tuple[str, int]] = {}
    """By caller: what he sees, and since when."""
    gaps: Sequence[Range] = ()
    """Versions of which it is not known what was seen at them."""


class CallerViews:
    """The views of one merged resource; a text stands for a caller, and one for what he sees.

    `mark` issues a version at which nothing happened. Mutable state: the views, and how often they changed.
    """

    def __init__(self, mark: Callable[[], int], limit: int = CALLERS) -> None:
        """Begin with nobody."""
        self._mark = mark
        self._limit = limit
        self._known: OrderedDict[str, tuple[str, int]] = OrderedDict()
        self._gaps: list[Range] = []
        self.changes = 0
        """How often there was something new to save."""

    def recover(self, saved: SavedViews, lost: Range, horizon: int) -> None:
        """Go on from what the run before knew, except at the versions it issued after that was saved.

        Nobody goes on from versions up to `horizon`.
        """
        self._known.update(saved.views)
        self._gaps = [gap for gap in (*saved.gaps, lost) if gap[1] > horizon]

    def saved(self) -> SavedViews:
        """What the next run is to know: who sees all.

        Others list anew. The names of what is gone depend on what they saw then, and that is not kept.
        """
        whole = {caller: known for caller, known in self._known.items() if known[0] == WHOLE}
        return SavedViews(whole, tuple(self._gaps))

    def is_unknown(self, rv: int) -> bool:
        """Whether it is not known what callers saw at a version."""
        return any(after < rv <= last for after, last in self._gaps)

    def since(self, caller: str, view: str) -> int:
        """Return the version from which on a caller has seen all of a view, which is his now."""
        known = self._known.get(caller)
        if known is None or known[0] != view:
            known = self._known[caller] = view, self._mark()
            self.changes += 1
        self._known.move_to_end(caller)
        if len(self._known) > self._limit:
            self._known.popitem(last=False)
        return known[1]

    def holds(self, caller: str, view: str, since: int) -> bool:
        """Whether that is still his view, without a break since that version."""
        return self._known.get(caller, (view, since)) == (view, since)
