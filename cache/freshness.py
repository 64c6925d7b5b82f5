"""How current the copy of a member is, as lists, health and metrics report it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClusterFreshness:
    """One member, for one kind or for all of them together."""

    name: str
    """Empty for what is recorded in the federation store."""
    synced: bool
    """Whether everything the member had was read at least once."""
    last_contact: float
    """When it was heard from last, in seconds since the epoch; 0 for never."""
    stale_since: float | None
    """Since when its objects may be out of date; None while they are current."""
    objects: int
    error: str
    """Why it is not current, in plain words; empty while it is."""
    overfull: bool = False
    """Whether it is left alone because it has too much: objects of it are missing here, whether or not it is synced."""

    @property
    def stale(self) -> bool:
        """Whether a list that contains this member should carry a warning."""
        return not self.synced or self.stale_since is not None


def together(name: str, parts: Iterable[ClusterFreshness]) -> ClusterFreshness:
    """The freshness of a member over several kinds: as good as the worst of them."""
    known = tuple(parts)
    stale = [part.stale_since for part in known if part.stale_since is not None]
    return ClusterFreshness(
        name=name,
        synced=all(part.synced for part in known),
        last_contact=max((part.last_contact for part in known), default=0.0),
        stale_since=min(stale, default=None),
        objects=sum(part.objects for part in known),
        error=next((part.error for part in known if part.error), ""),
        overfull=any(part.overfull for part in known),
    )
