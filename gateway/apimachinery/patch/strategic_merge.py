"""Strategic merge patch: a merge patch that knows, from the schema, which lists merge and by which key.

The rules are those of k8s.io/apimachinery `util/strategicpatch`, with its error texts and codes (a malformed list
element answers 500 there, so here too). Pure; for built-in kinds only: only their schemas carry patch strategies.
Directives: `$patch`, `$retainKeys`, `$deleteFromPrimitiveList/<list>`, `$setElementOrder/<list>`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence
from typing import Any

from gateway.apimachinery.errors import ApiError, bad_request
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.patch.go_text import go_type, go_value, json_type
from gateway.apimachinery.patch.json_value import deep_copy, without_nulls
from gateway.apimachinery.schemas import MergeRule, Schema, SchemaStore, merge_rule

PATCH = "$patch"
RETAIN_KEYS = "$retainKeys"
DELETE_FROM_PRIMITIVE_LIST = "$deleteFromPrimitiveList"
SET_ELEMENT_ORDER = "$setElementOrder"


def apply_strategic_merge_patch(document: JsonObject, patch: Any, schemas: SchemaStore, root: Schema) -> JsonObject:
    """Return the document with the patch merged in; neither argument changes. `root` is the schema of the kind.

    Raises ApiError with the code and text of kube-apiserver: 400 for a malformed patch or directive, 500 for list
    elements that cannot be merged.
    """
    if patch is None:
        return document
    if not isinstance(patch, dict):
        raise bad_request(f"json: cannot unmarshal {json_type(patch)} into Go value of type map[string]interface {{}}")
    return _Merger(schemas).merge_object(document, deep_copy(patch), root)


def _refused(message: str) -> ApiError:
    return ApiError(500, "", message)


class _Merger:
    """Walks document, patch and schema together. Its methods may consume the patch; they never change the document."""

    def __init__(self, schemas: SchemaStore) -> None:
        self._schemas = schemas

    def merge_object(self, original: JsonObject, patch: JsonObject, node: Schema | None) -> JsonObject:
        """Merge one object. `node` is its resolved schema, None below free-form fields."""
        if PATCH in patch:
            return _directed(patch)
        merged = _retained(original, patch)
        self._merge_ordered_lists(merged, patch, node)
        for key, value in patch.items():
            if key.startswith(DELETE_FROM_PRIMITIVE_LIST):
                self._delete_from_list(merged, key, value)
            elif value is None:
                merged.pop(key, None)
            else:
                self._merge_field(merged, key, value, self._field(node, key))
        return merged

    def _field(self, node: Schema | None, name: str) -> Schema | None:
        return None if node is None else self._schemas.field(node, name)

    def _merge_field(self, merged: JsonObject, key: str, value: Any, field: Schema | None) -> None:
        current = merged.get(key)
        rule = merge_rule(field) if field is not None else None
        if isinstance(current, dict) and isinstance(value, dict):
            replaces = rule is not None and "replace" in rule.patch_strategies
            child = None if field is None else self._schemas.resolve(field)
            merged[key] = value if replaces else self.merge_object(current, value, child)
        elif isinstance(current, list) and isinstance(value, list):
            merges = rule is not None and "merge" in rule.patch_strategies
            merged[key] = self._merge_list(current, value, field, rule) if merges and rule else value
        else:
            plain, keep = _without_directives(without_nulls(value))
            if keep:
                merged[key] = plain
            else:
                merged.pop(key, None)

    def _delete_from_list(self, merged: JsonObject, key: str, value: Any) -> None:
        name = _list_named_by(key, DELETE_FROM_PRIMITIVE_LIST, "invalid patch format of primitive list")
        current = merged.get(name)
        if isinstance(current, list) and isinstance(value, list):
            deleted = _positions(value, "")
            merged[name] = [entry for entry in current if _identity(entry, "") not in deleted]

    def _merge_list(self, original: list[Any], patch: list[Any], field: Schema | None, rule: MergeRule) -> list[Any]:
        if not original and not patch:
            return original
        merge_key = rule.patch_merge_key
        if not _holds_objects(original, patch):
            distinct = {_identity(entry, ""): entry for entry in (*original, *patch)}
            return _in_order(list(distinct.values()), patch, original, "")
        original, patch = _apply_element_directives(original, patch, merge_key)
        item = self._schemas.items(self._schemas.resolve(field)) if field is not None else None
        node = None if item is None else self._schemas.resolve(item)
        merged = list(original)
        places = _positions(merged, merge_key)
        for element in patch:
            _require_merge_key(element, merge_key)
            at = places.setdefault(_identity(element, merge_key), len(merged))
            if at < len(merged):
                merged[at] = self.merge_object(merged[at], element, node)
            else:
                merged.append(without_nulls(element))
        return _in_order(merged, patch, original, merge_key)

    def _merge_ordered_lists(self, merged: JsonObject, patch: JsonObject, node: Schema | None) -> None:
        """Consume each `$setElementOrder/<list>` directive and the patch of the list it orders."""
        for directive in [key for key in patch if key.startswith(SET_ELEMENT_ORDER)]:
            order = patch.pop(directive)
            if not isinstance(order, list):
                raise _refused(f"expected a []interface {{}}, but received a {go_type(order)}")
            name = _list_named_by(directive, SET_ELEMENT_ORDER, "invalid patch format of setElementOrder list")
            for value in (merged.get(name, []), patch.get(name, [])):
                if not isinstance(value, list):
                    raise _refused(f"expected a []interface {{}}, but received a {go_type(value)}")
            field = self._field(node, name)
            if field is None:
                raise _refused(f'unable to find api field for the json field "{name}"')
            self._merge_ordered_list(merged, patch, name, order, field)

    def _merge_ordered_list(
        self, merged: JsonObject, patch: JsonObject, name: str, order: list[Any], field: Schema
    ) -> None:
        rule = merge_rule(field)
        changes: list[Any] = patch.pop(name, [])
        _check_order(changes, order, rule.patch_merge_key)
        original: list[Any] | None = merged.get(name)
        if original is None:
            result, _ = _without_directives(without_nulls(changes))
        elif not changes:
            result = original
        elif "merge" in rule.patch_strategies:
            result = self._merge_list(original, changes, field, rule)
        else:
            result = changes
        if original is None and not result:
            return
        if rule.patch_merge_key:
            _require_objects(result)
        merged[name] = _in_order(result, order, original or [], rule.patch_merge_key)


def _directed(patch: JsonObject) -> JsonObject:
    """Obey a `$patch` directive in an object: replace it by the rest of the patch, or empty it."""
    directive = patch[PATCH]
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != PATCH}
    if directive == "delete":
        return {}
    raise _refused(f"unknown patch type: {go_value(directive)} in map: {go_value(patch)}")


def _retained(original: JsonObject, patch: JsonObject) -> JsonObject:
    """Return a copy of the original without the fields that `$retainKeys` does not name; consume the directive."""
    if RETAIN_KEYS not in patch:
        return dict(original)
    retained = patch.pop(RETAIN_KEYS)
    named = isinstance(retained, list) and all(
        key in retained
        for key, value in patch.items()
        if value is not None and not key.startswith((DELETE_FROM_PRIMITIVE_LIST, SET_ELEMENT_ORDER))
    )
    if not named:
        raise bad_request("invalid patch format of retainKeys")
    return {key: value for key, value in original.items() if key in retained}


def _list_named_by(directive: str, prefix: str, complaint: str) -> str:
    head, slash, name = directive.partition("/")
    if head != prefix or not slash:
        raise bad_request(complaint)
    return name


def _without_directives(value: Any) -> tuple[Any, bool]:
    """Drop every object that carries a `$patch` directive; the second result says whether the value itself may stay."""
    if isinstance(value, dict):
        if PATCH in value:
            return None, False
        kept = ((key, _without_directives(entry)) for key, entry in value.items())
        return {key: entry for key, (entry, keep) in kept if keep}, True
    if isinstance(value, list):
        return [entry for entry, keep in map(_without_directives, value) if keep], True
    return value, True


def _holds_objects(original: list[Any], patch: list[Any]) -> bool:
    """Whether the lists hold objects. Refuses lists of lists and elements of different types."""
    types = [go_type(entry) for entry in (*original, *patch)]
    if types[0] == "[]interface {}":
        raise ApiError(422, "Invalid", "the server rejected our request due to an error in our request", details={})
    if any(name != types[0] for name in types):
        raise _refused(f"list element types are not identical: {go_value([original, patch])}")
    return types[0] == "map[string]interface {}"


def _require_objects(elements: list[Any]) -> None:
    for element in elements:
        if not isinstance(element, dict):
            raise _refused(f"expected a map[string]interface {{}}, but received a {go_type(element)}")


def _require_merge_key(element: JsonObject, merge_key: str) -> None:
    if merge_key not in element:
        text = f"map: {go_value(element)} does not contain declared merge key: {merge_key}"
        raise _refused(text)


def _apply_element_directives(
    original: list[Any], patch: list[Any], merge_key: str
) -> tuple[list[Any], list[JsonObject]]:
    """Obey `$patch` in elements of a list: deleted elements leave the original, a `replace` empties it."""
    plain: list[JsonObject] = []
    deleted: list[JsonObject] = []
    replace = False
    for element in patch:
        match element.get(PATCH):
            case None if PATCH not in element:
                plain.append(element)
            case "delete":
                _require_merge_key(element, merge_key)
                deleted.append(element)
            case "replace":
                replace = True
            case "merge":
                raise _refused("merging lists cannot yet be specified in the patch")
            case other:
                raise _refused(f"unknown patch type: {go_value(other)} in map: {go_value(element)}")
    if replace:
        # The elements that are left are the new original, and nothing remains to be merged into it.
        return [without_nulls(element) for element in plain], []
    gone = _positions(deleted, merge_key)
    return [element for element in original if _identity(element, merge_key) not in gone], plain


def _identity(element: Any, merge_key: str) -> Hashable:
    """What makes a list element the same as another: its merge key, or itself in a list of primitives."""
    value = element.get(merge_key) if merge_key else element
    return go_type(value), go_value(value)


def _positions(elements: Sequence[Any], merge_key: str) -> dict[Hashable, int]:
    """Map each element's identity to where it stands first."""
    positions: dict[Hashable, int] = {}
    for at, element in enumerate(elements):
        positions.setdefault(_identity(element, merge_key), at)
    return positions


def _in_order(elements: list[Any], patch_order: list[Any], server_order: list[Any], merge_key: str) -> list[Any]:
    """Order the elements that the patch names by the patch, and let the others keep the server's order among them.

    An element that only the server has goes before the first patched one it used to precede.
    """
    for element in elements if merge_key else ():
        _require_merge_key(element, merge_key)
    by_patch = _positions(patch_order, merge_key)
    by_server = _positions(server_order, merge_key)

    def server_place(element: Any) -> int:
        return by_server.get(_identity(element, merge_key), -1)

    listed = [element for element in elements if _identity(element, merge_key) in by_patch]
    listed.sort(key=lambda element: by_patch[_identity(element, merge_key)])
    others = deque(sorted((e for e in elements if _identity(e, merge_key) not in by_patch), key=server_place))
    ordered: list[Any] = []
    for element in listed:
        while others and server_place(others[0]) < server_place(element):
            ordered.append(others.popleft())
        ordered.append(element)
    return [*ordered, *others]


def _check_order(changes: list[Any], order: list[Any], merge_key: str) -> None:
    """Refuse a list patch whose elements are not, in that order, among those of `$setElementOrder`."""
    if not changes or not order:
        return
    if merge_key:
        _require_objects([*changes, *order])
    pending = deque(element for element in changes if not (merge_key and PATCH in element))
    for element in [*pending, *order] if merge_key else ():
        _require_merge_key(element, merge_key)
    for element in order:
        if pending and _identity(pending[0], merge_key) == _identity(element, merge_key):
            pending.popleft()
    if pending:
        raise _refused(
            f"The order in patch list:\n{go_value(changes)}\n doesn't match {SET_ELEMENT_ORDER} list:\n"
            f"{go_value(order)}\n"
        )
