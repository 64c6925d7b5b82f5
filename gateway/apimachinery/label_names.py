"""What label keys and values may look like. A rule returns its complaints about a text, none if it is fine.

The texts are those of k8s.io/apimachinery `api/validate/content`; what is spelled like a label key (names of resources,
finalizers, annotations) goes by the same rule. Pure.
"""

from __future__ import annotations

import re

SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
SUBDOMAIN_LIMIT = 253
LABEL_LIMIT = 63
_NON_EMPTY = "must be non-empty"

_KEY = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_KEY})?"
_subdomain, _key, _value = re.compile(SUBDOMAIN), re.compile(_KEY), re.compile(_VALUE)


def regex_complaint(rule: str, pattern: str, *examples: str) -> str:
    """Say what a text must look like."""
    shown = ",  or ".join(f"'{example}'" for example in examples)
    return f"{rule} (e.g. {shown}, regex used for validation is '{pattern}')"


SUBDOMAIN_COMPLAINT = regex_complaint(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character",
    SUBDOMAIN, "example.com",
)  # fmt: skip
_KEY_COMPLAINT = regex_complaint(
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
    _KEY, "MyName", "my.name", "123-abc",
)  # fmt: skip
_VALUE_COMPLAINT = regex_complaint(
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character",
    _VALUE, "MyValue", "my_value", "12345",
)  # fmt: skip


def label_key(text: str) -> list[str]:
    """Judge a label key such as `example.com/Name`."""
    prefix, slash, name = text.rpartition("/")
    if "/" in prefix:
        example = "an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        return [f"a valid label key {_KEY_COMPLAINT} with {example}"]
    complaints = [f"prefix part {complaint}" for complaint in _prefix(prefix)] if slash else []
    if not name:
        complaints.append(f"name part {_NON_EMPTY}")
    elif long := _too_long(name, LABEL_LIMIT):
        complaints.append(f"name part {long[0]}")
    if not _key.fullmatch(name):
        complaints.append(f"name part {_KEY_COMPLAINT}")
    return complaints


def label_value(text: str) -> list[str]:
    """Judge the value of a label."""
    complaints = _too_long(text, LABEL_LIMIT)
    return complaints if _value.fullmatch(text) else [*complaints, _VALUE_COMPLAINT]


def _prefix(text: str) -> list[str]:
    if not text:
        return [_NON_EMPTY]
    complaints = _too_long(text, SUBDOMAIN_LIMIT)
    return complaints if _subdomain.fullmatch(text) else [*complaints, SUBDOMAIN_COMPLAINT]


def _too_long(text: str, limit: int) -> list[str]:
    size = len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))
    return [f"must be no more than {limit} bytes"] if size > limit else []
