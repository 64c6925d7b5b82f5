"""The object of a built-in kind before anything is set: the parts that its JSON form always carries.

Ownership is counted from it: creating a Deployment makes nobody own `f:spec`, which every Deployment has. Pure.
"""

from __future__ import annotations

from typing import Any

from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.protobuf_schema import INLINE, message, message_for
from gateway.apimachinery.schema import GroupVersionKind

_ZEROS: dict[str, Any] = {"s": "", "b": False, "i": 0, "l": 0, "d": 0, "Q": "0", "D": "0s", "I": 0}


def zero_object(gvk: GroupVersionKind) -> JsonObject:
    """Return a fresh zero object, with its kind and apiVersion; of a kind that is not built in, only those."""
    name = message_for(gvk.api_version, gvk.kind)
    fields = _zero_fields(name) if name else {}
    return {"apiVersion": gvk.api_version, "kind": gvk.kind, **fields}


def _zero_fields(name: str) -> JsonObject:
    zero: JsonObject = {}
    for field in message(name).fields:
        if field.omit_zero:
            continue
        if field.name == INLINE:
            zero.update(_zero_fields(field.message))
        elif field.message and not field.pointer and not field.container:
            zero[field.name] = _zero_fields(field.message)
        else:
            zero[field.name] = None if field.pointer or field.container else _ZEROS.get(field.type)
    return zero
