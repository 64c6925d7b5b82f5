"""Paths of the fields that strict decoding reports, kept as links and spelled out only when they are reported.

Bodies are hostile: a path may be a megabyte long, and lead to a hundred thousand faults.
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["MAX_PATH", "MAX_STRICT_ERRORS", "Path"]

MAX_STRICT_ERRORS: Final = 100
"""How many faults Go's strict decoder reports (sigs.k8s.io/json, `saveStrictError`)."""
MAX_PATH: Final = 1000
"""How many characters of a path are shown."""


class Path(NamedTuple):
    """A place in a document: a link to the place above and what follows it, a dot or an index included."""

    above: Path | None
    part: str

    def __str__(self) -> str:
        """Spell the path out, at most MAX_PATH characters of it; Go spells out all."""
        parts: list[str] = []
        place: Path | None = self
        while place is not None:
            parts.append(place.part[: MAX_PATH + 2])
            place = place.above
        text = "".join(reversed(parts)).removeprefix(".")
        return text if len(text) <= MAX_PATH else text[:MAX_PATH] + "..."
