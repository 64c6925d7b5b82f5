"""What the messages of the built-in kinds look like: a table of facts derived from the Kubernetes API types.

`protobuf_schema.json` beside this module is written by `tests/tools/generate_protobuf_schema.py`. It is read once, on
the first question asked, and each message is parsed when it is first needed. The protobuf codec compiles its plans from
it, and `strict` checks JSON against it, because it knows the Go types that kube-apiserver decodes into.
"""

from __future__ import annotations

import functools
import importlib.resources
from dataclasses import dataclass
from typing import Final

import msgspec

INLINE: Final = "."
"""The field name of a message whose fields are JSON fields of its parent."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message.

    `type` is a letter or "@" and the name of a message. Letters: s string, b bool, i int32, l int64, d double,
    y bytes (base64 in JSON), Q Quantity, T Time, M MicroTime, I IntOrString, F FieldsV1, R RawExtension, J any JSON.
    """

    number: int
    name: str
    omit_zero: bool
    """Whether the JSON form leaves a zero value out (Go's omitempty; omitzero for a type of its own)."""
    pointer: bool
    """Whether absent and zero differ."""
    container: str
    """"[" for a list, "{" for a map with string keys, "" for one value."""
    type: str
    go_type: str
    """The Go type, where it cannot be told from the rest of the field (`v1.Protocol`, `v1.ResourceList`)."""

    @property
    def message(self) -> str:
        """The name of the message this field holds, or an empty string."""
        return self.type[1:] if self.type[0] == "@" else ""


@dataclass(frozen=True, slots=True)
class Message:
    """One message: its fields by ascending number, which is the order Kubernetes writes them in."""

    name: str
    fields: tuple[Field, ...]
    has_type_meta: bool
    """Whether the JSON form carries kind and apiVersion, which on the wire stand in the envelope."""
    wrapped_list: bool
    """Whether the message only wraps `repeated string items = 1` and is a plain list in JSON (ExtraValue, Verbs)."""


class _Table(msgspec.Struct, frozen=True):
    source: str
    kinds: dict[str, list[str]]
    messages: dict[str, dict[str, str]]


@functools.cache
def _table() -> _Table:
    data = importlib.resources.files(__package__).joinpath("protobuf_schema.json").read_bytes()
    return msgspec.json.decode(data, type=_Table)


@functools.cache
def _kinds_of(api_version: str) -> dict[str, str]:
    package, *entries = _table().kinds.get(api_version, [""])
    kinds = {}
    for entry in entries:
        kind, _, message = entry.partition("=")
        kinds[kind] = message or f"{package}.{kind}"
    return kinds


def message_for(api_version: str, kind: str) -> str:
    """Return the name of the message of a built-in kind, or an empty string for any other kind.

    DeleteOptions and the other options exist in every group and version, built-in or not.
    """
    return _kinds_of(api_version).get(kind) or _kinds_of("*").get(kind, "")


def kinds() -> tuple[tuple[str, str], ...]:
    """Every built-in (apiVersion, kind) except the options that exist in all of them."""
    return tuple((version, kind) for version in _table().kinds if version != "*" for kind in _kinds_of(version))


@functools.cache
def message(name: str) -> Message:
    """Return a message by its name, for example `core/v1.Pod`. Raises KeyError for an unknown one."""
    package, _, short = name.rpartition(".")
    lines = _table().messages[package][short].split(";")
    if lines == ["[s"]:
        items = Field(1, "items", omit_zero=False, pointer=False, container="[", type="s", go_type="")
        return Message(name, (items,), has_type_meta=False, wrapped_list=True)
    has_type_meta = lines[0] == "K"
    fields = sorted((_field(line, package) for line in lines if line not in ("K", "")), key=lambda field: field.number)
    return Message(name, tuple(fields), has_type_meta, wrapped_list=False)


def _field(line: str, package: str) -> Field:
    """Parse `number name [?][*][[{]type [go_type]`; "@." refers to a message of the same package."""
    number, name, code, *rest = line.split(" ")
    bare = code.lstrip("?")
    pointer = bare[0] == "*"
    bare = bare.lstrip("*")
    container = bare[0] if bare[0] in "[{" else ""
    kind = bare[len(container) :]
    if kind.startswith("@."):
        kind = f"@{package}{kind[1:]}"
    return Field(int(number), name, code[0] == "?", pointer, container, kind, rest[0] if rest else "")
