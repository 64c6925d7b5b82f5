"""Fields that an object of a JSON text has twice, named as Kubernetes' strict decoding names them.

Bodies are hostile: a field may be duplicated a hundred thousand times under a name of a megabyte. So a path is
spelled out only when it is reported.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from gateway.apimachinery.json_syntax import quote
from gateway.apimachinery.strict_path import MAX_STRICT_ERRORS, Path


def duplicate_fields(text: str) -> list[str]:
    """Return what strict decoding says of a well-formed JSON text, in the order of the text, each path once.

    At most MAX_STRICT_ERRORS, as in Go.
    """
    try:
        _SENSOR.decode(text)
    except _DuplicateSensed:
        return [f"duplicate field {quote(str(path))}" for path in _duplicates(_PAIRS.decode(text))]
    return []


class _DuplicateSensed(Exception):
    """An object has two fields of one name."""


class _Fields(list[tuple[str, Any]]):
    """The fields of an object as they stand in the text."""


def _sense(pairs: list[tuple[str, Any]]) -> None:
    if len(pairs) != len({key for key, _ in pairs}):
        raise _DuplicateSensed


def _fields(pairs: list[tuple[str, Any]]) -> _Fields:
    return _Fields(pairs)


def _ignore(_number: str) -> None:
    """Read no number. A function of Python's, which lets other threads run meanwhile."""


_SENSOR: Final = json.JSONDecoder(object_pairs_hook=_sense, parse_int=_ignore, parse_float=_ignore)
_PAIRS: Final = json.JSONDecoder(object_pairs_hook=_fields, parse_int=_ignore, parse_float=_ignore)


class _Places:
    """The places met, each known by a number, so that a field in two objects of one path counts as one."""

    def __init__(self) -> None:
        self._paths: list[Path | None] = [None]
        self._numbers: dict[tuple[int, str], int] = {}

    def number(self, above: int, part: str) -> int:
        """Return the number of the place; 0 is the document."""
        number = self._numbers.setdefault((above, part), len(self._paths))
        if number == len(self._paths):
            self._paths.append(Path(self._paths[above], part))
        return number

    def path(self, number: int) -> Path | None:
        return self._paths[number]


def _duplicates(value: Any) -> list[Path]:
    """Walk the text in its order, without recursion, until there is enough to report."""
    places = _Places()
    found: dict[int, Path] = {}
    open_containers = [_children(value, 0, places, found)]
    while open_containers and len(found) < MAX_STRICT_ERRORS:
        for child, place in open_containers[-1]:
            open_containers.append(_children(child, place, places, found))
            break
        else:
            open_containers.pop()
    return list(found.values())[:MAX_STRICT_ERRORS]


def _children(value: Any, place: int, places: _Places, found: dict[int, Path]) -> Iterator[tuple[Any, int]]:
    """Yield the containers in a value with their places; note duplicates in passing, before what is in them."""
    if isinstance(value, _Fields):
        seen: set[str] = set()
        for key, item in value:
            duplicate = key in seen
            seen.add(key)
            if not duplicate and not isinstance(item, list):
                continue
            inner = places.number(place, f".{key}")
            if duplicate and (path := places.path(inner)) is not None:
                found.setdefault(inner, path)
                if len(found) >= MAX_STRICT_ERRORS:
                    return
            if isinstance(item, list):
                yield item, inner
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, list):
                yield item, places.number(place, f"[{index}]")
