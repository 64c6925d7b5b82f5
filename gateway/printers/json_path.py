"""The JSON paths of CustomResourceDefinition printer columns: `.status.conditions[?(@.type=="Ready")].status`. Pure.

What k8s.io/client-go `util/jsonpath` reads, without unions (`[0,2]`), recursive descent (`..`) and steps in slices:
fields with escaped dots, quoted fields, indexes and slices, wildcards, and filters by comparison or existence.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable
from typing import Any

from gateway.apimachinery.integers import parse_integer

_FIELD = r"(?:\\.|[^\s.,\[\]$@{}\\])+"
_FILTERED = r"(?:\\.|[^\s,\[\]$@{}\\()=!<>])*"
_TOKEN = re.compile(
    rf"""\.(?P<field>{_FIELD})
      | \['(?P<quoted>[^']*)'\]
      | \[(?P<start>-?\d*+)(?P<slice>:)?(?P<end>-?\d*+)\]
      | \[(?P<all>\*)\]
      | \[\?\(\s*+@(?P<path>{_FILTERED})\s*+(?:(?P<operator>==|!=|<=|>=|<|>)\s*+(?P<value>(?s:.+?)))?\)\]""",
    re.VERBOSE,
)
_LITERAL = re.compile(r"""'[^']*'|"[^"]*"|true|false|-?\d+(?:\.\d+)?""")
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}

Step = Callable[[list[Any]], list[Any]]


class _Unreadable(Exception):
    """A path that is none, or a value that a step cannot be taken from: the whole path finds nothing then."""


def compile_path(path: str) -> Callable[[Any], list[Any]]:
    """Return a function that finds all values at a path, in order; an unreadable path finds nothing."""
    try:
        steps = _steps(path.strip().removeprefix("{").removesuffix("}").removeprefix("$"))
    except _Unreadable:
        return lambda _obj: []

    def find(obj: Any) -> list[Any]:
        values = [obj]
        try:
            for step in steps:
                values = step(values)
        except _Unreadable:
            return []
        return values

    return find


def _steps(path: str) -> list[Step]:
    steps: list[Step] = []
    position = 0
    while position < len(path):
        token = _TOKEN.match(path, position)
        if token is None:
            raise _Unreadable
        steps += _step(token)
        position = token.end()
    return steps


def _step(token: re.Match[str]) -> list[Step]:
    if token["field"] is not None:
        return [_wildcard if token["field"] == "*" else _field(re.sub(r"\\(.)", r"\1", token["field"]))]
    if token["quoted"] is not None:  # a dot in quotes separates fields as well, unless it is escaped
        return _steps(f".{token['quoted']}")
    if token["path"] is not None:
        return [_filter(token["path"], token["operator"], token["value"])]
    if token["all"]:
        return [_slice(None, None)]
    start = parse_integer(token["start"]) if token["start"] else None
    if token["slice"]:
        return [_slice(start, parse_integer(token["end"]) if token["end"] else None)]
    if start is None:
        raise _Unreadable
    return [_slice(start, start + 1 or None)]


def _field(name: str) -> Step:
    return lambda values: [value[name] for value in values if isinstance(value, dict) and name in value]


def _wildcard(values: list[Any]) -> list[Any]:
    return [item for value in values for item in (value.values() if isinstance(value, dict) else _list(value))]


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _Unreadable
    return value


def _slice(start: int | None, end: int | None) -> Step:
    def step(values: list[Any]) -> list[Any]:
        found = []
        for value in values:
            if value is not None:
                items = _list(value)
                if start is not None and not -len(items) <= start < len(items):
                    raise _Unreadable
                found += items[start:end]
        return found

    return step


def _filter(path: str, comparison: str | None, literal: str | None) -> Step:
    find = compile_path(path)
    if comparison is None or literal is None:
        return lambda values: [item for value in values for item in _list(value) if find(item)]
    literal = literal.rstrip()
    if not _LITERAL.fullmatch(literal):
        raise _Unreadable
    try:
        wanted = literal[1:-1] if literal[0] in "'\"" else json.loads(literal)
    except ValueError:  # more digits than Python reads as one number
        raise _Unreadable from None
    compare = _COMPARISONS[comparison]

    def passes(item: Any) -> bool:
        found = find(item)
        if not found:
            return False
        if len(found) > 1 or isinstance(found[0], str) is not isinstance(wanted, str):
            raise _Unreadable
        return compare(found[0], wanted)

    return lambda values: [item for value in values for item in _list(value) if passes(item)]
