"""Quantities of resources (`500m`, `1Gi`): their value, and the one form they are stored in.

After k8s.io/apimachinery `api/resource`. Pure. Defaulting writes the form, validation compares values.
"""

from __future__ import annotations

import re
from decimal import Context, Decimal
from typing import Any

from gateway.apimachinery.integers import parse_integer

_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(|[numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)", re.ASCII)
_DECIMAL_SUFFIXES = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY_SUFFIXES = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_LARGEST = Decimal(2**63 - 1)
_EXACT = Context(prec=200)


def _split(text: str) -> tuple[Decimal, str] | None:
    match = _QUANTITY.fullmatch(text)
    if not match:
        return None
    number, suffix = match.groups()
    if suffix in _BINARY_SUFFIXES:
        return _EXACT.multiply(Decimal(number), Decimal(2 ** _BINARY_SUFFIXES[suffix])), suffix
    exponent = _DECIMAL_SUFFIXES[suffix] if suffix in _DECIMAL_SUFFIXES else parse_integer(suffix[1:])
    if abs(exponent) > 100:
        return None
    return _EXACT.scaleb(Decimal(number), exponent), suffix


def quantity_value(value: Any) -> Decimal | None:
    """Return the amount a quantity stands for, or None when it is none. JSON numbers are quantities as well."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    parts = _split(str(value))
    return parts[0] if parts else None


NANO = -9
MILLI = -3


def canonical_quantity(value: Any, *, finest: int = NANO) -> Any:
    """Return the quantity in the form Kubernetes stores: no fraction, the largest suffix that allows that.

    The family of the suffix stays, except that binary amounts below 1024 or with a fraction become decimal. Amounts
    finer than `finest` (a power of ten) are rounded up. What is no quantity is returned as it is, for validation.
    Spellings such as `+5` or `1E3`, which kube-apiserver happens to keep, are brought into form too.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return value
    parts = _split(str(value))
    if parts is None:
        return value
    amount, suffix = parts
    amount = max(-_LARGEST, min(_LARGEST, amount))  # before it is rounded, which needs room for all its digits
    amount = amount.quantize(Decimal(1).scaleb(finest), rounding="ROUND_UP", context=_EXACT)
    if amount == 0:
        return "0"
    if suffix in _BINARY_SUFFIXES and abs(amount) >= 1024 and amount == int(amount):
        return _binary(int(amount))
    return _decimal(amount, exponential=suffix[:1] in {"e", "E"} and suffix not in {"E", "Ei"})


def _binary(amount: int) -> str:
    for suffix, bits in reversed(_BINARY_SUFFIXES.items()):
        if amount % 2**bits == 0:
            return f"{amount // 2**bits}{suffix}"
    return str(amount)


def _decimal(amount: Decimal, *, exponential: bool) -> str:
    # Rounding made sure that one of the suffixes leaves no fraction.
    suffix, exponent = next(
        (suffix, exponent)
        for suffix, exponent in reversed(_DECIMAL_SUFFIXES.items())
        if _EXACT.scaleb(amount, -exponent) % 1 == 0
    )
    number = int(_EXACT.scaleb(amount, -exponent))
    if exponential:
        return f"{number}e{exponent}" if exponent else str(number)
    return f"{number}{suffix}"
