"""The resourceVersions that the gateway issues for merged resources, and how members' own are compared.

One clock a resource. A version is a decimal integer (KEP-5504), strictly increasing, below 2^53 so that JavaScript
reads it exactly, and microseconds since the epoch at the least, so that a restart never issues one twice. Pure.
"""

from __future__ import annotations

from collections.abc import Callable

LIMIT = 2**53
"""Versions stay below this; microseconds since the epoch reach it in the year 2255."""


class RevisionClock:
    """Issues the resourceVersions of one resource. `floor` is a version known to have been issued before."""

    def __init__(self, now: Callable[[], float], floor: int = 0) -> None:
        """Start above `floor`; `now` gives seconds since the epoch."""
        self._now = now
        self._last = floor
        self.next()

    @property
    def current(self) -> int:
        """The version issued last."""
        return self._last

    def next(self) -> int:
        """Issue a version greater than all before, even when the clock of the machine was set back."""
        self._last = max(self._last + 1, int(self._now() * 1_000_000))
        return self._last


def member_order(resource_version: str) -> int | None:
    """A member's resourceVersion as a number to compare by, or None when it is not a decimal.

    Members are kube-apiservers and their versions are decimals; anything else is only ever compared for equality.
    """
    return int(resource_version) if resource_version.isascii() and resource_version.isdigit() else None


def is_older(candidate: str, known: str) -> bool:
    """Whether a member's version is older than another one of the same member; False where that cannot be told."""
    left, right = member_order(candidate), member_order(known)
    return left is not None and right is not None and left < right
