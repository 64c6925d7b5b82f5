"""Since which version each caller sees what he sees now of one merged resource.

Whoever may see another set of members than when he listed must list anew: what he did not see then is in no event that
is yet to come. So a change of his view is a version of its own, and he goes on only from that or a later one. Pure.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable

CALLERS = 10_000
"""So many are remembered; of others it is not known what they saw, and they list anew."""


class CallerViews:
    """The views of one merged resource. `mark` issues a version at which nothing happened."""

    def __init__(self, mark: Callable[[], int], limit: int = CALLERS) -> None:
        """Begin with nobody."""
        self._mark = mark
        self._limit = limit
        self._known: OrderedDict[Hashable, tuple[Hashable, int]] = OrderedDict()

    def since(self, caller: Hashable, view: Hashable) -> int:
        """Return the version from which on a caller has seen all of a view, which is his now."""
        known = self._known.get(caller)
        if known is None or known[0] != view:
            known = self._known[caller] = view, self._mark()
        self._known.move_to_end(caller)
        if len(self._known) > self._limit:
            self._known.popitem(last=False)
        return known[1]

    def holds(self, caller: Hashable, view: Hashable, since: int) -> bool:
        """Whether that is still his view, without a break since that version."""
        return self._known.get(caller, (view, since)) == (view, since)
