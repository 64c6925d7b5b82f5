"""What Kubernetes says of a text that its own value types cannot read: times, quantities, base64.

Each function returns the problem in Go's words, or an empty string. Used by `strict`, which knows where the text is.
"""

from __future__ import annotations

import calendar
import re
from typing import Final

from gateway.apimachinery.json_syntax import quote

QUANTITY_FORMAT: Final = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
_QUANTITY: Final = re.compile(r"[+-]?[0-9]*+(?:\.[0-9]*+)?([eEinumkKMGTP]*+[-+]?[0-9]*+)")
_QUANTITY_SUFFIX: Final = re.compile(r"|[numkMGTPE]|[KMGTPE]i|[eE][-+]?[0-9]+")
_BASE64: Final = re.compile(rb"(?:[A-Za-z0-9+/]{4})*+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_BASE64_GROUPS: Final = re.compile(rb"(?:[A-Za-z0-9+/]{4})*+")
_BASE64_CHARACTER: Final = re.compile(rb"[A-Za-z0-9+/]")

_DATE: Final = (("2006", r"\d{4}"), ("-", "-"), ("01", r"\d\d"), ("-", "-"), ("02", r"\d\d"), ("T", "T"))
_CLOCK: Final = (("15", r"\d\d?"), (":", ":"), ("04", r"\d\d"), (":", ":"), ("05", r"\d\d"))
_ZONE: Final = (("Z07:00", r"Z|[+-]\d\d:\d\d"),)
_RFC3339: Final = (*_DATE, *_CLOCK, ("", r"(?:[.,]\d+)?"), *_ZONE)
_RFC3339_MICRO: Final = (*_DATE, *_CLOCK, (".000000", r"\.\d{6}"), *_ZONE)
_RANGES: Final = {"01": ("month", 1, 12), "15": ("hour", 0, 23), "04": ("minute", 0, 59), "05": ("second", 0, 59)}


def time_problem(text: str, *, micro: bool = False) -> str:
    """Judge the text of a Time (RFC3339) or a MicroTime (exactly six digits after the second)."""
    rest, numbers = text, {}
    pieces = _RFC3339_MICRO if micro else _RFC3339
    for name, pattern in pieces:
        match = re.match(pattern, rest, re.ASCII)
        if match is None:
            layout = "2006-01-02T15:04:05" + (".000000" if micro else "") + "Z07:00"
            return f'parsing time {quote(text)} as "{layout}": cannot parse {quote(rest)} as "{name}"'
        piece, rest = match.group(), rest[match.end() :]
        if name in _RANGES:
            what, low, high = _RANGES[name]
            if not low <= int(piece) <= high:
                return f"parsing time {quote(text)}: {what} out of range"
        if name == "Z07:00" and piece != "Z" and int(piece[1:3]) > 24:
            return f"parsing time {quote(text)}: time zone offset hour out of range"
        numbers[name] = piece
    if rest:
        return f"parsing time {quote(text)}: extra text: {quote(rest)}"
    year, month, day = int(numbers["2006"]), int(numbers["01"]), int(numbers["02"])
    days = calendar.monthrange(2000 + year % 400, month)[1]  # year 0 is a year to Go
    return "" if 1 <= day <= days else f"parsing time {quote(text)}: day out of range"


def quantity_problem(text: str) -> str:
    """Judge the text of a Quantity."""
    bare = text.strip(" ")
    match = _QUANTITY.fullmatch(bare) if bare else None
    if match is None:
        return QUANTITY_FORMAT
    return "" if _QUANTITY_SUFFIX.fullmatch(match.group(1)) else "unable to parse quantity's suffix"


def base64_problem(text: str) -> str:
    """Judge the text of a byte string, which may hold line breaks as in Go."""
    data = text.encode()
    if _BASE64.fullmatch(data) or _BASE64.fullmatch(data.replace(b"\n", b"").replace(b"\r", b"")):
        return ""
    return f"illegal base64 data at input byte {_base64_error_offset(data)}"


def _base64_error_offset(data: bytes) -> int:
    """Where Go's decoder gives up: it reads four characters at a time."""
    whole = _BASE64_GROUPS.match(data)
    pos = whole.end() if whole else 0
    while True:
        in_group = 0
        while in_group < 4:
            if pos == len(data):
                return pos - in_group
            char = data[pos : pos + 1]
            pos += 1
            if char in (b"\n", b"\r"):
                continue
            if not _BASE64_CHARACTER.match(char):
                return _padding_error_offset(data, pos) if char == b"=" and in_group >= 2 else pos - 1
            in_group += 1
            if in_group == 3 and data[pos : pos + 1] == b"=":
                return _after_padding(data, pos + 1)


def _padding_error_offset(data: bytes, pos: int) -> int:
    """A group of two characters and "=", which has to be followed by another one."""
    pos = _after_padding(data, pos)
    if pos == len(data):
        return pos
    return _after_padding(data, pos + 1) if data[pos : pos + 1] == b"=" else pos - 1


def _after_padding(data: bytes, pos: int) -> int:
    while data[pos : pos + 1] in (b"\n", b"\r"):
        pos += 1
    return pos
