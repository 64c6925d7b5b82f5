"""Custom resources judged by the structural schema of their definition.

The texts are those of kube-apiserver (k8s.io/kube-openapi `validation`). Rules in CEL are not
evaluated (x-kubernetes-validations). Pure.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from uuid import UUID

from gateway.apimachinery.errors import field_error
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.patch.json_value import same
from gateway.storage.validation.causes import (
    Cause,
    Causes,
    duplicate,
    invalid_type,
    invalid_value,
    required,
    too_long,
    too_many,
    unsupported,
)
from gateway.storage.validation.names import is_cidr
from gateway.storage.validation.patterns import PatternWork, TooMuchWork

_INT_OR_STRING = "x-kubernetes-int-or-string"
_COMBINATIONS = frozenset({"allOf", "anyOf", "not", "oneOf"})
_NO_FIELD = "<nil>"
"""What stands in place of the field where several schemas together refuse a value."""


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error:
        return False
    return True


def _parses(parse: Callable[[str], Any]) -> Callable[[str], bool]:
    def fits(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return fits


_FORMATS: dict[str, Callable[[str], bool]] = {
    "byte": _is_base64,
    "cidr": is_cidr,
    "date": _parses(date.fromisoformat),
    "date-time": _parses(datetime.fromisoformat),
    "ipv4": _parses(IPv4Address),
    "ipv6": _parses(IPv6Address),
    "uuid": _parses(UUID),
}


def schema_causes(path: str, value: Any, schema: JsonObject, work: PatternWork | None = None) -> Causes:
    """Judge a value and all below it; `path` is empty for the object itself.

    `work` is what is left for patterns, where the value is not all that one request has judged.
    """
    work = PatternWork() if work is None else work
    if value is None and schema.get("nullable"):
        return
    wrong = _type_cause(path, value, schema)
    if wrong is not None:
        yield wrong
    if value is not None and not _COMBINATIONS.isdisjoint(schema):
        yield from _combination_causes(path, value, schema, work)
    if isinstance(value, dict):
        yield from _object_causes(path, value, schema, work)
    elif isinstance(value, list):
        yield from _list_causes(path, value, schema, work)
    elif isinstance(value, str):
        yield from _string_causes(path, value, schema, work)
    elif not isinstance(value, bool) and isinstance(value, int | float):
        yield from _number_causes(path, value, schema)
    allowed = schema.get("enum")
    if isinstance(allowed, list) and not any(same(value, entry) for entry in allowed):
        yield unsupported(path, value, [entry if isinstance(entry, str) else json.dumps(entry) for entry in allowed])


def _type_name(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _type_cause(path: str, value: Any, schema: JsonObject) -> Cause | None:
    expected = ("integer", "string") if schema.get(_INT_OR_STRING) else (schema.get("type"),)
    found = _type_name(value)
    if expected == (None,) or found in expected:
        return None
    if "number" in expected and found == "integer":
        return None
    if "integer" in expected and isinstance(value, float) and value.is_integer():
        return None
    return invalid_type(path, found, f'{path} in body must be of type {",".join(map(str, expected))}: "{found}"')


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _object_causes(path: str, value: JsonObject, schema: JsonObject, work: PatternWork) -> Causes:
    for name in schema.get("required") or ():
        if name not in value:
            yield required(_below(path, name))
    if schema.get("x-kubernetes-embedded-resource"):
        for name in ("apiVersion", "kind"):
            if name not in value:
                yield required(_below(path, name))
    properties: JsonObject = schema.get("properties") or {}
    others = schema.get("additionalProperties")
    for name, child in value.items():
        child_schema = properties.get(name, others)
        if isinstance(child_schema, dict):
            yield from schema_causes(_below(path, name), child, child_schema, work)
    least, most = schema.get("minProperties"), schema.get("maxProperties")
    if isinstance(least, int) and len(value) < least:
        yield invalid_value(path, len(value), f"{path} in body should have at least {least} properties")
    if isinstance(most, int) and len(value) > most:
        yield too_many(path, len(value), most)


def _list_causes(path: str, value: list[Any], schema: JsonObject, work: PatternWork) -> Causes:
    item_schema = schema.get("items")
    for index, item in enumerate(value):
        if isinstance(item_schema, dict):
            yield from schema_causes(f"{path}[{index}]", item, item_schema, work)
    least, most = schema.get("minItems"), schema.get("maxItems")
    if isinstance(least, int) and len(value) < least:
        yield invalid_value(path, len(value), f"{path} in body should have at least {least} items")
    if isinstance(most, int) and len(value) > most:
        yield too_many(path, len(value), most)
    yield from _repetition_causes(path, value, schema)


def _repetition_causes(path: str, value: list[Any], schema: JsonObject) -> Causes:
    """Refuse items that a set, or a list known by keys, holds twice."""
    list_type = schema.get("x-kubernetes-list-type")
    if list_type not in {"set", "map"}:
        return
    keys = schema.get("x-kubernetes-list-map-keys") or ()
    seen: set[str] = set()
    for index, item in enumerate(value):
        shown = (
            {key: item[key] for key in keys if key in item} if list_type == "map" and isinstance(item, dict) else item
        )
        identity = json.dumps(shown, sort_keys=True)
        if identity in seen:
            yield duplicate(f"{path}[{index}]", shown)
        seen.add(identity)


def _string_causes(path: str, value: str, schema: JsonObject, work: PatternWork) -> Causes:
    longest, shortest, pattern = schema.get("maxLength"), schema.get("minLength"), schema.get("pattern")
    if isinstance(longest, int) and len(value) > longest:
        yield too_long(path, longest)
    if isinstance(shortest, int) and len(value) < shortest:
        yield invalid_value(path, value, f"{path} in body should be at least {shortest} chars long")
    if isinstance(pattern, str) and pattern:
        yield from _pattern_causes(path, value, pattern, work)
    text_format = schema.get("format")
    if text_format in _FORMATS and not schema.get(_INT_OR_STRING) and not _FORMATS[text_format](value):
        yield invalid_type(path, value, f'{path} in body must be of type {text_format}: "{value}"')


def _pattern_causes(path: str, value: str, pattern: str, work: PatternWork) -> Causes:
    try:
        if fault := work.fault(pattern):
            yield invalid_value(
                path, value, f"{path} in body should match '{pattern}, but pattern is invalid: {fault}'"
            )
        elif not work.finds(pattern, value):
            yield invalid_value(path, value, f"{path} in body should match '{pattern}'")
    except TooMuchWork:
        detail = "the texts of the object take too much work to be matched with the patterns of their schema"
        yield field_error("FieldValueTooLong", path, f"Too long: {detail}")


def _number_causes(path: str, value: float, schema: JsonObject) -> Causes:
    factor, most, least = schema.get("multipleOf"), schema.get("maximum"), schema.get("minimum")
    if factor and Decimal(str(value)) % Decimal(str(factor)):
        yield invalid_value(path, value, f"{path} in body should be a multiple of {factor}")
    if most is not None:
        exclusive = bool(schema.get("exclusiveMaximum"))
        if value > most or (exclusive and value == most):
            yield invalid_value(
                path, value, f"{path} in body should be less than {'' if exclusive else 'or equal to '}{most}"
            )
    if least is not None:
        exclusive = bool(schema.get("exclusiveMinimum"))
        if value < least or (exclusive and value == least):
            words = "" if exclusive else "or equal to "
            yield invalid_value(path, value, f"{path} in body should be greater than {words}{least}")


def _combined(path: str, text: str) -> Cause:
    return field_error("FieldValueInvalid", _NO_FIELD, f'Invalid value: "": "{path}" {text}')


def _combination_causes(path: str, value: Any, schema: JsonObject, work: PatternWork) -> Causes:
    def judged(keyword: str) -> list[list[Cause]]:
        branches = schema.get(keyword)
        if not isinstance(branches, list):
            return []
        return [list(schema_causes(path, value, branch, work)) for branch in branches]

    any_of, one_of, all_of = judged("anyOf"), judged("oneOf"), judged("allOf")
    if any_of and all(any_of):
        yield _combined(path, "must validate at least one schema (anyOf)")
        yield from any_of[0]
    fitting = sum(not causes for causes in one_of)
    if one_of and fitting != 1:
        found = f"Found {fitting} valid alternatives" if fitting else "Found none valid"
        yield _combined(path, f"must validate one and only one schema (oneOf). {found}")
        if not fitting:
            yield from one_of[0]
    if any(all_of):
        for causes in all_of:
            yield from causes
        yield _combined(path, f"must validate all the schemas (allOf){'. None validated' if all(all_of) else ''}")
    if isinstance(schema.get("not"), dict) and not list(schema_causes(path, value, schema["not"], work)):
        yield _combined(path, "must not validate the schema (not)")
