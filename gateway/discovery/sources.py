"""The port through which the catalog learns what a store has; embedded.py and remote.py stand behind it.

A source only reads; what of it is served, and what the members add, is the catalog's to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gateway.apimachinery.meta import JsonObject
from gateway.discovery.surface import ApiGroup


class DiscoverySource(Protocol):
    """What a store serves, as it is known now."""

    @property
    def generation(self) -> int:
        """Grows whenever `groups` changes; cheap enough to be asked at every request."""
        ...

    @property
    def synced(self) -> bool:
        """Whether the store was read at least once."""
        ...

    @property
    def version(self) -> JsonObject | None:
        """The store's /version document; None as long as it is not known."""
        ...

    def groups(self) -> Sequence[ApiGroup]:
        """Return what is known: the core group and all others, in the order clients prefer them."""
        ...

    async def refresh(self, *, max_age: float = 0.0) -> None:
        """Ask the store again, unless it was asked within `max_age` seconds. A failure keeps what is known."""
        ...

    async def run(self) -> None:
        """Follow the store until cancelled."""
        ...
