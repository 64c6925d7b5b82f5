"""YAML bodies to and from JSON values, reading scalars as sigs.k8s.io/yaml does (YAML 1.1, timestamps stay strings).

Only what JSON can say is accepted. Bodies are hostile: aliases are paid for, depth is bounded, no tag makes an object.
"""

from __future__ import annotations

import base64
import codecs
import math
import re
from typing import Any, Final, NamedTuple

import yaml

from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.strict_path import MAX_STRICT_ERRORS

MAX_DEPTH: Final = 300
"""How deep a body may nest, JSON and YAML alike; kube-apiserver allows 10000, honest objects stay below 100."""
_MAX_NODES: Final = 250_000
"""How many values a body may hold, those that aliases repeat included: enough for any manifest, too few for a bomb."""
_MAX_DIRECTIVES: Final = 1000
_DIRECTIVE: Final = re.compile("[\r\n\x85\u2028\u2029]%")

_MERGE: Final = "<<"
"""The plain key that merges; compared by identity, a quoted one is an ordinary key."""
_TAG: Final = "tag:yaml.org,2002:"
_TRUE: Final = frozenset(["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"])
_FALSE: Final = frozenset(["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"])
_NULL: Final = frozenset(("", "~", "null", "Null", "NULL"))
_NOT_IN_JSON: Final = {
    f"{sign}.{name}": shown
    for sign, names, shown in (
        ("", ("nan", "NaN", "NAN"), "NaN"),
        ("", ("inf", "Inf", "INF"), "+Inf"),
        ("+", ("inf", "Inf", "INF"), "+Inf"),
        ("-", ("inf", "Inf", "INF"), "-Inf"),
    )
    for name in names
}
_INT: Final = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_READ_BY_OTHERS: Final = re.compile(r"\d{4}-\d\d?-\d\d?([Tt \t].*)?|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
"""Timestamps and base-60 numbers: text to us, but quoted for readers to whom they are not."""


class YamlError(ValueError):
    """A YAML body that cannot be read; the text is the one Go's YAML library would give, as far as it can be known."""


def decode_yaml(data: bytes) -> tuple[Any, list[str]]:
    """Read the first document of a YAML text; return its JSON value and the errors strict decoding would report.

    Raises YamlError for anything malformed, too deep, or without a JSON form.
    """
    if _has_too_many_directives(data):
        raise YamlError("yaml: too many directives")
    builder = _Builder()
    try:
        for event in yaml.parse(data, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.DocumentEndEvent):
                break
            builder.feed(event)
    except yaml.MarkedYAMLError as error:
        raise YamlError(f"yaml: {_line(error)}{error.problem}") from None
    except yaml.reader.ReaderError as error:
        raise YamlError(f"yaml: {error.reason}") from None
    return builder.root, builder.strict_errors()


def _has_too_many_directives(data: bytes) -> bool:
    """Whether a text begins more than _MAX_DIRECTIVES lines with "%": the parser compares each with all before."""
    if data.count(b"%") <= _MAX_DIRECTIVES:
        return False
    text = data.decode("utf-16" if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8", "replace")
    return sum(1 for _ in _DIRECTIVE.finditer(text)) > _MAX_DIRECTIVES


def _line(error: yaml.MarkedYAMLError) -> str:
    """The line Go's library names: where the construct began that is broken, counted from 0, and 0 not at all."""
    for mark in (error.context_mark, error.problem_mark):
        if mark is not None and mark.line:
            return f"line {mark.line + isinstance(error, yaml.scanner.ScannerError)}: "
    return ""


class _Frame:
    """A mapping or sequence whose end has not been read yet."""

    __slots__ = ("anchor", "height", "key", "nodes_before", "value")

    def __init__(self, value: JsonObject | list[Any], anchor: str | None, nodes_before: int) -> None:
        self.value = value
        self.anchor = anchor
        self.nodes_before = nodes_before
        self.height = 1
        self.key: str | None = None


class _Anchored(NamedTuple):
    value: Any
    nodes: int
    height: int


class _Builder:
    """Makes a JSON value of parser events, without recursion: the depth of a hostile text is not ours to suffer.

    `frames` are the containers that are open, `anchors` what aliases may repeat.
    """

    def __init__(self) -> None:
        self.root: Any = None
        self._frames: list[_Frame] = []
        self._anchors: dict[str, _Anchored] = {}
        self._nodes = 0
        self._duplicates: list[str] = []

    def strict_errors(self) -> list[str]:
        if not self._duplicates:
            return []
        return ["yaml: unmarshal errors:\n" + "\n".join(self._duplicates)]

    def feed(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._count(1)
            frame = self._frames[-1] if self._frames else None
            if frame and frame.key is None and isinstance(frame.value, dict):
                frame.key = self._new_key(frame, event)
                return
            self._add(_Anchored(_scalar(event), 1, 0), event.anchor)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._open({} if isinstance(event, yaml.MappingStartEvent) else [], event.anchor)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self._close()
        elif isinstance(event, yaml.AliasEvent):
            self._add(self._alias(event.anchor), None)

    def _count(self, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > _MAX_NODES:
            raise YamlError("yaml: document contains too many values or excessive aliasing")

    def _open(self, value: JsonObject | list[Any], anchor: str | None) -> None:
        self._count(1)
        if len(self._frames) >= MAX_DEPTH:
            raise YamlError("yaml: exceeded max depth")
        if self._frames and self._frames[-1].key is None and isinstance(self._frames[-1].value, dict):
            raise YamlError("yaml: a map key is not a string, number or boolean")
        if anchor:
            self._anchors.pop(anchor, None)  # until its end is read the name stands for nothing
        self._frames.append(_Frame(value, anchor, self._nodes))

    def _close(self) -> None:
        frame = self._frames.pop()
        self._add(_Anchored(frame.value, self._nodes - frame.nodes_before + 1, frame.height), frame.anchor)

    def _alias(self, anchor: str | None) -> _Anchored:
        if any(frame.anchor == anchor for frame in self._frames):
            raise YamlError(f"yaml: anchor '{anchor}' value contains itself")
        anchored = self._anchors.get(anchor or "")
        if anchored is None:
            raise YamlError(f"yaml: unknown anchor '{anchor}' referenced")
        self._count(anchored.nodes)
        if len(self._frames) + anchored.height > MAX_DEPTH:
            raise YamlError("yaml: exceeded max depth")
        return anchored._replace(value=_copy(anchored.value))

    def _add(self, item: _Anchored, anchor: str | None) -> None:
        if anchor:
            self._anchors[anchor] = item
        if not self._frames:
            self.root = item.value
            return
        frame = self._frames[-1]
        frame.height = max(frame.height, item.height + 1)
        if isinstance(frame.value, list):
            frame.value.append(item.value)
        elif frame.key is None:
            frame.key = _key(item.value)
        elif frame.key is _MERGE:
            frame.value.update(_merged(item.value))
            frame.key = None
        else:
            frame.value[frame.key] = item.value
            frame.key = None

    def _new_key(self, frame: _Frame, event: yaml.ScalarEvent) -> str:
        if event.implicit[0] and event.value == "<<":
            return _MERGE
        key = _key(_scalar(event))
        if key in frame.value and len(self._duplicates) < MAX_STRICT_ERRORS:
            line = event.start_mark.line + 1 if event.start_mark else 0
            self._duplicates.append(f'  line {line}: key "{key}" already set in map')
        if event.anchor:
            self._anchors[event.anchor] = _Anchored(key, 1, 0)
        return key


def _copy(value: Any) -> Any:
    """Copy what an alias repeats, so that changing one place does not change the other."""
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def _merged(value: Any) -> JsonObject:
    """What a merge key brings: one mapping, or several of which the first has the last word."""
    merged: JsonObject = {}
    for source in reversed(value) if isinstance(value, list) else [value]:
        if not isinstance(source, dict):
            raise YamlError("yaml: map merge requires map or sequence of maps as the value")
        merged.update(source)
    return merged


def _key(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise YamlError("yaml: a map key is not a string, number or boolean")


def _scalar(event: yaml.ScalarEvent) -> Any:
    text: str = event.value
    tag = event.tag
    if tag is None:
        return _plain_scalar(text) if event.implicit[0] else text
    if tag == _TAG + "binary":
        try:
            return base64.b64decode("".join(text.split()), validate=True).decode()
        except ValueError:
            raise YamlError("yaml: !!binary value contains invalid base64 data") from None
    wanted = tag.removeprefix(_TAG)
    if wanted not in ("null", "bool", "int", "float"):
        return text
    value = _plain_scalar(text)
    found = _TYPE_NAMES[type(value)]
    if found != wanted and (found, wanted) != ("int", "float"):
        raise YamlError(f"yaml: cannot decode !!{found} `{text[:20]}` as a !!{wanted}")
    return value


_TYPE_NAMES: Final = {type(None): "null", bool: "bool", int: "int", float: "float", str: "str"}


def _plain_scalar(text: str) -> Any:
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    first = text[0]
    if first.isdigit() or first in "+-.":
        plain = text.replace("_", "")
        if _INT.fullmatch(plain) and len(plain) < 300 and (whole := _integer(plain)) is not None:
            return whole
        if _FLOAT.fullmatch(plain):
            number = float(plain)
            return text if math.isinf(number) else int(number) if _is_whole(number) else number
        if text in _NOT_IN_JSON:
            raise YamlError(f"json: unsupported value: {_NOT_IN_JSON[text]}")
    return text


def _is_whole(number: float) -> bool:
    """Whether Go prints a number without a fraction, which makes it an integer to whoever reads it."""
    return number.is_integer() and abs(number) < 1e21


def _integer(plain: str) -> int | float | None:
    """Read an integer; None for one beyond 64 bits, which Go reads as a float, or as text where it is not decimal."""
    sign = -1 if plain[0] == "-" else 1
    digits = plain.lstrip("+-").lower()
    base = {"0x": 16, "0b": 2, "0o": 8}.get(digits[:2], 8 if digits[0] == "0" else 10)
    number = sign * int(digits.removeprefix("0x").removeprefix("0b").removeprefix("0o"), base)
    return int64_or_float(number) if -(1 << 63) <= number < 1 << 64 else None


def int64_or_float(number: int) -> int | float:
    """An integer as Kubernetes keeps it: a float where int64 ends. Raises OverflowError where float64 ends as well."""
    return number if -(1 << 63) <= number < 1 << 63 else float(number)


# ---- writing


class _Dumper(yaml.CSafeDumper):
    """Writes as sigs.k8s.io/yaml: block style, sorted keys, text that would read as something else in double quotes."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: _Dumper, text: str) -> yaml.Node:
    style = None
    if "\n" in text:
        style = "|"
    elif _reads_as_something_else(text):
        style = '"'
    return dumper.represent_scalar(_TAG + "str", text, style=style)


def _reads_as_something_else(text: str) -> bool:
    try:
        return not isinstance(_plain_scalar(text), str) or _READ_BY_OTHERS.fullmatch(text) is not None
    except YamlError:
        return True


_Dumper.add_representer(str, _represent_text)


def encode_yaml(obj: Any) -> bytes:
    """Write a JSON value as YAML."""
    text: str = yaml.dump(obj, Dumper=_Dumper, allow_unicode=True, sort_keys=True, width=2**31 - 1)
    return text.encode()
