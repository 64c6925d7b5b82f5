"""What texts may look like: names, keys, ports. A rule returns its complaints about a text, none if it is fine.

The texts are those of k8s.io/apimachinery `util/validation` and `api/validate/content`. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from ipaddress import ip_address, ip_network

from gateway.apimachinery.label_names import (
    LABEL_LIMIT,
    SUBDOMAIN,
    SUBDOMAIN_COMPLAINT,
    SUBDOMAIN_LIMIT,
    regex_complaint,
)

NameRule = Callable[[str], list[str]]

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_PORT_NAME_LIMIT = 15

PORT_RANGE = "must be between 1 and 65535, inclusive"
NOT_AN_IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"


def _too_long(limit: int) -> str:
    return f"must be no more than {limit} characters"


def _full(pattern: str, text: str) -> bool:
    return re.fullmatch(pattern, text, re.ASCII) is not None


_LABEL_COMPLAINT = regex_complaint(
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character",
    _LABEL,
    "my-name",
    "123-abc",
)
_CONFIG_KEY_COMPLAINT = regex_complaint(
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    "[-._a-zA-Z0-9]+",
    "key.name",
    "KEY_NAME",
    "key-name",
)
_PERCENT_COMPLAINT = regex_complaint(
    "a valid percent string must be a numeric string followed by an ending '%'", "[0-9]+%", "1%", "93%"
)
_WILDCARD_COMPLAINT = regex_complaint(
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
    "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
    rf"\*\.{SUBDOMAIN}",
    "*.example.com",
)
_ENVIRONMENT_COMPLAINT = (
    "a valid environment variable name must consist only of printable ASCII characters other than '='"
)


def dns_subdomain(text: str) -> list[str]:
    """Judge a name such as `web-1.example.com`: most kinds."""
    complaints = [_too_long(SUBDOMAIN_LIMIT)] if len(text.encode()) > SUBDOMAIN_LIMIT else []
    return complaints if _full(SUBDOMAIN, text) else [*complaints, SUBDOMAIN_COMPLAINT]


def dns_label(text: str) -> list[str]:
    """Judge a name without dots: namespaces, Services, containers."""
    complaints = [_too_long(LABEL_LIMIT)] if len(text.encode()) > LABEL_LIMIT else []
    if _full(_LABEL, text):
        return complaints
    return [*complaints, "must not contain dots" if _full(SUBDOMAIN, text) else _LABEL_COMPLAINT]


def wildcard_subdomain(text: str) -> list[str]:
    """Judge a host such as `*.example.com`."""
    return [] if _full(rf"\*\.{SUBDOMAIN}", text) else [_WILDCARD_COMPLAINT]


def path_segment(text: str) -> list[str]:
    """Judge a name that only has to fit into a URL: RBAC."""
    if text in {".", ".."}:
        return [f"may not be '{text}'"]
    return [f"may not contain '{character}'" for character in "/%" if character in text]


def config_key(text: str) -> list[str]:
    """Judge a key of a ConfigMap or Secret, which becomes a file name."""
    complaints = [_too_long(SUBDOMAIN_LIMIT)] if len(text.encode()) > SUBDOMAIN_LIMIT else []
    if not _full("[-._a-zA-Z0-9]+", text):
        complaints.append(_CONFIG_KEY_COMPLAINT)
    if text in {".", ".."}:
        complaints.append(f"must not be '{text}'")
    elif text.startswith(".."):
        complaints.append("must not start with '..'")
    return complaints


def port_name(text: str) -> list[str]:
    """Judge the name of a port as Pods and Services refer to it."""
    rules: Sequence[tuple[bool, str]] = (
        (len(text) > _PORT_NAME_LIMIT, _too_long(_PORT_NAME_LIMIT)),
        (not _full("[-a-z0-9]+", text), "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"),
        (re.search("[a-z]", text) is None, "must contain at least one letter (a-z)"),
        ("--" in text, "must not contain consecutive hyphens"),
        (text.startswith("-") or text.endswith("-"), "must not begin or end with a hyphen"),
    )
    return [complaint for broken, complaint in rules if broken]


def environment_name(text: str) -> list[str]:
    """Judge the name of an environment variable."""
    return [] if all(" " <= character <= "~" and character != "=" for character in text) else [_ENVIRONMENT_COMPLAINT]


def percentage(text: str) -> list[str]:
    """Judge a text such as `25%`."""
    return [] if _full("[0-9]+%", text) else [_PERCENT_COMPLAINT]


def is_ip(text: str) -> bool:
    """Whether a text is an IP address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def is_cidr(text: str) -> bool:
    """Whether a text is an address range; bits beyond the prefix may be set."""
    if "/" not in text:
        return False
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def masked(rule: NameRule) -> NameRule:
    """Turn a rule for names into one for `generateName`, which may end with a dash."""

    def judge(text: str) -> list[str]:
        return rule(f"{text[:-2]}a" if len(text) > 1 and text.endswith("-") else text)

    return judge
