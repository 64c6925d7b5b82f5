"""Table rows, rendered once when an object changes and finished when they are sent. Pure.

Only ages, and the names of the merged view, are filled in late: `finish` runs for every row of every list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from functools import lru_cache
from operator import attrgetter, mod
from typing import Any, NamedTuple

import msgspec

from gateway.apimachinery.duration import human_duration

UNKNOWN_AGE = "<unknown>"

_json = msgspec.json.Encoder()


class Slot(Enum):
    """A cell that is only known when the row is sent."""

    NAME = "name"
    CLUSTER = "cluster"

    __hash__ = object.__hash__  # in C, which Enum's is not: a row's slots are hashed when it is made


class Ago(NamedTuple):
    """A text with an age in it: `since` is in seconds since the epoch."""

    since: float
    before: str = ""
    after: str = ""


Cell = str | int | float | None | Ago | Slot
"""What a printer gives for one column."""

_NAME, _CLUSTER = Slot.NAME, Slot.CLUSTER
_MARK = b"\0"
"""Stands for a blank in JSON, which never has this byte."""
_BLANK = msgspec.Raw(_MARK)
_AGES = 4096
_TEN_MINUTES, _EIGHT_HOURS = 600, 8 * 3600


class PreparedRow(msgspec.Struct, frozen=True, gc=False):
    """A row that waits for its ages and names.

    `template` is what will not change any more, with a `%b` for each of the `blanks`: slots, and times (seconds since
    the epoch) whose age is to be written.
    """

    template: bytes
    blanks: tuple[Any, ...]

    def finish(self, now: float, name: bytes, cluster: bytes) -> bytes:
        """Return the inside of the row: `"cells":[…]` and the conditions. Name and cluster are JSON texts."""
        return self.template % tuple(
            [name if blank is _NAME else cluster if blank is _CLUSTER else _age(now - blank) for blank in self.blanks]
        )

    def named(self, name: str, cluster: str) -> PreparedRow:
        """Return the same row with its names filled in: `finish` then adds only the ages."""
        texts = {_NAME: _json.encode(name), _CLUSTER: _json.encode(cluster)}
        values = tuple([texts.get(blank, _MARK) for blank in self.blanks])
        template = (self.template % values).replace(b"%", b"%%").replace(_MARK, b"%b")
        return PreparedRow(template, _shared(tuple([blank for blank in self.blanks if blank not in texts])))


_template, _blanks = attrgetter("template"), attrgetter("blanks")


class UnnamedRow(LookupError):
    """A row's names were to be filled in by `PreparedRow.finish`."""


class _Ages(dict[tuple[Any, ...], tuple[bytes, ...]]):
    """The texts for the blanks of rows at one time; rows of objects that are equally old share them."""

    def __init__(self, now: float) -> None:
        super().__init__()
        self._now = now

    def __missing__(self, blanks: tuple[Any, ...]) -> tuple[bytes, ...]:
        if _NAME in blanks or _CLUSTER in blanks:
            raise UnnamedRow
        if len(self) >= _AGES:
            self.clear()
        texts = self[blanks] = tuple([_age(self._now - since) for since in blanks])
        return texts


def finisher(now: float) -> Callable[[Sequence[PreparedRow]], list[bytes]]:
    """Return what does `PreparedRow.finish` for many rows at one time: ages that are equal are counted once.

    What is returned raises UnnamedRow where a row has to be told its names.
    """
    texts = _Ages(now).__getitem__

    def finish(rows: Sequence[PreparedRow]) -> list[bytes]:
        # Three loops in C: waiting for the memory of one row, the processor reads that of the next ones.
        return list(map(mod, map(_template, rows), map(texts, map(_blanks, rows))))

    return finish


def _age(seconds: float) -> bytes:
    """Return an age. From ten minutes on none shows seconds, and from eight hours on none shows minutes."""
    whole = int(seconds)
    if whole >= _EIGHT_HOURS:
        whole -= whole % 3600
    elif whole >= _TEN_MINUTES:
        whole -= whole % 60
    return _age_text(whole)


@lru_cache(maxsize=8192)
def _age_text(seconds: int) -> bytes:
    return human_duration(seconds).encode()


encode_text = _json.encode
"""Returns the JSON of a text."""


def prepare_row(cells: Sequence[Cell], conditions: Sequence[dict[str, Any]] = ()) -> PreparedRow:
    """Render everything that will not change any more."""
    blanks: list[Slot | float] = []
    inside: list[Any] = []
    for cell in cells:
        if isinstance(cell, str):
            inside.append(cell)
        elif isinstance(cell, Slot):
            inside.append(_BLANK)
            blanks.append(cell)
        elif isinstance(cell, Ago):
            text = _json.encode(cell.before)[:-1] + _MARK + _json.encode(cell.after)[1:]
            inside.append(msgspec.Raw(text))
            blanks.append(cell.since)
        else:
            inside.append(cell)
    row = b'"cells":' + _json.encode(inside)
    if conditions:
        row += b',"conditions":' + _json.encode(conditions)
    return PreparedRow(row.replace(b"%", b"%%").replace(_MARK, b"%b"), _shared(tuple(blanks)))


@lru_cache(maxsize=4096)
def _shared(blanks: tuple[Any, ...]) -> tuple[Any, ...]:
    """Keep one copy: objects that are made together are shown with the same times."""
    return blanks


def age_cell(since: float | None, before: str = "", after: str = "") -> Cell:
    """Return an age, or `<unknown>` when there is no time to count from."""
    return UNKNOWN_AGE if since is None else Ago(since, before, after)
