"""Whole numbers of any length in a client's text.

Python refuses to read more than 4300 digits at once (`sys.set_int_max_str_digits`), with an error that is not about
the text, and would take long over a million of them.
"""

from __future__ import annotations

_LONGEST = 1000
"""Digits beyond which only it matters that a number is too large."""


def parse_integer(text: str) -> int:
    """Read an optional sign and decimal digits, which the caller has made sure of.

    A number beyond 1000 digits comes back as another one that is as far out of every range.
    """
    negative = text.startswith("-")
    digits = text.lstrip("+-").lstrip("0") or "0"
    value = int(digits) if len(digits) <= _LONGEST else 10**_LONGEST
    return -value if negative else value
