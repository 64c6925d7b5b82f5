"""Field selectors: parsed once from the query string, then asked of many objects.

Grammar and error texts follow k8s.io/apimachinery `fields/selector.go`. Pure. Selectors are hashable values. They never
know which labels a resource has fields for: `FieldSelector.translate` takes that from the caller.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gateway.apimachinery.errors import bad_request
from gateway.apimachinery.json_syntax import quote
from gateway.apimachinery.label_selectors import MAX_SELECTOR


@dataclass(frozen=True, slots=True)
class FieldRequirement:
    """One term of a field selector; `operator` is `=` or `!=`. A field an object has no value for reads as empty."""

    field: str
    operator: str
    value: str

    def matches(self, fields: Mapping[str, str]) -> bool:
        """Whether the fields satisfy this term."""
        return (fields.get(self.field, "") == self.value) == (self.operator == "=")

    def __str__(self) -> str:
        return self.field + self.operator + re.sub(r"([,=\\])", r"\\\1", self.value)


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """A conjunction of field requirements; without any it selects everything."""

    requirements: tuple[FieldRequirement, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing is restricted."""
        return not self.requirements

    def matches(self, fields: Mapping[str, str]) -> bool:
        """Whether fields satisfy every requirement."""
        return all(requirement.matches(fields) for requirement in self.requirements)

    def exact(self, field: str) -> str | None:
        """The value that the selector demands of a field, or None."""
        return next((r.value for r in self.requirements if r.field == field and r.operator == "="), None)

    def translate(self, supported: Mapping[str, str]) -> FieldSelector:
        """Replace each label asked for by the one its values are stored under.

        Raises ApiError 400 for a label that is not in `supported`. Kinds that know only metadata.name and
        metadata.namespace say so in another text, as in Kubernetes.
        """
        for requirement in self.requirements:
            label = requirement.field
            if label in supported:
                continue
            if supported.keys() <= {"metadata.name", "metadata.namespace"}:
                known = '"metadata.name", "metadata.namespace"'
                raise bad_request(f"{quote(label)} is not a known field selector: only {known}")
            raise bad_request(f"field label not supported: {label}")
        return FieldSelector(
            tuple(FieldRequirement(supported[r.field], r.operator, r.value) for r in self.requirements)
        )

    def __str__(self) -> str:
        return ",".join(str(requirement) for requirement in self.requirements)


ANY_FIELDS = FieldSelector()


def _field_terms(text: str) -> Iterator[str]:
    """Split at commas that no backslash escapes; escapes stay in the terms."""
    start = 0
    escaped = False
    for position, character in enumerate(text):
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == ",":
            yield text[start:position]
            start = position + 1
    yield text[start:]


def _unescape(value: str) -> str:
    pieces: list[str] = []
    characters = iter(value)
    for character in characters:
        if character in ",=":
            raise bad_request(f"invalid field selector: unescaped character in value: {ord(character)}")
        if character == "\\":
            escaped = next(characters, "")
            if escaped not in {"\\", ",", "="}:
                raise bad_request(f"invalid field selector: invalid escape sequence: \\{escaped}")
            character = escaped
        pieces.append(character)
    return "".join(pieces)


def parse_field_selector(text: str) -> FieldSelector:
    """Parse a `fieldSelector`; backslash escapes `,`, `=` and itself. Raises ApiError 400 in kube-apiserver's words."""
    if not text:
        return ANY_FIELDS
    if len(text) > MAX_SELECTOR:
        raise bad_request(f"invalid selector: it must be no more than {MAX_SELECTOR} bytes")
    requirements = []
    for term in sorted(_field_terms(text)):
        if not term:
            continue
        found = re.search(r"!=|==|=", term)
        if found is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{term}'")
        operator = "!=" if found[0] == "!=" else "="
        field, value = term[: found.start()], _unescape(term[found.end() :])
        if field or value:  # a bare `=` or `!=` restricts nothing, as in Kubernetes
            requirements.append(FieldRequirement(field, operator, value))
    return FieldSelector(tuple(requirements))
