"""JSON texts to values, in time that grows with the text alone."""

from __future__ import annotations

import itertools
import math
import re
from typing import Any, Final

import msgspec

__all__ = ["MAX_CONTAINERS", "TOO_MANY_CONTAINERS", "decode_value", "has_too_many_containers"]

MAX_CONTAINERS: Final = 100_000
"""How many objects and arrays a JSON body may hold: each takes two bytes to send and hundreds to keep, and they are
made at one go, in which nobody else is served. What fits into etcd stays below; kube-apiserver sets no limit."""
TOO_MANY_CONTAINERS: Final = "too many objects and arrays"
_BRACKET_OR_STRING: Final = re.compile(rb'[\[{]|"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
"""A string that does not end reaches to the end of the text: nothing is looked at twice."""


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number is out of range")
    return number


_DECODER: Final = msgspec.json.Decoder(float_hook=_finite)
"""Python reads the floats: the decoder's own way takes some 20 us for one like 1e308, seconds for a body of them."""


def decode_value(data: bytes | str | msgspec.Raw) -> Any:
    """Decode a JSON text; the last of duplicate fields wins. Raises ValueError and RecursionError."""
    return _DECODER.decode(data)


def has_too_many_containers(data: bytes) -> bool:
    """Whether a JSON text holds more than MAX_CONTAINERS objects and arrays; brackets in strings are none."""
    if data.count(b"{") + data.count(b"[") <= MAX_CONTAINERS:
        return False
    brackets = (1 for found in _BRACKET_OR_STRING.finditer(data) if found[0] in (b"[", b"{"))
    return next(itertools.islice(brackets, MAX_CONTAINERS, None), None) is not None
