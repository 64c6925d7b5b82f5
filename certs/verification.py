"""Whom a presented client certificate names, or why it names nobody (pure).

Neighbours: the gateway's x509 authenticator asks on every request, with the certificate of the connection; `trust` and
`revocation` supply what may change in between. The TLS layer lets through more than this (no key usage at all, any
subject, ended certificates, resumed sessions), so nothing may be concluded from a handshake alone.

What cannot change about a certificate (its signature, its contents) is judged once and kept; its time, its issuer and
its revocation are judged anew with every call.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from certs.errors import RevocationListError
from certs.profiles import key_problem, read_subject, subject_problem

_RSA_BITS = 2048
_KNOWN_CERTIFICATES = 4096
_STRONG_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_UNDERSTOOD_EXTENSIONS = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    }
)

_UNREADABLE = (
    ValueError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


class RefusalReason(StrEnum):
    """Why a certificate names nobody; stable words for answers, audit and metrics."""

    MALFORMED = "Malformed"
    WEAK = "WeakCryptography"
    NOT_FOR_CLIENTS = "NotForClients"
    SUBJECT = "SubjectRefused"
    UNKNOWN_ISSUER = "UnknownIssuer"
    NOT_YET_VALID = "NotYetValid"
    EXPIRED = "Expired"
    REVOKED = "Revoked"
    REVOCATION_UNKNOWN = "RevocationUnknown"


@dataclass(frozen=True, slots=True)
class CertificateRefusal:
    """A certificate that names nobody. The message is for logs and audit, not for the peer."""

    reason: RefusalReason
    message: str


@dataclass(frozen=True, slots=True)
class CertificateIdentity:
    """Whom a certificate names. `fingerprint` is the SHA-256 of its DER form, `not_after` seconds since the epoch."""

    user: str
    groups: tuple[str, ...]
    uid: str | None
    serial: int
    fingerprint: str
    not_after: float

    @property
    def credential_id(self) -> str:
        """The value Kubernetes records under `authentication.kubernetes.io/credential-id`."""
        return f"X509SHA256={self.fingerprint}"


class Revocations(Protocol):
    """What this module needs to know of a revocation list."""

    def is_revoked(self, serial: int) -> bool:
        """Say whether a serial number is revoked; raises RevocationListError when that is not known."""
        ...


@dataclass(frozen=True, slots=True)
class TrustedAuthorities:
    """The certificate authorities whose client certificates are accepted, as one immutable snapshot."""

    certificates: tuple[x509.Certificate, ...]
    fingerprints: frozenset[bytes] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fingerprints", frozenset(_fingerprint_of(each) for each in self.certificates))


@dataclass(frozen=True, slots=True)
class _Examined:
    """What stays true of a certificate. The window is the part of its life in which its issuer is valid as well."""

    identity: CertificateIdentity
    issuer: bytes
    not_before: float
    not_after: float


class ClientCertificateVerifier:
    """Judges client certificates, remembering what it found out about those it has seen."""

    def __init__(
        self,
        trust: Callable[[], TrustedAuthorities],
        revocations: Revocations,
        *,
        now: Callable[[], float],
    ) -> None:
        self._trust = trust
        self._revocations = revocations
        self._now = now
        # The only mutable state; refused certificates are not kept, so they cannot push out good ones.
        self._examined: dict[bytes, _Examined] = {}

    def verify(self, der: bytes) -> CertificateIdentity | CertificateRefusal:
        """Say whom a certificate (DER) names at this moment; cheap when it was seen before, so call it per request."""
        trusted = self._trust()
        examined = self._examined.get(der)
        if examined is None or examined.issuer not in trusted.fingerprints:
            # An issuer that went away may have come back under the same key: look again before refusing.
            found = _examine(der, trusted)
            if isinstance(found, CertificateRefusal):
                self._examined.pop(der, None)
                return found
            if len(self._examined) >= _KNOWN_CERTIFICATES:
                del self._examined[next(iter(self._examined))]
            examined = self._examined[der] = found
        return _judge(examined, self._revocations, self._now())


def _judge(examined: _Examined, revocations: Revocations, now: float) -> CertificateIdentity | CertificateRefusal:
    """What may differ from one request to the next."""
    identity = examined.identity
    if now < examined.not_before:
        return CertificateRefusal(RefusalReason.NOT_YET_VALID, f"the certificate of {identity.user!r} is not valid yet")
    if now > examined.not_after:
        return CertificateRefusal(RefusalReason.EXPIRED, f"the certificate of {identity.user!r} has expired")
    try:
        revoked = revocations.is_revoked(identity.serial)
    except RevocationListError as error:
        return CertificateRefusal(RefusalReason.REVOCATION_UNKNOWN, str(error))
    if revoked:
        return CertificateRefusal(RefusalReason.REVOKED, f"the certificate of {identity.user!r} is revoked")
    return identity


def _examine(der: bytes, trusted: TrustedAuthorities) -> _Examined | CertificateRefusal:
    """What never changes about a certificate, and who signed it."""
    with warnings.catch_warnings():
        # Odd encodings are refused below, in our own words; the library's warnings would only repeat it.
        warnings.simplefilter("ignore")
        try:
            certificate = x509.load_der_x509_certificate(der)
            if der[-len(certificate.signature) - 1]:
                # The count of bits that the signature, the last of a certificate, does not use; nothing signs it.
                return CertificateRefusal(RefusalReason.MALFORMED, "the signature does not end with a whole byte")
            return _examine_parsed(certificate, trusted)
        except _UNREADABLE as error:
            return CertificateRefusal(RefusalReason.MALFORMED, f"the certificate cannot be read: {error}")


def _examine_parsed(certificate: x509.Certificate, trusted: TrustedAuthorities) -> _Examined | CertificateRefusal:
    refusal = _content_refusal(certificate)
    if refusal is not None:
        return refusal
    subject = read_subject(certificate.subject)
    issuer = _issuer_of(certificate, trusted)
    if issuer is None:
        return CertificateRefusal(
            RefusalReason.UNKNOWN_ISSUER,
            f"no trusted authority signed the certificate (issuer {certificate.issuer.rfc4514_string()!r})",
        )
    problem = subject_problem(subject)
    if problem is not None:
        return CertificateRefusal(RefusalReason.SUBJECT, problem)
    return _Examined(
        identity=CertificateIdentity(
            user=subject.user,
            groups=subject.groups,
            uid=subject.uid,
            serial=certificate.serial_number,
            fingerprint=_fingerprint_of(certificate).hex(),
            not_after=certificate.not_valid_after_utc.timestamp(),
        ),
        issuer=_fingerprint_of(issuer),
        not_before=max(certificate.not_valid_before_utc, issuer.not_valid_before_utc).timestamp(),
        not_after=min(certificate.not_valid_after_utc, issuer.not_valid_after_utc).timestamp(),
    )


def _content_refusal(certificate: x509.Certificate) -> CertificateRefusal | None:
    """What the certificate itself says against its use, whoever signed it."""
    algorithm = certificate.signature_hash_algorithm
    if algorithm is not None and not isinstance(algorithm, _STRONG_HASHES):
        return CertificateRefusal(RefusalReason.WEAK, f"the certificate is signed with {algorithm.name}")
    problem = key_problem(certificate.public_key(), rsa_bits=_RSA_BITS)
    if problem is not None:
        return CertificateRefusal(RefusalReason.WEAK, problem)
    problem = _usage_problem(certificate.extensions)
    return None if problem is None else CertificateRefusal(RefusalReason.NOT_FOR_CLIENTS, problem)


def _usage_problem(extensions: x509.Extensions) -> str | None:
    usages: x509.ExtendedKeyUsage | None = None
    for extension in extensions:
        match extension.value:
            case x509.BasicConstraints(ca=True):
                return "the certificate is that of an authority"
            case x509.KeyUsage(digital_signature=False):
                return "the key is not meant for signatures"
            case x509.ExtendedKeyUsage() as usages:
                pass
            case _ if extension.critical and extension.oid not in _UNDERSTOOD_EXTENSIONS:
                return f"the critical extension {extension.oid.dotted_string} is not understood"
    if usages is None or ExtendedKeyUsageOID.CLIENT_AUTH not in usages:
        return "the certificate has no extended key usage for client authentication"
    return None


def _issuer_of(certificate: x509.Certificate, trusted: TrustedAuthorities) -> x509.Certificate | None:
    for candidate in trusted.certificates:
        try:
            certificate.verify_directly_issued_by(candidate)
        except (ValueError, TypeError, InvalidSignature):
            continue
        return candidate
    return None


def _fingerprint_of(certificate: x509.Certificate) -> bytes:
    return certificate.fingerprint(hashes.SHA256())
