"""The simple JSON paths of CustomResourceDefinition printer columns: `.spec.replicas`, `.status.conditions[?(@.type=="Ready")].status`.

The subset apiextensions allows in practice: fields, quoted fields, indexes, `[*]`, and filters by equality. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

_TOKEN = re.compile(
    r"""\.(?P<field>[A-Za-z_][\w\-]*(?:\\\.[\w\-/]+)*)
      | \[\s*(?P<quote>['"])(?P<quoted>.*?)(?P=quote)\s*\]
      | \[\s*(?P<index>-?\d+)\s*\]
      | \[\s*(?P<all>\*)\s*\]
      | \[\?\(\s*@\.(?P<key>[\w.\-]+)\s*==\s*(?P<fquote>['"])(?P<value>.*?)(?P=fquote)\s*\)\]""",
    re.VERBOSE,
)

Step = Callable[[list[Any]], list[Any]]


def compile_path(path: str) -> Callable[[Any], list[Any]]:
    """Return a function that finds all values at a path; an unreadable path finds nothing."""
    text = path.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    steps: list[Step] = []
    position = 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            return lambda _obj: []
        steps.append(_step(token))
        position = token.end()

    def find(obj: Any) -> list[Any]:
        values = [obj]
        for step in steps:
            values = step(values)
        return values

    return find


def _step(token: re.Match[str]) -> Step:
    if token["all"]:
        return lambda values: [item for value in values for item in _items(value)]
    if token["index"] is not None:
        index = int(token["index"])
        return lambda values: [
            value[index] for value in values if isinstance(value, list) and -len(value) <= index < len(value)
        ]
    if token["key"] is not None:
        find, wanted = compile_path("." + token["key"]), token["value"]
        return lambda values: [
            item for value in values for item in _items(value) if any(str(found) == wanted for found in find(item))
        ]
    name = token["quoted"] if token["quoted"] is not None else token["field"].replace("\\.", ".")
    return lambda values: [value[name] for value in values if isinstance(value, dict) and name in value]


def _items(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
