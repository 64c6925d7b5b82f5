"""Merging an applied configuration into an object, and removing fields from one, as the type says.

After structured-merge-diff `typed` (merge.go, remove.go). Pure; looking at values is in typed_value.py.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from gateway.apimachinery.patch.field_set import FieldSet, field_element
from gateway.apimachinery.patch.typed_schema import ABSENT, ListType, MapType, TypeRef
from gateway.apimachinery.patch.typed_value import items_by_element, member_type


def merge(live: Any, applied: Any, ref: TypeRef) -> Any:
    """Return the live value with the applied one merged in; one of them may be ABSENT.

    Neither argument changes; the result may share parts with both. Raises TypeMismatch when items of a list that
    merges have no key.
    """
    atom = ref.atom.deduced(live if applied is ABSENT else applied)
    if atom.map_type:
        lives, applies = _container(live, dict), _container(applied, dict)
        if not atom.map_type.atomic and (lives or applies):
            return _merge_members(lives, applies, atom.map_type)
    elif not atom.scalar and atom.list_type:
        live_items, applied_items = _container(live, list), _container(applied, list)
        if not atom.list_type.atomic and (live_items or applied_items):
            return _merge_items(live_items, applied_items, atom.list_type)
    return live if applied is ABSENT else applied


def _container(value: Any, kind: type) -> Any:
    return value if isinstance(value, kind) else kind()


def _merge_members(lives: dict[str, Any], applies: dict[str, Any], map_type: MapType) -> Any:
    return {
        name: merge(lives.get(name, ABSENT), applies.get(name, ABSENT), member_type(map_type, name))
        for name in {**lives, **applies}
    }


def _merge_items(lives: list[Any], applies: list[Any], list_type: ListType) -> Any:
    """Merge item by item. Applied items keep their order; each item only the live list has stays where it stood.

    Live items that cannot be told apart are replaced by an applied one with their key, not merged with it.
    """
    applied = dict(items_by_element(list_type, applies))
    known = list(items_by_element(list_type, lives))
    by_element: dict[str, Any] = {}
    for element, item in known:
        by_element[element] = None if element in by_element else item
    live = deque(known)
    pending = deque(applied)
    shared = deque(element for element in applied if element in by_element)
    done = set()
    merged = []

    def take_applied() -> None:
        element = pending.popleft()
        done.add(element)
        merged.append(merge(by_element.get(element, ABSENT), applied[element], list_type.item))
        if shared and shared[0] == element:
            shared.popleft()

    while live or pending:
        element, item = live[0] if live else ("", None)
        if live and pending and element == pending[0]:
            live.popleft()
            take_applied()
        elif live and element not in applied:
            live.popleft()
            merged.append(merge(item, ABSENT, list_type.item))
        elif live and shared and shared[0] != element:
            live.popleft()  # it comes in the place that the applied list gives it
        else:
            if live and element in done:
                live.popleft()
            if pending:
                take_applied()
    return merged


def remove_fields(value: Any, fields: FieldSet, ref: TypeRef) -> Any:
    """Return the value without the given fields and items; None where nothing is left of it."""
    atom = ref.atom.deduced(value)
    if atom.map_type:
        if not isinstance(value, dict) or atom.map_type.atomic:
            return None
        return _remaining_members(value, fields, atom.map_type) or None
    if atom.scalar or not atom.list_type:
        return value
    if not isinstance(value, list) or atom.list_type.atomic:
        return None
    return _remaining_items(value, fields, atom.list_type) or None


def _remaining_members(value: dict[str, Any], fields: FieldSet, map_type: MapType) -> dict[str, Any]:
    remaining = {}
    for name, child in value.items():
        element = field_element(name)
        if element in fields.members:
            continue
        below = fields.below(element)
        remaining[name] = remove_fields(child, below, member_type(map_type, name)) if below else child
    return remaining


def _remaining_items(value: list[Any], fields: FieldSet, list_type: ListType) -> list[Any]:
    remaining = []
    for element, item in items_by_element(list_type, value):
        if element in fields.members:
            continue
        below = fields.below(element)
        remaining.append(remove_fields(item, below, list_type.item) if below else item)
    return remaining
