"""The certificate authority: a key on disk that signs what `profiles` allows, and remembers it in the index.

Neighbours: `keystore` guards the files, `index` remembers, `trust` says which authorities are accepted beside this one.
It never judges a certificate that is presented; that is `verification`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from certs.errors import CertsError
from certs.index import IssuedIndex, IssuedRecord
from certs.keystore import PkiDirectory, read_private, read_public, write_atomically
from certs.profiles import (
    AUTHORITY,
    CertificateProfile,
    CertificateRequest,
    CertificateTemplate,
    Subject,
    extensions,
    plan,
)
from certs.revocation import serial_text, write_revocations

SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """A certificate that was signed and recorded."""

    certificate: x509.Certificate
    record: IssuedRecord

    @property
    def pem(self) -> bytes:
        """The certificate, PEM encoded."""
        return to_pem(self.certificate)


class Authority:
    """Signs certificates. `now` returns seconds since the epoch."""

    def __init__(
        self, certificate: x509.Certificate, key: SigningKey, index: IssuedIndex, *, now: Callable[[], float]
    ) -> None:
        self.certificate = certificate
        self._key = key
        self._index = index
        self._now = now

    @property
    def pem(self) -> bytes:
        """The authority's own certificate, PEM encoded."""
        return to_pem(self.certificate)

    def issue(
        self, profile: CertificateProfile, request: CertificateRequest, public_key: CertificatePublicKeyTypes
    ) -> IssuedCertificate:
        """Sign a certificate for a key, after the index durably knows of it.

        Raises:
            CertsError: the profile forbids it, or the index could not be written.
        """
        now = datetime.fromtimestamp(self._now(), UTC)
        template = plan(profile, request, now=now, issuer_not_after=self.certificate.not_valid_after_utc)
        certificate = _sign(template, public_key, self.certificate, self._key)
        record = IssuedRecord(
            serial=serial_text(certificate.serial_number),
            profile=profile.name,
            user=template.subject.user,
            groups=template.subject.groups,
            uid=template.subject.uid,
            not_after=template.not_after,
            issued_at=now.replace(microsecond=0),
            fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        )
        self._index.append(record)
        return IssuedCertificate(certificate, record)


def open_authority(pki: PkiDirectory, *, now: Callable[[], float]) -> tuple[Authority, bool]:
    """Return the authority of a directory, creating it at first use, and whether it was created now.

    Raises:
        CertsError: the files are incomplete, damaged, open to others, or cannot be written.
    """
    pki.prepare()
    with pki.locked():
        created = not pki.ca_certificate.exists()
        if created:
            _create(pki, datetime.fromtimestamp(now(), UTC))
    return load_authority(pki, now=now), created


def load_authority(pki: PkiDirectory, *, now: Callable[[], float]) -> Authority:
    """Return the authority of a directory.

    Raises:
        CertsError: there is none, or its files are damaged, open to others, or do not belong together.
    """
    pki.require_authority()
    certificate = _parse_certificate(pki)
    key = _parse_key(pki)
    if certificate.public_key() != key.public_key():
        raise CertsError(f"{pki.ca_key} is not the key of {pki.ca_certificate}; restore the pair from a backup")
    return Authority(certificate, key, IssuedIndex(pki), now=now)


def new_key() -> ec.EllipticCurvePrivateKey:
    """Return a fresh key of the kind used throughout: ECDSA on P-256."""
    return ec.generate_private_key(ec.SECP256R1())


def key_to_pem(key: SigningKey) -> bytes:
    """Return a private key as unencrypted PKCS#8 PEM; the caller keeps it in a private file."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def to_pem(certificate: x509.Certificate) -> bytes:
    """Return a certificate, PEM encoded."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def _create(pki: PkiDirectory, now: datetime) -> None:
    if pki.ca_key.exists():
        raise CertsError(
            f"{pki.ca_key} exists without {pki.ca_certificate.name}; restore {pki.ca_certificate.name} from a backup, "
            f"or, if nothing was ever issued, remove {pki.ca_key} and try again"
        )
    # A name of its own for every authority keeps two of them apart while one replaces the other.
    subject = Subject(f"fleetgate-ca-{secrets.token_hex(4)}")
    template = plan(AUTHORITY, CertificateRequest(subject, AUTHORITY.max_ttl), now=now, issuer_not_after=None)
    key = new_key()
    certificate = _sign(template, key.public_key(), None, key)
    write_revocations(pki, {})
    write_atomically(pki.ca_key, key_to_pem(key))
    write_atomically(pki.ca_certificate, to_pem(certificate), mode=0o644)


def _sign(
    template: CertificateTemplate,
    public_key: CertificatePublicKeyTypes,
    issuer: x509.Certificate | None,
    key: SigningKey,
) -> x509.Certificate:
    subject = template.subject.to_name()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer is not None else subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(template.not_before)
        .not_valid_after(template.not_after)
    )
    for extension, critical in extensions(template):
        builder = builder.add_extension(extension, critical)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    if issuer is not None:
        builder = builder.add_extension(_authority_key(issuer, key), critical=False)
    return builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def _authority_key(issuer: x509.Certificate, key: SigningKey) -> x509.AuthorityKeyIdentifier:
    """Name the issuer's key as its own certificate does: OpenSSL finds no issuer under another name."""
    try:
        named = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(named)


def _parse_certificate(pki: PkiDirectory) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(read_public(pki.ca_certificate))
    except ValueError as error:
        raise CertsError(f"{pki.ca_certificate} is not a PEM certificate; restore it from a backup") from error


def _parse_key(pki: PkiDirectory) -> SigningKey:
    try:
        key = serialization.load_pem_private_key(read_private(pki.ca_key), password=None)
    except (ValueError, TypeError) as error:
        raise CertsError(f"{pki.ca_key} is not an unencrypted PEM key; restore it from a backup") from error
    if not isinstance(key, SigningKey):
        raise CertsError(f"{pki.ca_key} is neither an ECDSA, an RSA nor an Ed25519 key")
    return key
