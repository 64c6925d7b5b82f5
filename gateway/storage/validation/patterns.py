"""The regular expressions of users: the patterns of custom resource definitions, compiled and matched by RE2.

Syntax and matching are those of Go's regexp, of which RE2 is the model: linear in the text whatever the pattern, where
Python's `re` may take minutes for forty characters. Linear is not little, though: `PatternWork` bounds how much of it
one object may ask for. Pure.
"""

from __future__ import annotations

import functools
from typing import Any, Final

import re2

_MEMORY: Final = 1 << 20
"""Bytes that one compiled pattern and its matching may take; a pattern that needs more is refused as too large."""
_CACHED: Final = 256
_COMPILING: Final = 200
"""Steps of matching that take as long as compiling one instruction."""
WORK: Final = 100_000_000
"""Steps for one object: a second or two at the worst, a hundredth of that with patterns as they are usually written."""
_TOO_LARGE: Final = "pattern too large - compile failed"

# What RE2 says, and Go's words for the same (regexp/syntax).
_GO_WORDS: Final = {
    "missing )": "missing closing )",
    "missing ]": "missing closing ]",
    "unexpected )": "unexpected )",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid repetition size": "invalid repeat count",
    "no argument for repetition operator": "missing argument to repetition operator",
    "trailing \\": "trailing backslash at end of expression",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid named capture group": "invalid named capture",
    "invalid character class range": "invalid character class range",
    "invalid escape sequence": "invalid escape sequence",
}


def _options() -> Any:
    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False  # it would write to the standard error of the process
    options.never_capture = True
    return options


_OPTIONS: Final = _options()


class TooMuchWork(Exception):
    """The patterns of one object take longer than one object may."""


class _Pattern:
    """A pattern that is compiled when it is first needed. `fault` is empty when it can be matched."""

    __slots__ = ("_text", "compiled", "cost", "fault")

    def __init__(self, text: str) -> None:
        self._text = text
        self.cost = 0
        """What compiling took, in steps of matching; 0 while it was not tried."""
        self.compiled: Any = None
        self.fault = ""

    def compile(self) -> None:
        try:
            self.compiled = re2.compile(_encoded(self._text), _OPTIONS)
        except re2.error as error:
            said = error.args[0].decode("utf-8", "replace")
            self.fault = _in_go_words(said, self._text)
            self.cost = _MEMORY if said == _TOO_LARGE else len(self._text)
        else:
            self.cost = _COMPILING * self.compiled.programsize


@functools.lru_cache(maxsize=_CACHED)
def _pattern(text: str) -> _Pattern:
    return _Pattern(text)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")  # a lone surrogate has no encoding


def _in_go_words(said: str, pattern: str) -> str:
    what, _, where = said.partition(": ")
    if said == _TOO_LARGE:
        what, where = "expression too large", pattern
    return f"error parsing regexp: {_GO_WORDS.get(what, what)}: `{where}`"


class PatternWork:
    """Compiles and matches the patterns that meet in one object, as long as that takes no more than it may."""

    __slots__ = ("_left",)

    def __init__(self, limit: int = WORK) -> None:
        """Allow `limit` steps."""
        self._left = limit

    def fault(self, pattern: str) -> str:
        """Return what Go says against a pattern, nothing when it can be matched. Raises TooMuchWork."""
        return self._compiled(pattern).fault

    def finds(self, pattern: str, text: str) -> bool:
        """Whether a pattern without fault is found anywhere in a text, as by Go's MatchString. Raises TooMuchWork."""
        compiled, encoded = self._compiled(pattern).compiled, _encoded(text)
        self._take(compiled.programsize * len(encoded))
        return compiled.search(encoded) is not None

    def _compiled(self, text: str) -> _Pattern:
        pattern = _pattern(text)
        if not pattern.cost:
            self._take(1)  # nothing is compiled when nothing is left; how long it takes is known only afterwards
            pattern.compile()
            self._take(pattern.cost)
        return pattern

    def _take(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise TooMuchWork
