"""Sets of field paths: what one field manager owns, and how that is written in `metadata.managedFields` (FieldsV1).

A path is a tuple of elements in FieldsV1 spelling: `f:spec` a field, `k:{"name":"web"}` an item of a keyed list,
`v:"a"` an item of a set, `i:0` an index. The spelling is canonical, so elements compare as strings.
Pure values after KEP-555 and sigs.k8s.io/structured-merge-diff `fieldpath`; a FieldSet never changes once it is built.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gateway.apimachinery.patch.go_text import go_quote, go_value

Path = tuple[str, ...]

_HTML_ESCAPES = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)
_RANKS = {"f:": 0, "k:": 1, "v:": 2, "i:": 3}


class InvalidFields(Exception):
    """A FieldsV1 document that cannot be read."""


def _compact(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.translate(_HTML_ESCAPES)


def field_element(name: str) -> str:
    """Return the path element of a field or map member."""
    return f"f:{name}"


def key_element(keys: Mapping[str, Any]) -> str:
    """Return the path element of a list item that is known by the values of some of its fields."""
    return f"k:{_compact(keys)}"


def value_element(value: Any) -> str:
    """Return the path element of an item of a set."""
    return f"v:{_compact(value)}"


def _canonical(element: str) -> str | None:
    """Read an element as a client spelled it; None for a kind of element we do not know, which is to be ignored."""
    prefix, content = element[:2], element[2:]
    if len(element) < 2 or prefix[1] != ":":
        raise InvalidFields(element)
    if prefix not in _RANKS:
        return None
    if prefix in {"k:", "v:"}:
        try:
            value = json.loads(content)
        except ValueError:
            raise InvalidFields(element) from None
        if prefix == "k:" and not isinstance(value, dict):
            raise InvalidFields(element)
        return prefix + _compact(value)
    return element


def _content(element: str) -> Any:
    return json.loads(element[2:]) if element.startswith(("k:", "v:")) else element[2:]


def _comparable(value: Any) -> tuple[int, Any]:
    """Order scalars of mixed types: numbers, then strings, then the rest."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return 0, value
    return (1, value) if isinstance(value, str) else (2, go_value(value))


def _order(element: str) -> tuple[int, Any]:
    content = _content(element)
    rank = _RANKS[element[:2]]
    if isinstance(content, dict):
        return rank, [(name, _comparable(value)) for name, value in sorted(content.items())]
    return rank, _comparable(content)


def path_text(path: Path) -> str:
    """Print a path as conflicts name it: `.spec.containers[name="web"].image`."""
    return "".join(map(_element_text, path))


def _element_text(element: str) -> str:
    content = _content(element)
    match element[:2]:
        case "f:":
            return f".{content}"
        case "k:":
            return f"[{','.join(f'{name}={_scalar_text(value)}' for name, value in content.items())}]"
        case "v:":
            return f"[={_scalar_text(content)}]"
        case _:
            return f"[{content}]"


def _scalar_text(value: Any) -> str:
    if isinstance(value, str):
        return go_quote(value)
    return "null" if value is None else go_value(value)


class FieldSet:
    """A set of paths. `members` are those of one element; `children` hold the longer ones, below their first element.

    A path and what lies below it are separate members: owning `f:labels` does not own `f:labels`, `f:app`.
    """

    __slots__ = ("children", "members")

    def __init__(self, members: frozenset[str] = frozenset(), children: Mapping[str, FieldSet] | None = None) -> None:
        """Take children as they are given, except that empty ones are dropped."""
        self.members = members
        self.children = {element: child for element, child in (children or {}).items() if child}

    @classmethod
    def of(cls, paths: Iterable[Path]) -> FieldSet:
        """Build the set of these paths; the empty path, the object itself, is never a member."""
        members = set()
        below: dict[str, list[Path]] = {}
        for path in paths:
            if len(path) == 1:
                members.add(path[0])
            elif path:
                below.setdefault(path[0], []).append(path[1:])
        return cls(frozenset(members), {element: cls.of(rest) for element, rest in below.items()})

    @classmethod
    def from_fields_v1(cls, fields: Any) -> FieldSet:
        """Read a FieldsV1 document. Raises InvalidFields."""
        found, _ = cls._read(fields)
        return found

    @classmethod
    def _read(cls, fields: Any) -> tuple[FieldSet, bool]:
        """Read one level; the second result says whether the path that leads here is itself a member."""
        if not isinstance(fields, dict):
            raise InvalidFields(go_value(fields))
        members = set()
        children: dict[str, FieldSet] = {}
        for spelled, below in fields.items():
            if spelled == "." or (element := _canonical(spelled)) is None:
                continue
            child, is_member = cls._read(below)
            if is_member:
                members.add(element)
            children[element] = children[element].union(child) if element in children else child
        found = cls(frozenset(members), children)
        return found, "." in fields or not found

    def to_fields_v1(self) -> dict[str, Any]:
        """Write the FieldsV1 document, elements in Kubernetes' order."""
        fields: dict[str, Any] = {}
        for element in sorted(self.members | self.children.keys(), key=_order):
            child = self.children.get(element)
            below = child.to_fields_v1() if child else {}
            fields[element] = {".": {}, **below} if child and element in self.members else below
        return fields

    def __bool__(self) -> bool:
        return bool(self.members or self.children)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FieldSet) and self.members == other.members and self.children == other.children

    __hash__ = None  # type: ignore[assignment]  # sets are compared, never used as keys

    def __repr__(self) -> str:
        return f"FieldSet({', '.join(map(path_text, self.paths()))})"

    def __contains__(self, path: Path) -> bool:
        *above, last = path
        node = self
        for element in above:
            if element not in node.children:
                return False
            node = node.children[element]
        return last in node.members

    def below(self, element: str) -> FieldSet:
        """Return the set of what lies below an element."""
        return self.children.get(element, EMPTY)

    def paths(self, prefix: Path = ()) -> Iterator[Path]:
        """Yield all member paths: on each level the members first, then what lies below, in Kubernetes' order."""
        for element in sorted(self.members, key=_order):
            yield (*prefix, element)
        for element in sorted(self.children, key=_order):
            yield from self.children[element].paths((*prefix, element))

    def union(self, other: FieldSet) -> FieldSet:
        """Return the paths that are in either set."""
        children = dict(self.children)
        for element, child in other.children.items():
            children[element] = children[element].union(child) if element in children else child
        return FieldSet(self.members | other.members, children)

    def intersection(self, other: FieldSet) -> FieldSet:
        """Return the paths that are in both sets."""
        return FieldSet(
            self.members & other.members,
            {
                element: child.intersection(other.children[element])
                for element, child in self.children.items()
                if element in other.children
            },
        )

    def difference(self, other: FieldSet) -> FieldSet:
        """Return the paths that are here and not in the other set; what lies below a path is not touched by it."""
        return FieldSet(
            self.members - other.members,
            {element: child.difference(other.below(element)) for element, child in self.children.items()},
        )

    def recursive_difference(self, other: FieldSet) -> FieldSet:
        """Return the paths that are here and neither in the other set nor below a path of it."""
        return FieldSet(
            self.members - other.members,
            {
                element: child.recursive_difference(other.below(element))
                for element, child in self.children.items()
                if element not in other.members
            },
        )


EMPTY = FieldSet()
"""The set of no paths."""
