"""Which objects are being deleted through this gateway right now.

What two owners own is collected once both are gone. So two deletions must not each count on the other's owner to stay:
one that begins later takes what earlier ones delete for gone (write_dependents.py). One process knows of its own only.
"""

from __future__ import annotations

from collections.abc import Iterable


class OngoingDeletion:
    """The objects that one request deletes, from before it is judged until it is answered.

    Args:
        others: all deletions that are going on, this one among them unless it is a dry run.
    """

    def __init__(self, others: set[OngoingDeletion]) -> None:
        """Begin with no objects."""
        self._others = others
        self._own: set[str] = set()
        self._begun_before: set[str] = set()
        self._gone: frozenset[str] | None = frozenset()

    def of(self, uids: Iterable[str]) -> None:
        """Say that objects are to be deleted; call it before what depends on them is read."""
        new = set(uids) - {""} - self._own
        if not new:
            return
        self._gone = None
        self._own |= new
        for other in self._others - {self}:
            self._begun_before |= other._own

    @property
    def gone(self) -> frozenset[str]:
        """The uids that will not be there any more: those of this deletion and of all that were begun before it.

        The same set until there are more: asked for each of thousands of objects, it is to be made and hashed once.
        """
        if self._gone is None:
            self._gone = frozenset(self._own | self._begun_before)
        return self._gone

    def end(self) -> None:
        """Forget it: it is answered, and the store knows what became of it."""
        self._others.discard(self)


class OngoingDeletions:
    """All of them; a set with one writer, the write handler."""

    def __init__(self) -> None:
        """Begin with none."""
        self._open: set[OngoingDeletion] = set()

    def __len__(self) -> int:
        return len(self._open)

    def begin(self, *, dry_run: bool = False) -> OngoingDeletion:
        """Begin one. A dry run deletes nothing, so nobody looks at it."""
        deletion = OngoingDeletion(self._open)
        if not dry_run:
            self._open.add(deletion)
        return deletion
