"""Why a patched object does not fit its Go type, in the words of Go's converter of unstructured objects.

A strategic merge patch is applied to the map form of an object, and kube-apiserver brings the result back into the
struct field by field instead of decoding it. After k8s.io/apimachinery `pkg/runtime/converter.go`. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.patch.go_text import go_type
from gateway.apimachinery.protobuf_schema import INLINE, Field, message, message_for
from gateway.apimachinery.schema import GroupVersionKind

_GO_KINDS: Final = {"s": "string", "b": "bool", "i": "int32", "l": "int64", "d": "float64"}
_ACCEPTED: Final[dict[str, tuple[type, ...]]] = {"s": (str,), "b": (bool,), "i": (int,), "l": (int,), "d": (int, float)}


def conversion_problem(obj: JsonObject, gvk: GroupVersionKind) -> str:
    """Return the first complaint about an object of a built-in kind.

    An empty text says that the converter has none: some types decode themselves, and say themselves what is wrong.
    """
    name = message_for(gvk.api_version, gvk.kind)
    return next(_struct_problems(obj, name), "") if name else ""


def _struct_problems(value: Any, name: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"cannot restore struct from: {_kind(value)}"
        return
    for field in message(name).fields:
        if field.name == INLINE:
            yield from _struct_problems(value, field.message)
        elif value.get(field.name) is not None:
            yield from _field_problems(value[field.name], field)


def _field_problems(value: Any, field: Field) -> Iterator[str]:
    if field.container == "[":
        if not isinstance(value, list):
            yield f"cannot restore slice from {_kind(value)}"
            return
        values = value
    elif field.container == "{":
        if not isinstance(value, dict):
            yield f"cannot restore map from {_kind(value)}"
            return
        values = list(value.values())
    else:
        values = [value]
    for one in values:
        if one is None:
            continue
        if not field.message:
            yield from _scalar_problems(one, field)
        elif not _decodes_itself(field.message):
            yield from _struct_problems(one, field.message)


def _decodes_itself(name: str) -> bool:
    """Whether a type is not converted by its fields: parts of JSON schemas that are one thing or another, and lists."""
    return "JSONSchemaPropsOr" in name or message(name).wrapped_list


def _scalar_problems(value: Any, field: Field) -> Iterator[str]:
    accepted = _ACCEPTED.get(field.type)
    if accepted is None or type(value) in accepted:
        return
    wanted = _GO_KINDS[field.type]
    # Go itself can turn these into one another, the converter refuses to.
    if (type(value) is int and wanted == "string") or (type(value) is float and wanted[:3] == "int"):
        named = field.go_type.removeprefix("[]").removeprefix("map[string]") or wanted
        yield f"cannot convert {go_type(value)} to {named}"
    else:
        yield f"unrecognized type: {wanted}"


def _kind(value: Any) -> str:
    return "map" if isinstance(value, dict) else "slice" if isinstance(value, list) else go_type(value)
