"""Table rows, rendered once when an object changes and finished when they are sent. Pure.

Only ages, and the names of the merged view, are filled in late.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import Enum
from typing import Any, NamedTuple

import msgspec

from gateway.apimachinery.duration import human_duration

UNKNOWN_AGE = "<unknown>"


class Slot(Enum):
    """A cell that is only known when the row is sent."""

    NAME = "name"
    CLUSTER = "cluster"


class Ago(NamedTuple):
    """A text with an age in it: `since` is in seconds since the epoch."""

    since: float
    before: str = ""
    after: str = ""


Cell = str | int | bool | list[Any] | None | Ago | Slot
"""What a printer gives for one column."""

_Piece = bytes | tuple[bytes, float, bytes] | Slot


class PreparedRow(msgspec.Struct, frozen=True, gc=False):
    """A row that waits for its ages; `conditions` is the JSON of its row conditions, or empty."""

    pieces: tuple[Any, ...]
    conditions: bytes = b""

    def finish(self, now: float, name: bytes, cluster: bytes) -> bytes:
        """Return the inside of the row: `"cells":[…]` and the conditions. Name and cluster are JSON texts."""
        parts: list[bytes] = [b'"cells":[']
        for piece in self.pieces:
            if type(piece) is bytes:
                parts.append(piece)
            elif piece is Slot.NAME:
                parts.append(name)
            elif piece is Slot.CLUSTER:
                parts.append(cluster)
            else:
                before, since, after = piece
                parts += (before, human_duration(now - since).encode(), after)
        parts.append(b"]")
        if self.conditions:
            parts += (b',"conditions":', self.conditions)
        return b"".join(parts)


def encode_text(text: str) -> bytes:
    """Return the JSON of a text."""
    return json.dumps(text, ensure_ascii=False).encode()


def prepare_row(cells: Sequence[Cell], conditions: Sequence[dict[str, Any]] = ()) -> PreparedRow:
    """Render everything that will not change any more."""
    pieces: list[_Piece] = []
    pending = b""
    for index, cell in enumerate(cells):
        pending += b"," if index else b""
        if isinstance(cell, Slot):
            pieces += (pending, cell)
            pending = b""
        elif isinstance(cell, Ago):
            before = pending + b'"' + encode_text(cell.before)[1:-1]
            pieces.append((before, cell.since, encode_text(cell.after)[1:-1] + b'"'))
            pending = b""
        else:
            pending += json.dumps(cell, separators=(",", ":"), ensure_ascii=False).encode()
    if pending:
        pieces.append(pending)
    rendered = json.dumps(list(conditions), separators=(",", ":")).encode() if conditions else b""
    return PreparedRow(tuple(piece for piece in pieces if piece != b""), rendered)


def age_cell(since: float | None, before: str = "", after: str = "") -> Cell:
    """Return an age, or `<unknown>` when there is no time to count from."""
    return Ago(since, before, after) if since else UNKNOWN_AGE
