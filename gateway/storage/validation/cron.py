"""Whether a text is a cron schedule, and what kube-apiserver says when it is none.

Five fields, or a descriptor such as `@daily`; after the library github.com/robfig/cron/v3. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.apimachinery.patch.go_text import go_quote

_DESCRIPTORS = frozenset(
    {"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}
)  # fmt: skip
_EVERY = re.compile(r"@every (\d+(\.\d+)?(ns|us|ms|s|m|h))+")


class _Wrong(Exception):
    """The text is no schedule; the message says why."""


@dataclass(frozen=True, slots=True)
class _Bounds:
    lowest: int
    highest: int
    names: Mapping[str, int] = field(default_factory=dict)


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS = (
    _Bounds(0, 59),
    _Bounds(0, 23),
    _Bounds(1, 31),
    _Bounds(1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    _Bounds(0, 6, {name: number for number, name in enumerate(_DAYS)}),
)


def schedule_fault(text: str) -> str:
    """Return why a text is no schedule, or an empty string."""
    if text.startswith("@"):
        if text in _DESCRIPTORS or _EVERY.fullmatch(text):
            return ""
        if text.startswith("@every "):
            duration = text.removeprefix("@every ")
            return f"failed to parse duration {text}: time: invalid duration {go_quote(duration)}"
        return f"unrecognized descriptor: {text}"
    fields = text.split()
    if len(fields) != len(_FIELDS):
        return f"expected exactly {len(_FIELDS)} fields, found {len(fields)}: [{' '.join(fields)}]"
    try:
        for part, bounds in zip(fields, _FIELDS, strict=True):
            for expression in filter(None, part.split(",")):
                _check(expression, bounds)
    except _Wrong as wrong:
        return str(wrong)
    return ""


def _check(expression: str, bounds: _Bounds) -> None:
    span, *steps = expression.split("/")
    low, *highs = span.split("-")
    if low in {"*", "?"}:
        start, end = bounds.lowest, bounds.highest
    else:
        start = _number(low, bounds.names)
        if len(highs) > 1:
            raise _Wrong(f"too many hyphens: {expression}")
        end = _number(highs[0], bounds.names) if highs else start
    if len(steps) > 1:
        raise _Wrong(f"too many slashes: {expression}")
    step = _number(steps[0], {}) if steps else 1
    if steps and not highs:
        end = bounds.highest
    if start < bounds.lowest:
        raise _Wrong(f"beginning of range ({start}) below minimum ({bounds.lowest}): {expression}")
    if end > bounds.highest:
        raise _Wrong(f"end of range ({end}) above maximum ({bounds.highest}): {expression}")
    if start > end:
        raise _Wrong(f"beginning of range ({start}) beyond end of range ({end}): {expression}")
    if step == 0:
        raise _Wrong(f"step of range should be a positive number: {expression}")


def _number(text: str, names: Mapping[str, int]) -> int:
    named = names.get(text.lower())
    if named is not None:
        return named
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        raise _Wrong(f"failed to parse int from {text}: strconv.Atoi: parsing {go_quote(text)}: invalid syntax")
    number = int(text)
    if number < 0:
        raise _Wrong(f"negative number ({number}) not allowed: {text}")
    return number
