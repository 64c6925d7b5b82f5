"""The resourceVersions that the gateway issues for merged resources, and how members' own are compared.

One clock a resource. A version is a decimal integer (KEP-5504), strictly increasing, below 2^53 until 2059 so that
JavaScript reads it exactly, and taken from the time at the least, so that a restart never issues one twice. It tells
which replica of the gateway issued it: `ticks * SLOTS + slot`, a tick being 10 µs since the epoch. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

SLOTS = 32
"""How many replicas can be told apart."""
_MEMBER_LIMIT = 2**64
_KNOWN_VERSIONS = 256
"""The version of an event is compared with several others, some of them the same for many events."""
_MOST_DIGITS = len(str(_MEMBER_LIMIT))
TICKS = 100_000
"""Ticks a second: so many versions can be issued in it without running ahead of the time."""


def issuer(rv: int) -> int:
    """The slot of the replica that issued a version."""
    return rv % SLOTS


class RevisionClock:
    """Issues the resourceVersions of one resource. `floor` is a version known to have been issued before."""

    def __init__(self, now: Callable[[], float], floor: int = 0, slot: int = 0) -> None:
        """Start above `floor`, as the replica `slot`; `now` gives seconds since the epoch.

        Raises ValueError for a slot that is not within 0 and 31.
        """
        if not 0 <= slot < SLOTS:
            raise ValueError(f"a replica has a slot from 0 to {SLOTS - 1}, not {slot}")
        self._now = now
        self._last = floor
        self.slot = slot
        self.next()

    @property
    def current(self) -> int:
        """The version issued last."""
        return self._last

    def next(self) -> int:
        """Issue a version greater than all before, even when the clock of the machine was set back."""
        ticks = max(self._last // SLOTS + 1, int(self._now() * TICKS))
        self._last = ticks * SLOTS + self.slot
        return self._last

    def next_of_many(self, count: int) -> range:
        """Issue as many versions, one or more, in their order."""
        first = self.next()
        self._last = first + (count - 1) * SLOTS
        return range(first, self._last + 1, SLOTS)

    def advance(self, floor: int) -> int:
        """Issue a version that is also greater than one issued elsewhere, or by a former run."""
        self._last = max(self._last, floor)
        return self.next()

    def follow(self, rv: int) -> None:
        """Take over a version that another process issued for this very resource. Who follows issues none himself."""
        self._last = max(self._last, rv)


def member_order(resource_version: str) -> int | None:
    """A member's resourceVersion as a number to compare by, or None when it is not a decimal of 64 bits.

    Members are kube-apiservers and their versions are such; anything else is only ever compared for equality.
    """
    return None if len(resource_version) > _MOST_DIGITS else _number(resource_version)


@lru_cache(_KNOWN_VERSIONS)
def _number(text: str) -> int | None:
    version = int(text) if text.isascii() and text.isdigit() else _MEMBER_LIMIT
    return version if version < _MEMBER_LIMIT else None


def is_older(candidate: str, known: str) -> bool:
    """Whether a member's version is older than another one of the same member; False where that cannot be told."""
    left, right = member_order(candidate), member_order(known)
    return left is not None and right is not None and left < right
