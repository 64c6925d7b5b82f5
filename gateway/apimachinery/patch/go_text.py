"""How Go prints decoded JSON (`%v` and `%q`), because error texts of the API quote values that way.

Pure; used by the patches and by validation. Never use it for anything a program reads back.
"""

from __future__ import annotations

import unicodedata
from typing import Any

_ESCAPES = {
    '"': '\\"', "\\": "\\\\", "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v",
}  # fmt: skip


def go_value(value: Any) -> str:
    """Print a decoded JSON value as `%v` does: `map[a:1 b:[x y]]`, keys sorted, `<nil>` for null."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case dict():
            return f"map[{' '.join(f'{key}:{go_value(value[key])}' for key in sorted(value))}]"
        case list():
            return f"[{' '.join(go_value(entry) for entry in value)}]"
        case _:
            return str(value)


def go_type(value: Any) -> str:
    """Name the Go type a JSON value decodes to, as `%T` does."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "bool"
        case dict():
            return "map[string]interface {}"
        case list():
            return "[]interface {}"
        case int():
            return "int64"
        case float():
            return "float64"
        case _:
            return "string"


def json_type(value: Any) -> str:
    """Name a JSON value's type in the words of Go's JSON decoder, such as `array`, `number` or `object`."""
    match value:
        case None:
            return "null"
        case bool():
            return "bool"
        case dict():
            return "object"
        case list():
            return "array"
        case int() | float():
            return "number"
        case _:
            return "string"


def go_quote(text: str) -> str:
    """Quote a string as `%q` does: a double-quoted Go literal in which printable characters stay as they are."""
    return f'"{"".join(_quoted_character(character) for character in text)}"'


def _quoted_character(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character == " " or unicodedata.category(character)[0] in "LMNPS":
        return character
    number = ord(character)
    if number < 0x80:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
