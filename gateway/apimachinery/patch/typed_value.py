"""Looking at an object through its type: which fields it sets, how it differs from another, whether it fits the type.

After structured-merge-diff `typed`, whose rules for null, empty and absent are visible in managedFields. Pure; merging
and removing are in typed_merge.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.apimachinery.patch.field_set import (
    FieldSet,
    Path,
    field_element,
    key_element,
    path_text,
    value_element,
)
from gateway.apimachinery.patch.go_text import go_quote, go_type, go_value
from gateway.apimachinery.patch.json_value import same
from gateway.apimachinery.patch.typed_schema import ABSENT, DEDUCED, Atom, ListType, MapType, TypeRef


class TypeMismatch(Exception):
    """A value that does not fit its type; the text is what structured-merge-diff says."""


def items_by_element(list_type: ListType, items: list[Any]) -> Iterator[tuple[str, Any]]:
    """Yield each item of a list that merges with the path element it is known by. Raises TypeMismatch."""
    for index, item in enumerate(items):
        try:
            yield _item_element(list_type, item), item
        except TypeMismatch as error:
            raise TypeMismatch(f"element {index}: {error}") from None


def _item_element(list_type: ListType, item: Any) -> str:
    if not list_type.keys:
        if isinstance(item, dict):
            raise TypeMismatch("associative list without keys has an element that's a map type")
        if isinstance(item, list):
            raise TypeMismatch("not supported: associative list with lists as elements")
        if item is None:
            raise TypeMismatch("associative list without keys has an element that's an explicit null")
        return value_element(item)
    if not isinstance(item, dict):
        kind = "a null element" if item is None else "non-map elements"
        raise TypeMismatch(f"associative list with keys may not have {kind}")
    map_type = list_type.item.atom.map_type
    defaults: Mapping[str, Any] = map_type.defaults if map_type else {}
    keys = {key: item.get(key, defaults.get(key)) for key in list_type.keys if key in item or key in defaults}
    if not keys:
        names = " ".join(map(go_quote, list_type.keys))
        raise TypeMismatch(
            f"associative list with keys has an element that omits all key fields [{names}] "
            "(and doesn't have default values for any key fields)"
        )
    return key_element(keys)


def member_type(map_type: MapType, name: str) -> TypeRef:
    """Return the type of a member. Members that a schema does not declare can only be in old objects: anything goes."""
    return map_type.member(name) or DEDUCED


def field_set(value: Any, ref: TypeRef) -> FieldSet:
    """Return the fields that an applied configuration sets, hence owns. Raises TypeMismatch."""
    return FieldSet.of(_set_paths(value, ref, ()))


def _set_paths(value: Any, ref: TypeRef, path: Path) -> Iterator[Path]:
    atom = ref.atom.deduced(value)
    if atom.map_type:
        if atom.map_type.atomic:
            yield path
        elif isinstance(value, dict):
            for name, child in value.items():
                below = (*path, field_element(name))
                yield from _set_paths(child, member_type(atom.map_type, name), below)
                if child is None or child == {} or name not in atom.map_type.fields:
                    yield below
    elif atom.scalar or atom.list_type is None or atom.list_type.atomic:
        yield path
    elif isinstance(value, list):
        yield from _set_item_paths(value, atom.list_type, path)


def _set_item_paths(items: list[Any], list_type: ListType, path: Path) -> Iterator[Path]:
    known = list(items_by_element(list_type, items))
    counts: dict[str, int] = {}
    for element, _ in known:
        counts[element] = counts.get(element, 0) + 1
    for element, item in known:
        yield (*path, element)
        # Items that cannot be told apart are owned together, without what is in them.
        if counts[element] == 1:
            yield from _set_paths(item, list_type.item, (*path, element))


@dataclass(frozen=True, slots=True)
class Comparison:
    """How one object differs from another, path by path."""

    added: FieldSet
    modified: FieldSet
    removed: FieldSet

    def without(self, fields: FieldSet) -> Comparison:
        """Leave out fields and all below them."""
        return Comparison(
            self.added.recursive_difference(fields),
            self.modified.recursive_difference(fields),
            self.removed.recursive_difference(fields),
        )


def compare(old: Any, new: Any, ref: TypeRef) -> Comparison:
    """Compare two objects of a type. Raises TypeMismatch when items of a list cannot be told apart by their keys."""
    comparing = _Comparing()
    comparing.visit(old, new, ref, ())
    return Comparison(*(FieldSet.of(paths) for paths in (comparing.added, comparing.modified, comparing.removed)))


@dataclass(slots=True)
class _Comparing:
    added: list[Path] = field(default_factory=list)
    modified: list[Path] = field(default_factory=list)
    removed: list[Path] = field(default_factory=list)

    def visit(self, old: Any, new: Any, ref: TypeRef, path: Path) -> None:
        old_atom, new_atom = ref.atom.deduced(old), ref.atom.deduced(new)
        if new is ABSENT:
            leaf = self._visit_atom(old, new, old_atom, path)
        else:
            if old is not ABSENT and old_atom != new_atom:
                self._visit_atom(old, new, old_atom, path)
            leaf = self._visit_atom(old, new, new_atom, path)
        if not leaf and old is ABSENT:
            self.added.append(path)
        elif not leaf and new is ABSENT:
            self.removed.append(path)

    def _visit_atom(self, old: Any, new: Any, atom: Atom, path: Path) -> bool:
        """Compare in one form; the result says whether the value was compared as a whole."""
        if atom.map_type:
            olds, news = _members(old), _members(new)
            if atom.map_type.atomic or not (olds or news):
                return self._leaf(old, new, path)
            for name in {**olds, **news}:
                child = member_type(atom.map_type, name)
                self.visit(olds.get(name, ABSENT), news.get(name, ABSENT), child, (*path, field_element(name)))
            return False
        if not atom.scalar and atom.list_type:
            old_items, new_items = _items(old), _items(new)
            if atom.list_type.atomic or not (old_items or new_items):
                return self._leaf(old, new, path)
            self._visit_items(old_items, new_items, atom.list_type, path)
            return False
        return self._leaf(old, new, path)

    def _leaf(self, old: Any, new: Any, path: Path) -> bool:
        if old is ABSENT:
            self.added.append(path)
        elif new is ABSENT:
            self.removed.append(path)
        elif not same(old, new):
            self.modified.append(path)
        return True

    def _visit_items(self, old_items: list[Any], new_items: list[Any], list_type: ListType, path: Path) -> None:
        olds, news = _grouped(list_type, old_items), _grouped(list_type, new_items)
        for element in {**olds, **news}:
            old, new, below = olds.get(element, []), news.get(element, []), (*path, element)
            # Items with the same key are one opaque thing, owned by the key alone.
            if len(old) > 1 and len(new) > 1:
                if not same(old, new):
                    self.modified.append(below)
            elif len(old) > 1:
                if new:
                    self.visit(ABSENT, new[0], list_type.item, below)
                self.removed.append(below)
            elif len(new) > 1:
                if old:
                    self.visit(old[0], ABSENT, list_type.item, below)
                self.added.append(below)
            else:
                self.visit(old[0] if old else ABSENT, new[0] if new else ABSENT, list_type.item, below)


def _members(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _grouped(list_type: ListType, items: list[Any]) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = {}
    for element, item in items_by_element(list_type, items):
        groups.setdefault(element, []).append(item)
    return groups


def check_type(value: Any, ref: TypeRef, *, allow_duplicates: bool = False) -> None:
    """Raise TypeMismatch, naming each misfit and its path, unless the value fits the type.

    Lists that merge may hold items with the same key only where `allow_duplicates` is set.
    """
    misfits = [
        f"{path_text(path)}: {text}" if path else text for path, text in _misfits(value, ref, (), allow_duplicates)
    ]
    if misfits:
        raise TypeMismatch(
            misfits[0] if len(misfits) == 1 else "\n".join(["errors:", *(f"  {text}" for text in misfits)])
        )


def _misfits(value: Any, ref: TypeRef, path: Path, allow_duplicates: bool) -> Iterator[tuple[Path, str]]:
    atom = ref.atom.deduced(value)
    if value is None:
        return
    if atom.map_type:
        if not isinstance(value, dict):
            yield path, f"expected map, got &{{{go_value(value)}}}"
            return
        for name, child in value.items():
            child_path = (*path, field_element(name))
            child_ref = atom.map_type.member(name)
            if child_ref is None:
                yield child_path, "field not declared in schema"
            else:
                yield from _misfits(child, child_ref, child_path, allow_duplicates)
    elif atom.scalar:
        if not _fits(atom.scalar, value):
            yield path, _scalar_complaint(atom.scalar, value)
    elif not isinstance(value, list) or atom.list_type is None:
        yield path, f"expected list, got &{{{go_value(value)}}}"
    else:
        yield from _item_misfits(value, atom.list_type, path, allow_duplicates)


def _item_misfits(
    items: list[Any], list_type: ListType, path: Path, allow_duplicates: bool
) -> Iterator[tuple[Path, str]]:
    if list_type.atomic:
        for index, item in enumerate(items):
            yield from _misfits(item, list_type.item, (*path, f"i:{index}"), allow_duplicates)
        return
    seen = set()
    try:
        for element, item in items_by_element(list_type, items):
            if element in seen and not allow_duplicates:
                yield path, f"duplicate entries for key {path_text((element,))}"
            seen.add(element)
            yield from _misfits(item, list_type.item, (*path, element), allow_duplicates)
    except TypeMismatch as error:
        yield path, str(error)


def _fits(scalar: str, value: Any) -> bool:
    match scalar:
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "numeric":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case _:
            return not isinstance(value, dict | list)


def _scalar_complaint(scalar: str, value: Any) -> str:
    match scalar:
        case "numeric":
            return f"expected numeric (int or float), got {go_type(value)}"
        case "string":
            return f"expected string, got &value.valueUnstructured{{Value:{go_value(value)}}}"
        case "boolean":
            return f"expected boolean, got &{{{go_value(value)}}}"
        case _:
            return f"expected any scalar, got &{{{go_value(value)}}}"


def with_leading_fields(owned: FieldSet, ref: TypeRef) -> FieldSet:
    """Return the set with the declared fields that lead to its paths made members: owning `.a.b` owns `.a` as well."""
    atom = ref.atom
    fields: Mapping[str, TypeRef] = atom.map_type.fields if atom.map_type else {}
    leading = {element for element in owned.children if element[:2] == "f:" and element[2:] in fields}
    return FieldSet(
        owned.members | leading,
        {element: with_leading_fields(child, child_type(atom, element)) for element, child in owned.children.items()},
    )


def child_type(atom: Atom, element: str) -> TypeRef:
    """Return the type of what an element leads to."""
    if element[:2] == "f:":
        return member_type(atom.map_type, element[2:]) if atom.map_type else DEDUCED
    return atom.list_type.item if atom.list_type else DEDUCED


def reconciled(owned: FieldSet, ref: TypeRef) -> FieldSet:
    """Return the set after a schema made something atomic that used to merge: who owned a part now owns the whole."""
    if ref is DEDUCED:
        return owned
    members = set(owned.members)
    children = {}
    for element, child in owned.children.items():
        below = child_type(ref.atom, element)
        atomic = (below.atom.map_type and below.atom.map_type.atomic) or (
            below.atom.list_type and below.atom.list_type.atomic and not below.atom.map_type
        )
        if atomic:
            members.add(element)
        else:
            children[element] = reconciled(child, below)
    return FieldSet(frozenset(members), children)
