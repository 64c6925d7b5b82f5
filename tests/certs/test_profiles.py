from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs.errors import CertsError
from certs.profiles import (
    AUTHORITY,
    BACKDATE,
    CLIENT,
    FRONT_PROXY,
    SERVING,
    UID_OID,
    CertificateProfile,
    CertificateRequest,
    Subject,
    extensions,
    general_name,
    key_problem,
    plan,
    read_subject,
    subject_problem,
)
from tests.certs.forge import MOMENT, name

HOUR = timedelta(hours=1)
ISSUER_END = MOMENT + timedelta(days=3650)
ALICE = Subject("alice", ("developers",))
FIRST_RSA_BITS = 2048


def found_extensions(profile: CertificateProfile, request: CertificateRequest) -> x509.Extensions:
    """What a certificate of the profile carries, as somebody who reads it finds it."""
    template = plan(profile, request, now=MOMENT, issuer_not_after=ISSUER_END)
    return x509.Extensions([x509.Extension(value.oid, critical, value) for value, critical in extensions(template)])


def test_a_client_certificate_is_for_client_authentication_alone() -> None:
    found = found_extensions(CLIENT, CertificateRequest(ALICE, HOUR))
    usages = found.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    constraints = found.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.value.ca, constraints.critical) == (False, True)
    assert not any(isinstance(extension.value, x509.SubjectAlternativeName) for extension in found)


def test_a_serving_certificate_is_for_its_names_alone() -> None:
    request = CertificateRequest(Subject("fleetgate"), HOUR, ("localhost", "::1", "localhost"))
    found = found_extensions(SERVING, request)
    usages = found.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.SERVER_AUTH]
    names = found.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [general_name("localhost"), general_name("::1")]


def test_an_authority_signs_certificates_but_no_further_authorities() -> None:
    template = plan(AUTHORITY, CertificateRequest(Subject("ca"), AUTHORITY.max_ttl), now=MOMENT, issuer_not_after=None)
    found = {type(extension): (extension, critical) for extension, critical in extensions(template)}
    assert found[x509.BasicConstraints] == (x509.BasicConstraints(ca=True, path_length=0), True)
    usage, critical = found[x509.KeyUsage]
    assert isinstance(usage, x509.KeyUsage)
    assert usage.key_cert_sign
    assert critical
    assert x509.ExtendedKeyUsage not in found


def test_validity_starts_in_the_past_and_ends_after_the_life_asked_for() -> None:
    now = MOMENT + timedelta(microseconds=600_000)
    template = plan(CLIENT, CertificateRequest(ALICE, HOUR), now=now, issuer_not_after=ISSUER_END)
    assert template.not_before == MOMENT - BACKDATE
    assert template.not_after == MOMENT + HOUR


def test_a_group_is_named_once() -> None:
    request = CertificateRequest(Subject("alice", ("b", "a", "b")), HOUR)
    assert plan(CLIENT, request, now=MOMENT, issuer_not_after=ISSUER_END).subject.groups == ("b", "a")


def test_nothing_outlives_its_issuer() -> None:
    end = MOMENT + timedelta(minutes=10)
    assert plan(CLIENT, CertificateRequest(ALICE, HOUR), now=MOMENT, issuer_not_after=end).not_after == end


def test_an_ended_issuer_signs_nothing() -> None:
    with pytest.raises(CertsError, match="certificate authority itself ended"):
        plan(CLIENT, CertificateRequest(ALICE, HOUR), now=MOMENT, issuer_not_after=MOMENT)


@pytest.mark.parametrize(
    ("profile", "request_", "words"),
    [
        (CLIENT, CertificateRequest(ALICE, timedelta(0)), "longer than zero"),
        (CLIENT, CertificateRequest(ALICE, timedelta(seconds=-1)), "longer than zero"),
        (CLIENT, CertificateRequest(ALICE, timedelta(days=30, seconds=1)), "lives 720h at most"),
        (CLIENT, CertificateRequest(ALICE, timedelta(days=9_999_999)), "lives 720h at most"),
        (CLIENT, CertificateRequest(ALICE, HOUR, ("localhost",)), "no DNS names"),
        (CLIENT, CertificateRequest(Subject(""), HOUR), "user '' is empty"),
        (CLIENT, CertificateRequest(Subject("alice", ("system:masters",)), HOUR), "'system:masters' is reserved"),
        (SERVING, CertificateRequest(Subject("fleetgate"), HOUR), "at least one DNS name"),
        (SERVING, CertificateRequest(Subject("fleetgate"), HOUR, ("no name",)), "neither a DNS name nor"),
        (FRONT_PROXY, CertificateRequest(ALICE, HOUR), "carries no groups and no UID"),
        (FRONT_PROXY, CertificateRequest(Subject("fleetgate", uid="1"), HOUR), "carries no groups and no UID"),
    ],
)
def test_what_a_profile_forbids_is_refused_in_words(
    profile: CertificateProfile, request_: CertificateRequest, words: str
) -> None:
    with pytest.raises(CertsError, match=words):
        plan(profile, request_, now=MOMENT, issuer_not_after=ISSUER_END)


def test_the_gateway_calls_members_under_a_name_alone() -> None:
    request = CertificateRequest(Subject("fleetgate"), HOUR)
    assert plan(FRONT_PROXY, request, now=MOMENT, issuer_not_after=ISSUER_END).profile.usages == (
        ExtendedKeyUsageOID.CLIENT_AUTH,
    )


@pytest.mark.parametrize(
    "subject",
    [
        Subject("alice"),
        Subject("Alice Müller", ("developers", "fleetgate:admins"), uid="1c2f"),
        Subject("alice@example.com", ("x" * 64,)),
        Subject("alice", uid="system:not-a-name"),
    ],
)
def test_ordinary_subjects_pass(subject: Subject) -> None:
    assert subject_problem(subject) is None


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        (Subject("system:admin"), "the user 'system:admin' is reserved"),
        (Subject("system:serviceaccount:a:b"), "reserved"),
        (Subject("alice", ("ok", "system:masters")), "the group 'system:masters' is reserved"),
        (Subject("alice", ("",)), "the group '' is empty"),
        (Subject("alice", uid=""), "the UID '' is empty"),
        (Subject("x" * 65), "longer than 64"),
        (Subject("admin\0evil"), "control characters"),
        (Subject("admin\nevil"), "control characters"),
        (Subject("ad\u202emin"), "control characters"),
        (Subject(" admin"), "space"),
        (Subject("alice", ("admins ",)), "space"),
    ],
)
def test_subjects_that_could_deceive_are_refused(subject: Subject, words: str) -> None:
    problem = subject_problem(subject)
    assert problem is not None
    assert words in problem


def test_a_subject_survives_the_way_into_a_name_and_back() -> None:
    subject = Subject("alice", ("b", "a"), "uid-1")
    assert read_subject(subject.to_name()) == subject
    assert read_subject(Subject("alice").to_name()) == Subject("alice")


def test_reading_a_subject_leaves_out_what_kubernetes_does_not_know() -> None:
    country = x509.NameAttribute(NameOID.COUNTRY_NAME, "CH")
    assert read_subject(x509.Name([country])) == Subject("")


@pytest.mark.parametrize(
    ("subject", "words"),
    [(name("a", "b"), "2 common names"), (name("a", uids=("1", "2")), "2 UIDs")],
)
def test_an_ambiguous_subject_names_nobody(subject: x509.Name, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_subject(subject)


def test_a_subject_attribute_that_is_no_text_names_nobody() -> None:
    odd = x509.NameAttribute(NameOID.X500_UNIQUE_IDENTIFIER, b"\x00\x01", _type=_ASN1Type.BitString)
    assert read_subject(x509.Name([odd])) == Subject("")
    group = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "x")
    object.__setattr__(group, "_value", b"x")
    with pytest.raises(ValueError, match=r"2\.5\.4\.10 is not text"):
        read_subject(x509.Name([group]))


def test_the_uid_stands_where_kubernetes_looks_for_it() -> None:
    (attribute,) = Subject("alice", uid="uid-1").to_name().get_attributes_for_oid(UID_OID)
    assert attribute.oid.dotted_string == "1.3.6.1.4.1.57683.2"


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP521R1()),
        ed25519.Ed25519PrivateKey.generate(),
        rsa.generate_private_key(65537, FIRST_RSA_BITS),
    ],
)
def test_strong_keys_pass(key: ec.EllipticCurvePrivateKey) -> None:
    assert key_problem(key.public_key(), rsa_bits=FIRST_RSA_BITS) is None


def test_weak_or_strange_keys_are_refused() -> None:
    small = rsa.generate_private_key(65537, 1024).public_key()
    assert key_problem(small, rsa_bits=FIRST_RSA_BITS) == "the RSA key has 1024 bits, at least 2048 are needed"
    odd_curve = ec.generate_private_key(ec.SECP256K1()).public_key()
    assert "secp256k1 is not accepted" in str(key_problem(odd_curve, rsa_bits=FIRST_RSA_BITS))
    odd_kind = dsa.generate_private_key(1024).public_key()
    assert "neither ECDSA" in str(key_problem(odd_kind, rsa_bits=FIRST_RSA_BITS))


@pytest.mark.parametrize("text", ["localhost", "*.example.com", "a-b.example", "10.0.0.1", "2001:db8::1"])
def test_names_and_addresses(text: str) -> None:
    assert str(general_name(text).value) == text


@pytest.mark.parametrize("text", ["", "-a", "a_b", "a..b", "a." * 130 + "b", "a.*", "https://x", "x:80", "mü.example"])
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(CertsError, match="neither a DNS name nor an IP address"):
        general_name(text)
