"""Fields of built-in objects checked against their Go types, with the findings kube-apiserver would print.

Unknown fields are what strict decoding reports and `fieldValidation` decides about; a value of the wrong type is
always refused, because kube-apiserver cannot decode it. Custom resources have no Go types: their schemas are checked
elsewhere.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway.apimachinery.codec import cannot_be_handled
from gateway.apimachinery.json_syntax import json_type, quote
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.protobuf_schema import INLINE, Field, message, message_for
from gateway.apimachinery.schema import GroupVersionKind
from gateway.apimachinery.strict_path import MAX_STRICT_ERRORS, Path
from gateway.apimachinery.strict_values import QUANTITY_FORMAT, base64_problem, quantity_problem, time_problem

_INT_BITS: Final = {"i": 32, "l": 64}
_GO_NAMES: Final = {"s": "string", "b": "bool", "i": "int32", "l": "int64", "d": "float64", "y": "[]uint8"}
_GO_NAMES_OF_VALUES: Final = {"Q": "resource.Quantity", "T": "v1.Time", "J": "v1.JSON", "R": "runtime.RawExtension"}


@dataclass(frozen=True, slots=True)
class FieldCheck:
    """What was found in one object."""

    unknown_fields: tuple[str, ...] = ()
    """Paths such as `spec.template.spec.containers[0].imagee`, in the order of the object; as many as Go reports."""
    type_error: str = ""
    """Why the object cannot be decoded at all, as `json: cannot unmarshal string into Go struct field …`."""


def check_fields(obj: JsonObject, gvk: GroupVersionKind) -> FieldCheck:
    """Check an object of a built-in kind; any other kind passes."""
    name = message_for(gvk.api_version, gvk.kind)
    return _check(obj, name, "") if name else FieldCheck()


def check_metadata(metadata: Any) -> FieldCheck:
    """Check the metadata of a custom resource: the one part of it that has a Go type, and is decoded by itself."""
    if not isinstance(metadata, dict):
        problem = f"json: cannot unmarshal {json_type(metadata)} into Go value of type v1.ObjectMeta"
        return FieldCheck(type_error=problem)
    return _check(metadata, "meta/v1.ObjectMeta", "metadata")


def _check(obj: JsonObject, name: str, path: str) -> FieldCheck:
    found: list[Path] = []
    try:
        _check_struct(obj, _plan(name), _Place(Path(None, path) if path else None, "", found))
    except _TypeMismatch as mismatch:
        return FieldCheck(type_error=str(mismatch))
    return FieldCheck(tuple(dict.fromkeys(map(str, found))))


def validate_fields(
    obj: JsonObject,
    gvk: GroupVersionKind,
    directive: str,
    *,
    strict_errors: Sequence[str] = (),
    expected_kind: str = "",
) -> list[str]:
    """Apply `fieldValidation` to a body: return the warnings to send, none unless the directive is Warn.

    `directive` is Ignore, Warn or Strict ("" is kube-apiserver's default, Warn); `strict_errors` are the decoder's.
    Raises ApiError 400 for a value of the wrong type, and with Strict for unknown and duplicate fields.
    """
    check = check_fields(obj, gvk)
    if check.type_error:
        raise cannot_be_handled(gvk.api_version, gvk.kind, expected_kind or gvk.kind, check.type_error)
    if directive == "Ignore":
        return []
    problems = [*strict_errors, *(f"unknown field {quote(path)}" for path in check.unknown_fields)]
    if problems and directive == "Strict":
        text = f"strict decoding error: {', '.join(problems)}"
        raise cannot_be_handled(gvk.api_version, gvk.kind, expected_kind or gvk.kind, text)
    return problems


class _TypeMismatch(Exception):
    """A value its field cannot take; carries the message."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the object a struct stands."""

    path: Path | None
    """As strict errors print it, with indexes; None for the object itself."""
    go_path: str
    """As type errors print it: without indexes, with the names of embedded structs."""
    unknown: list[Path] | None
    """Where unknown fields are noted, until there are enough of them; None where Go decodes leniently."""


@dataclass(frozen=True, slots=True)
class _Target:
    """One JSON field of a struct."""

    struct: str
    embedded: str
    """Names of the embedded structs on the way to the field, each followed by a dot."""
    field: Field
    go_type: str
    element_type: str


@functools.cache
def _plan(name: str) -> dict[str, _Target]:
    """The JSON fields of a message, those of embedded ones included."""
    plan: dict[str, _Target] = {}
    struct = _short(name)
    for field in message(name).fields:
        if field.name != INLINE:
            element = _element_type(field)
            plan[field.name] = _Target(struct, "", field, _container_type(field, element), element)
            continue
        for inner, target in _plan(field.message).items():
            embedded = f"{_short(field.message)}.{target.embedded}"
            plan[inner] = _Target(struct, embedded, target.field, target.go_type, target.element_type)
    if message(name).has_type_meta:
        for inner in ("kind", "apiVersion"):
            text = Field(0, inner, omit_zero=True, pointer=False, container="", type="s", go_type="")
            plan[inner] = _Target(struct, "TypeMeta.", text, "string", "string")
    return plan


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def _element_type(field: Field) -> str:
    """The Go name of one value of a field."""
    if field.message:
        package, _, short = field.message.rpartition(".")
        return f"{package.rpartition('/')[2]}.{short}"
    bare = field.go_type.removeprefix("[]").removeprefix("map[string]")
    if field.go_type and (bare != field.go_type or not field.container):
        return bare
    return _GO_NAMES.get(field.type) or _GO_NAMES_OF_VALUES.get(field.type, "")


def _container_type(field: Field, element: str) -> str:
    """The Go name of the field itself."""
    if not field.container:
        return element
    return field.go_type or ("[]" if field.container == "[" else "map[string]") + element


def _check_struct(obj: JsonObject, plan: dict[str, _Target], place: _Place) -> None:
    for key, value in obj.items():
        target = plan.get(key)
        if target is None:
            if place.unknown is not None and len(place.unknown) < MAX_STRICT_ERRORS:
                place.unknown.append(Path(place.path, f".{key}"))
        elif value is not None:
            _check_field(value, target, place)


def _check_field(value: Any, target: _Target, place: _Place) -> None:
    field = target.field
    if not field.container:
        if type(value) is not str or field.type != "s":
            _check_value(value, target, place, "")
        return
    if field.container == "{" and isinstance(value, dict):
        for key, item in value.items():
            if item is not None and not (type(item) is str and field.type == "s"):
                _check_value(item, target, place, f".{key}")
    elif field.container == "[" and isinstance(value, list):
        for index, item in enumerate(value):
            if item is not None and not (type(item) is str and field.type == "s"):
                _check_value(item, target, place, f"[{index}]")
    else:
        raise _mismatch(value, target, place, target.go_type)


def _check_value(value: Any, target: _Target, place: _Place, where: str) -> None:
    """Check one value; `where` is what follows the name of the field in its path."""
    name = target.field.message
    if not name:
        _CHECKS[target.field.type](value, target, place)
        return
    inner = _Place(
        Path(place.path, f".{target.field.name}{where}"),
        f"{place.go_path}{target.embedded}{target.field.name}.",
        place.unknown,
    )
    if union := _UNIONS.get(_short(name)):
        union(value, target, place, inner)
    elif message(name).wrapped_list:
        _check_strings(value, target, place)
    elif isinstance(value, dict):
        _check_struct(value, _plan(name), inner)
    else:
        raise _mismatch(value, target, place, target.element_type)


def _mismatch(value: Any, target: _Target, place: _Place, go_type: str, *, show_number: bool = False) -> _TypeMismatch:
    what = json_type(value)
    if what == "number" and show_number:
        what = f"number {value}"
    path = f"{place.go_path}{target.embedded}{target.field.name}"
    return _TypeMismatch(f"json: cannot unmarshal {what} into Go struct field {target.struct}.{path} of type {go_type}")


# ---- values


def _refuse_string(value: Any, target: _Target, place: _Place) -> None:
    """Texts never come here: they are let pass without a call."""
    raise _mismatch(value, target, place, target.element_type)


def _check_strings(value: Any, target: _Target, place: _Place) -> None:
    if not isinstance(value, list):
        raise _mismatch(value, target, place, target.element_type)
    for item in value:
        if item is not None and type(item) is not str:
            raise _mismatch(item, target, place, "string")


def _check_bool(value: Any, target: _Target, place: _Place) -> None:
    if type(value) is not bool:
        raise _mismatch(value, target, place, target.element_type)


def _check_integer(value: Any, target: _Target, place: _Place) -> None:
    limit = 1 << _INT_BITS[target.field.type] - 1
    if type(value) is not int or not -limit <= value < limit:
        raise _mismatch(value, target, place, target.element_type, show_number=True)


def _check_float(value: Any, target: _Target, place: _Place) -> None:
    if type(value) not in (int, float):
        raise _mismatch(value, target, place, target.element_type)


def _check_int_or_string(value: Any, target: _Target, place: _Place) -> None:
    if type(value) is not str and (type(value) is not int or not -(1 << 31) <= value < 1 << 31):
        raise _mismatch(value, target, place, "int32", show_number=True)


def _check_bytes(value: Any, target: _Target, place: _Place) -> None:
    if type(value) is not str:
        raise _mismatch(value, target, place, target.element_type)
    _refuse(base64_problem(value))


def _check_time(value: Any, target: _Target, place: _Place) -> None:
    if type(value) is not str:
        raise _mismatch(value, target, place, "string")
    _refuse(time_problem(value, micro=target.field.type == "M"))


def _check_quantity(value: Any, _target: _Target, _place: _Place) -> None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _TypeMismatch(QUANTITY_FORMAT)
    if isinstance(value, str):
        _refuse(quantity_problem(value))


def _check_nothing(_value: Any, _target: _Target, _place: _Place) -> None:
    """Raw JSON takes anything."""


def _refuse(problem: str) -> None:
    if problem:
        raise _TypeMismatch(problem)


_CHECKS: Final[dict[str, Callable[[Any, _Target, _Place], None]]] = {
    "s": _refuse_string,
    "b": _check_bool,
    "i": _check_integer,
    "l": _check_integer,
    "d": _check_float,
    "y": _check_bytes,
    "Q": _check_quantity,
    "T": _check_time,
    "M": _check_time,
    "I": _check_int_or_string,
    "F": _check_nothing,
    "R": _check_nothing,
    "J": _check_nothing,
}


# ---- parts of a JSON schema that may be one thing or another; Go decodes them leniently


def _check_schema(value: Any, target: _Target, place: _Place, inner: _Place) -> None:
    package = target.field.message.rpartition(".")[0]
    if not isinstance(value, dict):
        raise _mismatch(value, target, place, "v1.JSONSchemaProps")
    _check_struct(value, _plan(f"{package}.JSONSchemaProps"), _Place(inner.path, inner.go_path, None))


def _check_schema_or_bool(value: Any, target: _Target, place: _Place, inner: _Place) -> None:
    if isinstance(value, dict):
        _check_schema(value, target, place, inner)
    elif not isinstance(value, bool):
        raise _TypeMismatch("boolean or JSON schema expected")


def _check_schema_or_array(value: Any, target: _Target, place: _Place, inner: _Place) -> None:
    if isinstance(value, dict):
        _check_schema(value, target, place, inner)
    elif isinstance(value, list):
        for item in value:
            if item is not None:
                _check_schema(item, target, place, inner)


def _check_schema_or_string_array(value: Any, target: _Target, place: _Place, inner: _Place) -> None:
    if isinstance(value, dict):
        _check_schema(value, target, place, inner)
    elif isinstance(value, list):
        _check_strings(value, target, place)


_UNIONS: Final[dict[str, Callable[[Any, _Target, _Place, _Place], None]]] = {
    "JSONSchemaPropsOrArray": _check_schema_or_array,
    "JSONSchemaPropsOrBool": _check_schema_or_bool,
    "JSONSchemaPropsOrStringArray": _check_schema_or_string_array,
}
