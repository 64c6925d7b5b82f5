"""The JSON form of a built-in object: what every object of the kind carries, and nothing that says nothing.

Kubernetes keeps objects in Go structs, and what it answers is their JSON form: structs that are not pointers always
stand there (`resources: {}`, `status: {}`), empty optional fields never do (`args: []`, `hostNetwork: false`), and a
quantity has one spelling. Objects are kept in that form, so that they compare, and own fields, as there. Pure.
"""

from __future__ import annotations

from typing import Any

from gateway.apimachinery.meta import JsonObject, metadata
from gateway.apimachinery.protobuf_schema import INLINE, Field, message, message_for
from gateway.apimachinery.schema import GroupVersionKind
from gateway.storage.defaulting.quantity import MILLI, NANO, canonical_quantity

_QUANTITY = "Q"
_UNIONS = frozenset({"JSONSchemaPropsOrArray", "JSONSchemaPropsOrBool", "JSONSchemaPropsOrStringArray"})
_ZEROS: dict[str, Any] = {"s": "", "b": False, "i": 0, "l": 0, "d": 0, "I": 0, _QUANTITY: "0"}


def normalise(gvk: GroupVersionKind, obj: JsonObject) -> None:
    """Bring an object of a built-in kind into its JSON form, in place. Values of wrong types are left alone.

    metadata.managedFields stay as they were sent: an empty list there is a request to forget all managers.
    """
    name = message_for(gvk.api_version, gvk.kind)
    if name:
        managed_fields = metadata(obj).get("managedFields")
        _normalise_message(obj, name)
        if managed_fields is not None:
            obj["metadata"]["managedFields"] = managed_fields


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
        return [_normalised_one(entry, field) for entry in value]
    if field.container == "{" and isinstance(value, dict):
        return {key: _normalised_one(entry, field) for key, entry in value.items()}
    return _normalised_one(value, field)


def _normalised_one(value: Any, field: Field) -> Any:
    if field.message.rpartition(".")[2] in _UNIONS:
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
    schemas = value if isinstance(value, list) else [value]
    for entry in schemas:
        if isinstance(entry, dict):
            _normalise_message(entry, schema)
    return value


def _is_empty(value: Any, field: Field) -> bool:
    """Whether a value says nothing. A pointer says something even when it points to zero."""
    if field.pointer:
        return value is None
    return not value or (value == "0" and field.type == _QUANTITY and not field.container)
