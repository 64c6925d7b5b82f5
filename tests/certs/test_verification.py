from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from hypothesis import given
from hypothesis import strategies as st

from certs import verification
from certs.authority import Authority, new_key
from certs.errors import RevocationListError
from certs.profiles import CLIENT, FRONT_PROXY, SERVING, CertificateRequest, Subject
from certs.verification import (
    CertificateIdentity,
    CertificateRefusal,
    ClientCertificateVerifier,
    RefusalReason,
    TrustedAuthorities,
)
from tests.certs.conftest import Clock
from tests.certs.forge import (
    CLIENT_AUTH,
    MOMENT,
    NOW,
    SERVER_AUTH,
    ForgedAuthority,
    der,
    leaf,
    name,
)
from tests.certs.forge import authority as forge_authority
from tests.support.key_usage import key_usage

CA = forge_authority()
TRUSTED = TrustedAuthorities((CA.certificate,))
HOUR = timedelta(hours=1)


def attribute(oid: ObjectIdentifier, value: str) -> x509.NameAttribute[str]:
    return x509.NameAttribute(oid, value)


ONE_OF_TWO = x509.Name(
    [x509.RelativeDistinguishedName([attribute(NameOID.COMMON_NAME, "a"), attribute(NameOID.COMMON_NAME, "b")])]
)
DECORATED = x509.Name(
    [
        attribute(NameOID.COUNTRY_NAME, "DE"),
        attribute(NameOID.ORGANIZATION_NAME, "dev"),
        attribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "system:masters"),
        attribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "ops"),
        attribute(NameOID.COMMON_NAME, "alice"),
        attribute(NameOID.USER_ID, "root"),
        attribute(NameOID.EMAIL_ADDRESS, "root@example.com"),
    ]
)


class Revoked:
    """A revocation list in memory; `failure` makes it unreadable."""

    def __init__(self, *serials: int) -> None:
        self.serials = set(serials)
        self.failure: RevocationListError | None = None

    def is_revoked(self, serial: int) -> bool:
        if self.failure is not None:
            raise self.failure
        return serial in self.serials


def judged(
    content: bytes, trusted: TrustedAuthorities, revoked: Revoked, now: float
) -> CertificateIdentity | CertificateRefusal:
    """What is said of a certificate (DER) that was not seen before."""
    return ClientCertificateVerifier(lambda: trusted, revoked, now=lambda: now).verify(content)


def verify(certificate: x509.Certificate, now: float = NOW) -> CertificateIdentity | CertificateRefusal:
    return judged(der(certificate), TRUSTED, Revoked(), now)


def refusal(found: CertificateIdentity | CertificateRefusal) -> RefusalReason:
    assert isinstance(found, CertificateRefusal), found
    assert found.message
    return found.reason


def test_a_good_certificate_names_its_user() -> None:
    certificate = leaf(CA, name("alice", groups=("b", "a", "b"), uids=("uid-1",)), serial=0xABC)
    fingerprint = certificate.fingerprint(hashes.SHA256()).hex()
    found = verify(certificate)
    assert found == CertificateIdentity("alice", ("b", "a"), "uid-1", 0xABC, fingerprint, NOW + 3600)
    assert isinstance(found, CertificateIdentity)
    assert found.credential_id == f"X509SHA256={fingerprint}"


def test_what_our_own_authority_issues_is_accepted(authority: Authority) -> None:
    request = CertificateRequest(Subject("alice", ("fleetgate:admins",)), HOUR)
    issued = authority.issue(CLIENT, request, new_key().public_key())
    trusted = TrustedAuthorities((CA.certificate, authority.certificate))
    found = judged(der(issued.certificate), trusted, Revoked(), NOW)
    assert isinstance(found, CertificateIdentity)
    assert (found.user, found.groups, found.uid) == ("alice", ("fleetgate:admins",), None)


def test_our_own_serving_certificate_names_nobody(authority: Authority) -> None:
    request = CertificateRequest(Subject("fleetgate"), HOUR, ("localhost",))
    issued = authority.issue(SERVING, request, new_key().public_key())
    trusted = TrustedAuthorities((authority.certificate,))
    found = judged(der(issued.certificate), trusted, Revoked(), NOW)
    assert refusal(found) is RefusalReason.NOT_FOR_CLIENTS


def test_our_own_authority_names_nobody(authority: Authority) -> None:
    trusted = TrustedAuthorities((authority.certificate,))
    found = judged(der(authority.certificate), trusted, Revoked(), NOW)
    assert refusal(found) is RefusalReason.NOT_FOR_CLIENTS


@pytest.mark.parametrize(
    ("certificate", "reason"),
    [
        pytest.param(leaf(CA, name("a"), usages=SERVER_AUTH), RefusalReason.NOT_FOR_CLIENTS, id="serverAuth only"),
        pytest.param(leaf(CA, name("a"), usages=()), RefusalReason.NOT_FOR_CLIENTS, id="no usage at all"),
        pytest.param(
            leaf(CA, name("a"), usages=(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)),
            RefusalReason.NOT_FOR_CLIENTS,
            id="any usage",
        ),
        pytest.param(
            leaf(CA, name("a"), extensions=((x509.BasicConstraints(ca=True, path_length=None), True),)),
            RefusalReason.NOT_FOR_CLIENTS,
            id="an authority",
        ),
        pytest.param(
            leaf(CA, name("a"), extensions=((key_usage(digital_signature=False, key_cert_sign=True), True),)),
            RefusalReason.NOT_FOR_CLIENTS,
            id="key not for signatures",
        ),
        pytest.param(
            leaf(CA, name("a"), extensions=((x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\5\0"), True),)),
            RefusalReason.NOT_FOR_CLIENTS,
            id="unknown critical extension",
        ),
        pytest.param(leaf(CA, name("a"), key=rsa.generate_private_key(65537, 1024)), RefusalReason.WEAK, id="RSA 1024"),
        pytest.param(leaf(CA, name("a"), key=ec.generate_private_key(ec.SECP256K1())), RefusalReason.WEAK, id="curve"),
        pytest.param(leaf(CA, name("")), RefusalReason.SUBJECT, id="empty user"),
        pytest.param(leaf(CA, name(groups=("a",))), RefusalReason.SUBJECT, id="no user"),
        pytest.param(leaf(CA, name("a\0b")), RefusalReason.SUBJECT, id="NUL in the user"),
        pytest.param(leaf(CA, name("a", groups=("b\nc",))), RefusalReason.SUBJECT, id="line end in a group"),
        pytest.param(leaf(CA, name("a", uids=("",))), RefusalReason.SUBJECT, id="empty UID"),
        pytest.param(leaf(CA, name("system:admin")), RefusalReason.SUBJECT, id="system user"),
        pytest.param(leaf(CA, name("a", groups=("b", "system:masters"))), RefusalReason.SUBJECT, id="system:masters"),
        pytest.param(leaf(CA, name("a", groups=("system:nodes",))), RefusalReason.SUBJECT, id="system group"),
        pytest.param(leaf(CA, name("a" * 65)), RefusalReason.SUBJECT, id="long user"),
        pytest.param(leaf(CA, name("nimda\u202e")), RefusalReason.SUBJECT, id="turned writing direction"),
        pytest.param(leaf(CA, name("admin\u200b")), RefusalReason.SUBJECT, id="invisible character"),
        pytest.param(leaf(CA, name(" admin")), RefusalReason.SUBJECT, id="space before the user"),
        pytest.param(leaf(CA, name("a", groups=("",))), RefusalReason.SUBJECT, id="empty group"),
        pytest.param(leaf(CA, name("system:node:n1", groups=("system:nodes",))), RefusalReason.SUBJECT, id="a node"),
        pytest.param(leaf(CA, name("system:serviceaccount:shop:sa")), RefusalReason.SUBJECT, id="a service account"),
        pytest.param(leaf(CA, name("a", "b")), RefusalReason.MALFORMED, id="two users"),
        pytest.param(leaf(CA, ONE_OF_TWO), RefusalReason.MALFORMED, id="two users at one place"),
        pytest.param(leaf(CA, name("a", uids=("1", "2"))), RefusalReason.MALFORMED, id="two UIDs"),
        pytest.param(leaf(forge_authority(), name("a")), RefusalReason.UNKNOWN_ISSUER, id="same name, other key"),
        pytest.param(leaf(forge_authority("other"), name("a")), RefusalReason.UNKNOWN_ISSUER, id="other authority"),
        pytest.param(leaf(CA, name("a"), not_after=MOMENT - timedelta(seconds=1)), RefusalReason.EXPIRED, id="expired"),
        pytest.param(
            leaf(CA, name("a"), not_before=MOMENT + timedelta(seconds=1)), RefusalReason.NOT_YET_VALID, id="too early"
        ),
    ],
)
def test_what_names_nobody(certificate: x509.Certificate, reason: RefusalReason) -> None:
    assert refusal(verify(certificate)) is reason


def test_only_what_kubernetes_reads_of_a_subject_counts() -> None:
    found = verify(leaf(CA, DECORATED))
    assert isinstance(found, CertificateIdentity)
    assert (found.user, found.groups, found.uid) == ("alice", ("dev",), None)


def test_a_certificate_signed_by_its_own_key_names_nobody() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    itself = ForgedAuthority(leaf(CA, name("admin"), key=key), key)
    found = judged(der(leaf(itself, name("admin"), key=key)), TRUSTED, Revoked(), NOW)
    assert refusal(found) is RefusalReason.UNKNOWN_ISSUER


def test_a_client_certificate_signs_no_others() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    client = ForgedAuthority(leaf(CA, CA.certificate.subject, key=key), key)
    assert refusal(verify(leaf(client, name("admin")))) is RefusalReason.UNKNOWN_ISSUER


def test_a_certificate_signed_with_sha1_names_nobody() -> None:
    # The library no longer signs with SHA-1; the algorithm's number differs from SHA-256 with RSA in one byte.
    content = der(leaf(forge_authority("rsa", key=rsa.generate_private_key(65537, 2048)), name("a")))
    sha256_with_rsa, sha1_with_rsa = (bytes.fromhex("2a864886f70d0101") + last for last in (b"\x0b", b"\x05"))
    assert content.count(sha256_with_rsa) == 2
    found = judged(content.replace(sha256_with_rsa, sha1_with_rsa), TRUSTED, Revoked(), NOW)
    assert found == CertificateRefusal(RefusalReason.WEAK, "the certificate is signed with sha1")


@pytest.mark.parametrize(
    "certificate",
    [
        pytest.param(leaf(CA, name("a"), usages=SERVER_AUTH + CLIENT_AUTH), id="for servers and clients"),
        pytest.param(leaf(CA, name("a"), key=rsa.generate_private_key(65537, 2048)), id="RSA 2048"),
        pytest.param(leaf(CA, name("a"), key=ed25519.Ed25519PrivateKey.generate()), id="Ed25519"),
        pytest.param(
            leaf(CA, name("a"), extensions=((x509.SubjectAlternativeName([x509.DNSName("x")]), True),)),
            id="known critical extension",
        ),
        pytest.param(
            leaf(
                CA,
                name("a"),
                extensions=(
                    (x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\5\0"), False),
                    (x509.BasicConstraints(ca=False, path_length=None), True),
                    (key_usage(), True),
                ),
            ),
            id="unknown extension",
        ),
    ],
)
def test_what_does_not_speak_against_a_certificate(certificate: x509.Certificate) -> None:
    assert isinstance(verify(certificate), CertificateIdentity)


@pytest.mark.parametrize(("offset", "good"), [(-3601, False), (-3600, True), (3600, True), (3601, False)])
def test_validity_includes_both_ends(offset: int, good: bool) -> None:
    found = verify(leaf(CA, name("a")), NOW + offset)
    assert isinstance(found, CertificateIdentity) == good


def test_a_certificate_ends_with_its_issuer() -> None:
    short = forge_authority(not_after=MOMENT + timedelta(minutes=1))
    certificate = leaf(short, name("a"))
    trusted = TrustedAuthorities((short.certificate,))
    assert isinstance(judged(der(certificate), trusted, Revoked(), NOW), CertificateIdentity)
    later = judged(der(certificate), trusted, Revoked(), NOW + 61)
    assert refusal(later) is RefusalReason.EXPIRED


def test_a_chain_over_a_stolen_intermediate_leads_nowhere() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    constraints = x509.BasicConstraints(ca=True, path_length=0)
    intermediate = ForgedAuthority(leaf(CA, name("between"), key=key, extensions=((constraints, True),)), key)
    assert refusal(verify(leaf(intermediate, name("admin")))) is RefusalReason.UNKNOWN_ISSUER


def test_a_revoked_certificate_names_nobody() -> None:
    certificate = leaf(CA, name("a"), serial=7)
    found = judged(der(certificate), TRUSTED, Revoked(7), NOW)
    assert refusal(found) is RefusalReason.REVOKED


@pytest.mark.parametrize("content", [b"", b"\x30", b"x" * 1000, der(leaf(CA, name("a"))) + b"\0"])
def test_what_is_no_certificate_names_nobody(content: bytes) -> None:
    assert refusal(judged(content, TRUSTED, Revoked(), NOW)) is RefusalReason.MALFORMED


def test_bits_that_a_signature_leaves_unused_do_not_make_another_certificate_of_it() -> None:
    even = next(content for content in iter(lambda: der(leaf(CA, name("a"))), b"") if not content[-1] & 1)
    signature = x509.load_der_x509_certificate(even).signature
    changed = bytearray(even)
    changed[-len(signature) - 1] = 1
    assert x509.load_der_x509_certificate(bytes(changed)).signature == signature
    assert refusal(judged(bytes(changed), TRUSTED, Revoked(), NOW)) is RefusalReason.MALFORMED


GOOD = der(leaf(CA, name("alice", groups=("developers",), uids=("1",))))


@given(at=st.integers(0, len(GOOD) - 1), bit=st.integers(0, 7))
def test_no_changed_bit_leaves_an_identity(at: int, bit: int) -> None:
    changed = bytearray(GOOD)
    changed[at] ^= 1 << bit
    found = judged(bytes(changed), TRUSTED, Revoked(), NOW)
    assert isinstance(found, CertificateRefusal)


class TestRemembering:
    """A certificate seen before is cheap, and yet judged anew in all that can change."""

    def make(self, clock: Clock) -> None:
        self.clock = clock
        self.trusted = TRUSTED
        self.revoked = Revoked()
        self.verifier = ClientCertificateVerifier(lambda: self.trusted, self.revoked, now=clock)

    def test_contents_are_examined_once(self, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        self.make(clock)
        first = self.verifier.verify(GOOD)
        monkeypatch.setattr(verification, "_examine", None)
        assert self.verifier.verify(GOOD) == first
        assert isinstance(first, CertificateIdentity)

    def test_of_many_the_first_are_examined_again(self, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        self.make(clock)
        monkeypatch.setattr(verification, "_KNOWN_CERTIFICATES", 2)
        alice, bob, carol = (der(leaf(CA, name(user))) for user in ("alice", "bob", "carol"))
        first = [self.verifier.verify(each) for each in (alice, bob, carol)]
        assert [each.user for each in first if isinstance(each, CertificateIdentity)] == ["alice", "bob", "carol"]
        examined = CertificateRefusal(RefusalReason.MALFORMED, "looked at again")
        monkeypatch.setattr(verification, "_examine", lambda *_: examined)
        assert [self.verifier.verify(each) for each in (bob, carol)] == first[1:]
        assert self.verifier.verify(alice) is examined

    def test_time_goes_on(self, clock: Clock) -> None:
        self.make(clock)
        assert isinstance(self.verifier.verify(GOOD), CertificateIdentity)
        clock.time += 3601
        assert refusal(self.verifier.verify(GOOD)) is RefusalReason.EXPIRED

    def test_revocation_comes(self, clock: Clock) -> None:
        self.make(clock)
        identity = self.verifier.verify(GOOD)
        assert isinstance(identity, CertificateIdentity)
        self.revoked.serials.add(identity.serial)
        assert refusal(self.verifier.verify(GOOD)) is RefusalReason.REVOKED

    def test_an_unreadable_revocation_list_refuses_everybody(self, clock: Clock) -> None:
        self.make(clock)
        assert isinstance(self.verifier.verify(GOOD), CertificateIdentity)
        self.revoked.failure = RevocationListError("the list is damaged")
        found = self.verifier.verify(GOOD)
        assert found == CertificateRefusal(RefusalReason.REVOCATION_UNKNOWN, "the list is damaged")
        self.revoked.failure = None
        assert isinstance(self.verifier.verify(GOOD), CertificateIdentity)

    def test_an_authority_loses_trust_and_gets_it_back(self, clock: Clock) -> None:
        self.make(clock)
        assert isinstance(self.verifier.verify(GOOD), CertificateIdentity)
        self.trusted = TrustedAuthorities((forge_authority("other").certificate,))
        assert refusal(self.verifier.verify(GOOD)) is RefusalReason.UNKNOWN_ISSUER
        self.trusted = TRUSTED
        assert isinstance(self.verifier.verify(GOOD), CertificateIdentity)

    def test_an_authority_renewed_under_its_key_keeps_its_clients(self, clock: Clock) -> None:
        self.make(clock)
        assert isinstance(self.verifier.verify(GOOD), CertificateIdentity)
        renewed = forge_authority(not_after=MOMENT + timedelta(days=500), key=CA.key)
        self.trusted = TrustedAuthorities((renewed.certificate,))
        assert isinstance(self.verifier.verify(GOOD), CertificateIdentity)


def test_a_gateway_to_member_certificate_carries_no_rights_here(authority: Authority) -> None:
    issued = authority.issue(FRONT_PROXY, CertificateRequest(Subject("fleetgate"), HOUR), new_key().public_key())
    trusted = TrustedAuthorities((authority.certificate,))
    content = issued.certificate.public_bytes(serialization.Encoding.DER)
    found = judged(content, trusted, Revoked(), NOW)
    assert isinstance(found, CertificateIdentity)
    assert found.groups == ()
