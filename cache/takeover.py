"""Clients of another replica that go on here, and whether they may have missed something.

Such a client is often ahead of us: the other replica had told it of events that our members' watches are yet to bring.
That does no harm as long as those events come, one by one. A member that has to be listed may lose some of them, and
two members whose news came in another order may have led to other names; then these clients have to list anew. A member
has caught up when it reached a version that it was asked for after the client came. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from cache.checkpoints import Checkpoint, CheckpointLog
from cache.merge import original_names
from cache.resource_version import SLOTS, TICKS

_SETTLED = 600 * TICKS * SLOTS
"""By then, in versions, all replicas know the same members."""
_GENERATION = 300 * TICKS * SLOTS
"""For so long it is remembered, once or twice, which objects came and went: longer than checkpoints are kept."""


@dataclass(frozen=True, slots=True)
class _Ahead:
    """Clients may be ahead of a member, those that came at `start` and after it."""

    start: int
    base: int
    """Our version from which on they are told everything."""

    def with_(self, other: _Ahead | None) -> _Ahead:
        """Both of them."""
        return self if other is None else _Ahead(min(self.start, other.start), min(self.base, other.base))


@dataclass(slots=True)
class Era:
    """Clients taken over begin at `start`; behind it all that changed since `base` was told once more."""

    start: int
    base: int
    told: set[str] = field(default_factory=set)
    """The keys that were told once more."""


class Takeovers:
    """Decides it for one merged resource.

    Mutable state: our checkpoints; for each member who may be ahead of it, before and after it was asked for its
    version, and who was lately; which objects came and went lately; the present era.
    """

    def __init__(self, lose: Callable[[int], None]) -> None:
        """`lose` is told the version from which on clients may have missed something."""
        self._lose = lose
        self.active = False
        """Whether there are other replicas to take clients over from."""
        self.log = CheckpointLog()
        self.era: Era | None = None
        self._ahead: dict[str, _Ahead] = {}
        self._asked: dict[str, _Ahead] = {}
        self._were_ahead: dict[str, tuple[int, int]] = {}  # from which version of ours on clients were, until which
        self._last = self._first = 0  # versions of the first and last client that came, until replicas know the same
        self._touched: dict[str, tuple[str, int]] = {}  # what came or went -> its member, our version then
        self._touched_before: dict[str, tuple[str, int]] = {}
        self._generation = 0
        self._conflict = 0  # names are known to depend on the order of news since this version

    def base(self, seen: Checkpoint, floor: int) -> Checkpoint | None:
        """From where a client goes on that has seen what another replica told by a checkpoint; None: from nowhere."""
        return self.log.base(seen, max(floor, self._conflict))

    def take_over(self, start: int, base: int, members: Iterable[str]) -> None:
        """A client goes on at `start`, where all is told that happened since `base`."""
        ahead = _Ahead(start, base)
        for cluster in members:
            self._ahead[cluster] = ahead.with_(self._ahead.get(cluster))
        if start - self._last > _SETTLED:
            self._first = start
        self._last = max(start, self._last)

    def ahead_since(self, cluster: str) -> int | None:
        """From which version on there may be clients that know more of a member than we do."""
        starts = [ahead[cluster].start for ahead in (self._ahead, self._asked) if cluster in ahead]
        return min(starts, default=None)

    def known_since(self, cluster: str, added: int) -> int:
        """From which version on there may be clients that know an object of a member that came at `added`."""
        start, end = self._were_ahead.get(cluster, (added, 0))
        since = self.ahead_since(cluster)
        return min(added, start if added <= end else added, added if since is None else since)

    @property
    def unproven_since(self) -> int | None:
        """The same of all members."""
        return min((known.start for ahead in (self._ahead, self._asked) for known in ahead.values()), default=None)

    # What members say

    def asked(self, cluster: str) -> None:
        """A member was asked for its version: whoever is ahead of us by now is no further than that."""
        if ahead := self._ahead.pop(cluster, None):
            self._asked[cluster] = ahead.with_(self._asked.get(cluster))

    def caught_up(self, cluster: str, rv: int) -> None:
        """The member has told everything up to that version, by a version of ours."""
        if ahead := self._asked.pop(cluster, None):
            start, end = self._were_ahead.get(cluster, (ahead.start, 0))
            self._were_ahead[cluster] = (start if ahead.start - end < _GENERATION else ahead.start), rv
            self.era = None  # what is told to those who came before is no longer doubted as it should be for others

    def missed(self, cluster: str, rv: int) -> None:
        """A member was listed, or left: what came and went since is not told by it."""
        since = self.ahead_since(cluster)
        self._ahead.pop(cluster, None)
        self._asked.pop(cluster, None)
        self._cut(rv)
        if since is not None:
            self._lose(since)

    def joined(self, rv: int) -> None:
        """A member came, of which clients may have been told elsewhere."""
        self._cut(rv)
        if self._last and rv - self._last < _SETTLED:
            self._lose(self._first)

    def _cut(self, rv: int) -> None:
        self.log.cut(rv)
        self.era = None

    def touch(self, cluster: str, namespace: str, name: str, rv: int) -> None:
        """An object of a member came or went: names may depend on whose news came first."""
        if not self.active:
            return
        if rv - self._generation > _GENERATION:
            self._generation, self._touched, self._touched_before = rv, {}, self._touched
        # The qualified names of an object start with its own name and a dot.
        own, others = f"{namespace}/{name}", [f"{namespace}/{name}."]
        others += [f"{namespace}/{original}" for original in original_names(name)]
        for key in (own, *others):
            before = self._touched.get(key) or self._touched_before.get(key)
            if before and before[0] != cluster:
                self._in_conflict((cluster, before[0]), before[1])
        for key in (own, *openings(own)):
            self._touched[key] = cluster, rv

    def _in_conflict(self, clusters: Iterable[str], since: int) -> None:
        self._conflict = max(self._conflict, since)
        for cluster in clusters:
            for ahead in (self._ahead, self._asked):
                if (known := ahead.get(cluster)) and known.base < since:
                    self._lose(known.start)


def openings(key: str) -> Iterator[str]:
    """What stands up to each dot of a key, with it."""
    position = key.find(".")
    while position >= 0:
        yield key[: position + 1]
        position = key.find(".", position + 1)
