"""The JSON form of a built-in object: what every object of the kind carries, and nothing that says nothing.

Kubernetes keeps objects in Go structs, and what it answers is their JSON form: structs that are not pointers always
stand there (`resources: {}`, `status: {}`), empty optional fields never do (`args: []`, `hostNetwork: false`), and a
quantity has one spelling. A null is what decoding it into the struct leaves there: nothing in a field, a zero value in
a list or a map. Objects are kept in that form, so that they compare, and own fields, as there. Pure.
"""

from __future__ import annotations

from copy import copy
from typing import Any

from gateway.apimachinery.meta import JsonObject, metadata
from gateway.apimachinery.protobuf_schema import INLINE, Field, message, message_for
from gateway.apimachinery.schema import GroupVersionKind
from gateway.storage.defaulting.quantity import MILLI, NANO, canonical_quantity

_QUANTITY = "Q"
_STRINGS_OR_SCHEMA = "JSONSchemaPropsOrStringArray"
_UNIONS = frozenset({"JSONSchemaPropsOrArray", "JSONSchemaPropsOrBool", _STRINGS_OR_SCHEMA})
_OBJECT_META = "meta/v1.ObjectMeta"
_ZEROS: dict[str, Any] = {"s": "", "b": False, "i": 0, "l": 0, "d": 0, "I": 0, _QUANTITY: "0"}
_ZEROS_IN_LISTS = {**_ZEROS, "y": ""}
"""A null in a list or a map. What may be any JSON keeps its null."""


def normalise(gvk: GroupVersionKind, obj: JsonObject) -> None:
    """Bring an object of a built-in kind into its JSON form, in place. Values of wrong types are left alone.

    metadata.managedFields stay even when they are empty: an empty list there is a request to forget all managers.
    """
    name = message_for(gvk.api_version, gvk.kind)
    if name:
        managed_fields = metadata(obj).get("managedFields")
        _normalise_message(obj, name)
        _keep_empty_managers(obj, managed_fields)


def normalise_metadata(obj: JsonObject) -> None:
    """Bring the metadata of any object into its JSON form, in place: it is typed even where the kind is not."""
    managed_fields = metadata(obj).get("managedFields")
    _normalise_message(obj["metadata"], _OBJECT_META)
    _keep_empty_managers(obj, managed_fields)


def _keep_empty_managers(obj: JsonObject, managed_fields: Any) -> None:
    if managed_fields == []:
        obj["metadata"]["managedFields"] = []


def _normalise_message(obj: JsonObject, name: str) -> JsonObject:
    for field in message(name).fields:
        if field.name == INLINE:
            _normalise_message(obj, field.message)
            continue
        value = obj.get(field.name)
        value = _zero(field) if value is None else _normalised(value, field)
        if field.omit_zero and _is_empty(value, field):
            obj.pop(field.name, None)
        else:
            obj[field.name] = value
    return obj


def _zero(field: Field) -> Any:
    """What a field is that was not given; a struct comes with its own parts."""
    if field.pointer or field.container:
        return None
    if field.message:
        return None if message(field.message).wrapped_list else _normalise_message({}, field.message)
    return _ZEROS.get(field.type)


def _normalised(value: Any, field: Field) -> Any:
    if field.container == "[" and isinstance(value, list):
        return [_normalised_entry(entry, field) for entry in value]
    if field.container == "{" and isinstance(value, dict):
        return {key: _normalised_entry(entry, field) for key, entry in value.items()}
    return _normalised_one(value, field)


def _normalised_entry(entry: Any, field: Field) -> Any:
    """Return the form of what stands in a list or a map, where a null is a zero value."""
    if entry is not None:
        return _normalised_one(entry, field)
    if not field.message:
        return _ZEROS_IN_LISTS.get(field.type)
    if _short(field.message) in _UNIONS or message(field.message).wrapped_list:
        return None
    return _normalise_message({}, field.message)


def _normalised_one(value: Any, field: Field) -> Any:
    if _short(field.message) in _UNIONS:
        return _normalised_union(value, field.message)
    if field.message and isinstance(value, dict):
        return _normalise_message(value, field.message)
    if field.type != _QUANTITY:
        return value
    # Lists of resources count in thousandths at the finest.
    return canonical_quantity(value, finest=MILLI if field.container else NANO)


def _normalised_union(value: Any, name: str) -> Any:
    """Normalise the schemas in a value that is a schema or something else; its message never shows in JSON."""
    schema = next(field.message for field in message(name).fields if field.message)
    if isinstance(value, list):
        zero: Any = "" if _short(name) == _STRINGS_OR_SCHEMA else {}
        value = [copy(zero) if entry is None else entry for entry in value]
    for entry in value if isinstance(value, list) else [value]:
        if isinstance(entry, dict):
            _normalise_message(entry, schema)
    return value


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def _is_empty(value: Any, field: Field) -> bool:
    """Whether a value says nothing. A pointer says something even when it points to zero."""
    if field.pointer:
        return value is None
    return not value or (value == "0" and field.type == _QUANTITY and not field.container)
