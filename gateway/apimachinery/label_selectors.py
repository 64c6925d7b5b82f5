"""Label selectors: parsed once from a query string, or read from a LabelSelector object, then asked of many objects.

Grammar, limits and error texts follow k8s.io/apimachinery `labels/selector.go`. Pure. Selectors are hashable values, so
that results can be shared between watchers that ask for the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.apimachinery.errors import bad_request
from gateway.apimachinery.integers import parse_integer
from gateway.apimachinery.json_syntax import quote
from gateway.apimachinery.label_names import label_key, label_value

MAX_SELECTOR = 16 * 1024
"""Longest selector in characters; kube-apiserver takes what fits into a request head. Reading one of a megabyte takes a
second, in which nobody else would be served."""

_BINARY_OPERATORS = "in, notin, =, ==, !=, gt, lt"
_INTEGER = re.compile(r"[+-]?[0-9]+")


def _integer(text: str) -> int | None:
    """Read an int64 as Go's ParseInt does, or None."""
    if not _INTEGER.fullmatch(text):
        return None
    value = parse_integer(text)
    return value if -(2**63) <= value < 2**63 else None


@dataclass(frozen=True, slots=True)
class LabelRequirement:
    """One term of a label selector. `operator` is one of `=` `==` `!=` `in` `notin` `exists` `!` `>` `<`."""

    key: str
    operator: str
    values: tuple[str, ...] = ()
    _wanted: frozenset[str] = field(init=False, repr=False, compare=False)
    """The values again: as many as a client likes are looked for in every object."""

    def __post_init__(self) -> None:
        """Prepare for being asked."""
        object.__setattr__(self, "_wanted", frozenset(self.values))

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels satisfy this term; `!=`, `notin` and `!` hold when the key is absent."""
        value = labels.get(self.key)
        match self.operator:
            case "=" | "==" | "in":
                return value is not None and value in self._wanted
            case "!=" | "notin":
                return value is None or value not in self._wanted
            case "exists":
                return value is not None
            case "!":
                return value is None
            case _:
                return self._compares(value)

    def _compares(self, value: str | None) -> bool:
        left = _integer(value) if value is not None else None
        right = _integer(self.values[0])
        if left is None or right is None:
            return False
        return left > right if self.operator == ">" else left < right

    def __str__(self) -> str:
        match self.operator:
            case "exists":
                return self.key
            case "!":
                return f"!{self.key}"
            case "in" | "notin":
                return f"{self.key} {self.operator} ({','.join(sorted(self.values))})"
            case _:
                return f"{self.key}{self.operator}{self.values[0]}"


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """A conjunction of requirements; without any it selects everything."""

    requirements: tuple[LabelRequirement, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing is restricted."""
        return not self.requirements

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels satisfy every requirement."""
        return all(requirement.matches(labels) for requirement in self.requirements)

    def __str__(self) -> str:
        return ",".join(str(requirement) for requirement in self.requirements)


EVERYTHING = LabelSelector()


class _SelectorFault(Exception):
    """A label selector that cannot be read, in Kubernetes' words."""


_OPERATORS = frozenset(("==", "!=", "=", "!", "(", ")", ",", ">", "<"))
_TOKEN = re.compile(r"[!=]=|[=!(),><]|[^=!(),>< \t\r\n]+")
_END = ""


def _tokens(text: str) -> list[str]:
    """Split into operators and words; the empty string ends the list."""
    return [*_TOKEN.findall(text), _END]


class _LabelParser:
    """Recursive descent over the tokens; `in` and `notin` are words wherever a key or value may stand."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._position = 0

    def _peek(self) -> str:
        return self._tokens[self._position]

    def _take(self) -> str:
        token = self._tokens[self._position]
        self._position = min(self._position + 1, len(self._tokens) - 1)
        return token

    @staticmethod
    def _is_word(token: str) -> bool:
        return token != _END and token not in _OPERATORS

    def parse(self) -> list[LabelRequirement]:
        requirements: list[LabelRequirement] = []
        if self._peek() == _END:
            return requirements
        if not self._is_word(self._peek()) and self._peek() != "!":
            raise _SelectorFault(f"found '{self._peek()}', expected: !, identifier, or 'end of string'")
        while True:
            try:
                requirements.append(self._requirement())
            except _SelectorFault as fault:
                raise _SelectorFault(f"unable to parse requirement: {fault}") from None
            separator = self._take()
            if separator == _END:
                return requirements
            if separator != ",":
                raise _SelectorFault(f"found '{separator}', expected: ',' or 'end of string'")
            if not self._is_word(self._peek()) and self._peek() != "!":
                raise _SelectorFault(f"found '{self._peek()}', expected: identifier after ','")

    def _requirement(self) -> LabelRequirement:
        negated = self._peek() == "!"
        if negated:
            self._take()
        key = self._take()
        if not self._is_word(key):
            raise _SelectorFault(f"found '{key}', expected: identifier")
        if faults := label_key(key):
            raise _SelectorFault(f"<nil>: Invalid value: {quote(key)}: {'; '.join(faults)}")
        if negated or self._peek() in {_END, ","}:
            return LabelRequirement(key, "!" if negated else "exists")
        operator = self._take()
        if operator in {"in", "notin"}:
            values = self._set()
        elif operator in {"=", "==", "!=", ">", "<"}:
            values = {self._exact()}
        else:
            raise _SelectorFault(f"found '{operator}', expected: {_BINARY_OPERATORS}")
        return _validated(LabelRequirement(key, operator, tuple(sorted(values))))

    def _exact(self) -> str:
        if self._peek() in {_END, ","}:
            return ""
        token = self._take()
        if not self._is_word(token):
            raise _SelectorFault(f"found '{token}', expected: identifier")
        return token

    def _set(self) -> set[str]:
        if (opening := self._take()) != "(":
            raise _SelectorFault(f"found '{opening}' expected: '('")
        values: set[str] = set()
        value = ""
        while (found := self._take()) != ")":
            if found == ",":
                values.add(value)
                value = ""
            elif self._is_word(found) and not value:
                value = found
            elif value:
                raise _SelectorFault(f"found '{found}', expected: ',' or ')'")
            else:
                expected = "or identifier" if values else "')' or identifier"
                raise _SelectorFault(f"found '{found}', expected: ',', {expected}")
        values.add(value)
        return values


def _validated(requirement: LabelRequirement) -> LabelRequirement:
    faults: list[str] = []
    for index, value in enumerate(requirement.values):
        if requirement.operator in {">", "<"} and _integer(value) is None:
            message = "for 'Gt', 'Lt' operators, the value must be an integer"
            faults.append(f"values[{index}]: Invalid value: {quote(value)}: {message}")
    for index, value in enumerate(requirement.values):
        if wrong := label_value(value):
            faults.append(f"values[{index}][{requirement.key}]: Invalid value: {quote(value)}: {'; '.join(wrong)}")
    if faults:
        raise _SelectorFault(faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]")
    return requirement


def parse_label_selector(text: str) -> LabelSelector:
    """Parse a `labelSelector`. Raises ApiError 400 with kube-apiserver's text."""
    if not text:
        return EVERYTHING
    if len(text) > MAX_SELECTOR:
        raise bad_request(f"unable to parse requirement: a selector must be no more than {MAX_SELECTOR} bytes")
    try:
        requirements = _LabelParser(text).parse()
    except _SelectorFault as fault:
        raise bad_request(str(fault)) from None
    return LabelSelector(tuple(sorted(requirements, key=lambda requirement: requirement.key)))


def selector_text(selector: Any) -> str:
    """Return a LabelSelector object as a selector in a query would be written; an empty text for none.

    Its terms come in the order of their keys. Raises ValueError for one that cannot be read.
    """
    return str(read_label_selector(selector)) if isinstance(selector, dict) else ""


_OBJECT_OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}


def read_label_selector(obj: Mapping[str, Any]) -> LabelSelector:
    """Return what a LabelSelector object of an API means; an empty one selects everything.

    Raises ValueError for one that cannot be read. Its keys and values are not checked: that is validation's.
    """
    try:
        found = [LabelRequirement(key, "=", (value,)) for key, value in (obj.get("matchLabels") or {}).items()]
        for expression in obj.get("matchExpressions") or ():
            values = tuple(expression.get("values") or ())
            found.append(LabelRequirement(expression["key"], _OBJECT_OPERATORS[expression["operator"]], values))
        return LabelSelector(tuple(sorted(found, key=lambda requirement: requirement.key)))
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not a label selector: {error!r}") from None
