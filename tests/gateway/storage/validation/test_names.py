"""What texts may look like. The full texts of complaints are recorded in test_validation.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.storage.validation import names

LONG = "a" * 300


@pytest.mark.parametrize(
    ("rule", "text", "complaints"),
    [
        (names.dns_subdomain, "a.b-1", 0),
        (names.dns_subdomain, "A", 1),
        (names.dns_subdomain, "a\n", 1),
        (names.dns_subdomain, LONG, 1),
        (names.dns_subdomain, LONG + "_", 2),
        (names.dns_label, "a-1", 0),
        (names.dns_label, "a.b", 1),
        (names.dns_label, "é", 1),
        (names.dns_label, LONG, 1),
        (names.wildcard_subdomain, "*.a.b", 0),
        (names.wildcard_subdomain, "a.b", 1),
        (names.path_segment, "system:a b", 0),
        (names.path_segment, "a/b%", 2),
        (names.path_segment, ".", 1),
        (names.config_key, ".x", 0),
        (names.config_key, "..x", 1),
        (names.config_key, "..", 1),
        (names.config_key, LONG, 1),
        (names.port_name, "http-1", 0),
        (names.port_name, "--", 3),
        (names.environment_name, "any thing:", 0),
        (names.environment_name, "a\tb", 1),
        (names.percentage, "25%", 0),
        (names.percentage, "25", 1),
    ],
)
def test_how_many_complaints_a_text_earns(rule: names.NameRule, text: str, complaints: int) -> None:
    assert len(rule(text)) == complaints, rule(text)


@pytest.mark.parametrize(
    ("text", "ip", "cidr"), [("1.2.3.4", 1, 0), ("::1", 1, 0), ("1.2.3.4/8", 0, 1), ("1.2.3.4/99", 0, 0), ("x", 0, 0)]
)
def test_addresses(text: str, ip: int, cidr: int) -> None:
    assert (names.is_ip(text), names.is_cidr(text)) == (bool(ip), bool(cidr))


@given(st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?-?", fullmatch=True))
def test_a_prefix_of_generated_names_may_end_with_a_dash(text: str) -> None:
    assert names.masked(names.dns_label)(text) == []


def test_a_prefix_follows_the_rule_otherwise() -> None:
    assert names.masked(names.dns_label)("Bad-") != []
    assert names.masked(names.dns_label)("-") != []
