"""Table rows, rendered once when an object changes and finished when they are sent. Pure.

Only ages, and the names of the merged view, are filled in late: `finish` runs for every row of every list.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any, NamedTuple

import msgspec

from gateway.apimachinery.duration import human_duration

UNKNOWN_AGE = "<unknown>"

_json = msgspec.json.Encoder()


class Slot(Enum):
    """A cell that is only known when the row is sent."""

    NAME = "name"
    CLUSTER = "cluster"


class Ago(NamedTuple):
    """A text with an age in it: `since` is in seconds since the epoch."""

    since: float
    before: str = ""
    after: str = ""


Cell = str | int | float | None | Ago | Slot
"""What a printer gives for one column."""

_NAME, _CLUSTER = Slot.NAME, Slot.CLUSTER


class PreparedRow(msgspec.Struct, frozen=True, gc=False):
    """A row that waits for its ages and names.

    `pieces` are bytes to be sent as they are, slots, and times (seconds since the epoch) whose age is to be written.
    """

    pieces: tuple[Any, ...]

    def finish(self, now: float, name: bytes, cluster: bytes) -> bytes:
        """Return the inside of the row: `"cells":[…]` and the conditions. Name and cluster are JSON texts."""
        return b"".join(
            [
                piece
                if type(piece) is bytes
                else name
                if piece is _NAME
                else cluster
                if piece is _CLUSTER
                else human_duration(now - piece).encode()
                for piece in self.pieces
            ]
        )


encode_text = _json.encode
"""Returns the JSON of a text."""


def prepare_row(cells: Sequence[Cell], conditions: Sequence[dict[str, Any]] = ()) -> PreparedRow:
    """Render everything that will not change any more."""
    pieces: list[Any] = []
    pending = b'"cells":['
    separator = b""
    for cell in cells:
        pending += separator
        separator = b","
        if isinstance(cell, Slot):
            pieces += (pending, cell)
            pending = b""
        elif isinstance(cell, Ago):
            pieces += (pending + b'"' + _json.encode(cell.before)[1:-1], cell.since)
            pending = _json.encode(cell.after)[1:-1] + b'"'
        else:
            pending += _json.encode(cell)
    pending += b"]"
    if conditions:
        pending += b',"conditions":' + _json.encode(conditions)
    return PreparedRow((*pieces, pending))


def age_cell(since: float | None, before: str = "", after: str = "") -> Cell:
    """Return an age, or `<unknown>` when there is no time to count from."""
    return UNKNOWN_AGE if since is None else Ago(since, before, after)
