"""Strict decoding of a YAML configuration file into frozen dataclasses: every mistake is named with its line.

Generic: knows dataclasses and YAML, nothing of the gateway. Field names are the dataclass's in camelCase; a field whose
metadata says `duration` is written as a Go duration (`90s`) and read as seconds.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

import yaml

from gateway.apimachinery.duration import parse_duration

T = TypeVar("T")


class ConfigError(Exception):
    """A configuration that cannot be used; the message says what and where, in plain words."""


def camel_case(name: str) -> str:
    """Return `maxStep` for `max_step`."""
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


def duration_field(default: float) -> Any:
    """Declare a dataclass field in seconds that is written as a duration."""
    return dataclasses.field(default=default, metadata={"duration": True})


class _Decoder:
    def __init__(self, origin: str) -> None:
        self._origin = origin

    def fail(self, node: yaml.Node, message: str) -> ConfigError:
        return ConfigError(f"{self._origin}:{node.start_mark.line + 1}: {message}")

    def record(self, node: yaml.Node, kind: type[Any], path: str) -> Any:
        if not isinstance(node, yaml.MappingNode):
            raise self.fail(node, f"{path or 'the document'} must be a mapping")
        hints = typing.get_type_hints(kind)
        fields = {camel_case(field.name): field for field in dataclasses.fields(kind)}
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            name = str(key_node.value)
            where = f"{path}.{name}" if path else name
            field = fields.get(name)
            if field is None:
                known = ", ".join(sorted(fields))
                raise self.fail(key_node, f'unknown field "{where}"; known here: {known}')
            if field.name in values:
                raise self.fail(key_node, f'field "{where}" is given twice')
            values[field.name] = self.value(value_node, hints[field.name], where, field.metadata)
        try:
            return kind(**values)
        except TypeError:
            missing = [camel for camel, field in fields.items() if field.name not in values and _required(field)]
            raise self.fail(node, f"{path or 'the document'} lacks {', '.join(missing)}") from None
        except ValueError as error:
            raise self.fail(node, f"{path or 'the document'}: {error}") from None

    def value(self, node: yaml.Node, hint: Any, path: str, metadata: typing.Mapping[str, Any]) -> Any:
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin in {types.UnionType, typing.Union}:
            if isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null":
                return None
            hint = next(argument for argument in arguments if argument is not type(None))
            return self.value(node, hint, path, metadata)
        if dataclasses.is_dataclass(hint):
            return self.record(node, typing.cast("type[Any]", hint), path)
        if origin is tuple:
            if not isinstance(node, yaml.SequenceNode):
                raise self.fail(node, f'field "{path}" must be a list')
            return tuple(
                self.value(item, arguments[0], f"{path}[{index}]", {}) for index, item in enumerate(node.value)
            )
        return self.scalar(node, hint, path, duration=bool(metadata.get("duration")))

    def scalar(self, node: yaml.Node, hint: Any, path: str, *, duration: bool) -> Any:
        if not isinstance(node, yaml.ScalarNode):
            raise self.fail(node, f'field "{path}" must be a single value')
        if duration:
            try:
                return parse_duration(node.value)
            except ValueError:
                raise self.fail(node, f'field "{path}" must be a duration such as 90s or 1h30m') from None
        value = yaml.safe_load(yaml.serialize(node)) if node.tag != "tag:yaml.org,2002:str" else node.value
        if hint is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if hint is str and isinstance(value, (int, float)) and not isinstance(value, bool):
            raise self.fail(node, f'field "{path}" must be text; put it in quotes')
        if type(value) is not hint:
            names = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
            raise self.fail(node, f'field "{path}" must be {names.get(hint, hint)}, not {node.value!r}')
        return value


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def decode(text: str, kind: type[T], *, origin: str, api_version: str, kind_name: str) -> T:
    """Decode a document with `apiVersion` and `kind` into a dataclass.

    Args:
        text: the YAML document.
        kind: the dataclass; nested dataclasses, tuples, optional values and scalars are understood.
        origin: the file's name, for messages.
        api_version: the only accepted `apiVersion`.
        kind_name: the only accepted `kind`.

    Raises:
        ConfigError: naming the field and the line.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigError(f"{origin}{line}: not valid YAML: {getattr(error, 'problem', error)}") from None
    decoder = _Decoder(origin)
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"{origin}: expected a {kind_name} document")
    header = {key.value: value for key, value in node.value if key.value in {"apiVersion", "kind"}}
    for name, wanted in (("apiVersion", api_version), ("kind", kind_name)):
        found = header.get(name)
        if found is None or found.value != wanted:
            raise decoder.fail(found or node, f"{name} must be {wanted}")
    node.value = [(key, value) for key, value in node.value if key.value not in header]
    return typing.cast("T", decoder.record(node, kind, ""))


def decode_file(path: Path, kind: type[T], *, api_version: str, kind_name: str) -> T:
    """Decode a file. Raises ConfigError, also when it cannot be read."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the configuration {path}: {error}") from None
    return decode(text, kind, origin=str(path), api_version=api_version, kind_name=kind_name)
