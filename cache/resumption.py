"""From which versions a client may go on: those of this run, and those of the run before it where that is provable.

After a restart the history begins with what a snapshot held: everything up to its `checkpoint`, coalesced. Between that
and the first version of this run lies the lost window: versions that were issued after the snapshot was written. What
clients saw there is told to them again, because every member's watch goes on from before it. That holds only while the
members tell it event by event; a member that has to be listed may have lost an object in between that was never known
here, and two members whose news came in another order may have led to other names. Then those clients have to list
anew. Clients of other replicas are translated to a version of ours first, see `takeover`. Pure.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from cache.history import History
from cache.merge import original_names
from cache.resource_version import RevisionClock, issuer
from cache.takeover import Takeovers, openings

Range = tuple[int, int]
"""Versions greater than the first, up to the second."""


@dataclass(frozen=True, slots=True)
class FormerRun:
    """What is known of the run before."""

    checkpoint: int
    """The version of the state that was recovered."""
    members: Collection[str]
    """The members whose state is part of it."""
    gaps: Collection[Range] = ()
    """Versions before the checkpoint from which nobody can go on."""


class Resumption:
    """Decides it for one merged resource.

    Mutable state: `_awaited` and `_members_known`, what is missing until the lost window is closed; `_granted`, whether
    a client went on from there; `_told_again`, when it was closed; `_gaps`, what was found to be lost.
    """

    def __init__(self, history: History, clock: RevisionClock, former: FormerRun | None = None) -> None:
        """Begin with the version issued last; `history` then holds what is left of the former run."""
        self._history = history
        self._clock = clock
        self._start = clock.current
        self._checkpoint = former.checkpoint if former else self._start
        self._marks = {self._checkpoint, self._start}  # versions of states that were no event
        self._gaps = list(former.gaps) if former else []
        self._open = former is not None
        self._members = frozenset(former.members) if former else frozenset()
        self._awaited = set(self._members)
        self._members_known = False
        self._granted = False
        self._told_again = 0  # up to this version what came in the lost window may be told again, once it is closed
        self.contested = False
        """Whether another replica issues versions of this slot, too: only those are trusted that are known exactly."""
        self.takeovers = Takeovers(self._lose_since)
        self._touched: dict[str, str] = {}  # keys that came or went since the restart -> the member

    # What readers ask

    def knows(self, rv: int) -> bool:
        """Whether this version was issued here, and everything that followed it is known, step by step."""
        if rv == self._clock.current:
            return True
        if rv in self._marks:
            return self._history.floor <= rv
        return rv > self._checkpoint and self._history.knows(rv)

    def position(self, rv: int) -> int | None:
        """Where in the history a client goes on that has seen everything up to a version; None: it must list anew."""
        if self.is_lost(rv):
            return None
        if self.knows(rv):
            return self._history.position_after(rv)
        if (
            self.contested
            or issuer(rv) != self._clock.slot
            or rv < self._history.floor
            or self._history.floor > self._checkpoint
        ):
            return None
        if rv <= self._checkpoint:
            return self._history.position_after(rv)
        if rv < self._start:
            # Also when it is closed: a client may have waited longer than the members needed to tell all of it again.
            self._granted = True
            return self._history.position_after(self._checkpoint)
        return None

    def is_lost(self, rv: int) -> bool:
        """Whether whoever went on from this version may have missed something since."""
        return any(after < rv <= last for after, last in self._gaps)

    @property
    def gaps(self) -> tuple[Range, ...]:
        """Versions from which whoever went on may have missed something."""
        return tuple(self._gaps)

    def follow(self, gaps: Collection[Range]) -> None:
        """Take over the gaps that another process found in this very history."""
        self._gaps = list(gaps)

    @property
    def losses(self) -> int:
        """How often it was found that something may have been missed: `is_lost` answers the same while this does."""
        return len(self._gaps)

    def known_since(self, cluster: str, added: int) -> int:
        """From which version on a client may know an object of a member that came at `added`.

        Earlier than that where it is told again: what came in the lost window, or to a client of another replica.
        """
        since = self.takeovers.known_since(cluster, added)
        if self._checkpoint < self._start < added and (self._open or added <= self._told_again):
            return min(since, self._checkpoint + 1)
        return since

    def may_come(self, rv: int) -> bool:
        """Whether a version is one that may yet be issued here."""
        return rv > self._clock.current and issuer(rv) == self._clock.slot

    @property
    def lost_window(self) -> Range:
        """The versions of the run before that its last snapshot does not tell of."""
        return self._checkpoint, self._start - 1

    @property
    def unproven(self) -> tuple[Range, ...]:
        """From where nobody could go on if this run ended now."""
        gaps = [gap for gap in self._gaps if gap[1] > self._history.floor]
        if (since := self.takeovers.unproven_since) is not None:
            gaps.append((since - 1, self._clock.current))
        return (*gaps, self._window) if self._open else tuple(gaps)

    @property
    def _window(self) -> Range:
        # Whoever went on from the lost window is somewhere among the versions of this run by now.
        return self._checkpoint, self._clock.current if self._granted else self._start - 1

    # What closes the lost window

    def caught_up(self, cluster: str) -> None:
        """A member has told everything that happened before it was asked, event by event."""
        self.takeovers.caught_up(cluster, self._clock.current)
        self._awaited.discard(cluster)
        self._close_when_proven()

    def missed(self, cluster: str) -> None:
        """A member was listed, or left: what came and went since it was read before is not told by it."""
        self.takeovers.missed(cluster, self._clock.current)
        if cluster in self._awaited:
            self.lose()

    def joined(self, cluster: str) -> None:
        """A member has a feed. One that is new may have joined, and had objects served, in the lost window."""
        self.takeovers.joined(self._clock.current)
        if cluster not in self._members:
            self.lose()

    def members_known(self) -> None:
        """All members there are have feeds: none joined unnoticed at the end of the former run."""
        self._members_known = True
        self._close_when_proven()

    def _close_when_proven(self) -> None:
        if self._open and self._members_known and not self._awaited:
            self._close()

    def lose(self) -> None:
        """What happened in the lost window will not be told in full."""
        if self._open:
            self._gaps.append(self._window)
            self._close()
            # What is listed from now on has a version behind the gap, even when nothing happens any more.
            self._marks.add(self._clock.next())

    def _lose_since(self, start: int) -> None:
        """Whoever went on from a version since then may have missed something."""
        self._gaps.append((start - 1, self._clock.current))
        self._marks.add(self._clock.next())

    def _close(self) -> None:
        self._open = False
        self._told_again = self._clock.current
        self._touched.clear()

    @property
    def indifferent(self) -> bool:
        """Whether it makes no difference at present which objects come and go: `touch` has not to be told."""
        return not (self._open or self.takeovers.active)

    def touch(self, cluster: str, namespace: str, name: str) -> None:
        """An object of a member came or went: names may depend on whose news came first."""
        self.takeovers.touch(cluster, namespace, name, self._clock.current + 1)
        if not self._open:
            return
        # The qualified names of an object start with its own name and a dot.
        own, related = f"{namespace}/{name}", [f"{namespace}/{name}."]
        related += [f"{namespace}/{original}" for original in original_names(name)]
        if any(self._touched.get(key, cluster) != cluster for key in (own, *related)):
            self.lose()
            return
        for key in (own, *openings(own)):
            self._touched[key] = cluster
