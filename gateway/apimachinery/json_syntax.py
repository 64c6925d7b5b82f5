"""What is wrong with a JSON text, in the words of Go's encoding/json, which is what users of kube-apiserver read.

`syntax_error` is only asked after decoding has failed, so it is written to be exact, not fast. Never recursive: the
text is hostile.
"""

from __future__ import annotations

import re
from typing import Any, Final

_WHITESPACE: Final = re.compile(rb"[ \t\r\n]*")
_MAX_DEPTH: Final = 10_000
_DIGITS: Final = re.compile(rb"[0-9]*")
_HEX: Final = b"0123456789abcdefABCDEF"
_LITERALS: Final = {b"t": b"true", b"f": b"false", b"n": b"null"}
_STRING_RUN: Final = re.compile(rb'[^"\\\x00-\x1f]*')
_UNEXPECTED_END: Final = "unexpected end of JSON input"


class _SyntaxError(Exception):
    """Carries the message out of the scanner."""


def syntax_error(data: bytes) -> str | None:
    """Return Go's message for the first syntax error, or None for a text that is well-formed JSON."""
    try:
        _scan(data)
    except _SyntaxError as error:
        return str(error)
    return None


def _invalid(data: bytes, pos: int, context: str, *, inside_token: bool = False) -> _SyntaxError:
    """The error at a position; Go feeds itself a space when the text ends, which is wrong inside most tokens."""
    if pos < len(data):
        return _SyntaxError(f"invalid character {_quote(data[pos])} {context}")
    return _SyntaxError(f"invalid character ' ' {context}" if inside_token else _UNEXPECTED_END)


def _quote(byte: int) -> str:
    if byte == 0x27:
        return r"'\''"
    named = {7: r"\a", 8: r"\b", 9: r"\t", 10: r"\n", 11: r"\v", 12: r"\f", 13: r"\r", 0x5C: r"\\"}
    char = chr(byte)
    if byte in named:
        char = named[byte]
    elif byte < 0x20 or byte == 0x7F:
        char = f"\\x{byte:02x}"
    elif not char.isprintable():
        char = f"\\u{byte:04x}"
    return f"'{char}'"


def _scan(data: bytes) -> None:
    stack: list[bytes] = []
    expect = "value"
    pos = 0
    while True:
        pos = _end(_WHITESPACE, data, pos)
        char = data[pos : pos + 1]
        if expect == "end":
            if char:
                raise _invalid(data, pos, "after top-level value")
            return
        if expect in ("value", "value or ]") and not (char == b"]" and expect == "value or ]"):
            if char in (b"{", b"["):
                stack.append(char)
                if len(stack) > _MAX_DEPTH:
                    raise _invalid(data, pos, "exceeded max depth")
                expect = "key or }" if char == b"{" else "value or ]"
                pos += 1
                continue
            pos = _scalar(data, pos)
        elif expect in ("key", "key or }") and not (char == b"}" and expect == "key or }"):
            if char != b'"':
                raise _invalid(data, pos, "looking for beginning of object key string")
            pos = _string(data, pos)
            expect = "colon"
            continue
        elif expect == "colon":
            if char != b":":
                raise _invalid(data, pos, "after object key")
            expect = "value"
            pos += 1
            continue
        else:
            pos, expect = _after_element(data, pos, stack, expect)
            if expect != "popped":
                continue
        expect = "separator" if stack else "end"


def _after_element(data: bytes, pos: int, stack: list[bytes], expect: str) -> tuple[int, str]:
    """Handle what follows an element, or the end of an empty container; "popped" says that one was closed."""
    in_object = stack[-1] == b"{"
    char = data[pos : pos + 1]
    if char == (b"}" if in_object else b"]"):
        stack.pop()
        return pos + 1, "popped"
    if char != b",":
        raise _invalid(data, pos, "after object key:value pair" if in_object else "after array element")
    return pos + 1, "key" if in_object else "value"


def _scalar(data: bytes, pos: int) -> int:
    char = data[pos : pos + 1]
    if char == b'"':
        return _string(data, pos)
    if literal := _LITERALS.get(char):
        for offset in range(1, len(literal)):
            if data[pos + offset : pos + offset + 1] != literal[offset : offset + 1]:
                expecting = f"in literal {literal.decode()} (expecting '{chr(literal[offset])}')"
                raise _invalid(data, pos + offset, expecting, inside_token=True)
        return pos + len(literal)
    if char and char in b"-0123456789":
        return _number(data, pos)
    raise _invalid(data, pos, "looking for beginning of value")


def _string(data: bytes, pos: int) -> int:
    pos += 1
    while True:
        pos = _end(_STRING_RUN, data, pos)
        char = data[pos : pos + 1]
        if char == b'"':
            return pos + 1
        if char != b"\\":
            raise _invalid(data, pos, "in string literal")
        escape = data[pos + 1 : pos + 2]
        pos += 2
        if escape == b"u":
            for _ in range(4):
                if not (data[pos : pos + 1] and data[pos] in _HEX):
                    raise _invalid(data, pos, "in \\u hexadecimal character escape", inside_token=True)
                pos += 1
        elif not escape or escape not in b'bfnrt\\/"':
            raise _invalid(data, pos - 1, "in string escape code", inside_token=True)


def _number(data: bytes, pos: int) -> int:
    if data[pos : pos + 1] == b"-":
        pos += 1
        if not _is_digit(data, pos):
            raise _invalid(data, pos, "in numeric literal", inside_token=True)
    pos = pos + 1 if data[pos : pos + 1] == b"0" else _digits(data, pos)
    if data[pos : pos + 1] == b".":
        pos += 1
        if not _is_digit(data, pos):
            raise _invalid(data, pos, "after decimal point in numeric literal", inside_token=True)
        pos = _digits(data, pos)
    if data[pos : pos + 1] in (b"e", b"E"):
        pos += 1
        if data[pos : pos + 1] in (b"+", b"-"):
            pos += 1
        if not _is_digit(data, pos):
            raise _invalid(data, pos, "in exponent of numeric literal", inside_token=True)
        pos = _digits(data, pos)
    return pos


def _is_digit(data: bytes, pos: int) -> bool:
    return data[pos : pos + 1].isdigit()


def _digits(data: bytes, pos: int) -> int:
    return _end(_DIGITS, data, pos)


def _end(run: re.Pattern[bytes], data: bytes, pos: int) -> int:
    """Return the position after a run of characters that may be empty."""
    match = run.match(data, pos)
    return match.end() if match else pos


def json_type(value: Any) -> str:
    """Name the type of a JSON value as Go's decoder does."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object" if isinstance(value, dict) else "number"


def quote(text: str) -> str:
    """Quote a text as Go's strconv.Quote does."""
    if not text.isprintable() or '"' in text or "\\" in text:
        text = _MAY_BE_ESCAPED.sub(_escape, text)
    return f'"{text}"'


def _escape(found: re.Match[str]) -> str:
    run = found.group()
    if run in _ESCAPES:
        return _ESCAPES[run]
    return run if run.isprintable() else "".join(map(_escape_character, run))


def _escape_character(char: str) -> str:
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


_MAY_BE_ESCAPED: Final = re.compile(r'[\x00-\x1f\x7f"\\]|[^\x00-\x7f]+')
_ESCAPES: Final = {
    "\a": r"\a",
    "\b": r"\b",
    "\f": r"\f",
    "\n": r"\n",
    "\r": r"\r",
    "\t": r"\t",
    "\v": r"\v",
    '"': r"\"",
    "\\": r"\\",
}
