"""How far each member was read at a version of ours: what lets a client go on at another replica of the gateway.

Every replica takes checkpoints and lets the others read them. A version of another replica says nothing about our
history; its newest checkpoint at or before that version says what the client has seen at least. We go on from one of
our own checkpoints at which nothing was told that the client may not have seen. Pure.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

import msgspec

from cache.resource_version import SLOTS, TICKS

_SECOND = TICKS * SLOTS
DENSE = 20 * _SECOND
"""As long, in versions, every checkpoint is kept; after that one in `_SPACING`, up to `KEPT`."""
_SPACING = 10 * _SECOND
KEPT = 240 * _SECOND
GRACE = 15 * _SECOND
"""How far behind the last word of a replica a version of it may lie: it may have ended before it could say more."""
_SKEW = 10
"""Seconds by which the clocks of two replicas may differ."""


class MemberPosition(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """How far a member was read. Versions are the member's; 0 where nothing was read of it."""

    identity: str
    """Which cluster it is; another one by that name has other versions."""
    low: int
    """Everything up to here was told to those who watch."""
    high: int
    """Nothing beyond was told."""
    confirmed: int
    """When the member was last heard to go on from there, in seconds since the epoch."""
    listed: int = 0
    """When it was last listed. What was lost or restored before is not told event by event."""


class Checkpoint(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What was told at a version of ours; `members` None when that cannot be said."""

    rv: int
    members: Mapping[str, MemberPosition] | None
    barrier: bool = False
    """Whether what was told before stands in no relation to what was told since."""


class Published(msgspec.Struct, frozen=True):
    """What a replica says of one merged resource."""

    through: int
    """Up to which of its versions this is all there is to say."""
    checkpoints: Sequence[Checkpoint]
    """In the order of their versions."""

    def before(self, rv: int) -> Checkpoint | None:
        """The newest checkpoint at or before a version; None where nothing certain was said of that time."""
        if rv > self.through + GRACE:
            return None
        known = [checkpoint for checkpoint in self.checkpoints if checkpoint.rv <= rv]
        return known[-1] if known and known[-1].members is not None else None

    def after(self, rv: int) -> Checkpoint | None:
        """The first checkpoint at or after a version that says how far members were read."""
        return next((known for known in self.checkpoints if known.rv >= rv and known.members is not None), None)


def identity_digest(identity: str) -> str:
    """A member's identity as others may read it: an address may be nobody's business."""
    return f"{zlib.crc32(identity.encode()):08x}" if identity else ""


def includes(own: Mapping[str, MemberPosition], told: Mapping[str, MemberPosition]) -> bool:
    """Whether everything that another replica had told is known here."""
    return all(
        (here := own.get(name)) is not None and here.identity == there.identity and here.low >= there.high
        for name, there in told.items()
    )


def _nothing_unseen(own: Mapping[str, MemberPosition], seen: Mapping[str, MemberPosition]) -> bool:
    """Whether we had told nothing that is not part of what a client has seen."""
    return own.keys() == seen.keys() and all(_precedes(here, seen[name]) for name, here in own.items())


def _precedes(here: MemberPosition, there: MemberPosition) -> bool:
    if here.identity != there.identity:
        return False
    if not here.low or not there.low:
        return not (here.high or there.high or here.low or there.low)
    # A list of ours may have been the first to find a restored member, whose versions mean something else since: the
    # other replica must have heard from the member after it.
    return here.high <= there.low and there.confirmed > here.listed + _SKEW


class CheckpointLog:
    """A replica's own checkpoints of one merged resource. Mutable state: the log, and whether a barrier is due."""

    def __init__(self) -> None:
        """Begin with nothing, as a run does: what was told by the run before is cut off by a barrier."""
        self._log: list[Checkpoint] = []
        self._former: tuple[Checkpoint, ...] = ()
        self._cut = True

    def remember(self, former: Sequence[Checkpoint]) -> None:
        """What the run before had said stays true for versions of its own."""
        first = self._log[0].rv if self._log else 0
        self._former = tuple(checkpoint for checkpoint in former if not first or checkpoint.rv < first)

    def add(self, rv: int, members: Mapping[str, MemberPosition] | None) -> None:
        """Take a checkpoint at the present version."""
        if self._log and self._log[-1].rv == rv and not self._cut:
            self._log[-1] = Checkpoint(rv, members, self._log[-1].barrier)
            return
        self._log.append(Checkpoint(rv, members, self._cut))
        self._cut = False
        self._log = _thinned(self._log)
        self._former = tuple(known for known in self._former if known.rv >= rv - KEPT)

    def cut(self, rv: int) -> None:
        """Something was not told event by event: what comes has no relation to what was."""
        self._log.append(Checkpoint(rv, None, True))
        self._cut = True

    def published(self, through: int) -> Published:
        """What other replicas are told."""
        return Published(through, (*self._former, *self._log))

    def base(self, seen: Checkpoint, floor: int) -> Checkpoint | None:
        """Our newest checkpoint, above a version, from which on everything is told that the client may have missed."""
        if seen.members is None:
            return None
        for own in reversed(self._log):
            if own.rv < floor:
                return None
            if own.members is not None and _nothing_unseen(own.members, seen.members):
                return own
            if own.barrier:
                return None
        return None


def _thinned(log: list[Checkpoint]) -> list[Checkpoint]:
    """Keep all of the last moments, and of what was before one every while. Barriers stay, others rely on them."""
    newest, kept = log[-1].rv, list[Checkpoint]()
    for position, checkpoint in enumerate(log):
        age = newest - checkpoint.rv
        if age > KEPT and position + 1 < len(log) and newest - log[position + 1].rv > KEPT:
            continue  # the last one before that time stays: of a quiet resource clients have seen nothing later
        apart = not kept or checkpoint.rv - kept[-1].rv >= _SPACING
        if age <= DENSE or checkpoint.barrier or apart:
            kept.append(checkpoint)
    return kept
